package retention

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bestand/preservation/catalog"
)

// changed returns a scheme with some of its classes changed, dropped and added.
func (r draw) changed(s Scheme, mark string) Scheme {
	out := Scheme{Title: s.Title}
	for _, c := range s.Classes {
		switch r.IntN(8) {
		case 0:
			c.Title += mark
		case 1:
			c.Closed = !c.Closed
		case 2:
			c.Rule = mark
		case 3:
			continue
		}
		out.Classes = append(out.Classes, c)
	}
	for i := range r.IntN(3) {
		out.Classes = append(out.Classes, Class{Code: fmt.Sprintf("%s%d", mark, i), Title: mark})
	}
	return out
}

// TestMergeProperties: what nobody changed stays, what one side changed is
// changed, and what both did is the tenant's.
func TestMergeProperties(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(4, 2))}
	for range 2000 {
		var first Scheme
		for i := range 12 {
			first.Classes = append(first.Classes, Class{Code: fmt.Sprint(i), Title: "t", Rule: "r"})
		}
		base := Template{Name: "x", Version: 1, Scheme: first}
		next := Template{Name: "x", Version: 2, Scheme: r.changed(first, "n")}
		ours := r.changed(first, "o")

		if got := merge(base, base, ours, nil); !reflect.DeepEqual(byCode(got.Scheme), byCode(ours)) || len(got.Added)+len(got.Changed)+len(got.Removed) > 0 {
			t.Fatalf("nothing new changes %+v into %+v", ours, got)
		}
		if got := merge(base, next, first, nil); !reflect.DeepEqual(byCode(got.Scheme), byCode(next.Scheme)) || len(got.Kept) > 0 {
			t.Fatalf("an untouched classification becomes %+v, want %+v", got, next.Scheme)
		}
		got := merge(base, next, ours, nil)
		was, has, theirs, out := byCode(first), byCode(ours), byCode(next.Scheme), byCode(got.Scheme)
		for code := range has {
			if has[code] != was[code] && has[code].Title != was[code].Title && out[code].Title != has[code].Title {
				t.Fatalf("the tenant's title of %s is lost: %+v", code, out[code])
			}
		}
		for code, c := range theirs {
			_, here := has[code]
			if _, known := was[code]; (here && has[code] == was[code] || !known && !here) && out[code] != c {
				t.Fatalf("class %s is %+v, want %+v", code, out[code], c)
			}
		}
		again := merge(next, next, got.Scheme, nil)
		if !reflect.DeepEqual(byCode(again.Scheme), out) {
			t.Fatalf("once more gives %+v, want %+v", again.Scheme, got.Scheme)
		}
	}
}

// TestTemplate: two tenants share a template; one has changed it, and adopts the
// next version explicitly, after seeing what that does.
func TestTemplate(t *testing.T) {
	a := holding(t, 17)
	ctx := t.Context()
	sample, err := SampleTemplate()
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.officer.Scheme(ctx, a.tenant)
	if err != nil || s.Template == nil || *s.Template != (TemplateRef{Shipped, 1}) {
		t.Fatalf("%+v, %v", s.Template, err)
	}
	find := func(s Scheme, code string) *Class {
		t.Helper()
		i := slices.IndexFunc(s.Classes, func(c Class) bool { return c.Code == code })
		if i < 0 {
			t.Fatalf("no class %s", code)
		}
		return &s.Classes[i]
	}
	// The tenant's own: a class, the rule of another, one closed.
	s.Classes = append(slices.Clone(s.Classes), Class{Code: "01.99", Title: "Eigenes", Parent: "01"})
	find(s, "01.20").Rule = "procurement"
	find(s, "01.10").Closed = true
	if s, _, err = a.officer.SetScheme(ctx, a.tenant, s, "anna"); err != nil || s.Template == nil {
		t.Fatal(s.Template, err)
	}
	a.settle()

	next := sample
	next.Version = 2
	next.Scheme.Classes = append(slices.Clone(sample.Scheme.Classes), Class{Code: "01.50", Title: "Neu im Muster", Parent: "01"})
	find(next.Scheme, "01.10").Title = "Anders benannt"
	find(next.Scheme, "01.20").Rule = "invoices"
	next.Rules = slices.Clone(sample.Rules)
	i := slices.IndexFunc(next.Rules, func(r Rule) bool { return r.ID == "general-10y" })
	next.Rules[i].Duration, next.Rules[i].ValidFrom = Duration{Years: 3}, day(t, "2026-01-01")

	p, err := a.officer.PreviewTemplate(ctx, a.tenant, next, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Added, []string{"01.50"}) || !slices.Equal(p.Changed, []string{"01.10"}) || !slices.Equal(p.Kept, []string{"01.10", "01.20"}) || !slices.Equal(p.Rules, []string{"general-10y"}) {
		t.Errorf("added %v, changed %v, kept %v, rules %v", p.Added, p.Changed, p.Kept, p.Rules)
	}
	before := a.evaluations()
	got, err := a.officer.Adopt(ctx, a.tenant, next, "bernd")
	if err != nil {
		t.Fatal(err)
	}
	a.settle()
	if want := moved(before, a.evaluations()); !reflect.DeepEqual(p.Preview.Effects[0].table(), want) || len(want) == 0 {
		t.Errorf("previewed %v\nhappened %v", p.Preview.Effects[0].table(), want)
	}
	if s, err = a.officer.Scheme(ctx, a.tenant); err != nil || *s.Template != (TemplateRef{Shipped, 2}) || s.Version != 3 || got.Scheme.Version != 3 {
		t.Errorf("version %d of %+v, %v", s.Version, s.Template, err)
	}
	if c := find(s, "01.10"); c.Title != "Anders benannt" || !c.Closed {
		t.Errorf("%+v", c)
	}
	if c := find(s, "01.20"); c.Rule != "procurement" {
		t.Errorf("%+v", c)
	}
	find(s, "01.99")
	again, err := a.officer.PreviewTemplate(ctx, a.tenant, next, 1)
	if err != nil || len(again.Added)+len(again.Changed)+len(again.Removed)+len(again.Rules) > 0 || again.Preview.Effects[0].Moved > 0 {
		t.Errorf("once more: %+v, %v", again, err)
	}

	// Nobody could tell two versions with one number apart, or would notice an older one.
	other := next
	other.Scheme.Title = "Noch anders"
	for name, x := range map[string]Template{"older": sample, "of the same number": other} {
		if _, err := a.officer.PreviewTemplate(ctx, a.tenant, x, 0); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("%s: previewed, %v", name, err)
		}
		if _, err := a.officer.Adopt(ctx, a.tenant, x, "bernd"); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("%s: adopted, %v", name, err)
		}
	}

	// What the template leaves out and records are in stays, or has a successor.
	last := next
	last.Version = 3
	last.Scheme.Classes = slices.DeleteFunc(slices.Clone(next.Scheme.Classes), func(c Class) bool { return c.Code == "63.10" })
	var used InUse
	if _, err := a.officer.Adopt(ctx, a.tenant, last, "bernd"); !errors.As(err, &used) {
		t.Errorf("a class in use is left out: %v", err)
	}
	last.Scheme.Successors = map[string]string{"63.10": "63.20"}
	if got, err = a.officer.Adopt(ctx, a.tenant, last, "bernd"); err != nil || !slices.Equal(got.Removed, []string{"63.10"}) || got.Scheme.Successors["63.10"] != "63.20" {
		t.Errorf("%v, %v", got.Removed, err)
	}
	own, err := a.officer.Template(ctx, a.tenant, TemplateRef{"musterstadt", 1})
	if err != nil || own.Name != "musterstadt" || len(own.Scheme.Classes) != len(got.Scheme.Classes) || len(own.Rules) == 0 {
		t.Errorf("%v, %v", own.Name, err)
	}
	var bad Invalid
	if _, err := a.officer.Adopt(ctx, a.tenant, Template{Name: "x"}, "bernd"); !errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
}

