package catalog_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func document(name string, version int) catalog.Document {
	return catalog.Document{Kind: "rule", Name: name, Version: version, Key: fmt.Sprintf("cfg/%s-%d.json", name, version), Body: json.RawMessage(fmt.Sprintf(`{"v":%d}`, version)), Actor: "a", At: 5}
}

func TestDocuments(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		add := func(d catalog.Document) error {
			return f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.AddDocument(d) })
		}
		for _, d := range []catalog.Document{document("b", 1), document("a", 1), document("a", 2)} {
			must(t, add(d))
		}
		var conflict *catalog.DocumentConflict
		if err := add(document("a", 2)); !errors.As(err, &conflict) || !errors.Is(err, catalog.ErrConflict) || conflict.Version != 2 {
			t.Error(err)
		}
		v := f.tenant.View()
		if d, err := v.Document(t.Context(), "rule", "a", 0); err != nil || d.Version != 2 || string(d.Body) != `{"v":2}` {
			t.Error(d, err)
		}
		if d, err := v.Document(t.Context(), "rule", "a", 1); err != nil || d.Version != 1 {
			t.Error(d, err)
		}
		if _, err := v.Document(t.Context(), "rule", "a", 3); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		if all, err := v.Documents(t.Context(), "rule"); err != nil || len(all) != 2 || all[0].Name != "a" || all[0].Version != 2 || all[1].Name != "b" {
			t.Error(all, err)
		}
		if all, err := f.other.View().Documents(t.Context(), "rule"); err != nil || len(all) != 0 {
			t.Error(all, err)
		}
		if left, err := v.UnstoredDocuments(t.Context(), 10); err != nil || len(left) != 3 || left[0].Key != "cfg/a-1.json" {
			t.Error(left, err)
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			return errors.Join(x.DocumentStored("cfg/a-1.json"), x.DocumentStored("cfg/a-2.json"), x.RestoreDocument(document("a", 2)), x.RestoreDocument(document("c", 1)))
		}))
		if left, err := v.UnstoredDocuments(t.Context(), 10); err != nil || len(left) != 1 || left[0].Name != "b" {
			t.Error(left, err)
		}
		if _, err := f.tenant.JobOf(t.Context(), "configure", "store"); err != nil {
			t.Error(err)
		}
	})
}

// Of those who write the next version at once, one wins.
func TestDocumentRace(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				err := f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.AddDocument(document("a", 1)) })
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, catalog.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d won", won.Load())
		}
	})
}

// Two that lock the same name do not pass each other.
func TestLockExcludes(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				must := func(err error) {
					if err != nil {
						t.Error(err)
					}
				}
				must(f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
					if err := x.Lock("plan"); err != nil {
						return err
					}
					v, err := x.View().Cursor(t.Context(), "n")
					time.Sleep(time.Millisecond)
					return errors.Join(err, x.SetCursor("n", v+"x"))
				}))
			})
		}
		wg.Wait()
		if v, err := f.tenant.View().Cursor(t.Context(), "n"); err != nil || v != "xxxxxxxxxx" {
			t.Error(v, err)
		}
	})
}

