package retention

import (
	"testing"

	"bestand/preservation"
)

func TestSampleIsSound(t *testing.T) {
	s, rules, err := SampleData()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Check(s, rules) {
		t.Errorf("%s %s: %s", f.Code, f.Subject, f.Detail)
	}
	groups := 0
	for _, c := range s.Classes {
		if c.Parent == "" {
			groups++
		}
	}
	if groups != 10 || len(s.Classes) < 60 {
		t.Errorf("%d main groups and %d classes", groups, len(s.Classes))
	}
}

// TestSampleDates holds the shipped figures against dates worked out by hand.
func TestSampleDates(t *testing.T) {
	s, err := sampleSchedule()
	if err != nil {
		t.Fatal(err)
	}
	loc := berlin(t)
	now := day(t, "2026-11-21").In(loc)
	at := func(typ, date string) Trigger { return Trigger{Type: typ, Date: day(t, date)} }
	for _, c := range []struct {
		class string
		facts Facts
		state State
		end   string
	}{
		{"01.10", Facts{Closed: day(t, "2013-01-03")}, Due, "2023-12-31"},
		{"91.20", Facts{Triggers: []Trigger{at("accounts-established", "2025-07-01")}}, Retained, "2035-12-31"},
		{"91.10", Facts{}, Permanent, ""},
		{"94.10", Facts{Closed: day(t, "2016-05-05")}, Unresolved, ""},
		{"94.10", Facts{Closed: day(t, "2016-05-05"), Triggers: []Trigger{at("assessment-period-end", "2022-12-31")}}, Due, "2024-12-31"},
		{"94.10", Facts{Closed: day(t, "2016-05-05"), Triggers: []Trigger{at("assessment-period-end", "2027-12-31")}}, Retained, "2027-12-31"},
		{"91.30", Facts{Triggers: []Trigger{at("invoice-issued", "2018-02-01")}}, Retained, "2026-12-31"},
		{"05.10", Facts{Triggers: []Trigger{at("contract-end", "2023-01-31"), at("award", "2022-01-15")}}, Due, "2025-01-15"},
		{"11.20", Facts{Triggers: []Trigger{at("registration", "1910-03-03")}}, Due, "2020-12-31"},
		{"10.20", Facts{Triggers: []Trigger{at("document-expiry", "2024-03-03")}}, Due, "2024-03-03"},
		{"06.10", Facts{Triggers: []Trigger{at("election-day", "2025-02-23")}}, Due, "2025-08-23"},
		{"45.10", Facts{Subjects: []preservation.Subject{{Born: day(t, "2000-02-29")}}}, Retained, "2100-02-28"},
		{"21.40", Facts{Closed: day(t, "2023-07-31")}, Due, "2025-12-31"},
		{"63.10", Facts{Closed: day(t, "2015-11-30")}, Unresolved, ""},
		{"63.10", Facts{Closed: day(t, "2015-11-30"), Triggers: []Trigger{at("building-removed", "2026-10-01")}}, Due, "2026-10-01"},
	} {
		c.facts.ID, c.facts.Class = "r", c.class
		e := Evaluate(s, c.facts, nil, now, loc)
		if e.State != c.state || e.End.String() != c.end {
			t.Errorf("%s: %s, ends %s (%v); want %s, ends %s", c.class, e.State, e.End, e.Reasons, c.state, c.end)
		}
	}
}

// sampleSchedule returns the sample classification and rules ready for evaluation.
func sampleSchedule() (*Schedule, error) {
	s, rules, err := SampleData()
	if err != nil {
		return nil, err
	}
	return NewSchedule(s, rules)
}
