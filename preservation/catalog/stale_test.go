package catalog_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestStaleWorker has a worker go on after its job was given to another one. What
// it says of the submission is not heard any more.
func TestStaleWorker(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := create(t, f.tenant, "1")
		began, takenOver := make(chan struct{}), make(chan struct{})
		said := map[string]error{}
		slept := make(chan struct{})
		second := make(chan error, 1)
		run(t, &catalog.Pool{DB: f.DB, Workers: 2, Handlers: map[string]catalog.Handler{
			catalog.JobProcess: func(_ context.Context, tn *catalog.Tenant, j catalog.Job) error {
				ctx := t.Context() // it does not even look whether it was told to stop
				if j.Attempt > 1 {
					err := errors.Join(tn.BeginProcessing(ctx, s.ID), tn.ResetSteps(ctx, s.ID), tn.AddSteps(ctx, s.ID, event(preservation.EventScan, f.Now())))
					close(takenOver)
					<-slept
					second <- errors.Join(err, tn.Freeze(ctx, s.ID, catalog.Frozen{Key: "second"}))
					return nil
				}
				close(began)
				<-takenOver
				said["begin"] = tn.BeginProcessing(ctx, s.ID)
				said["steps"] = tn.AddSteps(ctx, s.ID, event(preservation.EventConvert, f.Now()))
				said["reset"] = tn.ResetSteps(ctx, s.ID)
				said["freeze"] = tn.Freeze(ctx, s.ID, catalog.Frozen{Key: "first"})
				said["settle"] = tn.Settle(ctx, s.ID, catalog.Rejected, []preservation.Finding{{Code: "x"}})
				close(slept)
				return nil
			}}})
		<-began
		must(t, f.DB.TakeBack(t.Context()))
		if err := <-second; err != nil {
			t.Error(err)
		}
		for what, err := range said {
			if !errors.Is(err, catalog.ErrConflict) {
				t.Errorf("%s by the first attempt: %v", what, err)
			}
		}
		steps, err := f.tenant.Steps(t.Context(), s.ID)
		if err != nil || len(steps) != 2 || slices.ContainsFunc(steps, func(e preservation.Event) bool { return e.Type == preservation.EventConvert }) {
			t.Errorf("%+v %v", steps, err)
		}
	})
}
