package retention

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// draw makes arbitrary but valid inputs of Evaluate.
type draw struct{ *rand.Rand }

func (r draw) date() preservation.Date {
	if r.IntN(10) == 0 { // the days on which calendars go wrong
		return []preservation.Date{{Year: 2012, Month: 2, Day: 29}, {Year: 2013, Month: 12, Day: 31}, {Year: 2014, Month: 1, Day: 1}, {Year: 2023, Month: 3, Day: 26}}[r.IntN(4)]
	}
	return preservation.Date{Year: 1990, Month: 1, Day: 1}.AddDays(r.IntN(15000))
}

func (r draw) duration() Duration {
	return Duration{Years: r.IntN(40), Months: r.IntN(24), Days: r.IntN(400)}
}

func (r draw) trigger() string {
	return []string{OnClosure, OnOpening, OnBirth, OnFiscalYear, "contract-end", "award"}[r.IntN(6)]
}

func (r draw) bound() *Bound {
	return &Bound{Trigger: r.trigger(), Duration: r.duration(), Base: []Base{Day, YearEnd, NextFiscalYear}[r.IntN(3)]}
}

func (r draw) rule(t *testing.T) Rule {
	x := rule(t, "r")
	b := r.bound()
	x.Trigger, x.Duration, x.Base = b.Trigger, b.Duration, b.Base
	x.FiscalMonth = time.Month(r.IntN(13))
	x.Disposition = []Disposition{Archive, Assess, Destroy}[r.IntN(3)]
	if r.IntN(3) == 0 {
		x.Minimum = r.bound()
	}
	if r.IntN(4) == 0 {
		x.Maximum = r.bound()
	}
	if r.IntN(20) == 0 {
		x.Permanent = true
		x.Trigger, x.Duration, x.Base, x.Minimum, x.Maximum = "", Duration{}, "", nil, nil
		x.Disposition = Archive
	}
	return x
}

func (r draw) facts() Facts {
	f := Facts{ID: "r", Class: "1", Opened: r.date(), Closed: r.date()}
	for range r.IntN(3) {
		f.Subjects = append(f.Subjects, preservation.Subject{Born: r.date()})
	}
	for i := range r.IntN(6) {
		f.Triggers = append(f.Triggers, Trigger{
			ID: fmt.Sprint(i), Type: r.trigger(), Date: r.date(), Withdrawn: r.IntN(8) == 0,
			Recorded: time.Unix(int64(r.IntN(4)), 0), // equal instants happen
		})
	}
	if r.IntN(8) == 0 {
		f.Closed = preservation.Date{}
	}
	return f
}

