package retention

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestClosure is the table of closure periods by SächsArchivG §10.
func TestClosure(t *testing.T) {
	periods, err := closurePeriods()
	if err != nil {
		t.Fatal(err)
	}
	at := func(n int) Added { return Added{ID: string(rune('a' + n)), Recorded: time.Unix(int64(n), 0)} }
	person := func(name, born, died string) preservation.Subject {
		known := func(s string) preservation.Date {
			if s == "" {
				return preservation.Date{}
			}
			return day(t, s)
		}
		return preservation.Subject{Name: name, Born: known(born), Died: known(died)}
	}
	for _, c := range []struct {
		name   string
		f      ClosureFacts
		grants []AccessGrant
		until  string
		reason string
	}{
		{"nothing but files", ClosureFacts{}, nil, "2045-11-30", "general"},
		{"the 29th of February", ClosureFacts{Created: day(t, "1996-02-29")}, nil, "2026-02-28", "general"},
		{"secrecy", ClosureFacts{Confidentiality: "Vertraulich"}, nil, "2075-11-30", "secrecy"},
		{"secrecy by the code of xdomea", ClosureFacts{Confidentiality: "001"}, nil, "2075-11-30", "secrecy"},
		{"an open record by the code of xdomea", ClosureFacts{Confidentiality: "003"}, nil, "2045-11-30", "general"},
		{"for official use", ClosureFacts{Confidentiality: "VS-NfD"}, nil, "2075-11-30", "secrecy"},
		{"no secrecy", ClosureFacts{Confidentiality: "internal"}, nil, "2045-11-30", "general"},
		{"died long ago: the general period is longer", ClosureFacts{Subjects: []preservation.Subject{person("A", "1900-01-01", "1950-01-01")}}, nil, "2045-11-30", "general"},
		{"died late", ClosureFacts{Subjects: []preservation.Subject{person("A", "1930-01-01", "2040-05-06")}}, nil, "2050-05-06", "person-death"},
		{"born", ClosureFacts{Subjects: []preservation.Subject{person("A", "1961-05-04", "")}}, nil, "2061-05-04", "person-birth"},
		{"of two the younger", ClosureFacts{Subjects: []preservation.Subject{person("A", "1961-05-04", ""), person("B", "1990-05-04", "")}}, nil, "2090-05-04", "person-birth"},
		{"neither is known", ClosureFacts{Subjects: []preservation.Subject{person("A", "", "")}}, nil, "2075-11-30", "person-creation"},
		{"a person whom nobody named", ClosureFacts{PersonalData: true}, nil, "2075-11-30", "person-creation"},
		{"personal, and the person is named", ClosureFacts{PersonalData: true, Subjects: []preservation.Subject{person("A", "1930-01-01", "1990-01-01")}}, nil, "2045-11-30", "general"},
		{"consent", ClosureFacts{Subjects: []preservation.Subject{person("A", "1961-05-04", "")}}, []AccessGrant{{Added: at(1), Kind: Consent, Person: "A"}}, "2045-11-30", "general"},
		{"consent of one of two", ClosureFacts{Subjects: []preservation.Subject{person("A", "1961-05-04", ""), person("B", "1971-05-04", "")}},
			[]AccessGrant{{Added: at(1), Kind: Consent, Person: "B"}}, "2061-05-04", "person-birth"},
		{"consent does not lift secrecy", ClosureFacts{Confidentiality: "geheim", Subjects: []preservation.Subject{person("A", "1990-05-04", "")}},
			[]AccessGrant{{Added: at(1), Kind: Consent, Person: "A"}}, "2075-11-30", "secrecy"},
		{"opened at once", ClosureFacts{PersonalData: true}, []AccessGrant{{Added: at(1), Kind: Shortening, LegalBasis: "l"}}, "", "shortening"},
		{"shortened", ClosureFacts{}, []AccessGrant{{Added: at(1), Kind: Shortening, Until: day(t, "2030-01-01")}}, "2030-01-01", "shortening"},
		{"a shortening is no lengthening", ClosureFacts{}, []AccessGrant{{Added: at(1), Kind: Shortening, Until: day(t, "2999-01-01")}}, "2045-11-30", "general"},
		{"the last one counts", ClosureFacts{}, []AccessGrant{{Added: at(2), Kind: Shortening, Until: day(t, "2999-01-01")}, {Added: at(1), Kind: Shortening}}, "2045-11-30", "general"},
	} {
		if c.f.Created.IsZero() {
			c.f.Created = day(t, "2015-11-30")
		}
		if a := Closure(periods, c.f, c.grants); a.ClosedUntil.String() != c.until || a.Reason != c.reason {
			t.Errorf("%s: closed until %s by %s, want %s by %s", c.name, a.ClosedUntil, a.Reason, c.until, c.reason)
		}
	}
	until := day(t, "2030-01-01")
	for d, closed := range map[string]bool{"2029-12-31": true, "2030-01-01": true, "2030-01-02": false} {
		if a := (Access{ClosedUntil: until}); a.Closed(day(t, d)) != closed {
			t.Errorf("on %s it is closed: %t", d, !closed)
		}
	}
}

