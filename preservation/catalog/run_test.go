package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestRuns keeps disposal runs and their items: a record is open in one run at most.
func TestRuns(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		item := func(run string, n int, state string) catalog.RunItem {
			return catalog.RunItem{Run: run, Record: preservation.RecordID(fmt.Sprintf("%026d", n)), State: state, Depth: n % 2, Version: 1, Class: "02.20", Rule: "r@1",
				Ended: preservation.Date{Year: 2020, Month: 12, Day: 31}, Opened: preservation.Date{Year: 2014, Month: 2, Day: 3}, Closed: preservation.Date{Year: 2015, Month: 4, Day: 5},
				Proposed: "B", Sampled: "one of 2", Offer: n != 3}
		}
		update := func(fn func(*catalog.Tx) error) error { return f.tenant.Update(ctx, fn) }
		for n := range 5 {
			must(t, update(func(x *catalog.Tx) error { return x.AddItem(item("a", n, catalog.ItemOpen)) }))
		}
		must(t, update(func(x *catalog.Tx) error { return x.AddItem(item("a", 0, catalog.ItemOpen)) })) // again
		if err := update(func(x *catalog.Tx) error { return x.AddItem(item("b", 1, catalog.ItemOpen)) }); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("open in two runs: %v", err)
		}
		must(t, update(func(x *catalog.Tx) error { return x.AddItem(item("b", 1, catalog.ItemRefused)) }))
		v := f.tenant.View()
		all, err := v.RunItems(ctx, catalog.ItemFilter{Run: "a"}, "", 10)
		must(t, err)
		if len(all) != 5 || all[3] != item("a", 3, catalog.ItemOpen) {
			t.Errorf("%+v", all)
		}
		until := preservation.Date{Year: 2030, Month: 1, Day: 2}
		change := func(f catalog.ItemFilter, c catalog.ItemChange, want int64) {
			t.Helper()
			must(t, update(func(x *catalog.Tx) error {
				n, err := x.SetItems(f, c)
				if n != want {
					t.Errorf("%+v: %d items changed, want %d", f, n, want)
				}
				return err
			}))
		}
		change(catalog.ItemFilter{Run: "a", Offer: true, States: []string{catalog.ItemOpen}}, catalog.ItemChange{Decision: "V", Note: new("why"), NotedBy: "dora", DecidedBy: "anna"}, 4)
		change(catalog.ItemFilter{Run: "a", IDs: []preservation.RecordID{all[2].Record}}, catalog.ItemChange{Decision: "K", Until: &until}, 1)
		if kept, err := v.RunItems(ctx, catalog.ItemFilter{Run: "a", Decisions: []string{"K"}}, "", 2); err != nil || len(kept) != 1 || kept[0].Note != "why" || kept[0].NotedBy != "dora" {
			t.Errorf("what says nothing of a note changes it: %+v %v", kept, err)
		}
		change(catalog.ItemFilter{Run: "a", IDs: []preservation.RecordID{all[2].Record}}, catalog.ItemChange{Note: new("why"), NotedBy: "eva"}, 1)
		if kept, err := v.RunItems(ctx, catalog.ItemFilter{Run: "a", Decisions: []string{"K"}}, "", 2); err != nil || len(kept) != 1 || kept[0].Note != "why" || kept[0].NotedBy != "dora" {
			t.Errorf("the same note changes its author: %+v %v", kept, err)
		}
		change(catalog.ItemFilter{Run: "a", IDs: []preservation.RecordID{all[2].Record}}, catalog.ItemChange{Note: new(""), NotedBy: "eva"}, 1)
		if kept, err := v.RunItems(ctx, catalog.ItemFilter{Run: "a", Decisions: []string{"K"}}, "", 2); err != nil || len(kept) != 1 || kept[0].Note+kept[0].NotedBy != "" {
			t.Errorf("a note that was taken away: %+v %v", kept, err)
		}
		change(catalog.ItemFilter{Run: "a", Decisions: []string{"K"}}, catalog.ItemChange{State: catalog.ItemLeft, Reason: "kept"}, 1)
		if kept, err := v.KeptLonger(ctx, all[1].Record, all[2].Record); len(kept) != 1 || kept[all[2].Record] != (catalog.Kept{Until: until, Run: "a"}) || err != nil {
			t.Errorf("%v %v", kept, err)
		}
		if kept, err := v.Kept(ctx, all[1].Record, all[2].Record); len(kept) != 1 || kept[all[2].Record] != until || err != nil {
			t.Errorf("%v %v", kept, err)
		}
		odd := 1
		some, err := v.RunItems(ctx, catalog.ItemFilter{Run: "a", Depth: &odd, Classes: []string{"02.20"}, States: []string{catalog.ItemOpen}}, all[1].Record, 10)
		if err != nil || len(some) != 1 || some[0].Record != all[3].Record {
			t.Errorf("%+v %v", some, err)
		}
		counts, err := v.CountItems(ctx, "a")
		if err != nil || len(counts) != 3 || counts[0].State != catalog.ItemLeft || counts[1] != (catalog.ItemCount{State: catalog.ItemOpen, Items: 1}) || counts[2].Items != 3 {
			t.Errorf("%+v %v", counts, err)
		}
		if n, err := v.ItemDepth(ctx, "a"); n != 1 || err != nil {
			t.Errorf("depth %d %v", n, err)
		}
		if open, err := v.OpenItems(ctx, all[0].Record, all[2].Record); err != nil || len(open) != 1 || open[all[0].Record].Run != "a" {
			t.Errorf("%+v %v", open, err)
		}
		if n, err := v.RunDisposals(ctx, "a", "intended", "purging"); n != 0 || err != nil {
			t.Errorf("%d %v", n, err)
		}

		for _, id := range []string{"1", "2", "3"} {
			must(t, update(func(x *catalog.Tx) error {
				d := catalog.Document{Kind: "k", Name: id, Version: 1, Key: "cfg/" + id, Body: json.RawMessage(`{}`), Actor: "anna", At: 10 - int64(id[0]-'0')}
				return errors.Join(x.SetRun(catalog.RunRow{ID: id, Status: "draft", Body: json.RawMessage(`{"n":1}`)}), x.AddDocument(d))
			}))
		}
		must(t, update(func(x *catalog.Tx) error {
			return x.SetRun(catalog.RunRow{ID: "2", Status: "executing", Body: json.RawMessage(`{"n":2}`)})
		}))
		if r, err := v.Run(ctx, "2"); err != nil || r.Status != "executing" || string(r.Body) != `{"n":2}` {
			t.Errorf("%+v %v", r, err)
		}
		if _, err := f.other.View().Run(ctx, "2"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("of another tenant: %v", err)
		}
		if rows, err := v.Runs(ctx, "3", 1); err != nil || len(rows) != 1 || rows[0].ID != "2" {
			t.Errorf("%+v %v", rows, err)
		}
		if rows, err := v.Runs(ctx, "", 2); err != nil || len(rows) != 2 || rows[0].ID != "3" {
			t.Errorf("%+v %v", rows, err)
		}
		if rows, err := v.RunsIn(ctx, "executing"); err != nil || len(rows) != 1 || rows[0].ID != "2" {
			t.Errorf("%+v %v", rows, err)
		}
		docs, err := v.VersionsInTime(ctx, "k", catalog.Document{}, 2)
		if err != nil || len(docs) != 2 || docs[0].Name != "3" {
			t.Errorf("%+v %v", docs, err)
		}
		if docs, err = v.VersionsInTime(ctx, "k", docs[1], 2); err != nil || len(docs) != 1 || docs[0].Name != "1" {
			t.Errorf("%+v %v", docs, err)
		}
		if docs, err = v.Versions(ctx, "k", "1", 0, 2); err != nil || len(docs) != 1 {
			t.Errorf("%+v %v", docs, err)
		}
		must(t, update(func(x *catalog.Tx) error { return x.Enqueue(catalog.Job{Kind: "k", Key: "1"}) }))
		must(t, update(func(x *catalog.Tx) error { return x.DropJob("k", "1") }))
		if _, err := f.tenant.JobOf(ctx, "k", "1"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("the dropped job: %v", err)
		}
	})
}

