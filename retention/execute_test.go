package retention

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

const sickness = "02.20" // disposition B, five years from the end of the year

// everything is the scope of all records of a run.
var everything = Scope{All: true}

func (a *archive) propose(ids ...preservation.RecordID) Run {
	a.t.Helper()
	r, err := a.officer.ProposeRun(a.t.Context(), a.tenant, "2026/1", Selection{Records: ids}, "anna")
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

func (a *archive) decide(r Run, decision string, s Scope) {
	a.t.Helper()
	d := Appraisal{Scope: s, Decision: decision, Note: "bewertet"}
	if decision == Keep {
		d.Until = preservation.DateOf(a.now).AddDays(100)
	}
	if _, err := a.officer.DecideRun(a.t.Context(), a.tenant, r.ID, []Appraisal{d}, "anna"); err != nil {
		a.t.Fatal(err)
	}
}

// offered offers a run and notes an answer for all of it.
func (a *archive) offered(r Run, answer string) {
	a.t.Helper()
	_, err := a.officer.OfferRun(a.t.Context(), a.tenant, r.ID, Offer{Authority: "Kreisarchiv", Offered: preservation.DateOf(a.now), Reference: "12/26"}, "anna")
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.officer.AnswerRun(a.t.Context(), a.tenant, r.ID, []Appraisal{{Scope: everything, Decision: answer, Note: "AZ 7"}}, "anna"); err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) approve(r Run) {
	a.t.Helper()
	if _, err := a.officer.ApproveRun(a.t.Context(), a.tenant, r.ID, 0, "", "bernd"); err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) start(r Run, grace time.Duration) {
	a.t.Helper()
	if _, err := a.officer.StartRun(a.t.Context(), a.tenant, r.ID, grace, 0, "anna"); err != nil {
		a.t.Fatal(err)
	}
}

// approved is a run over records that are to be destroyed, approved and started.
func (a *archive) approved(ids ...preservation.RecordID) Run {
	a.t.Helper()
	r := a.propose(ids...)
	a.offered(r, "V")
	a.approve(r)
	a.start(r, 0)
	return r
}

// execute carries a run out as far as it goes now; waiting is fine.
func (a *archive) execute(r Run) {
	a.t.Helper()
	if err := a.tryExecute(r); err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) tryExecute(r Run) error {
	err := a.gate.ExecuteRun(a.t.Context(), a.tenant, catalog.Job{Kind: JobRun, Key: r.ID})
	var later *catalog.Later
	if errors.As(err, &later) {
		return nil
	}
	return err
}

func (a *archive) run(id string) (Run, RunCounts) {
	a.t.Helper()
	r, err := a.officer.Run(a.t.Context(), a.tenant, id)
	if err != nil {
		a.t.Fatal(err)
	}
	counts, err := a.tenant.View().CountItems(a.t.Context(), id)
	if err != nil {
		a.t.Fatal(err)
	}
	return r, Count(counts)
}

func (a *archive) item(r Run, id preservation.RecordID) catalog.RunItem {
	a.t.Helper()
	items, err := a.tenant.View().RunItems(a.t.Context(), catalog.ItemFilter{Run: r.ID, IDs: []preservation.RecordID{id}}, "", 1)
	if err != nil || len(items) != 1 {
		a.t.Fatalf("item %s: %v %v", id, items, err)
	}
	return items[0]
}

func (a *archive) wantRun(r Run, status RunStatus) {
	a.t.Helper()
	if now, n := a.run(r.ID); now.Status != status {
		a.t.Errorf("the run is %s, want %s: %+v, %+v", now.Status, status, n, now.Stop)
	}
}

func (a *archive) wantItem(r Run, id preservation.RecordID, state, reason string) {
	a.t.Helper()
	if i := a.item(r, id); i.State != state || !strings.Contains(i.Reason, reason) {
		a.t.Errorf("record %s is %s, %q; want %s, %q", id, i.State, i.Reason, state, reason)
	}
}

// dueRecords opens an archive with records of a class that are due and not locked.
func dueRecords(t *testing.T, n int, class string) (*archive, []preservation.RecordID) {
	t.Helper()
	a := newArchive(t, "2026-02-01")
	ids := make([]preservation.RecordID, n)
	for i := range ids {
		ids[i] = a.keep(a.metadata(class, "2012-07-31"))
	}
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	return a, ids
}

// TestAnswerSparesKept answers for all that was offered: what is kept longer was not.
func TestAnswerSparesKept(t *testing.T) {
	a, ids := dueRecords(t, 2, sickness)
	r := a.propose(ids...)
	a.decide(r, "V", everything)
	a.decide(r, Keep, Scope{Records: ids[1:]})
	for _, answer := range []string{"V", "A"} {
		a.offered(r, answer)
		if i := a.item(r, ids[0]); i.Decision != answer || i.Answer != answer {
			t.Errorf("what was offered: %+v", i)
		}
		if i := a.item(r, ids[1]); i.Decision != Keep || i.Answer != "" || i.Until.IsZero() || i.Note != "bewertet" {
			t.Errorf("what is kept longer: %+v", i)
		}
	}
	var bad Invalid
	_, err := a.officer.AnswerRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: Scope{Records: ids}, Decision: "V"}}, "Carla")
	if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Subject != "answers[0].scope.records[1]" || !strings.Contains(bad[0].Detail, "kept longer") {
		t.Errorf("an answer for a record that was not offered: %v", err)
	}
}

