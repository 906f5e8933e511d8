package retention

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestReports holds the reports against the evaluations that they are about.
func TestReports(t *testing.T) {
	a := holding(t, 21)
	ctx := t.Context()
	// A ceiling below the floor of some, by an event of their own.
	r := Rule{ID: "procurement", Title: "Widersprüchlich", Trigger: OnClosure, Duration: Duration{Years: 5}, Base: YearEnd, Disposition: Destroy, LegalBasis: "Test",
		Maximum: &Bound{Trigger: "contract-end", Duration: Duration{Years: 1}, Base: Day}}
	if _, err := a.officer.AddRule(ctx, a.tenant, r, "anna"); err != nil {
		t.Fatal(err)
	}
	for id, e := range a.evaluations() {
		if e.Class == "05.10" {
			if _, err := a.officer.AddTrigger(ctx, a.tenant, id, Trigger{Type: "contract-end", Date: day(t, "2000-01-01")}, "anna"); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.settle()

	due, err := a.officer.DueReport(ctx, a.tenant, 5)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[DueRow]int64)
	wantOpen := map[State]int64{}
	for _, e := range a.evaluations() {
		switch e.State {
		case Unresolved, Conflict:
			for _, why := range e.Reasons {
				if why.Code != OfFile {
					wantOpen[e.State]++
				}
			}
		}
		if !e.DueFrom.IsZero() && e.DueFrom.Year <= 2026+5 {
			row := DueRow{Year: e.DueFrom.Year, Class: e.Class, Disposition: e.Disposition}
			want[row]++
			if e.State == Held {
				row.Held = 1
				want[row]++
			}
		}
	}
	got := make(map[DueRow]int64)
	for _, row := range due {
		if row.Title == "" || row.Records == 0 {
			t.Errorf("%+v", row)
		}
		key := DueRow{Year: row.Year, Class: row.Class, Disposition: row.Disposition}
		got[key] = row.Records
		if row.Held > 0 {
			key.Held = 1
			got[key] = row.Held
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("due\n%v\nwant\n%v", got, want)
	}

	for _, state := range []State{Unresolved, Conflict} {
		rows, err := a.officer.OpenReport(ctx, a.tenant, state)
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		for _, row := range rows {
			if n += row.Records; row.Reason == "" || len(row.Examples) == 0 || len(row.Examples) > reportExamples {
				t.Errorf("%+v", row)
			}
		}
		if n != wantOpen[state] || n == 0 {
			t.Errorf("%s: %d reasons, want %d", state, n, wantOpen[state])
		}
	}
}

func TestHoldReview(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	first := a.keep(a.metadata("01.10", "2020-07-31"))
	a.keep(a.metadata("01.20", "2020-07-31"))
	a.night()
	set := func(s Scope, review string) Hold {
		t.Helper()
		h, _, err := a.officer.SetHold(ctx, a.tenant, Hold{Scope: s, Authority: "Amtsgericht", Reason: "Klage", Review: day(t, review)}, "anna")
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	var bad Invalid
	if _, _, err := a.officer.SetHold(ctx, a.tenant, Hold{Scope: Scope{All: true}, Authority: "a", Reason: "r", Review: day(t, "2026-01-31")}, "anna"); !errors.As(err, &bad) || bad[0].Subject != "review" || bad[0].Code != "past" {
		t.Errorf("a hold that is past its review is set: %v", err)
	}
	wide := set(Scope{Records: []preservation.RecordID{first}, Classes: []string{"01"}}, "2026-02-03")
	late := set(Scope{All: true}, "2030-01-01")
	rows, err := a.officer.HoldReport(ctx, a.tenant)
	if err != nil || len(rows) != 2 || rows[0].ID != wide.ID || rows[0].Progress != (Progress{Total: 2}) || rows[0].Past {
		t.Fatalf("%+v, %v", rows, err)
	}
	reminders := func() (n int) {
		a.job(a.officer.ReviewHolds, "scheduled")
		for _, h := range []Hold{wide, late} {
			log, err := a.tenant.AuditLog(ctx, 0, h.ID, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range log {
				if e.Action == "hold.review" {
					n++
				}
			}
		}
		return n
	}
	if n := reminders(); n != 0 {
		t.Errorf("%d reminders ahead of time", n)
	}
	a.pass("2026-02-05")
	if n := reminders(); n != 1 {
		t.Errorf("%d reminders, want 1", n)
	}
	a.pass("2026-02-07")
	past := set(Scope{All: true}, "2026-02-07") // that very day
	a.pass("2026-02-09")
	if n := reminders(); n != 1 {
		t.Errorf("%d reminders, want still 1", n)
	}
	if log, err := a.tenant.AuditLog(ctx, 0, past.ID, 10); err != nil || len(log) != 2 {
		t.Errorf("%+v, %v", log, err)
	}
	rows, err = a.officer.HoldReport(ctx, a.tenant)
	if err != nil || len(rows) != 3 || !rows[1].Past || rows[1].Progress != (Progress{Total: 2, Applied: 2}) || rows[2].Past {
		t.Errorf("%+v, %v", rows, err)
	}
	for name, c := range map[string]struct{ next, note, field, code string }{
		"no day":   {"", "Verfahren läuft", "review", "required"},
		"past":     {"2026-02-08", "Verfahren läuft", "review", "past"},
		"far":      {"9999-01-01", "Verfahren läuft", "review", "too-far"},
		"no note":  {"2026-02-20", " ", "note", "required"},
		"long one": {"2026-02-20", strings.Repeat("a", 2001), "note", "max"},
	} {
		var next preservation.Date
		if c.next != "" {
			next = day(t, c.next)
		}
		if _, err := a.officer.ConfirmHold(ctx, a.tenant, wide.ID, next, c.note, "bernd"); !errors.As(err, &bad) || bad[0].Subject != c.field || bad[0].Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.officer.ConfirmHold(ctx, a.tenant, wide.ID, day(t, "2026-02-12"), "Verfahren läuft", "bernd"); err != nil {
		t.Fatal(err)
	}
	h, _, err := a.officer.Hold(ctx, a.tenant, wide.ID)
	want := []Review{{At: a.now.UTC().Truncate(time.Millisecond), By: "bernd", Due: day(t, "2026-02-03"), Next: day(t, "2026-02-12"), Note: "Verfahren läuft"}}
	if err != nil || h.Review != day(t, "2026-02-12") || !reflect.DeepEqual(h.Reviews, want) || h.SetBy != "anna" {
		t.Errorf("%+v, %v", h, err)
	}
	if rows, err = a.officer.HoldReport(ctx, a.tenant); err != nil || rows[1].ID != wide.ID || rows[1].Past {
		t.Errorf("past its review although confirmed: %+v, %v", rows, err)
	}
	a.pass("2026-02-14")
	if n := reminders(); n != 2 {
		t.Errorf("%d reminders, want one more after the next day of review", n)
	}
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, wide.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.ConfirmHold(ctx, a.tenant, wide.ID, day(t, "2026-03-12"), "Verfahren läuft", "bernd"); !errors.Is(err, ErrEnded) {
		t.Errorf("confirmed although released: %v", err)
	}
}

// TestHoldResumes: a hold over many records that is interrupted again and again
// goes on where it was, says how far it is, and protects all of them meanwhile.
func TestHoldResumes(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	const records = 450 // more than two pages
	for range records {
		a.keep(a.metadata("01.10", "2020-07-31"))
	}
	a.night()
	h := a.hold(Scope{Classes: []string{"01"}})
	progress := func() Progress {
		t.Helper()
		got, p, err := a.officer.Hold(t.Context(), a.tenant, h.ID)
		if err != nil || got.ID != h.ID || p.Total != records {
			t.Fatalf("%+v, %v", p, err)
		}
		return p
	}
	if p := progress(); p.Applied != 0 {
		t.Errorf("%d are applied before anything was done", p.Applied)
	}
	store := a.officer.Store
	for before := int64(-1); progress().Applied < records; {
		p := progress()
		if p.Applied <= before {
			t.Fatalf("it goes no further than %d", p.Applied)
		}
		before = p.Applied
		ctx, kill := context.WithCancel(t.Context())
		left := 130
		a.officer.Store = func(c context.Context, t *catalog.Tenant) (preservation.Store, error) {
			if left--; left < 0 {
				kill()
			}
			return store(c, t)
		}
		err := a.officer.EvaluateDue(ctx, a.tenant, catalog.Job{Key: keyStale})
		kill()
		if err == nil && progress().Applied < records {
			t.Fatal("it says that it is done")
		}
	}
	for _, e := range a.evaluations() {
		if e.State != Held || len(e.Holds) != 1 {
			t.Fatalf("%+v", e)
		}
	}
	for _, o := range a.vault.keys("aip/") {
		if s, err := a.vault.Stat(t.Context(), o, ""); err != nil || !s.Hold {
			t.Fatalf("%s is not on hold: %v", o, err)
		}
	}
}
