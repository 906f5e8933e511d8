package retention

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// BenchmarkEvaluateMillion evaluates a million records in memory on one core, by the
// sample plan: some with events, some parts of files, some under one of 50 holds.
func BenchmarkEvaluateMillion(b *testing.B) {
	const records = 1_000_000
	s, err := sampleSchedule()
	if err != nil {
		b.Fatal(err)
	}
	var classes []string
	for _, c := range s.scheme.Classes {
		classes = append(classes, c.Code)
	}
	facts := make([]Facts, records)
	begin := preservation.Date{Year: 1980, Month: 1, Day: 1}
	for i := range facts {
		f := &facts[i]
		f.ID = preservation.RecordID(fmt.Sprintf("%026d", i))
		f.Class = classes[i%len(classes)]
		f.Opened = begin.AddDays(i % 15000)
		f.Closed = f.Opened.AddDays(400)
		if i%4 == 0 {
			f.Triggers = []Trigger{{ID: "1", Type: "contract-end", Date: f.Closed}, {ID: "2", Type: "accounts-established", Date: f.Closed}}
		}
		if i%3 == 1 {
			f.Parent, f.File = facts[i-1].ID, &facts[i-1]
		}
	}
	var held []Hold
	for i := range 50 {
		h := Hold{ID: fmt.Sprint(i), Scope: Scope{Classes: []string{classes[i*2]}}}
		for j := range 200 {
			h.Scope.Records = append(h.Scope.Records, facts[i*7919+j].ID)
		}
		held = append(held, h)
	}
	holds := NewHolds(held...)
	now, zone := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC), berlin(b)
	states := make(map[State]int)
	before := processor(b)
	for b.Loop() {
		for i := range facts {
			e := Evaluate(s, facts[i], holds, now, zone)
			states[e.State]++
		}
	}
	if len(states) < 6 {
		b.Errorf("states %v", states)
	}
	b.ReportMetric((processor(b)-before)/float64(b.N), "cpu-s/million")
}

// processor is the time that the program has spent on a core, which a busy machine
// does not lengthen.
func processor(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// TestNightTouchesWhatChanges: a night evaluates the records whose state the new
// day may change, and no others.
func TestNightTouchesWhatChanges(t *testing.T) {
	a := holding(t, 31)
	evaluated := func() (n int) {
		t.Helper()
		a.now = a.now.AddDate(0, 0, 1)
		a.job(a.officer.EvaluateDue, "scheduled")
		marked, err := a.tenant.View().CountRetentions(t.Context(), catalog.RetentionFilter{Stale: true})
		if err != nil {
			t.Fatal(err)
		}
		a.settle()
		return int(marked)
	}
	wait := func() (n int) {
		tomorrow := preservation.DateOf(a.now.AddDate(0, 0, 1))
		for _, e := range a.evaluations() {
			if day := e.Next(); !day.IsZero() && !tomorrow.Before(day) {
				n++
			}
		}
		return n
	}
	for range 3 {
		want, all := wait(), len(a.evaluations())
		if n := evaluated(); n != want || n > all/3 {
			t.Errorf("%d of %d records were evaluated, want %d", n, all, want)
		}
	}
	a.now = time.Date(2026, 12, 31, 12, 0, 0, 0, berlin(t)).AddDate(0, 0, -1)
	a.night()
	a.settle()
	a.now = a.now.AddDate(0, 0, 1)
	a.night() // the last day of the year
	a.settle()
	if want, n := wait(), evaluated(); n != want {
		t.Errorf("at the turn of the year %d records were evaluated, want %d", n, want)
	}
}
