package retention

import (
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bestand/preservation"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// berlin is the zone in which German municipalities count days.
func berlin(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func day(t testing.TB, s string) preservation.Date {
	t.Helper()
	d, err := preservation.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestEvaluateGolden reads testdata/evaluate.json: each case names a rule, the
// facts and an instant, and what follows from them.
func TestEvaluateGolden(t *testing.T) {
	type golden struct {
		Name     string                 `json:"name"`
		Rule     Rule                   `json:"rule"`
		Opened   preservation.Date      `json:"opened,omitzero"`
		Closed   preservation.Date      `json:"closed,omitzero"`
		Subjects []preservation.Subject `json:"subjects,omitempty"`
		Triggers []Trigger              `json:"triggers,omitempty"`
		Holds    []Hold                 `json:"holds,omitempty"`
		Now      time.Time              `json:"now"`
		Want     json.RawMessage        `json:"want"`
	}
	path := filepath.Join("testdata", "evaluate.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	loc := berlin(t)
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) {
			r := c.Rule
			r.ID, r.Version, r.Title = "rule", 1, c.Name
			r.LegalBasis, r.Confidence, r.Checked = "test", "high", day(t, "2026-01-01")
			r.ValidFrom, r.ApprovedBy = day(t, "1900-01-01"), "officer"
			r.Disposition = cmp.Or(r.Disposition, Assess)
			s, err := NewSchedule(Scheme{Version: 1, Title: "test", Classes: []Class{{Code: "1", Title: "one", Rule: "rule"}}}, []Rule{r})
			if err != nil {
				t.Fatal(err)
			}
			f := Facts{ID: "r", Class: "1", Opened: c.Opened, Closed: c.Closed, Subjects: c.Subjects, Triggers: c.Triggers}
			got, err := json.Marshal(Evaluate(s, f, NewHolds(c.Holds...), c.Now, loc))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				c.Want = got
				return
			}
			if want := compact(t, c.Want); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	if *update {
		out, err := json.MarshalIndent(cases, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func compact(t *testing.T, raw []byte) string {
	t.Helper()
	var v Evaluation
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rule is a sound rule for tests to change.
func rule(t testing.TB, id string) Rule {
	return Rule{
		ID: id, Version: 1, Title: id, Trigger: OnClosure, Duration: Duration{Years: 10}, Base: YearEnd,
		Disposition: Destroy, LegalBasis: "test", Confidence: "high", Checked: day(t, "2026-01-01"),
		ValidFrom: day(t, "1900-01-01"), ApprovedBy: "officer",
	}
}

func schedule(t testing.TB, classes []Class, rules ...Rule) *Schedule {
	t.Helper()
	s, err := NewSchedule(Scheme{Version: 1, Title: "test", Classes: classes}, rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEvaluateRuleVersions(t *testing.T) {
	loc := berlin(t)
	one := []Class{{Code: "1", Title: "one", Rule: "r"}, {Code: "1.1", Title: "inherits", Parent: "1"}, {Code: "2", Title: "no rule"}}
	v1 := rule(t, "r")
	v2 := rule(t, "r")
	v2.Version, v2.Duration, v2.ValidFrom = 2, Duration{Years: 8}, day(t, "2025-01-01")
	grandfathered := v2
	grandfathered.Applies = "new"
	draft := v2
	draft.ApprovedBy = ""
	ended := v1
	ended.ValidTo = day(t, "2024-12-31")

	for _, c := range []struct {
		name    string
		rules   []Rule
		class   string
		closed  string
		now     string
		version int
		end     string
		reason  string
	}{
		{"one version", []Rule{v1}, "1", "2013-01-03", "2020-05-05", 1, "2023-12-31", ""},
		{"inherited from the class above", []Rule{v1}, "1.1", "2013-01-03", "2020-05-05", 1, "2023-12-31", ""},
		{"newer version recomputes", []Rule{v1, v2}, "1", "2020-01-03", "2026-05-05", 2, "2028-12-31", ""},
		{"newer version not yet valid", []Rule{v1, v2}, "1", "2020-01-03", "2024-12-31", 1, "2030-12-31", ""},
		{"newer version leaves the old ones alone", []Rule{grandfathered, v1}, "1", "2020-01-03", "2026-05-05", 1, "2030-12-31", ""},
		{"newer version takes the new ones", []Rule{grandfathered, v1}, "1", "2025-01-01", "2026-05-05", 2, "2033-12-31", ""},
		{"old version lives on for its records after its end", []Rule{ended, grandfathered}, "1", "2020-01-03", "2026-05-05", 1, "2030-12-31", ""},
		{"draft governs nothing", []Rule{v1, draft}, "1", "2020-01-03", "2026-05-05", 1, "2030-12-31", ""},
		{"only a draft", []Rule{draft}, "1", "2020-01-03", "2026-05-05", 0, "", NotInForce},
		{"out of force", []Rule{ended}, "1", "2013-01-03", "2026-05-05", 0, "", NotInForce},
		{"no rule", []Rule{v1}, "2", "2013-01-03", "2026-05-05", 0, "", NoRule},
		{"unknown class", []Rule{v1}, "3", "2013-01-03", "2026-05-05", 0, "", UnknownClass},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := schedule(t, one, c.rules...)
			e := Evaluate(s, Facts{ID: "x", Class: c.class, Closed: day(t, c.closed)}, nil, day(t, c.now).In(loc), loc)
			if e.Rule.Version != c.version || e.End.String() != c.end {
				t.Errorf("rule %d ends %s, want %d and %s", e.Rule.Version, e.End, c.version, c.end)
			}
			if c.reason != "" && (e.State != Unresolved || len(e.Reasons) != 1 || e.Reasons[0].Code != c.reason) {
				t.Errorf("%s %v, want unresolved by %s", e.State, e.Reasons, c.reason)
			}
		})
	}
}

func TestEvaluatePartOfFile(t *testing.T) {
	loc := berlin(t)
	long, short := rule(t, "long"), rule(t, "short")
	short.Duration.Years = 2
	forever := Rule{ID: "forever", Version: 1, Title: "f", Permanent: true, Disposition: Archive, LegalBasis: "test", Confidence: "low",
		Checked: day(t, "2026-01-01"), ValidFrom: day(t, "1900-01-01"), ApprovedBy: "officer"}
	s := schedule(t, []Class{{Code: "1", Title: "l", Rule: "long"}, {Code: "2", Title: "s", Rule: "short"}, {Code: "3", Title: "f", Rule: "forever"}}, long, short, forever)
	now := day(t, "2026-05-05").In(loc)
	file := func(class string) *Facts { return &Facts{ID: "file", Class: class, Closed: day(t, "2020-06-01")} }
	for _, c := range []struct {
		name   string
		f      Facts
		state  State
		end    string
		reason string
	}{
		{"as long as its file", Facts{ID: "d", Class: "2", Parent: "file", File: file("1"), Closed: day(t, "2015-01-01")}, Retained, "2030-12-31", OfFile},
		{"without a closure of its own", Facts{ID: "d", Class: "1", Parent: "file", File: file("1")}, Retained, "2030-12-31", OfFile},
		{"goes with its file", Facts{ID: "d", Class: "2", Parent: "file", File: file("2")}, Due, "2022-12-31", OfFile},
		{"would outlive its file", Facts{ID: "d", Class: "1", Closed: day(t, "2020-06-01"), Parent: "file", File: file("2")}, Conflict, "2022-12-31", OutlivesFile},
		{"permanent in a file that ends", Facts{ID: "d", Class: "3", Parent: "file", File: file("2")}, Conflict, "2022-12-31", OutlivesFile},
		{"file not known", Facts{ID: "d", Class: "1", Parent: "file", Closed: day(t, "2001-01-01")}, Unresolved, "", UnknownFile},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Evaluate(s, c.f, nil, now, loc)
			last := e.Reasons[len(e.Reasons)-1].Code
			if e.State != c.state || e.End.String() != c.end || last != c.reason {
				t.Errorf("%s, ends %s, %s; want %s, %s, %s", e.State, e.End, last, c.state, c.end, c.reason)
			}
			held := NewHolds(Hold{ID: "h", Scope: Scope{Records: []preservation.RecordID{"file"}}})
			if e := Evaluate(s, c.f, held, now, loc); e.State != Held {
				t.Errorf("%s, though its file is held", e.State)
			}
		})
	}
}

func TestHoldScopes(t *testing.T) {
	s := schedule(t, []Class{{Code: "6", Title: "b", Rule: "r"}, {Code: "63", Title: "b", Parent: "6"}, {Code: "63.10", Title: "b", Parent: "63"}, {Code: "631", Title: "b", Parent: "6"}}, rule(t, "r"))
	loc := berlin(t)
	now := day(t, "2030-01-01").In(loc)
	for _, c := range []struct {
		name  string
		hold  Hold
		class string
		held  bool
	}{
		{"record", Hold{Scope: Scope{Records: []preservation.RecordID{"x", "r"}}}, "63.10", true},
		{"another record", Hold{Scope: Scope{Records: []preservation.RecordID{"x"}}}, "63.10", false},
		{"class", Hold{Scope: Scope{Classes: []string{"63.10"}}}, "63.10", true},
		{"class above", Hold{Scope: Scope{Classes: []string{"6"}}}, "63.10", true},
		{"class that looks alike", Hold{Scope: Scope{Classes: []string{"63"}}}, "631", false},
		{"class that is no longer in the scheme", Hold{Scope: Scope{Classes: []string{"63"}}}, "63.99", true},
		{"everything", Hold{Scope: Scope{All: true}}, "63.10", true},
		{"released", Hold{Scope: Scope{All: true}, Released: now}, "63.10", false},
		{"released later, by a clock that went back", Hold{Scope: Scope{All: true}, Released: now.Add(time.Hour)}, "63.10", true},
		{"set later, by a clock that went back", Hold{Scope: Scope{All: true}, Set: now.Add(time.Hour)}, "63.10", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.hold.ID = "h"
			e := Evaluate(s, Facts{ID: "r", Class: c.class, Closed: day(t, "2000-01-01")}, NewHolds(c.hold), now, loc)
			if (e.State == Held) != c.held {
				t.Errorf("%s, want held: %v", e.State, c.held)
			}
		})
	}
}