// TestClosureProperties holds for whatever persons and grants there are: their order
// does not matter, one more person never opens a record earlier, consent never closes
// it longer, and without a shortening the general period is never undercut.
func TestClosureProperties(t *testing.T) {
	periods, err := closurePeriods()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	date := func() preservation.Date {
		if r.IntN(3) == 0 {
			return preservation.Date{}
		}
		return preservation.Date{Year: 1900 + r.IntN(150), Month: time.January, Day: 1}.AddDays(r.IntN(366))
	}
	names := []string{"A", "B", "C", "D"}
	for range 5000 {
		f := ClosureFacts{Created: preservation.Date{Year: 1950 + r.IntN(80), Month: 2, Day: 1 + r.IntN(28)}, PersonalData: r.IntN(2) == 0}
		for _, n := range names[:r.IntN(5)] {
			f.Subjects = append(f.Subjects, preservation.Subject{Name: n, Born: date(), Died: date()})
		}
		var grants []AccessGrant
		shortened := false
		for i := range r.IntN(4) {
			g := AccessGrant{Added: Added{ID: string(rune('a' + i)), Recorded: time.Unix(int64(r.IntN(3)), 0)}, Kind: Consent, Person: names[r.IntN(4)]}
			if r.IntN(3) == 0 {
				g, shortened = AccessGrant{Added: g.Added, Kind: Shortening, Until: date()}, true
			}
			grants = append(grants, g)
		}
		a := Closure(periods, f, grants)
		mixed := f
		mixed.Subjects = slices.Clone(f.Subjects)
		r.Shuffle(len(mixed.Subjects), func(i, j int) { mixed.Subjects[i], mixed.Subjects[j] = mixed.Subjects[j], mixed.Subjects[i] })
		turned := slices.Clone(grants)
		slices.Reverse(turned)
		if b := Closure(periods, mixed, turned); b.ClosedUntil != a.ClosedUntil || b.Reason != a.Reason {
			t.Fatalf("%+v, %+v: %s by %s, in another order %s by %s", f, grants, a.ClosedUntil, a.Reason, b.ClosedUntil, b.Reason)
		}
		if !shortened && a.ClosedUntil.Before(add(f.Created, Duration{Years: 30})) {
			t.Fatalf("%+v, %+v: open after %s", f, grants, a.ClosedUntil)
		}
		without := slices.DeleteFunc(slices.Clone(grants), func(g AccessGrant) bool { return g.Kind == Consent })
		if b := Closure(periods, f, without); b.ClosedUntil.Before(a.ClosedUntil) {
			t.Fatalf("%+v, %+v: consent closes it longer, %s instead of %s", f, grants, a.ClosedUntil, b.ClosedUntil)
		}
		if len(f.Subjects) > 0 {
			more := f
			more.Subjects = append(slices.Clone(f.Subjects), preservation.Subject{Name: "E", Born: date(), Died: date()})
			if b := Closure(periods, more, grants); b.ClosedUntil.Before(a.ClosedUntil) {
				t.Fatalf("%+v, %+v: one more person opens it, %s instead of %s", more, grants, b.ClosedUntil, a.ClosedUntil)
			}
		}
	}
}

func TestGrant(t *testing.T) {
	ctx := t.Context()
	a := newArchive(t, "2026-02-01")
	m := a.metadata(contact, "2015-07-31")
	m.Subjects = []preservation.Subject{{Name: "Muster, Erika", Born: day(t, "1961-05-04")}}
	id := a.keep(m)
	for _, c := range []struct {
		g           AccessGrant
		field, code string
	}{
		{AccessGrant{Kind: "other", Reason: "r", LegalBasis: "l"}, "kind", "oneof"},
		{AccessGrant{Kind: Consent, Person: "Muster, Erik", Reason: "r", LegalBasis: "l"}, "person", "unknown-person"},
		{AccessGrant{Kind: Consent, Reason: "r", LegalBasis: "l"}, "person", "unknown-person"},
		{AccessGrant{Kind: Consent, Person: "Muster, Erika", Until: day(t, "2030-01-01"), Reason: "r", LegalBasis: "l"}, "until", "misplaced"},
		{AccessGrant{Kind: Shortening, Person: "Muster, Erika", Reason: "r", LegalBasis: "l"}, "person", "misplaced"},
		{AccessGrant{Kind: Shortening, LegalBasis: "l"}, "reason", "required"},
		{AccessGrant{Kind: Shortening, Reason: "r"}, "legal_basis", "required"},
	} {
		var bad Invalid
		if _, err := a.officer.Grant(ctx, a.tenant, id, c.g, "anna"); !errors.As(err, &bad) || bad[0].Subject != c.field || bad[0].Code != c.code {
			t.Errorf("%+v: %v, want %s of %s", c.g, err, c.code, c.field)
		}
	}
	for _, g := range []AccessGrant{{Kind: Consent, Person: "Muster, Erika", Reason: "Erklärung", LegalBasis: "§10"}, {Kind: Shortening, Until: day(t, "2027-01-01"), Reason: "Forschung", LegalBasis: "§10"}} {
		if _, err := a.officer.Grant(ctx, a.tenant, id, g, "anna"); err != nil {
			t.Fatal(err)
		}
	}
	e, err := a.tenant.Record(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.officer.Access(ctx, a.tenant, e.Record)
	if err != nil || got.ClosedUntil.String() != "2027-01-01" || len(got.Exceptions) != 2 || got.Exceptions[0].Person != "Muster, Erika" {
		t.Errorf("%+v, %v", got, err)
	}
	// What was added to a record goes with it.
	a.permit(contact)
	a.night()
	a.now = a.now.AddDate(0, 0, 100)
	a.dispose()
	a.want(id, "destroyed")
	if notes, err := a.tenant.View().Annotations(ctx, id, ""); err != nil || len(notes) != 0 {
		t.Errorf("%+v, %v", notes, err)
	}
	if _, err := a.officer.Grant(ctx, a.tenant, id, AccessGrant{Kind: Shortening, Reason: "r", LegalBasis: "l"}, "anna"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("of a destroyed record: %v", err)
	}
}