func TestRunLifecycle(t *testing.T) {
	a, ids := dueRecords(t, 4, sickness)
	young := a.keep(a.metadata(sickness, "2025-07-31"))
	a.evaluate()
	destroyed, kept, archived, copied := ids[0], ids[1], ids[2], ids[3]
	r := a.propose(append(ids, young, "01hzzzzzzzzzzzzzzzzzzzzzzz")...)
	if r.Status != RunDraft || r.Collecting {
		t.Errorf("%+v", r)
	}
	a.wantItem(r, young, catalog.ItemRefused, "its retention ends on 2030-12-31")
	a.wantItem(r, "01hzzzzzzzzzzzzzzzzzzzzzzz", catalog.ItemRefused, "no such record")
	other := a.propose(destroyed)
	a.wantItem(other, destroyed, catalog.ItemRefused, r.ID)
	if i := a.item(r, destroyed); i.Proposed != "B" || !i.Offer || i.Rule == "" || i.Ended.IsZero() {
		t.Errorf("%+v", i)
	}

	approve := func(who string, want error, said string) {
		t.Helper()
		_, err := a.officer.ApproveRun(t.Context(), a.tenant, r.ID, 0, "", who)
		if !errors.Is(err, want) || err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("approved by %s: %v, want %q", who, err, said)
		}
	}
	approve("bernd", catalog.ErrConflict, "4 of its records are not assessed")
	a.decide(r, "V", Scope{Classes: []string{"02"}})
	a.wantRun(r, RunDecided)
	approve("bernd", catalog.ErrConflict, "4 records that are to be destroyed have to be offered")
	if _, err := a.officer.OfferRun(t.Context(), a.tenant, r.ID, Offer{Authority: "Kreisarchiv", Offered: preservation.DateOf(a.now), Reference: "12/26"}, "Carla"); err != nil {
		t.Fatal(err)
	}
	a.wantRun(r, RunOffered)
	approve("bernd", catalog.ErrConflict, "it may until 2026-08-17")
	answer := func(decision string, ids ...preservation.RecordID) error {
		_, err := a.officer.AnswerRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: Scope{Records: ids}, Decision: decision}}, "Carla")
		return err
	}
	if err := answer(NoAnswer, destroyed); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("silence before the deadline: %v", err)
	}
	if err := errors.Join(answer("A", archived, copied), answer("V", kept)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: Scope{Records: []preservation.RecordID{archived}}, Decision: "V"}}, "anna"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("what the archive claimed was decided otherwise: %v", err)
	}
	a.decide(r, Keep, Scope{Records: []preservation.RecordID{kept}})
	a.now = day(t, "2026-08-18").In(berlin(t)).Add(12 * time.Hour)
	if err := answer(NoAnswer, destroyed); err != nil {
		t.Fatal(err)
	}
	approve("ANNA", ErrSamePerson, "another person")  // proposed and decided
	approve("carla", ErrSamePerson, "another person") // noted the answers
	if _, err := a.officer.ApproveRun(t.Context(), a.tenant, r.ID, 3, "", "bernd"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("approved as it was before: %v", err)
	}
	a.approve(r)
	approve("dora", catalog.ErrConflict, "it is approved") // two officers at once
	if _, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: everything, Decision: "V"}}, "anna"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("decided after the approval: %v", err)
	}
	a.gate.Gap = 300 * 24 * time.Hour
	a.dispose()
	a.execute(r)
	a.whole(destroyed)
	a.start(r, 7*24*time.Hour)
	a.execute(r)
	if a.state(destroyed) == "destroyed" {
		t.Fatal("destroyed in the grace period")
	}
	a.now = a.now.AddDate(0, 0, 7)
	a.execute(r)
	a.want(destroyed, "destroyed")
	a.whole(destroyed)
	a.wantItem(r, kept, catalog.ItemLeft, "kept until 2026-05-28: bewertet")
	a.wantRun(r, RunExecuting) // the archive has not acknowledged
	a.whole(archived)
	hand := func(id preservation.RecordID, own string) {
		t.Helper()
		a.export(r, id)
		_, _, err := a.officer.HandOver(t.Context(), a.tenant, r.ID, Scope{Records: []preservation.RecordID{id}},
			Handover{Receiver: "Kreisarchiv", Reference: "Ü 3/26", Acknowledged: preservation.DateOf(a.now), OwnCopy: own}, "bernd")
		if err != nil {
			t.Fatal(err)
		}
		a.execute(r)
	}
	hand(archived, "destroy")
	a.want(archived, "destroyed")
	a.wantRun(r, RunExecuting)
	hand(copied, "keep")
	a.evaluate()
	a.want(copied, "permanent")
	a.whole(copied)
	a.wantRun(r, RunCompleted)
	if e, err := a.officer.Evaluate(t.Context(), a.tenant, copied); err != nil || e.Trigger != OnTakeover || e.Disposition != Archive {
		t.Errorf("%+v %v", e, err)
	}
	stone, err := a.tenant.Tombstone(t.Context(), destroyed)
	if err != nil || stone.Run != r.ID || stone.Permit != "" || stone.Actor != "anna" || !strings.Contains(stone.Reason, "approved by bernd") || !strings.Contains(stone.Reason, "did not answer until 2026-08-17") {
		t.Errorf("%+v %v", stone, err)
	}
	a.restored(r)
}

