package retention

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"bestand/preservation"
)

func TestCheck(t *testing.T) {
	ok := []Class{{Code: "1", Title: "one", Rule: "r"}}
	change := func(f func(*Rule)) []Rule {
		r := rule(t, "r")
		f(&r)
		return []Rule{r}
	}
	twice := []Rule{rule(t, "r"), rule(t, "r")}
	replaced := []Rule{rule(t, "r"), rule(t, "r")}
	replaced[1].Version = 2
	day5 := Duration{Days: 5}
	for _, c := range []struct {
		name    string
		classes []Class
		rules   []Rule
		want    []string // "field code", all of them
	}{
		{"sound", ok, []Rule{rule(t, "r")}, nil},
		{"empty", nil, nil, []string{"classes required"}},
		{"duplicate code", append(slices.Clone(ok), ok[0]), []Rule{rule(t, "r")}, []string{"classes[1].code duplicate"}},
		{"missing parent", []Class{{Code: "1", Title: "one", Rule: "r", Parent: "0"}}, []Rule{rule(t, "r")}, []string{"classes[0].parent unknown-class"}},
		{"own parent", []Class{{Code: "1", Title: "one", Rule: "r", Parent: "1"}}, []Rule{rule(t, "r")}, []string{"classes[0].parent cycle"}},
		{"cycle and what hangs on it", []Class{{Code: "1", Title: "a", Rule: "r", Parent: "2"}, {Code: "2", Title: "b", Rule: "r", Parent: "1"}, {Code: "3", Title: "c", Rule: "r", Parent: "2"}, {Code: "4", Title: "d", Rule: "r"}},
			[]Rule{rule(t, "r")}, []string{"classes[0].parent cycle", "classes[1].parent cycle", "classes[2].parent cycle"}},
		{"bad code and no title", []Class{{Code: "../x", Rule: "r"}}, []Rule{rule(t, "r")}, []string{"classes[0].code code", "classes[0].title required"}},
		{"unknown rule", []Class{{Code: "1", Title: "one", Rule: "q"}}, nil, []string{"classes[0].rule unknown-rule"}},
		{"class without rule", append(slices.Clone(ok), Class{Code: "2", Title: "two"}), []Rule{rule(t, "r")}, []string{"classes[1].rule no-rule"}},
		{"rule without class", ok, []Rule{rule(t, "r"), rule(t, "q")}, []string{"rules[1].id unreachable"}},
		{"same version twice", ok, twice, []string{"rules[0].valid_from unreachable", "rules[1].version duplicate"}},
		{"replaced before it begins", ok, replaced, []string{"rules[0].valid_from unreachable"}},
		{"unknown disposition", ok, change(func(r *Rule) { r.Disposition = "X" }), []string{"rules[0].disposition oneof"}},
		{"no disposition", ok, change(func(r *Rule) { r.Disposition = "" }), []string{"rules[0].disposition required"}},
		{"no trigger", ok, change(func(r *Rule) { r.Trigger = "" }), []string{"rules[0].trigger required_unless"}},
		{"negative", ok, change(func(r *Rule) { r.Duration.Years = -1 }), []string{"rules[0].duration.years min"}},
		{"no law, no date", ok, change(func(r *Rule) { r.LegalBasis, r.Checked = "", preservation.Date{} }), []string{"rules[0].checked required_unless", "rules[0].legal_basis required"}},
		{"never valid", ok, change(func(r *Rule) { r.ValidTo = day(t, "1899-12-31") }), []string{"rules[0].valid_to never-valid"}},
		{"permanent with a period", ok, change(func(r *Rule) { r.Permanent = true }), []string{"rules[0].disposition contradiction", "rules[0].permanent contradiction"}},
		{"ceiling below the period", ok, change(func(r *Rule) { r.Maximum = &Bound{OnClosure, Duration{Years: 5}, Day} }), []string{"rules[0].maximum contradiction"}},
		{"ceiling below the minimum", ok, change(func(r *Rule) {
			r.Minimum, r.Maximum = &Bound{"award", Duration{Years: 5}, Day}, &Bound{"award", day5, Day}
		}), []string{"rules[0].maximum contradiction"}},
		{"ceiling above the floor", ok, change(func(r *Rule) { r.Maximum = &Bound{OnClosure, Duration{Years: 12}, Day} }), nil},
		{"bad bound", ok, change(func(r *Rule) { r.Minimum = &Bound{Base: "week"} }), []string{"rules[0].minimum.base oneof", "rules[0].minimum.trigger required"}},
		{"archived and never offered", ok, change(func(r *Rule) { r.NoOffer, r.Disposition = true, Archive }), []string{"rules[0].no_offer contradiction"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range Check(Scheme{Title: "t", Classes: c.classes}, c.rules) {
				got = append(got, f.Subject+" "+f.Code)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestCheckTakesLongChains(t *testing.T) {
	classes := make([]Class, 50000) // one chain into a cycle: must not take quadratic time
	name := func(i int) string { return "c-" + strconv.Itoa(i) }
	for i := range classes {
		classes[i] = Class{Code: name(i), Title: "t", Parent: name((i + 1) % len(classes))}
	}
	s := Scheme{Title: "t", Classes: classes}
	if _, err := NewSchedule(s, nil); err == nil {
		t.Error("a cycle was accepted")
	}
	s.Classes[len(classes)-1].Parent = ""
	var bad Invalid
	if _, err := NewSchedule(s, nil); !errors.As(err, &bad) || bad[0].Code != "too-deep" {
		t.Error("a chain of 50000 levels was accepted")
	}
}

func TestValidate(t *testing.T) {
	hold := Hold{Scope: Scope{All: true}, Authority: "Amtsgericht", Reason: "Klage", Review: day(t, "2030-01-01")}
	noScope, badID := hold, hold
	noScope.Scope = Scope{}
	badID.Scope = Scope{Records: []preservation.RecordID{"../../etc"}}
	permit := Permit{Classes: []string{"1"}, Authority: "a", Granted: day(t, "2020-01-01"), LegalBasis: "l", ValidFrom: day(t, "2020-01-01")}
	same := permit
	same.Proposer, same.Approver = "a", "A"
	sound, mute, fiscal := rule(t, "r"), rule(t, "r"), rule(t, "r")
	mute.Title, mute.LegalBasis, fiscal.FiscalMonth = " ", "\t", 4
	illegible := rule(t, "r")
	illegible.Title, illegible.LegalBasis, illegible.Note = "A\x00B", "\u202Eoben", "zwei\nZeilen\x1b"
	bounded := fiscal
	bounded.Minimum = &Bound{"award", Duration{Years: 1}, NextFiscalYear}
	for _, c := range []struct {
		name string
		v    any
		want []string
	}{
		{"rule", sound, nil},
		{"rule of blanks", mute, []string{"legal_basis required", "title required"}},
		{"rule that cannot be read", illegible, []string{"legal_basis text", "note text", "title text"}},
		{"fiscal year that nothing is reckoned from", fiscal, []string{"fiscal_month contradiction"}},
		{"fiscal year of a bound", bounded, nil},
		{"hold", hold, nil},
		{"hold over nothing", noScope, []string{"scope required"}},
		{"hold with a path for an id", badID, []string{"scope.records[0] record"}},
		{"empty hold", Hold{}, []string{"authority required", "reason required", "review required", "scope required"}},
		{"permit", permit, nil},
		{"permit approved by its proposer", same, []string{"approver same-person"}},
		{"trigger", Trigger{Type: "contract-end", Date: day(t, "2020-01-01")}, nil},
		{"trigger withdrawn", Trigger{Type: OnClosure, Withdrawn: true}, nil},
		{"empty trigger", Trigger{}, []string{"date required_unless", "type required"}},
	} {
		var got []string
		var bad Invalid
		if err := Validate(c.v); errors.As(err, &bad) {
			for _, f := range bad {
				got = append(got, f.Subject+" "+f.Code)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestSchemeLegible: what no page, PDF or database shows is refused where it is written.
func TestSchemeLegible(t *testing.T) {
	s := Scheme{Title: "Plan\x00", Classes: []Class{{Code: "1", Title: "A\x07", Scope: "zwei\nZeilen"}, {Code: "2", Title: "B", Scope: "\u2066"}}}
	var got []string
	for _, f := range s.unsaid() {
		got = append(got, f.Subject+" "+f.Code)
	}
	if want := []string{"title text", "classes[0].title text", "classes[1].scope text"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestInvalidAnd: of a field that is wrong nobody is told that it is missing, too.
func TestInvalidAnd(t *testing.T) {
	wrong := Invalid{fault("line 2, column Gerechnet", "format", "a")}
	got := wrong.And(Invalid{fault("line 2, column Gerechnet", "required", "b"), fault("line 2, column Gerechnet", "format", "c"), fault("line 3, column Gerechnet", "required", "d")})
	if len(got) != 2 || got[0].Detail != "a" || got[1].Detail != "d" {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{Rule{ID: "r", Duration: Duration{Years: 501}}, "must be at most 500"},
		{Hold{Authority: string(make([]byte, 501))}, "must have at most 500 characters"},
		{Permit{Classes: make([]string, 10001)}, "must have at most 10000 entries"},
	} {
		var bad Invalid
		if err := Validate(c.v); !errors.As(err, &bad) || !slices.ContainsFunc(bad, func(f preservation.Finding) bool { return f.Detail == c.want }) {
			t.Errorf("want %q: %.300v", c.want, err)
		}
	}
}
