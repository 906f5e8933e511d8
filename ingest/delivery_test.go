package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"bestand/preservation/catalog"
)

func (w *workshop) sweep(later time.Duration) {
	w.Helper()
	w.later = later
	defer func() { w.later = 0 }()
	if err := w.Sweep(w.Context(), w.tenant, catalog.Job{Kind: "sweep"}); err != nil {
		w.Fatal(err)
	}
}

func TestSweep(t *testing.T) {
	const day = 25 * time.Hour
	t.Run("spares a delivery that is coming in", func(t *testing.T) {
		w := newWorkshop(t)
		d := w.begin("1")
		defer d.Abort(t.Context())
		w.file(d, "a.txt", "eins")
		w.sweep(day)
		w.file(d, "b.txt", "zwei")
		if _, created, err := d.Commit(t.Context()); err != nil || !created {
			t.Fatal(created, err)
		}
		w.sweep(day)
		if n := w.staged(); n != 2 {
			t.Errorf("%d files in staging after the sweep, want those of the accepted delivery", n)
		}
	})
	t.Run("removes what an interrupted delivery left", func(t *testing.T) {
		w := newWorkshop(t)
		w.file(w.begin("1"), "a.txt", "eins")
		w.Intake = &Intake{Staging: w.staging, Now: w.Now, Log: w.Log, Known: w.Intake.Known} // as after a restart
		w.sweep(23 * time.Hour)
		if n := w.staged(); n != 1 {
			t.Fatalf("%d files in staging before the day is over", n)
		}
		w.sweep(day)
		if n := w.staged(); n != 0 {
			t.Errorf("%d files in staging", n)
		}
	})
	// As on an installation of several nodes, where another one sweeps.
	t.Run("what it took away is not accepted", func(t *testing.T) {
		w := newWorkshop(t)
		d := w.begin("1")
		defer d.Abort(t.Context())
		w.file(d, "a.txt", "eins")
		w.Intake.received(d.sub.ID)
		w.sweep(day)
		w.file(d, "b.txt", "zwei")
		_, _, err := d.Commit(t.Context())
		w.want("commit", err, catalog.ErrConflict)
		_, err = w.tenant.SubmissionBySource(t.Context(), "dms", "1")
		w.want("submission", err, catalog.ErrNotFound)
	})
}

func TestAbort(t *testing.T) {
	w := newWorkshop(t)
	t.Run("removes what was staged", func(t *testing.T) {
		d := w.begin("1")
		w.file(d, "a.txt", "eins")
		d.Abort(t.Context())
		if n := w.staged(); n != 0 {
			t.Errorf("%d files in staging", n)
		}
	})
	// The transaction may stand although its answer was lost.
	t.Run("spares what the catalog knows", func(t *testing.T) {
		d := w.begin("2")
		w.file(d, "a.txt", "eins")
		if err := w.tenant.CreateSubmission(t.Context(), d.sub); err != nil {
			t.Fatal(err)
		}
		d.Abort(t.Context())
		if n := w.staged(); n != 1 {
			t.Errorf("%d files in staging", n)
		}
	})
	t.Run("leaves to the sweep what it cannot find out", func(t *testing.T) {
		d := w.begin("3")
		w.file(d, "a.txt", "eins")
		w.db.Close()
		d.Abort(t.Context())
		if n := w.staged(); n != 2 {
			t.Errorf("%d files in staging", n)
		}
	})
}

// A client that hangs up as soon as its last byte is sent must not leave a
// delivery of which nobody knows whether it was accepted.
func TestCommitOfAGoneClient(t *testing.T) {
	w := newWorkshop(t)
	ctx, hangUp := context.WithCancel(t.Context())
	d := w.begin("1")
	w.file(d, "a.txt", "eins")
	hangUp()
	_, _, err := d.Commit(ctx)
	d.Abort(ctx)
	sub, lookup := w.tenant.SubmissionBySource(t.Context(), "dms", "1")
	accepted, kept := lookup == nil, w.staged() == 1
	if accepted != kept || accepted != (err == nil) {
		t.Errorf("commit %v, submission %q, bytes kept %v", err, sub.ID, kept)
	}
}

// More files than a record takes are refused when they are handed in, whatever
// the configuration says.
func TestMaxFiles(t *testing.T) {
	w := newWorkshop(t)
	w.Intake.MaxFiles = 2 * MaxFiles
	_, err := w.Intake.Begin(t.Context(), w.tenant, "dms", Request{Files: make([]Announced, MaxFiles+1)})
	var bad *Invalid
	if !errors.As(err, &bad) || bad.Problems[0].Code != "too-many" {
		t.Error(err)
	}
}