// restored builds runs and items anew from the documents, and wants them as they were.
func (a *archive) restored(r Run) {
	a.t.Helper()
	before, counts := a.run(r.ID)
	items, err := a.tenant.View().RunItems(a.t.Context(), catalog.ItemFilter{}, "", 10000)
	if err != nil {
		a.t.Fatal(err)
	}
	a.forgetRuns()
	for range 2 { // once more changes nothing
		if err := RestoreRuns(a.t.Context(), a.tenant); err != nil {
			a.t.Fatal(err)
		}
	}
	after, recounted := a.run(r.ID)
	again, err := a.tenant.View().RunItems(a.t.Context(), catalog.ItemFilter{}, "", 10000)
	if fmt.Sprint(before) != fmt.Sprint(after) || counts != recounted || fmt.Sprint(items) != fmt.Sprint(again) || err != nil {
		a.t.Errorf("was %+v %+v\n%+v\nis %+v %+v\n%+v\n%v", before, counts, items, after, recounted, again, err)
	}
}

// forgetRuns loses what a rebuild has to bring back.
func (a *archive) forgetRuns() {
	a.t.Helper()
	a.behind(`DELETE FROM run_item`)
	a.behind(`DELETE FROM run`)
}

// TestRunCrash kills the gateway at every boundary of a run, with and without a hold
// or a stop that comes right then, and lets it go on.
func TestRunCrash(t *testing.T) {
	crash := errors.New("crash")
	ready := func(t *testing.T) (*archive, preservation.RecordID, Run) {
		a, ids := dueRecords(t, 2, sickness)
		r := a.propose(ids...)
		a.offered(r, "V")
		a.decide(r, Keep, Scope{Records: ids[1:]})
		a.approve(r)
		a.start(r, 0)
		return a, ids[0], r
	}
	var boundaries []string
	a, id, r := ready(t)
	a.gate.Boundary = func(at string) error { boundaries = append(boundaries, at); return nil }
	a.execute(r)
	a.want(id, "destroyed")
	a.wantRun(r, RunCompleted)
	if len(boundaries) < 9 {
		t.Fatalf("boundaries %q", boundaries)
	}
	for n, at := range boundaries {
		for _, event := range []string{"nothing", "hold", "stop"} {
			t.Run(fmt.Sprintf("%d %s %s", n, at, event), func(t *testing.T) {
				t.Parallel()
				a, id, r := ready(t)
				count := 0
				a.gate.Boundary = func(string) error {
					if count++; count == n+1 {
						return crash
					}
					return nil
				}
				if err := a.tryExecute(r); !errors.Is(err, crash) {
					t.Fatalf("%v, want the crash", err)
				}
				a.gate.Boundary = nil
				untouched := len(a.vault.keys(preservation.PackagePrefix(id))) == 1
				again := func() {
					t.Helper()
					for range 3 {
						a.now = a.now.Add(2 * time.Hour)
						a.job(a.gate.DisposeDue, keyReconsider)
						a.execute(r)
						a.evaluate()
					}
				}
				switch {
				case event == "hold" && a.state(id) != "destroyed":
					h := a.hold(Scope{Records: []preservation.RecordID{id}})
					a.evaluate()
					again()
					if untouched {
						a.want(id, "held")
						a.wantItem(r, id, catalog.ItemLeft, "it is held")
						a.wantRun(r, RunCompleted)
						a.whole(id)
						return
					}
					if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
						t.Fatal(err)
					}
					a.evaluate()
					a.now = a.now.AddDate(0, 0, 16)
				case event == "stop":
					if _, err := a.officer.StopRun(t.Context(), a.tenant, r.ID, "Rückfrage", "dora"); err != nil {
						t.Fatal(err)
					}
					again()
					a.wantRun(r, RunStopped)
					if untouched {
						a.want(id, "due")
						a.whole(id)
					}
					a.start(r, 0)
					a.now = a.now.AddDate(0, 0, 16) // called off leaves an event that is locked
				}
				again()
				a.want(id, "destroyed")
				a.whole(id)
				a.wantItem(r, id, catalog.ItemDestroyed, "")
				a.wantRun(r, RunCompleted)
				a.restored(r)
			})
		}
	}
}

