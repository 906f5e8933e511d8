package catalog_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func TestFindings(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		stored := f.clock.Now()
		first, second := archive(t, f.tenant, "1").Record.ID, archive(t, f.tenant, "2").Record.ID
		f.clock.advance(time.Hour)
		now := f.clock.Now()
		waiting := func(before time.Time) []preservation.RecordID {
			ids, err := f.tenant.LeastChecked(t.Context(), before, 10)
			must(t, err)
			return ids
		}
		if ids := waiting(stored); len(ids) != 0 {
			t.Errorf("storing is a check: %v", ids)
		}
		if ids := waiting(now); len(ids) != 2 {
			t.Errorf("waiting %v", ids)
		}
		bad := preservation.Finding{Severity: preservation.Failed, Subject: "k", Code: "object-digest", Detail: "x"}
		worse := preservation.Finding{Severity: preservation.Failed, Subject: "k", Code: "object-size", Detail: "y"}
		note := func(failed ...preservation.Finding) (fresh []preservation.Finding) {
			must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) (err error) {
				if fresh, err = x.SetFindings(first, failed); err != nil {
					return err
				}
				return x.SetChecked(first, now)
			}))
			return fresh
		}
		if fresh := note(bad); len(fresh) != 1 {
			t.Errorf("fresh %v", fresh)
		}
		if fresh := note(bad, worse); len(fresh) != 1 || fresh[0] != worse {
			t.Errorf("fresh %v", fresh)
		}
		if ids := waiting(now); len(ids) != 1 || ids[0] != second {
			t.Errorf("waiting %v", ids)
		}
		damaged := func(before, until time.Time) []preservation.RecordID {
			ids, err := f.tenant.Damaged(t.Context(), before, until, 10)
			must(t, err)
			return ids
		}
		if ids := damaged(now.Add(time.Second), now); len(ids) != 1 || ids[0] != first {
			t.Errorf("damaged %v", ids)
		}
		// Out of turn: found after the look that was last.
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetChecked(first, stored) }))
		if ids := damaged(stored, now.Add(time.Hour)); len(ids) != 1 || ids[0] != first {
			t.Errorf("found since %v", ids)
		}
		if ids := damaged(stored, stored); len(ids) != 0 {
			t.Errorf("found in time to come %v", ids)
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetChecked(first, now.Add(time.Hour)) }))
		if ids := damaged(now, now.Add(time.Hour)); len(ids) != 0 {
			t.Errorf("looked at since %v", ids)
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetChecked(first, now) }))
		c, err := f.tenant.View().Checked(t.Context(), first)
		if err != nil || !c.At.Equal(now) || len(c.Findings) != 2 || c.Findings[0] != bad {
			t.Errorf("%+v %v", c, err)
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			_, err := x.AddFinding("", preservation.Finding{Subject: "er/x", Code: "object-missing"})
			return err
		}))
		if s, err := f.tenant.View().Fixity(t.Context()); err != nil || s.Records != 2 || s.Damaged != 1 || s.Findings != 3 || !s.Oldest.Equal(stored) || !s.Copy.IsZero() {
			t.Errorf("%+v %v", s, err)
		}
		note()
		if n, err := f.tenant.View().CountFindings(t.Context()); err != nil || n != 1 {
			t.Errorf("%d findings, %v", n, err)
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.DropFindings(now.Add(time.Second)) }))
		if s, err := f.tenant.View().Fixity(t.Context()); err != nil || s.Findings != 0 {
			t.Errorf("%+v %v", s, err)
		}
		if err := f.other.Update(t.Context(), func(x *catalog.Tx) error { return x.SetChecked(first, now) }); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("of another tenant: %v", err)
		}
	})
}

// A record whose package was not read is the next to be checked, in any version, and
// counts as no verified copy.
func TestUnread(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		stored := f.clock.Now()
		read, unread := commit(submission("1", stored), stored), commit(submission("2", stored), stored)
		unread.Unread, unread.Package.SHA256 = true, ""
		must(t, f.tenant.CommitRecords(t.Context(), read, unread))
		see := func(n int64, copies int, digest string, ids ...preservation.RecordID) {
			t.Helper()
			s, err := f.tenant.View().Fixity(t.Context())
			if err != nil || s.Records != 2 || s.Unread != n || !s.Oldest.Equal(stored) {
				t.Errorf("%+v %v", s, err)
			}
			if next, err := f.tenant.LeastChecked(t.Context(), stored, 10); err != nil || !slices.Equal(next, ids) {
				t.Errorf("next %v %v", next, err)
			}
			c, err := f.tenant.View().Checked(t.Context(), unread.Record.ID)
			if err != nil || c.At.IsZero() != (n > 0) {
				t.Errorf("%+v %v", c, err)
			}
			if have, _, err := f.tenant.View().Copies(t.Context(), unread.Record.ID); err != nil || have != copies {
				t.Errorf("%d copies, %v", have, err)
			}
			if o, err := f.tenant.Object(t.Context(), unread.Record.ID, unread.Package.Key); err != nil || o.SHA256 != digest {
				t.Errorf("%+v %v", o, err)
			}
		}
		see(1, 0, "", unread.Record.ID)
		if left, err := f.tenant.Undigested(t.Context(), "", 10); err != nil || len(left) != 1 || left[0].Key != unread.Package.Key {
			t.Errorf("%+v %v", left, err)
		}
		must(t, f.tenant.SetDigest(t.Context(), unread.Record.ID, unread.Package.Key, "aa"))
		must(t, f.tenant.SetDigest(t.Context(), unread.Record.ID, unread.Package.Key, "bb")) // it is known
		see(1, 0, "aa", unread.Record.ID)
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetChecked(unread.Record.ID, stored) }))
		see(0, 1, "aa")
		later := unread
		later.Record.Version, later.Package.Key, later.Package.Version = 2, unread.Package.Key+"2", 2
		must(t, f.tenant.CommitRecord(t.Context(), later))
		see(1, 0, "aa", unread.Record.ID)
	})
}