// TestTemplateOfBefore: rules of a template that leave periods out say what they said to
// former releases, also beside those of now, which write "duration": {}.
func TestTemplateOfBefore(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	sample, err := SampleTemplate()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(sample.Rules, func(r Rule) bool { return r.ID == "procurement" })
	next := sample
	next.Version = 2
	next.Rules = slices.Clone(sample.Rules)
	next.Rules[i].ID = "procurement-new"
	tax := slices.IndexFunc(next.Rules, func(r Rule) bool { return r.ID == "tax-books" })
	next.Rules[tax].ID = "tax-new"
	low := slices.IndexFunc(next.Rules, func(r Rule) bool { return r.ID == "council-minutes" }) // nobody has read the law
	next.Rules[low].ID = "minutes-new"
	got, err := a.officer.Adopt(ctx, a.tenant, next, "bernd")
	if slices.Sort(got.Rules); err != nil || !slices.Equal(got.Rules, []string{"minutes-new", "procurement-new", "tax-new"}) {
		t.Fatalf("%v, %v", got.Rules, err)
	}
	if next.Rules[i].Duration != (Duration{}) || next.Rules[tax].Minimum.Duration != (Duration{}) {
		t.Error("the template of somebody else was changed")
	}
	rules, err := a.officer.Rules(ctx, a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	if r := newestRules(rules)["procurement-new"]; r.Duration != NoTime() || r.ApprovedBy != "bernd" {
		t.Errorf("%+v", r)
	}
	if r := newestRules(rules)["tax-new"]; r.Minimum.Duration != NoTime() {
		t.Errorf("%+v", r.Minimum)
	}
	again := next // as a release of now writes it
	again.explicit()
	if got, err := a.officer.Adopt(ctx, a.tenant, again, "bernd"); err != nil || !got.Unchanged {
		t.Errorf("%+v, %v", got.Rules, err)
	}

	// A fault names the rule and its field; an end that is said is adopted.
	last := again
	last.Version, last.Rules = 3, slices.Clone(again.Rules)
	last.Rules[i].LegalBasis = ""
	var bad Invalid
	for name, try := range map[string]func() error{
		"previewed": func() error { _, err := a.officer.PreviewTemplate(ctx, a.tenant, last, 0); return err },
		"adopted":   func() error { _, err := a.officer.Adopt(ctx, a.tenant, last, "bernd"); return err },
	} {
		if err := try(); !errors.As(err, &bad) || len(bad) != 1 || bad[0].Subject != fmt.Sprintf("rules[%d].legal_basis", i) {
			t.Errorf("%s: %v", name, err)
		}
	}
	last.Rules[i].LegalBasis, last.Rules[i].ValidTo = again.Rules[i].LegalBasis, day(t, "2027-12-31")
	last.Rules[low].Title = "Anders benannt"
	got, err = a.officer.Adopt(ctx, a.tenant, last, "bernd")
	if slices.Sort(got.Rules); err != nil || !slices.Equal(got.Rules, []string{"minutes-new", "procurement-new"}) || len(got.Kept) > 0 {
		t.Errorf("%v, kept %v, %v", got.Rules, got.Kept, err)
	}
}
