package retention

import (
	"errors"
	"strings"
	"testing"
)

// TestUnknownTrigger: an event that no rule waits for is refused and not kept.
func TestUnknownTrigger(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	id := a.keep(a.metadata("63.10", "2015-11-30"))
	for _, g := range []Trigger{{Type: "building-remove", Date: day(t, "2026-01-01")}, {Type: "closing", Withdrawn: true}} {
		var bad Invalid
		_, err := a.officer.AddTrigger(t.Context(), a.tenant, id, g, "bauamt")
		if !errors.As(err, &bad) || bad[0].Code != "unknown-trigger" || bad[0].Subject != "type" ||
			!strings.Contains(bad[0].Detail, "building-removed") || !strings.Contains(bad[0].Detail, "closure") {
			t.Errorf("%s: %v", g.Type, err)
		}
	}
	if got, err := a.tenant.View().Triggers(t.Context(), id); err != nil || len(got[id]) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	// Any version of any rule counts, and so do its bounds.
	rule := Rule{ID: "general-10y", Title: "Neu", Trigger: OnClosure, Duration: Duration{Years: 2}, Base: YearEnd, LegalBasis: "neu",
		Minimum: &Bound{Trigger: "last-payment", Duration: Duration{Years: 1}, Base: Day}}
	if _, err := a.officer.AddRule(t.Context(), a.tenant, rule, "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.AddTrigger(t.Context(), a.tenant, id, Trigger{Type: "last-payment", Date: day(t, "2026-01-01")}, "bauamt"); err != nil {
		t.Error(err)
	}
}

// TestUnknownClass: a hold that would hold nothing is refused, one over a class
// that only records still know is not.
func TestUnknownClass(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	a.keep(a.metadata("63.10", "2015-11-30"))
	hold := func(classes ...string) error {
		_, _, err := a.officer.SetHold(ctx, a.tenant, Hold{Scope: Scope{Classes: classes}, Authority: "a", Reason: "r", Review: day(t, "2030-01-01")}, "anna")
		return err
	}
	var bad Invalid
	if err := hold("63.10", "63.1O"); !errors.As(err, &bad) || len(bad) != 1 || bad[0].Subject != "scope.classes[1]" || bad[0].Code != UnknownClass {
		t.Errorf("%v", err)
	}
	if all, err := a.officer.Holds(ctx, a.tenant); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if docs, err := a.tenant.View().Documents(ctx, KindHold); err != nil || len(docs) > 0 {
		t.Errorf("%+v, %v", docs, err)
	}
	next := Scheme{Title: "Neu", Classes: []Class{{Code: "1", Title: "Nur eine", Rule: "general-10y"}}, Successors: map[string]string{"63.10": "1"}}
	if _, _, err := a.officer.SetScheme(ctx, a.tenant, next, "anna"); err != nil {
		t.Fatal(err)
	}
	if err := hold("63.10"); err != nil {
		t.Error(err)
	}
	if err := hold("63.11"); !errors.As(err, &bad) {
		t.Error(err)
	}
}
