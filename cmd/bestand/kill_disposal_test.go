package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// disposalSteps are the boundaries of a destruction in retention.Disposer, in order.
var disposalSteps = []string{"begun", "intent", "claimed", "one object", "purged", "elsewhere", "events", "buried", "done"}

// TestKilledInDisposal kills the service while it sets holds and releases them, and after
// every step of a destruction.
func TestKilledInDisposal(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the service 20 times")
	}
	t.Parallel()
	killDisposal(t, 5)
}

// TestFaultKillDisposal does so at many more moments of no meaning.
func TestFaultKillDisposal(t *testing.T) { killDisposal(t, faultRounds(t, 60)) }

// killDisposal has people dispose of records, some of which are held between approval
// and execution, and kills the service meanwhile: rounds times at any moment. What is
// held stays whole, and everything else is gone, told of once.
func killDisposal(t *testing.T, rounds int) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	in := install(t, "--lock-mode", string(preservation.Governance), "--dispose-max-share", "1")
	in.serve(t)
	o := newOffice(in.admin(t))
	// hurry has the next start not wait for what the dead process had taken.
	hurry := func() {
		t.Helper()
		in.endLeases(t)
		in.change(t, `UPDATE job SET run_at_ms = 0, attempt = 0 WHERE kind IN ('dispose-run', 'certify-run')`)
		in.change(t, `UPDATE disposal SET try_ms = 0`)
	}
	serve := func() {
		t.Helper()
		hurry()
		in.serve(t)
		o.officer.url, o.head.url, o.archivist.url = in.url, in.url, in.url
	}

	admin := in.admin(t)
	var subs, ids []string
	for i := range len(disposalSteps) + 2*rounds + 8 {
		id := fmt.Sprint("kill-", i)
		subs = append(subs, admin.send(about(id, leave, "Akte "+id, "closed", "2001-02-28"), file("daten.bin", blob(id))).accepted(t))
	}
	for _, s := range subs {
		ids = append(ids, admin.await(s).RecordID)
	}
	held, gone := ids[:16], ids[16:]
	eventually(t, "all are due", func() bool {
		return in.count(t, `SELECT COUNT(*) FROM record WHERE retention_state = 'due'`) == int64(len(ids))
	})
	var run disposalRun
	o.officer.post("/v1/disposals", map[string]any{"title": "2026/1", "classes": []string{"02"}}).want(t, 201).decode(t, &run)
	path, all := "/v1/disposals/"+run.ID, map[string]any{"all": true}
	o.officer.post(path+"/decisions", map[string]any{"decisions": []any{map[string]any{"scope": all, "decision": "V", "note": "ohne Wert"}}}).want(t, 200)
	o.officer.post(path+"/offer", map[string]any{"authority": "Kreisarchiv", "offered": today(t), "reference": "12/26"}).want(t, 200)
	o.archivist.post(path+"/answers", map[string]any{"answers": []any{map[string]any{"scope": all, "answer": "V", "note": "ohne Archivwert"}}}).want(t, 200)
	o.head.post(path+"/approval", nil).want(t, 200)

	var hold struct {
		ID       string
		Progress struct{ Total, Applied int }
	}
	o.officer.post("/v1/holds", map[string]any{"scope": map[string]any{"records": held}, "authority": "Amtsgericht", "reason": "Verfahren 3 C 12/24", "review": "2099-01-01"}).want(t, 201).decode(t, &hold)
	isHeld := func() int64 { return in.count(t, `SELECT COUNT(*) FROM record WHERE retention_state = 'held'`) }
	for _, some := range []int{0, 1 + random.IntN(len(held)/2)} {
		eventually(t, "some are held", func() bool { return isHeld() >= int64(some) })
		in.kill(t)
		t.Logf("killed with %d of %d records held", isHeld(), len(held))
		serve()
	}
	eventually(t, "the hold is set", func() bool { return isHeld() == int64(len(held)) })
	in.kill(t)

	for n, step := range disposalSteps {
		in.env = []string{killVariable + "=" + step}
		if hurry(); n == 0 {
			serve()
			o.officer.request("POST", path+"/execution", strings.NewReader(`{"grace_days": 0}`), "Content-Type", "application/json") // it may die before it has answered
		} else {
			in.start(t)
		}
		if code := in.wait(t, 2*time.Minute); code != -1 {
			t.Fatalf("%s: exit code %d, want death by signal", step, code)
		}
	}
	in.env = nil
	left := func() int64 {
		return in.count(t, `SELECT COUNT(*) FROM run_item WHERE state = 'open' AND record_id IN (SELECT id FROM record)`)
	}
	for range rounds {
		serve()
		time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
		in.kill(t)
		t.Logf("killed with %d records left", left())
	}
	serve()
	admin = in.admin(t)
	eventually(t, "nothing is left to destroy", func() bool { return left() == 0 })
	eventually(t, "the run has ended", func() bool { return admin.disposalRun(run.ID).Status == "completed" })
	for end := time.Now().Add(10 * time.Minute); in.count(t, `SELECT COUNT(*) FROM audit WHERE action = 'disposal.certified'`) == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("there is no certificate after ten minutes") // it is printed, converted and checked
		}
	}
	if n := admin.disposalRun(run.ID).Counts; n.Destroyed != int64(len(gone)) || n.Left != int64(len(held)) {
		t.Errorf("%+v, want %d destroyed and %d left", n, len(gone), len(held))
	}
	for _, id := range held {
		if s := admin.record(id).Retention.State; s != retention.Held {
			t.Errorf("record %s is %s", id, s)
		}
		admin.verified(id)
	}
	for query, want := range map[string]int{
		`SELECT COUNT(*) FROM tombstone`:                                           len(gone),
		`SELECT COUNT(*) FROM audit WHERE action = 'record.destroy'`:               len(gone),
		`SELECT COUNT(DISTINCT object) FROM audit WHERE action = 'record.destroy'`: len(gone),
		`SELECT COUNT(*) FROM audit WHERE action = 'disposal.completed'`:           1,
		`SELECT COUNT(*) FROM audit WHERE action = 'disposal.certified'`:           1,
		`SELECT COUNT(*) FROM record WHERE producer = 'bestand'`:                   1,
		`SELECT COUNT(*) FROM submission WHERE producer = 'bestand'`:               1,
	} {
		if n := in.count(t, query); n != int64(want) {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	in.settled(t, admin)
	in.stop(t)
	in.proof = map[string]bool{}
	for _, id := range gone {
		keys := in.keys(t, preservation.EventPrefix(preservation.RecordID(id)))
		if len(keys) != 2 {
			t.Errorf("%v stays of the destroyed record %s, want intent and tombstone", keys, id)
		}
		for _, key := range keys {
			in.proof[key] = true
		}
	}
	for key, object := range in.protection(t) {
		if id, _, ok := preservation.ParsePackageKey(key); ok && object.Hold != slices.Contains(held, string(id)) {
			t.Errorf("%s: legal hold %v", key, object.Hold)
		}
	}

	serve()
	o.officer.post("/v1/holds/"+hold.ID+"/release", map[string]any{"reason": "Verfahren beendet"}).want(t, 200)
	for _, some := range []int{len(held), len(held) - 1 - random.IntN(len(held)/2)} {
		eventually(t, "some are released", func() bool { return isHeld() <= int64(some) })
		in.kill(t)
		t.Logf("killed with %d of %d records held", isHeld(), len(held))
		serve()
	}
	eventually(t, "the hold is released", func() bool {
		o.officer.get("/v1/holds/"+hold.ID).want(t, 200).decode(t, &hold)
		return hold.Progress.Total == len(held) && hold.Progress.Applied == 0
	})
	in.settled(t, in.admin(t))
	in.stop(t)
	for key, object := range in.protection(t) {
		if object.Hold {
			t.Errorf("%s is on hold still", key)
		}
	}
	in.audit(t)
}
