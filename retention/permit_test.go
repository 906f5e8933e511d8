package retention

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPermitAllows(t *testing.T) {
	s := schedule(t, []Class{{Code: "1", Title: "one", Rule: "r"}, {Code: "1.1", Title: "below", Parent: "1"}, {Code: "2", Title: "two", Rule: "r"}}, rule(t, "r"))
	followed, err := NewSchedule(Scheme{Version: 2, Title: "Plan", Classes: []Class{{Code: "1", Title: "one", Rule: "r"}, {Code: "1.1", Title: "below", Parent: "1"}},
		Successors: map[string]string{"2": "1.1", "3": "1"}}, []Rule{rule(t, "r")})
	if err != nil {
		t.Fatal(err)
	}
	today := day(t, "2026-05-05")
	permit := Permit{ID: "p", Classes: []string{"1"}, Authority: "Stadtarchiv", Granted: day(t, "2020-01-01"), LegalBasis: "SächsArchivG §5(9)",
		ValidFrom: day(t, "2020-02-01"), Proposer: "a", Proposed: time.Unix(1, 0), Approver: "b", Approved: time.Unix(2, 0)}
	due := Evaluation{State: Due, Class: "1.1", Disposition: Destroy, End: day(t, "2025-12-31"), DueFrom: day(t, "2026-01-01")}
	for _, c := range []struct {
		name   string
		change func(*Permit, *Evaluation)
		want   bool
	}{
		{"allowed", func(*Permit, *Evaluation) {}, true},
		{"not approved", func(p *Permit, _ *Evaluation) { p.Approver, p.Approved = "", time.Time{} }, false},
		{"approved by the proposer", func(p *Permit, _ *Evaluation) { p.Approver = "A" }, false},
		{"no proposer", func(p *Permit, _ *Evaluation) { p.Proposer = "" }, false},
		{"no time of approval", func(p *Permit, _ *Evaluation) { p.Approved = time.Time{} }, false},
		{"revoked", func(p *Permit, _ *Evaluation) { p.Revoked = time.Unix(3, 0) }, false},
		{"never granted", func(p *Permit, _ *Evaluation) { p.Granted.Year, p.Granted.Month, p.Granted.Day = 0, 0, 0 }, false},
		{"granted tomorrow", func(p *Permit, _ *Evaluation) { p.Granted = today.AddDays(1) }, false},
		{"not yet valid", func(p *Permit, _ *Evaluation) { p.ValidFrom = today.AddDays(1) }, false},
		{"expired", func(p *Permit, _ *Evaluation) { p.ValidTo = today.AddDays(-1) }, false},
		{"last day", func(p *Permit, _ *Evaluation) { p.ValidTo = today }, true},
		{"another class", func(_ *Permit, e *Evaluation) { e.Class = "2" }, false},
		{"class no longer in the scheme", func(p *Permit, e *Evaluation) { e.Class = "9"; p.Classes = []string{"9"} }, false},
		{"to be assessed", func(_ *Permit, e *Evaluation) { e.Disposition = Assess }, false},
		{"to be archived", func(_ *Permit, e *Evaluation) { e.Disposition = Archive }, false},
		{"held", func(_ *Permit, e *Evaluation) { e.State, e.Beneath = Held, Due }, false},
		{"unresolved", func(_ *Permit, e *Evaluation) { e.State = Unresolved }, false},
		{"conflict", func(_ *Permit, e *Evaluation) { e.State = Conflict }, false},
		{"period runs", func(_ *Permit, e *Evaluation) { e.State = Retained }, false},
		{"due tomorrow", func(_ *Permit, e *Evaluation) { e.DueFrom = today.AddDays(1) }, false},
	} {
		p, e := permit, due
		c.change(&p, &e)
		if got := p.Allows(s, &e, today); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	for _, code := range []string{"2", "3"} {
		p, e := permit, due
		p.Classes, e.Class = []string{"1", "1.1", "2", "3"}, code
		if p.Allows(followed, &e, today) {
			t.Errorf("records of class %s are destroyed by a permit that its successor has, or that it had", code)
		}
	}
	if !permit.Allows(followed, &due, today) {
		t.Error("the permit ends for a class that is as it was")
	}
}

// TestPermitAhead refuses a permit that the archive is to grant only later.
func TestPermitAhead(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	p := Permit{Classes: []string{contact}, Authority: "Stadtarchiv", LegalBasis: "§5(9)", Granted: day(t, "2026-02-02"), ValidFrom: day(t, "2020-01-01")}
	_, err := a.officer.ProposePermit(t.Context(), a.tenant, p, "anna")
	var bad Invalid
	if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Subject != "granted" || bad[0].Code != "future" {
		t.Errorf("granted tomorrow: %v", err)
	}
	p.Granted = day(t, "2026-02-01")
	if p, err := a.officer.ProposePermit(t.Context(), a.tenant, p, "anna"); err != nil || p.Idle != nil {
		t.Errorf("granted today: %+v, %v", p, err)
	}
}

// TestPermitIdle names the classes of a permit whose rules do not say V.
func TestPermitIdle(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	p := Permit{Classes: []string{contact, sickness}, Authority: "Stadtarchiv", LegalBasis: "§5(9)", Granted: day(t, "2026-02-01"), ValidFrom: day(t, "2020-01-01")}
	p, err := a.officer.ProposePermit(t.Context(), a.tenant, p, "anna")
	all, listErr := a.officer.Permits(t.Context(), a.tenant)
	if err != nil || listErr != nil || len(all) != 1 {
		t.Fatalf("%v, %v, %+v", err, listErr, all)
	}
	for _, idle := range [][]IdleClass{p.Idle, all[0].Idle} {
		if len(idle) != 1 || idle[0].Class != sickness || idle[0].Disposition != Assess || !strings.HasSuffix(idle[0].Rule, "@1") {
			t.Errorf("without effect: %+v", idle)
		}
	}
}