// TestRunWaits has a run stop, and a hold come, while a record waits for its lock.
func TestRunWaits(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	held, other := a.keep(a.metadata(sickness, "2012-07-31")), a.keep(a.metadata(sickness, "2012-07-31"))
	a.night()
	r := a.approved(held, other)
	a.execute(r)
	a.want(held, "releasing")
	a.whole(held)
	until := a.now.AddDate(0, 0, 14).UTC().Truncate(time.Millisecond)
	a.behind(`UPDATE job SET run_at_ms = $1 WHERE kind = $2`, until.UnixMilli(), JobRun) // as the queue does with what ExecuteRun asks for
	running, _ := a.run(r.ID)
	if resumes, fault, err := a.officer.Resumes(t.Context(), a.tenant, running); err != nil || !resumes.Equal(until) || fault != "" {
		t.Errorf("goes on at %v, %q, %v, want %v", resumes, fault, err, until)
	}
	a.behind(`UPDATE job SET failures = 1, error = 'the object store is not available: refused' WHERE kind = $1`, JobRun)
	if resumes, fault, err := a.officer.Resumes(t.Context(), a.tenant, running); err != nil || !resumes.Equal(until) || fault != "the object store is not available: refused" {
		t.Errorf("goes on at %v, %q, %v, want %v", resumes, fault, err, until)
	}
	a.behind(`UPDATE job SET failures = 0, error = '' WHERE kind = $1`, JobRun)
	if _, err := a.officer.CancelRun(t.Context(), a.tenant, r.ID, "doch nicht", "dora"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("cancelled in the middle: %v", err)
	}
	if _, err := a.officer.StopRun(t.Context(), a.tenant, r.ID, "Rückfrage", "dora"); err != nil {
		t.Fatal(err)
	}
	a.job(a.gate.DisposeDue, keyReconsider)
	a.evaluate()
	a.want(held, "due")
	a.want(other, "due")
	a.execute(r)
	a.want(held, "due")
	a.start(r, 0)
	a.execute(r)
	a.want(held, "releasing")
	h := a.hold(Scope{Records: []preservation.RecordID{held}})
	a.now = a.now.AddDate(0, 0, 16)
	a.execute(r)
	a.evaluate()
	a.want(held, "held")
	a.want(other, "destroyed")
	a.whole(held)
	a.wantItem(r, held, catalog.ItemLeft, "it is held: "+h.ID)
	a.wantRun(r, RunCompleted)
}

