package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// A version whose record is destroyed before it is stored must never reach the
// bucket: nobody would look for it there.
func TestLaterVersionOfDestroyedRecord(t *testing.T) {
	stop := errors.New("stop")
	for _, step := range []string{"", "freeze"} { // how far it had come; empty: it waited
		t.Run("after "+step, func(t *testing.T) {
			w := newWorkshop(t)
			w.equip(filepath.Join(t.TempDir(), "none"), "")
			first := w.process(w.submit("1", "a.html", "<html><body><p>Guten Tag</p></body></html>").ID)
			w.equip(verapdf.DefaultDir, "")
			if err := w.PDFA.Installed(); err != nil {
				w.without(err)
			}
			if err := w.Complete(t.Context(), w.tenant, catalog.Job{}); err != nil {
				t.Fatal(err)
			}
			open, err := w.tenant.Submissions(t.Context(), catalog.SubmissionFilter{Status: catalog.Received}, "", 1)
			if err != nil || len(open) != 1 {
				t.Fatal(open, err)
			}
			id := open[0].ID
			process := func() error {
				return w.Process(t.Context(), w.tenant, catalog.Job{Kind: "process", Key: string(id)})
			}
			if step != "" {
				w.Boundary = func(s string) error {
					if s == step {
						return stop
					}
					return nil
				}
				w.want("first attempt", process(), stop)
				w.Boundary = nil
			}
			update := func(f func(x *catalog.Tx) error) {
				t.Helper()
				if err := w.tenant.Update(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			update(func(x *catalog.Tx) error {
				return x.BeginDisposal(catalog.Disposal{Record: first.RecordID, ID: preservation.NewID(w.Now()), Phase: "intended", Permit: "p", Body: json.RawMessage(`{}`), Try: w.Now(), At: w.Now()})
			})
			var later *catalog.Later
			if err := process(); !errors.As(err, &later) {
				t.Fatalf("while it is being destroyed: %v", err)
			}
			update(func(x *catalog.Tx) error {
				return x.Destroy(catalog.Tombstone{Record: first.RecordID, Class: "10", Actor: "system", Destroyed: w.Now(), Versions: 1, Key: "evt/k.json"})
			})
			for range 2 { // the destruction may have ended the submission already
				if err = process(); err == nil {
					break
				}
			}
			if sub, serr := w.tenant.Submission(t.Context(), id); err != nil || serr != nil || sub.Status != catalog.Rejected {
				t.Errorf("%v, %v, %s", err, serr, sub.Status)
			}
			s, err := w.client.Bucket(t.Context(), string(w.tenant.ID()))
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Stat(context.Background(), preservation.PackageKey(first.RecordID, 2), "")
			w.want("version 2", err, preservation.ErrNotFound)
		})
	}
}
