package retention

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/storetest"
)

// TestRunMeetsHolds carries a run out on a real store while holds come, before it and
// in the middle of it, and while some records are still locked. Each record is either
// gone or whole with a reason, and the counts of the run say so.
func TestRunMeetsHolds(t *testing.T) { runMeetsHolds(t, 60) }

// TestFaultRunMeetsHolds does so with many.
func TestFaultRunMeetsHolds(t *testing.T) {
	if os.Getenv("BESTAND_FAULT") != "1" {
		t.Skip("a campaign: set BESTAND_FAULT=1, or make fault")
	}
	runMeetsHolds(t, 2000)
}

func runMeetsHolds(t *testing.T, n int) {
	a := newArchive(t, "2026-02-01")
	a.now = time.Now() // the store has a clock of its own
	ids := make([]preservation.RecordID, n)
	for i := range ids {
		ids[i] = a.keep(a.metadata(sickness, "2012-07-31"))
	}
	a.evaluate()
	a.dispose()
	early, late, locked := ids[:n/10], ids[n-n/5:], ids[n/10:n/5]
	bucket := storetest.Bucket(t)
	for _, o := range a.vault.objects { // from memory to the real store, but for the locks
		o.Lock.Until = time.Now().Add(time.Second)
		if id, _, ok := preservation.ParsePackageKey(o.Key); ok && slices.Contains(locked, id) {
			o.Lock = preservation.Lock{Mode: preservation.Compliance, Until: a.now.Add(time.Hour)}
		}
		copyTo(t, bucket, o)
	}
	a.gate.Vault = func(context.Context, *catalog.Tenant) (Vault, error) { return bucket, nil }
	a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return bucket, nil }
	a.gate.Floor = n
	ctx := t.Context()
	time.Sleep(2 * time.Second) // until the short locks have run out
	a.now = time.Now()
	r := a.approved(ids...)
	a.hold(Scope{Records: early})

	var once sync.Once
	var all sync.WaitGroup
	var buried atomic.Int64
	a.gate.Boundary = func(at string) error { // in the middle of the run
		if at == "buried" && buried.Add(1) > int64(n/4) {
			once.Do(func() {
				for part := range slices.Chunk(late, (len(late)+2)/3) { // three officers at once
					all.Go(func() {
						h := Hold{Scope: Scope{Records: part}, Authority: "Amtsgericht", Reason: "Klage", Review: preservation.Date{Year: 2040, Month: 1, Day: 1}}
						if _, _, err := a.officer.SetHold(ctx, a.tenant, h, "dora"); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
			})
		}
		return nil
	}
	begin := time.Now()
	a.execute(r)
	took := time.Since(begin)
	a.evaluate()
	a.execute(r)
	a.wantRun(r, RunExecuting) // it goes on when the locks have run out

	now, counts := a.run(r.ID)
	got := map[string]int{}
	for _, id := range ids {
		keys, err := keysBelow(ctx, bucket, preservation.PackagePrefix(id))
		if err != nil {
			t.Fatal(err)
		}
		item, state := a.item(r, id), a.state(id)
		got[item.State+" "+state]++
		switch {
		case slices.Contains(early, id), slices.Contains(late, id) && item.State != catalog.ItemDestroyed:
			if item.State != catalog.ItemLeft || !strings.HasPrefix(item.Reason, "it is held: ") || state != "held" || len(keys) != 1 {
				t.Errorf("held record %s is %s, %+v, with packages %q", id, state, item, keys)
			}
		case slices.Contains(locked, id):
			w, err := a.tenant.View().Disposal(ctx, id)
			if err != nil || item.State != catalog.ItemOpen || state != "releasing" || len(keys) != 1 || !strings.Contains(w.Problem, "locked until") {
				t.Errorf("locked record %s is %s, %+v, %+v, %v, with packages %q", id, state, item, w, err, keys)
			}
		case item.State != catalog.ItemDestroyed || state != "destroyed" || len(keys) != 0:
			t.Errorf("record %s is %s, %+v, with packages %q", id, state, item, keys)
		}
		if o, err := bucket.Stat(ctx, preservation.PackageKey(id, 1), ""); len(keys) > 0 && (err != nil || o.Hold != (state == "held")) {
			t.Errorf("record %s is %s, and in the store %+v, %v", id, state, o, err)
		}
	}
	// What had begun when the holds came may have been too far to be called off: a page at most.
	if counts.Destroyed+counts.Left+counts.Open != int64(n) || counts.Open != int64(len(locked)) || counts.Left < int64(len(early)+min(len(late), max(0, n-n/4-batch))) || now.Revision == 0 {
		t.Errorf("%+v", counts)
	}
	t.Logf("%d records: %v; %.0f destroyed in a second", n, got, float64(counts.Destroyed)/took.Seconds())
}

// TestTwoOfficers has two people do the same at once. One of them does it, and the
// other one is told.
func TestTwoOfficers(t *testing.T) {
	a, ids := dueRecords(t, 12, sickness)
	r := a.propose(ids...)
	a.offered(r, "V")
	ctx := t.Context()
	both := func(what string, act func(who string) error) {
		t.Helper()
		var all sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			all.Go(func() { errs[i] = act(fmt.Sprintf("person-%d", i)) })
		}
		all.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if !errors.Is(err, catalog.ErrConflict) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if done != 1 {
			t.Errorf("%s: %d of %d did it", what, done, len(errs))
		}
	}
	approve := func(who string) error {
		_, err := a.officer.ApproveRun(ctx, a.tenant, r.ID, 0, "", who)
		return err
	}
	start := func(who string) error {
		_, err := a.officer.StartRun(ctx, a.tenant, r.ID, 0, 0, who)
		return err
	}
	stop := func(who string) error {
		_, err := a.officer.StopRun(ctx, a.tenant, r.ID, "Rückfrage", who)
		return err
	}
	both("approve", approve)
	both("withdraw", func(who string) error {
		_, err := a.officer.WithdrawRun(ctx, a.tenant, r.ID, "Irrtum", who)
		return err
	})
	both("approve again", approve)
	both("start", start)
	both("stop", stop)
	both("start again", start)
	var all sync.WaitGroup
	for range 3 { // as several replicas would
		all.Go(func() {
			if err := a.tryExecute(r); err != nil && !errors.Is(err, catalog.ErrConflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range 3 {
		a.now = a.now.Add(time.Hour)
		a.execute(r)
	}
	a.wantRun(r, RunCompleted)
	for _, id := range ids {
		a.want(id, "destroyed")
	}
	log, err := a.tenant.AuditLog(ctx, 0, r.ID, 1000)
	if err != nil {
		t.Fatal(err)
	}
	acts := map[string]int{}
	for _, e := range log {
		acts[e.Action]++
	}
	for act, want := range map[string]int{"disposal.approved": 2, "disposal.withdrawn": 1, "disposal.started": 2, "disposal.stopped": 1, "disposal.begun": 1, "disposal.completed": 1} {
		if acts[act] != want {
			t.Errorf("%s: %d times, want %d", act, acts[act], want)
		}
	}
}