// TestRunLimit lists no more records than were asked for, whatever is refused.
func TestRunLimit(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	for range 3 {
		a.keep(a.metadata(sickness, "2012-07-31"))
	}
	a.night()
	for _, c := range []struct{ limit, open int }{{2, 2}, {2, 1}, {1, 0}} {
		r, err := a.officer.ProposeRun(t.Context(), a.tenant, "", Selection{Classes: []string{sickness}, Limit: c.limit}, "anna")
		if err != nil {
			t.Fatal(err)
		}
		counts, err := a.tenant.View().CountItems(t.Context(), r.ID)
		if n := Count(counts).Open; err != nil || n != int64(c.open) || r.Collecting {
			t.Errorf("limit %d: %d open, want %d, %v", c.limit, n, c.open, err)
		}
	}
	for _, s := range []Selection{{Classes: []string{"63.10"}}, {Classes: []string{sickness}, DueBy: day(t, "2001-12-31")}} {
		if r, err := a.officer.ProposeRun(t.Context(), a.tenant, "", s, "anna"); !errors.As(err, new(Invalid)) || !strings.Contains(err.Error(), "due_by: nothing of "+s.Classes[0]+" is due by "+cmp.Or(s.DueBy, day(t, "2026-02-01")).String()) {
			t.Errorf("%+v: %+v, %v", s, r, err)
		}
	}
	if runs, err := a.officer.Runs(t.Context(), a.tenant, "", 10); err != nil || len(runs) != 3 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
	if _, err := a.officer.ProposeRun(t.Context(), a.tenant, "", Selection{Limit: 2}, "anna"); err == nil {
		t.Error("a limit alone names nothing")
	}
}

