package catalog_test

import (
	"errors"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/timestamp"
)

// TestStamp takes two versions through a batch and its renewal.
func TestStamp(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		begun := time.Now().UTC().Truncate(time.Millisecond)
		leaf := func(c catalog.Commit, b byte) catalog.StampLeaf {
			return catalog.StampLeaf{Subject: string(c.Record.ID), Version: 1, Digest: []byte{31: b}}
		}
		leaves := []catalog.StampLeaf{leaf(archive(t, f.tenant, "1"), 1), leaf(archive(t, f.tenant, "2"), 2)}
		view, ctx := f.tenant.View(), t.Context()

		waiting, err := view.Unstamped(ctx, "", 0, 10)
		must(t, err)
		q, err := view.StampQueue(ctx)
		must(t, err)
		if len(waiting) != 2 || q.Waiting != 2 || q.Oldest.IsZero() {
			t.Fatalf("%d wait, %+v", len(waiting), q)
		}

		first := catalog.Stamp{ID: preservation.NewID(begun), Kind: catalog.StampRecords, Digest: "SHA-256", Opened: begun}
		update(t, f, func(x *catalog.Tx) error {
			return errors.Join(x.OpenStamp(first), x.AddLeaves(first, leaves[:1]))
		})
		// A leaf that another stamp has is left out, a full stamp takes none.
		update(t, f, func(x *catalog.Tx) error {
			return errors.Join(x.AddLeaves(first, leaves), x.FillStamp(first.ID))
		})
		err = f.tenant.Update(ctx, func(x *catalog.Tx) error { return x.AddLeaves(first, leaves) })
		if !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("leaves for a full stamp: %v", err)
		}

		first.Nodes, first.Imprint, first.Token = []byte{31: 3}, []byte{31: 4}, []byte{5}
		first.Stamped, first.Expires = begun, begun.AddDate(5, 0, 0)
		first.Rests = []timestamp.Algorithm{{Name: "SHA-256"}}
		update(t, f, func(x *catalog.Tx) error {
			done, err := x.FinishStamp(first)
			if !done || err != nil {
				t.Errorf("finished: %v, %v", done, err)
			}
			again, err := x.FinishStamp(first)
			if again {
				t.Error("finished twice")
			}
			return errors.Join(err, x.SetStamped(first.ID, 0, 10), x.SetMarked(first.ID))
		})
		r, err := f.tenant.Record(ctx, preservation.RecordID(leaves[0].Subject))
		must(t, err)
		bare, err := view.Bare(ctx)
		must(t, err)
		if r.Evidence != "stamped" || len(bare) != 1 || bare[0].Stamps != 1 || !bare[0].Expires.Equal(first.Expires) || bare[0].Rests[0] != first.Rests[0] {
			t.Errorf("evidence %q, bare %+v", r.Evidence, bare)
		}

		renewal := catalog.Stamp{ID: preservation.NewID(begun.Add(time.Second)), Kind: catalog.StampTokens, Digest: "SHA-256", Opened: begun.Add(time.Second)}
		update(t, f, func(x *catalog.Tx) error {
			return errors.Join(x.OpenStamp(renewal), x.AddBare(renewal), x.FillStamp(renewal.ID))
		})
		renewal.Nodes, renewal.Imprint, renewal.Token, renewal.Stamped = first.Nodes, first.Nodes, first.Token, begun.Add(time.Second)
		update(t, f, func(x *catalog.Tx) error { _, err := x.FinishStamp(renewal); return err })
		got, err := view.Stamp(ctx, first.ID)
		must(t, err)
		places, err := view.StampPlaces(ctx, first.ID, 0)
		must(t, err)
		last, err := view.LastStamped(ctx)
		must(t, err)
		if got.Covered != renewal.ID || got.Leaves != 2 || got.State != catalog.StampDone || len(places) != 1 || places[0].Stamp != renewal.ID || !last.Equal(renewal.Stamped) {
			t.Errorf("%+v, at %+v, last %v", got, places, last)
		}

		// A hash-tree renewal takes both versions over, and nothing is bare under the old
		// algorithm any more.
		aged, err := view.Aged(ctx, "SHA-256", "", 0, 10)
		must(t, err)
		if len(aged) != 2 || aged[0].Stamp != first.ID {
			t.Fatalf("aged: %+v", aged)
		}
		tree := catalog.Stamp{ID: preservation.NewID(begun.Add(2 * time.Second)), Kind: catalog.StampRenewed, Digest: "SHA-512", Opened: begun.Add(2 * time.Second)}
		for i := range leaves {
			leaves[i].Before = aged[i].Stamp
		}
		update(t, f, func(x *catalog.Tx) (err error) {
			tree, err = x.OpenRenewal(tree)
			return errors.Join(err, x.AddLeaves(tree, leaves), x.FillStamp(tree.ID))
		})
		if !tree.Since.Equal(renewal.Stamped) {
			t.Errorf("since %s", tree.Since)
		}
		retire := func(want int64) {
			t.Helper()
			update(t, f, func(x *catalog.Tx) error {
				n, err := x.Retire("SHA-256")
				if n != want {
					t.Errorf("%d tokens retired, want %d", n, want)
				}
				return err
			})
		}
		retire(0)
		if ends, err := view.EndsBy(ctx, "SHA-512", tree.Since); !ends.IsZero() || err != nil { // the renewal names no end
			t.Errorf("ends %s, %v", ends, err)
		}
		if ends, err := view.EndsBy(ctx, "SHA-512", first.Stamped); !ends.Equal(first.Expires) || err != nil {
			t.Errorf("without the renewal: ends %s, %v", ends, err)
		}
		// Given up and begun again: both versions are with their batch in between.
		update(t, f, func(x *catalog.Tx) error { return x.DropStamp(tree.ID) })
		if aged, err := view.Aged(ctx, "SHA-256", "", 0, 10); len(aged) != 2 || aged[1].Stamp != first.ID || err != nil {
			t.Errorf("given up: %+v, %v", aged, err)
		}
		update(t, f, func(x *catalog.Tx) (err error) {
			tree, err = x.OpenRenewal(tree)
			return errors.Join(err, x.AddLeaves(tree, leaves), x.FillStamp(tree.ID))
		})
		if c, err := view.AgedCount(ctx, "SHA-256"); c.Versions != 2 || c.Bytes == 0 || err != nil {
			t.Errorf("under way: %+v, %v", c, err)
		}
		tree.Nodes, tree.Imprint, tree.Token, tree.Stamped = first.Nodes, first.Nodes, first.Token, begun.Add(2*time.Second)
		update(t, f, func(x *catalog.Tx) error { _, err := x.FinishStamp(tree); return err })
		if c, err := view.AgedCount(ctx, "SHA-256"); c.Versions != 0 || err != nil {
			t.Errorf("left: %+v, %v", c, err)
		}
		retire(1)
		if at, digest, err := view.Stamped(ctx, preservation.RecordID(leaves[0].Subject), 1); !at.Equal(first.Stamped) || digest != "SHA-512" || err != nil {
			t.Errorf("since %s under %s, %v", at, digest, err)
		}
		if _, _, err := view.Stamped(ctx, preservation.RecordID(leaves[0].Subject), 2); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("version 2: %v", err)
		}

		// What stands in the catalog stays as it is when the bucket tells of it again.
		update(t, f, func(x *catalog.Tx) error {
			return errors.Join(x.RestoreStamp(first), x.RestoreLeaves(first, 0, leaves))
		})
		if again, err := view.Stamp(ctx, first.ID); err != nil || again.State != catalog.StampDone || again.Covered != renewal.ID {
			t.Errorf("restored: %+v, %v", again, err)
		}
	})
}

func update(t *testing.T, f *fixture, do func(*catalog.Tx) error) {
	t.Helper()
	must(t, f.tenant.Update(t.Context(), do))
}