func TestCopiesDueByKey(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			return errors.Join(x.NeedCopy("evt/a/1.json"), x.NeedCopy("evt/a/2-copies.json"), x.NeedCopy("evt/ab/1.json"), x.NeedCopy("evt/a.json"))
		}))
		due, err := f.tenant.View().CopiesDueBelow(t.Context(), "evt/a/")
		if err != nil || len(due) != 2 || !due["evt/a/1.json"] || !due["evt/a/2-copies.json"] {
			t.Errorf("%v %v", due, err)
		}
		for key, want := range map[string]bool{"evt/a.json": true, "evt/b.json": false} {
			if is, err := f.tenant.View().CopyIsDue(t.Context(), key); err != nil || is != want {
				t.Errorf("%s: %t %v", key, is, err)
			}
		}
		if is, err := f.other.View().CopyIsDue(t.Context(), "evt/a.json"); err != nil || is {
			t.Errorf("of another tenant: %t %v", is, err)
		}
		add := func(code string) {
			must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
				_, err := x.AddFinding("", preservation.Finding{Severity: preservation.Failed, Subject: "k", Code: code})
				return err
			}))
		}
		add("copy-lock")
		add("lock-missing")
		f.clock.advance(time.Second)
		for _, c := range []struct {
			drop func(*catalog.Tx) error
			left int
		}{
			{func(x *catalog.Tx) error { return x.DropFindings(f.Now()) }, 1},
			{func(x *catalog.Tx) error { return x.DropFindings(f.Now()) }, 1},
			{func(x *catalog.Tx) error { return x.DropCopyFindings(f.Now()) }, 0},
		} {
			must(t, f.tenant.Update(t.Context(), c.drop))
			if found, err := f.tenant.View().Findings(t.Context(), ""); err != nil || len(found) != c.left {
				t.Errorf("%v %v, want %d", found, err, c.left)
			}
		}
	})
}

func TestCopies(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		id := archive(t, f.tenant, "1").Record.ID
		objects, err := f.tenant.Objects(t.Context(), id)
		must(t, err)
		record, key := preservation.RecordID(""), ""
		for range len(objects) + 1 { // in pages of one
			record, key, err = f.tenant.NeedCopies(t.Context(), record, key, 1)
			must(t, err)
		}
		if key != "" {
			t.Errorf("more objects than %d: %s", len(objects), key)
		}
		due, err := f.tenant.CopiesDue(t.Context(), 10)
		if err != nil || len(due) != len(objects) {
			t.Fatalf("due %v %v", due, err)
		}
		update := func(fn func(*catalog.Tx) error) { t.Helper(); must(t, f.tenant.Update(t.Context(), fn)) }
		update(func(x *catalog.Tx) error { return x.NeedCopy(due[0].Key) }) // comes while the first is under way
		update(func(x *catalog.Tx) error {
			for _, d := range due {
				if _, err := x.CopySeen(id, d.Key); err != nil {
					return err
				}
				if err := x.Copied(d); err != nil {
					return err
				}
			}
			return nil
		})
		again, err := f.tenant.CopiesDue(t.Context(), 10)
		if err != nil || len(again) != 1 || again[0].Key != due[0].Key || again[0].Turn != due[0].Turn+1 {
			t.Fatalf("due %v %v", again, err)
		}
		update(func(x *catalog.Tx) error {
			return x.CopyFailed(again[0], errors.New("away"), f.clock.Now().Add(time.Minute))
		})
		if now, err := f.tenant.CopiesDue(t.Context(), 10); err != nil || len(now) != 0 {
			t.Errorf("due %v %v", now, err)
		}
		if l, err := f.tenant.View().CopyLag(t.Context()); err != nil || l.Objects != 1 || l.Error != "away" || l.Since.IsZero() {
			t.Errorf("lag %+v %v", l, err)
		}
		f.clock.advance(2 * time.Minute)
		if now, err := f.tenant.CopiesDue(t.Context(), 10); err != nil || len(now) != 1 || now[0].Tries != 1 {
			t.Errorf("due %v %v", now, err)
		}
		if n, at, err := f.tenant.View().Copies(t.Context(), id); err != nil || n != 2 || at.IsZero() {
			t.Errorf("%d copies at %v: %v", n, at, err)
		}
		if ids, err := f.tenant.LeastCopyChecked(t.Context(), f.clock.Now(), 10); err != nil || len(ids) != 1 {
			t.Errorf("%v %v", ids, err)
		}
		update(func(x *catalog.Tx) error {
			return errors.Join(x.SetCopyChecked(id, f.clock.Now()), x.Replaced(id, due[0].Key, preservation.Object{VersionID: "v2", Modified: f.clock.Now()}))
		})
		if o, err := f.tenant.Object(t.Context(), id, due[0].Key); err != nil || o.VersionID != "v2" || o.Copied.IsZero() {
			t.Errorf("%+v %v", o, err)
		}
		if _, err := f.other.Object(t.Context(), id, due[0].Key); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("of another tenant: %v", err)
		}
		update(func(x *catalog.Tx) error { return x.ForgetCopies() })
		if n, _, err := f.tenant.View().Copies(t.Context(), id); err != nil || n != 1 {
			t.Errorf("%d copies: %v", n, err)
		}
	})
}