// TestRunLeavesOut has records change between approval and execution.
func TestRunLeavesOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		event  func(*archive, preservation.RecordID)
		reason string
	}{
		{"hold", func(a *archive, id preservation.RecordID) { a.hold(Scope{Records: []preservation.RecordID{id}}) }, "it is held"},
		{"new version", func(a *archive, id preservation.RecordID) { a.version(id, 2, a.metadata(sickness, "2012-07-31")) }, "new version"},
		{"rule", func(a *archive, _ preservation.RecordID) {
			s, err := a.officer.Schedule(a.t.Context(), a.tenant)
			if err != nil {
				a.t.Fatal(err)
			}
			rule := s.classes[sickness].rules[0]
			next := *rule
			next.Note, next.ValidFrom = "gelesen", preservation.Date{}
			if _, err := a.officer.AddRule(a.t.Context(), a.tenant, next, "anna"); err != nil {
				a.t.Fatal(err)
			}
		}, "another rule or date"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, ids := dueRecords(t, 1, sickness)
			r := a.propose(ids...)
			a.offered(r, "V")
			a.approve(r)
			c.event(a, ids[0])
			a.evaluate()
			a.start(r, 0)
			a.execute(r)
			a.whole(ids[0])
			a.wantItem(r, ids[0], catalog.ItemLeft, c.reason)
			a.wantRun(r, RunCompleted)
			a.restored(r)
		})
	}
}

// TestRunAgainstPermit: what people decide on, a standing permit does not destroy.
func TestRunAgainstPermit(t *testing.T) {
	a, ids := dueRecords(t, 2, contact)
	a.permit(contact)
	r := a.propose(ids[0])
	if i := a.item(r, ids[0]); i.Offer || i.Proposed != "V" {
		t.Errorf("%+v: the permit spares the offer", i)
	}
	a.dispose()
	a.want(ids[0], "due")
	a.want(ids[1], "destroyed")
	a.decide(r, Keep, everything)
	a.approve(r)
	a.start(r, 0)
	a.execute(r)
	a.wantRun(r, RunCompleted)
	a.dispose()
	a.evaluate()
	a.want(ids[0], "retention") // by the decision, until the day after
	e, err := a.officer.Evaluate(t.Context(), a.tenant, ids[0])
	if err != nil || e.Kept.Run != r.ID || e.DueFrom != e.Kept.Until.AddDays(1) || !e.End.Before(e.Kept.Until) {
		t.Errorf("%+v %v", e, err)
	}
	rows, err := a.officer.DueReport(t.Context(), a.tenant, 30)
	if err != nil || len(rows) != 1 || rows[0].Year != e.DueFrom.Year {
		t.Errorf("%+v %v", rows, err)
	}
	if code, why := againstErasure(&e, false); code != "duty-to-keep" || !strings.Contains(why, "as decided in the disposal run "+r.ID) {
		t.Errorf("%s %s", code, why)
	}
	again := a.propose(ids[0])
	a.wantItem(again, ids[0], catalog.ItemRefused, "it is kept until")
	a.pass("2026-06-01")
	a.gate.Gap = 365 * 24 * time.Hour
	a.dispose()
	a.now = a.now.AddDate(0, 0, 16)
	a.dispose()
	a.want(ids[0], "destroyed")
}

// TestKeptWithParts: what is kept longer and everything within it waits to be evaluated
// from then on, so that nobody takes its state of before for damage.
func TestKeptWithParts(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	var ids []preservation.RecordID
	for range 3 {
		m := a.metadata(sickness, "2012-07-31")
		if len(ids) > 0 {
			m.Parent = ids[len(ids)-1]
		}
		ids = append(ids, a.keep(m))
	}
	other := a.keep(a.metadata(sickness, "2012-07-31"))
	a.night()
	a.settle()
	r := a.propose(ids[0])
	a.decide(r, Keep, everything)
	a.approve(r)
	a.start(r, 0)
	a.execute(r)
	a.wantItem(r, ids[0], catalog.ItemLeft, "kept until")
	if n, err := a.tenant.View().CountRetentions(t.Context(), catalog.RetentionFilter{IDs: append(ids, other), Stale: true}); err != nil || n != 3 {
		t.Errorf("%d wait to be evaluated, %v", n, err)
	}
	a.evaluate()
	for _, id := range ids {
		a.want(id, "retention")
	}
	a.want(other, "due")
}

