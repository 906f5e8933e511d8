package ingest

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// cut is a store that has lost the end of everything.
type cut struct{ preservation.Store }

func (c cut) Open(ctx context.Context, key, version string, off, n int64) (io.ReadCloser, error) {
	r, err := c.Store.Open(ctx, key, version, off, n)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, 100), r}, nil
}

// TestLaterReceiptOfUnread: no receipt says that there are two copies before the first of
// them was read, by whoever made the catalog anew or since, and while something is wrong
// with it.
func TestLaterReceiptOfUnread(t *testing.T) {
	w := newWorkshop(t)
	w.equip(filepath.Join(t.TempDir(), "none"), "")
	w.SecondCopy = "zweit"
	var told []preservation.Event
	w.AddEvent = func(_ context.Context, _ *catalog.Tenant, _ preservation.RecordID, e preservation.EventObject) error {
		told = append(told, e.Event)
		return nil
	}
	sub := w.process(w.submit("1", "bescheid.txt", "Die Baugenehmigung wird erteilt.").ID)
	objects, err := w.tenant.Objects(t.Context(), sub.RecordID)
	if err != nil || sub.Status != catalog.Archived {
		t.Fatal(sub, err)
	}
	if err := w.tenant.Update(t.Context(), func(x *catalog.Tx) error {
		for _, o := range objects {
			if _, err := x.CopySeen(sub.RecordID, o.Key); err != nil {
				return err
			}
		}
		return x.SetChecked(sub.RecordID, time.Time{})
	}); err != nil {
		t.Fatal(err)
	}
	store := w.Store
	replicated := func(s func(context.Context, *catalog.Tenant) (preservation.Store, error), want int) {
		t.Helper()
		w.Store = s
		if err := w.Replicated(t.Context(), w.tenant, sub.RecordID, objects[0]); err != nil || len(told) != want {
			t.Errorf("%d receipts, want %d: %v", len(told), want, err)
		}
	}
	replicated(func(ctx context.Context, t *catalog.Tenant) (preservation.Store, error) {
		s, err := store(ctx, t)
		return cut{s}, err
	}, 0)
	replicated(store, 1)
	checked := func(wrong ...preservation.Finding) {
		t.Helper()
		if err := w.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			_, err := x.SetFindings(sub.RecordID, wrong)
			return errors.Join(err, x.SetChecked(sub.RecordID, w.Now()))
		}); err != nil {
			t.Fatal(err)
		}
	}
	checked(preservation.Finding{Code: "object-digest", Severity: preservation.Failed, Subject: objects[0].Key})
	replicated(store, 1)
	checked()
	replicated(nil, 2) // nothing is read again
}
