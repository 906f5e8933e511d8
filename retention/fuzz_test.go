package retention

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"bestand/preservation"
)

// FuzzRule evaluates by rules that may be anything. What Validate lets pass makes a
// schedule or is refused by it, and never lets a record go before its end, nor says
// that time changes nothing when it does.
func FuzzRule(f *testing.F) {
	for _, edit := range []func(*Rule){
		func(*Rule) {},
		func(r *Rule) { r.Duration, r.Base = Duration{Years: 9999, Months: 9999, Days: 99999}, NextFiscalYear },
		func(r *Rule) { r.Minimum = &Bound{Trigger: OnBirth, Duration: Duration{Years: 110}, Base: Day} },
		func(r *Rule) { r.Maximum = &Bound{Trigger: OnOpening, Duration: Duration{Days: 1}, Base: YearEnd} },
		func(r *Rule) {
			r.Permanent, r.Trigger, r.Duration, r.Base, r.Disposition = true, "", Duration{}, "", Archive
		},
		func(r *Rule) { r.Sampling = &Sampling{} },
	} {
		r := rule(f, "r")
		edit(&r)
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, int64(20_000))
	}
	loc := berlin(f)
	facts := Facts{ID: "r", Class: "1", Opened: preservation.Date{Year: 2010, Month: 1, Day: 31}, Closed: preservation.Date{Year: 2012, Month: 2, Day: 29},
		Subjects: []preservation.Subject{{Born: preservation.Date{Year: 1960, Month: 2, Day: 29}}}}
	f.Fuzz(func(t *testing.T, text []byte, day int64) {
		var r Rule
		if json.Unmarshal(text, &r) != nil || Validate(r) != nil || day < -1_000_000 || day > 1_000_000 {
			return
		}
		s, err := NewSchedule(Scheme{Title: "t", Classes: []Class{{Code: "1", Title: "c", Rule: r.ID}}}, []Rule{r})
		if err != nil {
			var bad Invalid
			if !errors.As(err, &bad) {
				t.Errorf("%s: %v", text, err)
			}
			return
		}
		now := time.Unix(day*24*3600, 0)
		e, today := Evaluate(s, facts, nil, now, loc), preservation.DateOf(now.In(loc))
		if e.State == Due && (today.Before(e.DueFrom) || !e.End.Before(e.DueFrom)) {
			t.Errorf("%s: due on %s: %+v", text, today, e)
		}
		if next := e.Next(); !next.IsZero() && !today.Before(next) {
			t.Errorf("%s: on %s the next change was on %s: %+v", text, today, next, e)
		}
		row, err := stored(&e, now)
		if err != nil || row.State != string(e.State) {
			t.Errorf("%s: %v", text, err)
		}
	})
}

// FuzzDecision reads bodies by which records are chosen, decided about, held and asked
// for. What is refused names what is wrong.
func FuzzDecision(f *testing.F) {
	for _, s := range []string{
		`{"scope":{"all":true},"decision":"V"}`, `{"scope":{"records":["06e1hq0bg468y8qq465c2jydp0"]},"decision":"K","until":"2099-12-31","note":"x"}`,
		`{"scope":{"classes":["63.10","63.10"]},"decision":"Z"}`, `{"records":["x"],"due_by":"2026-02-30"}`, `{"authority":"a","reason":"r","review":"0000-00-00","query":{"a":"b"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		told := func(bad []preservation.Finding) {
			for _, found := range bad {
				if found.Code == "" || found.Detail == "" {
					t.Errorf("%q: %+v", text, found)
				}
			}
		}
		var a Appraisal
		if json.Unmarshal(text, &a) == nil {
			told(a.check("decisions[0]."))
		}
		check := func(v any) {
			var bad Invalid
			if err := Validate(v); errors.As(err, &bad) {
				told(bad)
			} else if err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		var s Selection
		if json.Unmarshal(text, &s) == nil {
			check(s)
		}
		var h Hold
		if json.Unmarshal(text, &h) == nil {
			check(h)
		}
		var g Trigger
		if json.Unmarshal(text, &g) == nil {
			check(g)
		}
		var o Offer
		if json.Unmarshal(text, &o) == nil {
			check(o)
		}
	})
}