func TestEvaluateProperties(t *testing.T) {
	loc := berlin(t)
	r := draw{rand.New(rand.NewPCG(1, 2))}
	seen := make(map[State]int)
	for i := range 20000 {
		x := r.rule(t)
		s, err := NewSchedule(Scheme{Title: "t", Classes: []Class{{Code: "1", Title: "c", Rule: "r"}}}, []Rule{x})
		if err != nil {
			continue // contradictory: rightly refused
		}
		f := r.facts()
		now := r.date().In(time.UTC).Add(time.Duration(r.IntN(60*24*365*40)) * time.Minute)
		today := preservation.DateOf(now.In(loc))
		e := Evaluate(s, f, nil, now, loc)
		seen[e.State]++
		fail := func(what string) { t.Fatalf("%d: %s\nrule %+v\nfacts %+v\nnow %s\ngot %+v", i, what, x, f, now, e) }

		if again := Evaluate(s, f, nil, now, loc); !reflect.DeepEqual(e, again) {
			fail("not deterministic")
		}
		g := f
		g.Triggers = append([]Trigger(nil), f.Triggers...)
		r.Shuffle(len(g.Triggers), func(i, j int) { g.Triggers[i], g.Triggers[j] = g.Triggers[j], g.Triggers[i] })
		if other := Evaluate(s, g, nil, now, loc); !reflect.DeepEqual(e, other) {
			fail("order of triggers matters")
		}
		longer := f
		longer.Kept = catalog.Kept{Until: r.date(), Run: "k"}
		if k := Evaluate(s, longer, nil, now, loc); e.DueFrom.IsZero() || longer.Kept.Until.Before(e.DueFrom) {
			if !reflect.DeepEqual(e, k) {
				fail(fmt.Sprintf("kept longer for nothing: %+v", k))
			}
		} else if k.End != e.End || k.DueFrom != longer.Kept.Until.AddDays(1) || k.State == Due && today.Before(k.DueFrom) || k.State != e.State && (e.State != Due || k.State != Retained) {
			fail(fmt.Sprintf("not kept as decided: %+v", k))
		} else if day := k.Next(); !day.IsZero() {
			if before, after := Evaluate(s, longer, nil, day.AddDays(-1).In(loc), loc), Evaluate(s, longer, nil, day.In(loc), loc); !reflect.DeepEqual(k, before) || reflect.DeepEqual(k, after) {
				fail(fmt.Sprintf("kept, and it does not change on %s first", day))
			}
		}
		if x.Minimum != nil && !e.DueFrom.IsZero() {
			_, floor, _ := f.bound(x.Minimum, x.FiscalMonth)
			if e.End.Before(floor) {
				fail("ends before the minimum")
			}
		}
		if e.State == Due && (today.Before(e.DueFrom) || !e.End.Before(e.DueFrom)) {
			fail("due too early")
		}
		if e.State == Due || e.State == Retained || e.State == Closed || e.State == Active {
			if e.TriggeredOn.IsZero() || e.DueFrom.IsZero() {
				fail("dates without a trigger")
			}
			earliest := e.TriggeredOn.AddDays(365*x.Duration.Years + 28*x.Duration.Months + x.Duration.Days)
			if e.End.Before(earliest) {
				fail("shorter than its duration")
			}
		}
		if day := e.Next(); day.IsZero() {
			if later := Evaluate(s, f, nil, day.In(loc).AddDate(3000, 0, 0), loc); !reflect.DeepEqual(e, later) {
				fail(fmt.Sprintf("time changes it: %+v", later))
			}
		} else if before, after := Evaluate(s, f, nil, day.AddDays(-1).In(loc), loc), Evaluate(s, f, nil, day.In(loc), loc); !today.Before(day) || !reflect.DeepEqual(e, before) || reflect.DeepEqual(e, after) {
			fail(fmt.Sprintf("it does not change on %s first", day))
		}
		held := Evaluate(s, f, NewHolds(Hold{ID: "b", Scope: Scope{All: true}}, Hold{ID: "a", Scope: Scope{Records: []preservation.RecordID{"r"}}}), now, loc)
		if held.State != Held || held.Beneath != e.State || !reflect.DeepEqual(held.Holds, []string{"a", "b"}) {
			fail("a hold does not win")
		}
		lock := LockUntil(e, now, LockPolicy{Zone: loc})
		if !lock.Until.After(now) {
			fail("nothing locks it")
		}
		if !e.DueFrom.IsZero() && today.Before(e.DueFrom) && lock.Until.After(e.DueFrom.In(loc)) {
			fail("locked beyond its end")
		}
		if h, m, sec := lock.Until.In(loc).Clock(); h+m+sec != 0 {
			fail("lock does not end at midnight")
		}
		if e.State != Permanent && lock.Until.After(today.AddDays(90).In(loc)) {
			fail("locked beyond the horizon")
		}
	}
	for _, s := range []State{Active, Closed, Retained, Due, Unresolved, Conflict, Permanent} {
		if seen[s] < 20 {
			t.Errorf("state %s came up %d times only: the properties were hardly tested", s, seen[s])
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	s, err := sampleSchedule()
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 5, 5, 12, 0, 0, 0, time.UTC)
	f := Facts{ID: "r", Class: "91.20", Closed: preservation.Date{Year: 2013, Month: 1, Day: 3}, Triggers: []Trigger{{Type: "accounts-established", Date: preservation.Date{Year: 2014, Month: 6, Day: 3}}}}
	holds := NewHolds(Hold{ID: "h", Scope: Scope{Classes: []string{"63"}}})
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(s, f, holds, now, loc)
	}
}
