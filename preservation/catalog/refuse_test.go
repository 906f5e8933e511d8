package catalog_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func TestRefuse(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		refuse := func(tn *catalog.Tenant, id preservation.SubmissionID) error {
			return tn.Refuse(ctx, id, "anna", "Schadprogramm", event(preservation.EventRefuse, f.Now()))
		}
		s := create(t, f.tenant, "1")
		if err := refuse(f.tenant, s.ID); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("refused before anybody looked: %v", err)
		}
		must(t, f.tenant.Settle(ctx, s.ID, catalog.Quarantined, []preservation.Finding{{Code: "infected", Severity: preservation.Failed}}))
		if err := refuse(f.other, s.ID); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("refused by another tenant: %v", err)
		}
		// Of two who decide at once one is too late.
		var mu sync.Mutex
		var wins, losses int
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				var err error
				if i%2 == 0 {
					err = refuse(f.tenant, s.ID)
				} else {
					err = f.tenant.Requeue(ctx, s.ID, false, "paul", "")
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					wins++
				case errors.Is(err, catalog.ErrConflict):
					losses++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if wins != 1 || losses != 7 {
			t.Fatalf("%d decisions, %d too late", wins, losses)
		}
		if got, err := f.tenant.Submission(ctx, s.ID); err != nil || got.Status == catalog.Received {
			must(t, err)
			must(t, f.tenant.BeginProcessing(ctx, s.ID))
			must(t, f.tenant.Settle(ctx, s.ID, catalog.Quarantined, got.Problems))
			must(t, refuse(f.tenant, s.ID))
		}
		got, err := f.tenant.Submission(ctx, s.ID)
		if err != nil || got.Status != catalog.Rejected || got.Problems[0].Code != catalog.CodeRefused || got.Problems[0].Detail != "Schadprogramm" {
			t.Errorf("%+v %v", got, err)
		}
		if _, err := f.tenant.JobOf(ctx, "report", string(s.ID)); err != nil {
			t.Errorf("no report: %v", err)
		}
		if log, err := f.tenant.AuditLog(ctx, 0, string(s.ID), 100); err != nil || log[len(log)-1].Action != "submission.refuse" || log[len(log)-1].Actor != "anna" || log[len(log)-1].Detail["reason"] != "Schadprogramm" {
			t.Error(log, err)
		}
		create(t, f.tenant, "1") // the producer's identifier is free again
	})
}

// What the store may hold already cannot be refused any more.
func TestRefuseTooLate(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		frozen := create(t, f.tenant, "frozen")
		must(t, f.tenant.BeginProcessing(ctx, frozen.ID))
		must(t, f.tenant.Freeze(ctx, frozen.ID, catalog.Frozen{Key: "k", Size: 1, SHA256: "aa"}))
		giveUp(t, f, frozen.ID)

		pkg := submission("package", f.Now())
		pkg.Package, pkg.RecordID = true, ""
		must(t, f.tenant.CreateSubmission(ctx, pkg))
		part := submission("part", f.Now())
		part.Parent = pkg.ID
		must(t, f.tenant.CreateSubmission(ctx, part))
		giveUp(t, f, pkg.ID)

		for _, id := range []preservation.SubmissionID{frozen.ID, pkg.ID} {
			err := f.tenant.Refuse(ctx, id, "anna", "zu spät", event(preservation.EventRefuse, f.Now()))
			if got, lookup := f.tenant.Submission(ctx, id); !errors.Is(err, catalog.ErrConflict) || lookup != nil || got.Status != catalog.Quarantined {
				t.Errorf("%v: %+v %v", err, got, lookup)
			}
		}
	})
}

// giveUp has the job of a submission fail for good.
func giveUp(t *testing.T, f *fixture, id preservation.SubmissionID) {
	t.Helper()
	for range 10 {
		jobs, err := f.Claim(t.Context(), "w", []string{catalog.JobProcess}, 10, time.Minute)
		must(t, err)
		for _, j := range jobs {
			if j.Key == string(id) {
				must(t, f.Fail(t.Context(), j, errors.New("broken"), true))
				return
			}
		}
	}
	t.Fatal("no job")
}