func TestRetentions(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		file := archive(t, f.tenant, "1").Record.ID
		part := archive(t, f.tenant, "2", func(m *preservation.Metadata) { m.Parent = file }).Record.ID
		v := f.tenant.View()
		count := func(filter catalog.RetentionFilter) int64 {
			t.Helper()
			n, err := v.CountRetentions(t.Context(), filter)
			must(t, err)
			list, err := v.Retentions(t.Context(), filter, "", 100)
			if err != nil || int64(len(list)) != n {
				t.Errorf("counts %d, lists %d (%v)", n, len(list), err)
			}
			return n
		}
		if n := count(catalog.RetentionFilter{Stale: true}); n != 2 {
			t.Errorf("%d are to be evaluated", n)
		}
		_, before, err := f.tenant.Changes(t.Context(), "", 100)
		must(t, err)
		due := preservation.Date{Year: 2026, Month: 3, Day: 1}
		e := catalog.Evaluation{State: "due", Rule: "r@1", Trigger: "closure", Start: due.AddDays(-100), End: due.AddDays(-1), Due: due, Body: json.RawMessage(`{"x":1}`), Evaluated: f.Now()}
		for range 2 { // the same evaluation again is no change
			must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetEvaluation(file, e) }))
		}
		if changes, _, err := f.tenant.Changes(t.Context(), before, 100); err != nil || len(changes) != 1 {
			t.Error(changes, err)
		}
		r, err := v.Retention(t.Context(), file)
		if err != nil || r.Last.State != "due" || r.Last.End != e.End || r.Last.Due != due || string(r.Last.Body) != `{"x":1}` || r.Subjects[0].Name != "Muster, Erika" {
			t.Error(r, err)
		}
		for name, c := range map[string]struct {
			filter catalog.RetentionFilter
			want   int64
		}{
			"stale":          {catalog.RetentionFilter{Stale: true}, 1},
			"due today":      {catalog.RetentionFilter{DueBy: due}, 1},
			"due yesterday":  {catalog.RetentionFilter{DueBy: due.AddDays(-1)}, 0},
			"state":          {catalog.RetentionFilter{States: []string{"due", "held"}, Status: "live"}, 1},
			"class":          {catalog.RetentionFilter{Classes: []string{"63.10"}}, 2},
			"lock":           {catalog.RetentionFilter{LockBefore: f.Now().AddDate(0, 0, 91)}, 2},
			"earlier lock":   {catalog.RetentionFilter{LockBefore: f.Now().AddDate(0, 0, 90)}, 0},
			"one of several": {catalog.RetentionFilter{IDs: []preservation.RecordID{part, "x"}}, 1},
		} {
			if n := count(c.filter); n != c.want {
				t.Errorf("%s: %d, want %d", name, n, c.want)
			}
		}
		if n := count(catalog.RetentionFilter{Parent: file}); n != 1 {
			t.Errorf("%d parts", n)
		}
		g := catalog.Trigger{ID: preservation.NewID(f.Now()), Record: file, Type: "closure", Date: due, At: f.Now(), Actor: "a", Key: "k"}
		for range 2 {
			must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.AddTrigger(g) }))
		}
		if all, err := v.Triggers(t.Context(), file, part); err != nil || len(all) != 1 || len(all[file]) != 1 || all[file][0] != g {
			t.Error(all, err)
		}
		if n := count(catalog.RetentionFilter{Stale: true}); n != 2 {
			t.Errorf("a trigger makes stale: %d", n)
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			return errors.Join(x.MarkStale(catalog.RetentionFilter{IDs: []preservation.RecordID{file}}), x.SetLock(file, preservation.Lock{Mode: preservation.Governance, Until: f.Now()}))
		}))
		if r, err := v.Retention(t.Context(), file); err != nil || !r.LockUntil.Equal(f.Now()) || r.LockMode != preservation.Governance {
			t.Error(r, err)
		}
	})
}

// TestWithin: whatever the pages are, each part comes once, in order.
func TestWithin(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var files []preservation.RecordID
		var want []catalog.Part
		for i := range 4 {
			file := archive(t, f.tenant, fmt.Sprint(i)).Record.ID
			files = append(files, file)
			for n := range []int{5, 0, 1, 3}[i] {
				part := archive(t, f.tenant, fmt.Sprint(i, n), func(m *preservation.Metadata) { m.Parent = file }).Record
				want = append(want, catalog.Part{Record: part.ID, Parent: file, Class: part.Class})
			}
		}
		slices.SortFunc(want, func(a, b catalog.Part) int {
			return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Record, b.Record))
		})
		for limit := 1; limit <= len(want)+1; limit++ {
			var got []catalog.Part
			for after := (catalog.Part{}); ; {
				page, err := f.tenant.View().Within(t.Context(), files, after, limit)
				must(t, err)
				if len(page) > limit {
					t.Fatalf("%d in a page of %d", len(page), limit)
				}
				if got = append(got, page...); len(page) < limit {
					break
				}
				after = page[len(page)-1]
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d: %v, want %v", limit, got, want)
			}
		}
		if none, err := f.tenant.View().Within(t.Context(), nil, catalog.Part{}, 1); err != nil || len(none) != 0 {
			t.Error(none, err)
		}
	})
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var first catalog.Token
		for i := range 3 {
			k, err := f.tenant.CreateToken(t.Context(), catalog.Token{Actor: "anna", Label: "x", Roles: []string{"reader", "archivist"}, Expires: f.Now().Add(time.Hour)}, fmt.Sprint("hash", i), "admin")
			must(t, err)
			f.clock.advance(time.Millisecond)
			if i == 0 {
				first = k
			}
		}
		if _, err := f.tenant.CreateToken(t.Context(), catalog.Token{Actor: "b"}, "hash0", "admin"); err == nil {
			t.Error("two tokens of one secret")
		}
		got, err := f.TokenByHash(t.Context(), "hash0")
		if err != nil || got.ID != first.ID || got.Tenant != "musterstadt" || len(got.Roles) != 2 || !got.Active(f.Now()) || got.Active(f.Now().Add(2*time.Hour)) {
			t.Error(got, err)
		}
		if _, err := f.TokenByHash(t.Context(), "' OR 1=1"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		if list, err := f.tenant.Tokens(t.Context(), first.ID, 10); err != nil || len(list) != 2 {
			t.Error(list, err)
		}
		if err := f.other.RevokeToken(t.Context(), first.ID, "x"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		for range 2 {
			must(t, f.tenant.RevokeToken(t.Context(), first.ID, "admin"))
		}
		if got, err := f.TokenByHash(t.Context(), "hash0"); err != nil || got.Active(f.Now()) {
			t.Error(got, err)
		}
		if log, err := f.tenant.AuditLog(t.Context(), 0, first.ID, 10); err != nil || len(log) != 2 {
			t.Error(log, err)
		}
	})
}