// TestAnsweredByMidnight: the archive may answer until its last day is over where the
// tenant is, at every step.
func TestAnsweredByMidnight(t *testing.T) {
	a, ids := dueRecords(t, 1, sickness)
	r := a.propose(ids...)
	a.decide(r, "V", everything)
	r, err := a.officer.OfferRun(t.Context(), a.tenant, r.ID, Offer{Authority: "Kreisarchiv", Offered: preservation.DateOf(a.now), Reference: "12/26"}, "anna")
	if err != nil {
		t.Fatal(err)
	}
	a.now = r.Offer.Deadline.AddDays(1).In(berlin(t)).Add(30 * time.Minute) // in UTC it is still the last day
	if _, err := a.officer.AnswerRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: everything, Decision: NoAnswer}}, "anna"); err != nil {
		t.Fatal(err)
	}
	a.approve(r)
	a.gate.Gap = 300 * 24 * time.Hour
	a.dispose()
	a.start(r, 0)
	a.execute(r)
	a.wantItem(r, ids[0], catalog.ItemDestroyed, "")
}

// TestRunStopsItself: unusually many records, a list that was changed, a clock that leapt.
func TestRunStopsItself(t *testing.T) {
	t.Run("number", func(t *testing.T) {
		a, ids := dueRecords(t, 3, sickness)
		a.gate.Floor = 2
		r := a.approved(ids...)
		a.execute(r)
		a.wantRun(r, RunStopped)
		stopped, _ := a.run(r.ID)
		if stopped.Stop.Asks != 3 || stopped.Stop.By != System {
			t.Errorf("%+v", stopped.Stop)
		}
		if _, err := a.officer.StartRun(t.Context(), a.tenant, r.ID, 0, 0, "anna"); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("went on without an answer: %v", err)
		}
		if _, err := a.officer.StartRun(t.Context(), a.tenant, r.ID, 0, 1000, "anna"); !errors.Is(err, catalog.ErrConflict) || !strings.Contains(err.Error(), "asks about 3") {
			t.Errorf("allowed more than it asks about: %v", err)
		}
		if _, err := a.officer.StartRun(t.Context(), a.tenant, r.ID, 0, 3, "clara"); err != nil {
			t.Fatal(err)
		}
		a.execute(r)
		a.wantRun(r, RunCompleted)
		c, err := a.officer.Certificate(t.Context(), a.tenant, r.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if said := c.Allowed(); len(said) != 1 || said[0].By != "clara" || said[0].Note != "3 records allowed although unusual" {
			t.Errorf("who allowed it: %+v", said)
		}
		a.want(ids[0], "destroyed")
	})
	t.Run("jump", func(t *testing.T) {
		a, ids := dueRecords(t, 3+6, sickness)
		a.gate.Floor, a.gate.Share, a.gate.Jump = 2, 1, 2
		for n := range 3 {
			r := a.approved(ids[n])
			a.execute(r)
			a.wantRun(r, RunCompleted)
		}
		r := a.propose(ids[3:]...)
		a.offered(r, "V")
		a.approve(r)
		if _, err := a.officer.StartRun(t.Context(), a.tenant, r.ID, 0, 6, "anna"); !errors.Is(err, catalog.ErrConflict) || !strings.Contains(err.Error(), "leave allow out") {
			t.Errorf("allowed in advance: %v", err)
		}
		a.start(r, 0)
		a.execute(r)
		a.wantRun(r, RunStopped)
		a.want(ids[3], "due")
	})
	for name, c := range map[string]struct{ statement, reason string }{
		"decision": {`UPDATE run_item SET decision = 'V' WHERE decision = 'K'`, "the list is not the one that was approved"},
		"answer":   {`UPDATE run_item SET answer = 'A' WHERE decision = 'V'`, "the list is not the one that was approved"},
	} {
		t.Run(name, func(t *testing.T) {
			a, ids := dueRecords(t, 2, sickness)
			r := a.propose(ids...)
			a.offered(r, "V")
			a.decide(r, Keep, Scope{Records: ids[:1]})
			a.approve(r)
			a.start(r, 0)
			a.behind(c.statement)
			a.execute(r)
			void, _ := a.run(r.ID)
			if void.Approval.By != "" || void.Status != RunOffered {
				t.Errorf("%+v", void)
			}
			for _, id := range ids {
				a.want(id, "due")
			}
		})
	}
	t.Run("approval in the catalog alone", func(t *testing.T) {
		a, ids := dueRecords(t, 1, sickness)
		r := a.propose(ids...)
		a.offered(r, "V")
		a.behind(`UPDATE run SET status = 'executing', body = replace(body, '"status":"offered"', '"status":"executing","approval":{"by":"bernd"},"execution":{"by":"anna"}')`)
		a.execute(r)
		a.want(ids[0], "due")
		a.wantRun(r, RunStopped)
	})
	t.Run("order to stop that is hidden", func(t *testing.T) {
		a, ids := dueRecords(t, 1, sickness)
		r := a.approved(ids...)
		row, err := a.tenant.View().Run(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.officer.StopRun(t.Context(), a.tenant, r.ID, "Rückfrage", "dora"); err != nil {
			t.Fatal(err)
		}
		if err := a.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetRun(row) }); err != nil {
			t.Fatal(err)
		}
		if err := a.tryExecute(r); err == nil { // its next revision is taken
			a.wantRun(r, RunStopped)
		}
		a.want(ids[0], "due")
	})
	t.Run("clock", func(t *testing.T) {
		a, ids := dueRecords(t, 1, sickness)
		a.dispose()
		r := a.approved(ids...)
		right := a.now
		a.now = right.Add(-time.Hour)
		a.execute(r)
		a.wantRun(r, RunExecuting) // its grace period is not over by this clock
		a.want(ids[0], "due")
		a.now = right.AddDate(10, 0, 0)
		a.execute(r)
		a.wantRun(r, RunStopped)
		a.want(ids[0], "due")
		a.now = right.Add(-time.Hour) // begun by a right clock, which then went back
		a.start(r, -2*time.Hour)
		a.execute(r)
		a.wantRun(r, RunStopped)
		a.want(ids[0], "due")
		a.now = right.Add(time.Minute)
		a.start(r, 0)
		a.execute(r)
		a.wantRun(r, RunCompleted)
		a.want(ids[0], "destroyed")
	})
}

