package retention

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func TestSampling(t *testing.T) {
	subject := func(name, born string) []preservation.Subject {
		s := preservation.Subject{Name: name}
		if born != "" {
			s.Born = day(t, born)
		}
		return []preservation.Subject{{Name: "Zander, Udo"}, s}
	}
	for _, c := range []struct {
		name     string
		by       Sampling
		subjects []preservation.Subject
		want     string
	}{
		{"letter", Sampling{Letters: []string{"M"}}, subject("Muster, Erika", ""), "name with M"},
		{"small letter", Sampling{Letters: []string{"V"}}, subject(" von Ast, Ida", ""), "name with V"},
		{"umlaut", Sampling{Letters: []string{"O"}}, subject("Öchsle, Jo", ""), "name with O"},
		{"other letter", Sampling{Letters: []string{"M"}}, subject("Nuster, Erika", ""), ""},
		{"no name", Sampling{Letters: []string{"M"}}, subject("", ""), ""},
		{"birthday", Sampling{Birthdays: []int{4, 29}}, subject("X", "1961-05-04"), "born on a day 4"},
		{"other birthday", Sampling{Birthdays: []int{5}}, subject("X", "1961-05-04"), ""},
		{"nobody", Sampling{Birthdays: []int{5}, Letters: []string{"A"}}, nil, ""},
	} {
		f := Facts{ID: "r", Subjects: c.subjects}
		if got := c.by.chosen(&f); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// A number that anybody can work out: printf r | sha256sum | cut -c1-16
	if got := fmt.Sprintf("%x", chance("r")); got != "454349e422f05297" {
		t.Errorf("chance %s", got)
	}
	const n = 20000
	var every, share int
	for i := range n {
		f := Facts{ID: preservation.RecordID(preservation.NewID(time.UnixMilli(int64(i))))}
		if (&Sampling{Every: 20}).chosen(&f) != "" {
			every++
		}
		if (&Sampling{Share: 50}).chosen(&f) != "" {
			share++
		}
	}
	for name, got := range map[string]int{"every 20th": every, "50 of 1000": share} {
		if got < n/20*8/10 || got > n/20*12/10 {
			t.Errorf("%s chose %d of %d", name, got, n)
		}
	}
}

// TestSampledIsKept: what a rule would destroy and its sample chooses is for the
// archive, whatever the permits, and nothing else of it changes.
func TestSampledIsKept(t *testing.T) {
	r := rule(t, "r")
	plain := schedule(t, []Class{{Code: "1", Title: "one", Rule: "r"}}, r)
	r.Sampling = &Sampling{Every: 4}
	r.Transfer = Duration{Years: 2}
	s := schedule(t, []Class{{Code: "1", Title: "one", Rule: "r"}}, r)
	permit := Permit{ID: "p", Classes: []string{"1"}, Granted: day(t, "2020-01-01"), ValidFrom: day(t, "2020-02-01"), Proposer: "a", Approver: "b", Approved: time.Unix(2, 0)}
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	chosen := 0
	for i := range 200 {
		f := Facts{ID: preservation.RecordID(fmt.Sprint(i)), Class: "1", Closed: day(t, "2010-03-01")}
		e, without := Evaluate(s, f, nil, now, berlin(t)), Evaluate(plain, f, nil, now, berlin(t))
		if e.Transfer != day(t, "2012-03-01") {
			t.Fatalf("transfer period until %s", e.Transfer)
		}
		sampled := len(e.Reasons) == 1 && e.Reasons[0].Code == Sampled
		if sampled {
			chosen++
		}
		if sampled != (e.Disposition == Archive) || permit.Allows(s, &e, preservation.DateOf(now)) == sampled {
			t.Fatalf("%+v", e)
		}
		if e.State != without.State || e.End != without.End || e.Rule != without.Rule {
			t.Fatalf("%+v, without a sample %+v", e, without)
		}
	}
	if chosen == 0 || chosen == 200 {
		t.Errorf("%d of 200", chosen)
	}
	for name, c := range map[string]struct {
		change func(*Rule)
		field  string
	}{
		"of what is kept":   {func(r *Rule) { r.Disposition = Assess }, "sampling"},
		"no way of it":      {func(r *Rule) { r.Sampling = &Sampling{} }, "sampling"},
		"every record":      {func(r *Rule) { r.Sampling.Every = 1 }, "sampling.every"},
		"an umlaut":         {func(r *Rule) { r.Sampling.Letters = []string{"Ä"} }, "sampling.letters[0]"},
		"a small letter":    {func(r *Rule) { r.Sampling.Letters = []string{"a"} }, "sampling.letters[0]"},
		"a day of no month": {func(r *Rule) { r.Sampling.Birthdays = []int{32} }, "sampling.birthdays[0]"},
	} {
		bad := r
		bad.Sampling = &Sampling{Every: 4}
		c.change(&bad)
		var found Invalid
		if err := Validate(bad); !errors.As(err, &found) || found[0].Subject != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRuleApproval: where two persons have to agree a draft governs nothing, and
// who wrote it can't approve it.
func TestRuleApproval(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	id := a.keep(a.metadata("01.10", "2020-07-31"))
	a.night()
	if err := a.officer.SetPolicy(ctx, a.tenant, Policy{ApproveRules: true}, "admin"); err != nil {
		t.Fatal(err)
	}
	short := Rule{ID: "general-10y", Title: "Kürzer", Trigger: OnClosure, Duration: Duration{Years: 2}, Base: YearEnd, LegalBasis: "neu", ApprovedBy: "anna", ProposedBy: "x"}
	draft, err := a.officer.AddRule(ctx, a.tenant, short, "anna")
	if err != nil || draft.ApprovedBy != "" || draft.ProposedBy != "anna" || draft.Version != 2 {
		t.Fatalf("%+v, %v", draft, err)
	}
	a.evaluate()
	a.want(id, "retention")
	for _, actor := range []string{"anna", "Anna", ""} {
		if _, err := a.officer.ApproveRule(ctx, a.tenant, "general-10y", 2, actor); !errors.Is(err, ErrSamePerson) {
			t.Errorf("%q approves: %v", actor, err)
		}
	}
	if _, err := a.officer.ApproveRule(ctx, a.tenant, "general-10y", 3, "bernd"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a version that is not there: %v", err)
	}
	if r, err := a.officer.ApproveRule(ctx, a.tenant, "general-10y", 2, "bernd"); err != nil || r.ApprovedBy != "bernd" {
		t.Fatalf("%+v, %v", r, err)
	}
	a.evaluate()
	a.want(id, "due")
	if _, err := a.officer.ApproveRule(ctx, a.tenant, "general-10y", 2, "carl"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	log, err := a.tenant.AuditLog(ctx, 0, "general-10y", 10)
	if err != nil || len(log) != 3 || log[2].Action != "rule.approve" || log[2].Actor != "bernd" {
		t.Errorf("audit %+v, %v", log, err)
	}
}