// TestKeptOfAnUpgrade: what runs of before decided to keep longer waits to be evaluated,
// with everything within it, and nothing else does.
func TestKeptOfAnUpgrade(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			f, db := before(t, dialect, 25)
			for id, parent := range map[string]string{"kept": "", "part": "kept", "within": "part", "open": "", "left": "", "other": "open"} {
				_, err := db.Exec(`INSERT INTO record (id, tenant, version, submission, producer, producer_record_id, kind, class, title, reference, reference_key, creator, opened, closed,
					confidentiality, personal_data, parent, metadata, formats, received_ms, archived_ms, changed_ms, retention_state, stale)
					VALUES ($1, 'musterstadt', 1, '', '', $1, '', '63.10', '', '', '', '', '', '', '', 0, $2, '{}', '', 0, 0, 0, 'due', 0)`, id, parent)
				must(t, err)
			}
			for _, i := range []struct{ id, state, until string }{{"kept", "left", "2030-01-01"}, {"open", "open", "2030-01-01"}, {"left", "left", ""}} {
				_, err := db.Exec(`INSERT INTO run_item (tenant, run, record_id, state, depth, version, class, rule, ended, proposed, offer, until)
					VALUES ('musterstadt', 'r', $1, $2, 0, 1, '63.10', 'x@1', '', 'V', 0, $3)`, i.id, i.state, i.until)
				must(t, err)
			}
			f.DB = reopen(t, f)
			rows, err := f.Tenant("musterstadt").View().Retentions(t.Context(), catalog.RetentionFilter{Stale: true}, "", 10)
			must(t, err)
			var stale []string
			for _, r := range rows {
				stale = append(stale, string(r.Record))
			}
			if !slices.Equal(stale, []string{"kept", "part", "within"}) {
				t.Errorf("%q", stale)
			}
		})
	}
}