// TestRunWholeFiles: parts go before their file, and none when one of them is kept.
func TestRunWholeFiles(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	file := func() []preservation.RecordID {
		top := a.keep(a.metadata(sickness, "2012-07-31"))
		part := a.metadata(sickness, "2012-07-31")
		part.Parent = top
		one := a.keep(part)
		part.Parent = one
		return []preservation.RecordID{top, one, a.keep(part)}
	}
	whole, torn, locked := file(), file(), file()
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	a.night()
	for _, o := range a.vault.objects {
		if strings.Contains(o.Key, string(whole[0])) || strings.Contains(o.Key, string(whole[1])) || strings.Contains(o.Key, string(whole[2])) {
			o.Lock.Until = a.now
		}
	}
	var all []preservation.RecordID
	all = append(append(append(all, whole...), torn...), locked...)
	r := a.approved(all...)
	a.hold(Scope{Records: torn[2:]})
	a.evaluate()
	a.execute(r)
	for _, id := range whole {
		a.want(id, "destroyed")
	}
	for _, id := range torn {
		a.whole(id)
		a.wantItem(r, id, catalog.ItemLeft, "")
	}
	a.want(locked[2], "releasing")
	a.want(locked[0], "due")
	for range 5 {
		a.now = a.now.AddDate(0, 0, 15)
		a.execute(r)
	}
	for _, id := range locked {
		a.want(id, "destroyed")
		a.wantItem(r, id, catalog.ItemDestroyed, "")
	}
	a.wantRun(r, RunCompleted)
}
