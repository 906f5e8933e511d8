package retention

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func TestPersons(t *testing.T) {
	for _, c := range []struct {
		asked, held preservation.Subject
		match       string
	}{
		{preservation.Subject{Name: "Erika Muster"}, preservation.Subject{Name: "Muster, Erika"}, MatchExact},
		{preservation.Subject{Name: "Jörg Müller"}, preservation.Subject{Name: "MUELLER, Joerg"}, MatchExact},
		{preservation.Subject{Name: "Dr. José Groß"}, preservation.Subject{Name: "Gross, Jose"}, MatchExact},
		{preservation.Subject{Name: "Anna Meier"}, preservation.Subject{Name: "Mayer, Anna"}, MatchVariant},
		{preservation.Subject{Name: "Hans Schmidt"}, preservation.Subject{Name: "Schmitt, Hans"}, MatchVariant},
		{preservation.Subject{Name: "Hans Schmidt"}, preservation.Subject{Name: "Schmidt, Hans Peter"}, MatchVariant},
		{preservation.Subject{Name: "Muller, Jorg"}, preservation.Subject{Name: "Müller, Jörg"}, MatchVariant},
		{preservation.Subject{Name: "Erika Muster", Born: day(t, "1961-05-04")}, preservation.Subject{Name: "Erika Muster", Born: day(t, "1962-05-04")}, MatchVariant},
		{preservation.Subject{Name: "Erika Muster", Born: day(t, "1961-05-04")}, preservation.Subject{Name: "Erika Muster"}, MatchExact},
		{preservation.Subject{ID: "4711"}, preservation.Subject{Name: "Erika Muster", ID: "4711"}, MatchID},
		{preservation.Subject{Name: "Erika Muster"}, preservation.Subject{Name: "Erik Neumann"}, ""},
		{preservation.Subject{Name: "Muster"}, preservation.Subject{Name: "Muster, Erika"}, ""},
		{preservation.Subject{Name: "..."}, preservation.Subject{Name: "Muster, Erika"}, ""},
	} {
		p := newPerson(c.asked)
		if got := p.match(c.held); got != c.match {
			t.Errorf("%v asked, %v held: %q, want %q (%v, %v)", c.asked, c.held, got, c.match, p.sounds, newPerson(c.held).sounds)
		}
	}
	// Values that H. J. Postel's rules give.
	for word, want := range map[string]string{"wikipedia": "3412", "mueller": "657", "luedenscheidt": "52682", "breschnew": "17863", "heinz": "068", "xaver": "4837"} {
		if got := sound(word); got != want {
			t.Errorf("%s sounds %s, want %s", word, got, want)
		}
	}
}

func (a *archive) ask(kind string, name string) SubjectRequest {
	a.t.Helper()
	q, err := a.officer.AddSubjectRequest(a.t.Context(), a.tenant, SubjectRequest{Kind: kind, Subject: preservation.Subject{Name: name}, Received: day(a.t, "2026-01-15"), Text: "So war es nicht."}, "anna")
	if err != nil {
		a.t.Fatal(err)
	}
	a.now = a.now.Add(1000000)
	return q
}

func granted(ids ...preservation.RecordID) SubjectDecision {
	return SubjectDecision{Outcome: Granted, Reason: "berechtigt", LegalBasis: "DSGVO", Records: ids}
}

// about keeps a record about Erika Muster.
func (a *archive) about(class, closed string) preservation.RecordID {
	m := a.metadata(class, closed)
	m.Subjects = []preservation.Subject{{Name: "Muster, Erika", Born: day(a.t, "1961-05-04")}}
	return a.keep(m)
}

func TestErasure(t *testing.T) {
	ctx := t.Context()
	a := newArchive(t, "2026-02-01")
	due, held, young, forever := a.about(contact, "2015-07-31"), a.about(contact, "2015-07-31"), a.about(contact, "2025-07-31"), a.about("00.10", "2015-07-31")
	a.hold(Scope{Records: []preservation.RecordID{held}})
	a.night()
	q := a.ask(AskErasure, "Erika Muster")
	found, err := a.officer.Candidates(ctx, a.tenant, q.Subject)
	if err != nil || len(found) != 4 || found[0].Match != MatchExact {
		t.Fatalf("%+v, %v", found, err)
	}
	for id, code := range map[preservation.RecordID]string{held: "held", young: "duty-to-keep", forever: "archival", "01jq2m9cfp2y8r0v6k3c5t7n4e": "unknown-record"} {
		var bad Invalid
		if _, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, granted(due, id), "anna"); !errors.As(err, &bad) || bad[0].Subject != "records[1]" || bad[0].Code != code {
			t.Errorf("%v, want %s of records[1]", err, code)
		}
	}
	done, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, granted(due), "anna")
	if err != nil || done.Decision.Run == "" {
		t.Fatalf("%+v, %v", done.Decision, err)
	}
	if _, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, granted(due), "anna"); !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "was decided on") {
		t.Errorf("decided twice: %v", err)
	}
	second := a.ask(AskErasure, "Erika Muster")
	var bad Invalid
	if _, err := a.officer.DecideSubjectRequest(ctx, a.tenant, second.ID, granted(due), "anna"); !errors.As(err, &bad) || bad[0].Code != "in-disposal" {
		t.Errorf("in two runs: %v", err)
	}
	a.now = a.now.AddDate(0, 0, 20)
	a.dispose()
	a.want(due, "due") // nobody approved
	run := done.Decision.Run
	if _, err := a.officer.ApproveRun(ctx, a.tenant, run, 0, "", "anna"); !errors.Is(err, ErrSamePerson) {
		t.Errorf("approved by who decided: %v", err)
	}
	if _, err := a.officer.ApproveRun(ctx, a.tenant, run, 0, "", "bernd"); err == nil {
		t.Error("approved though the archive was not asked")
	}
	if _, err := a.officer.OfferRun(ctx, a.tenant, run, Offer{Authority: "Stadtarchiv", Offered: day(t, "2026-02-10")}, "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.AnswerRun(ctx, a.tenant, run, []Appraisal{{Scope: Scope{All: true}, Decision: string(Destroy)}}, "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.ApproveRun(ctx, a.tenant, run, 0, "", "bernd"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.StartRun(ctx, a.tenant, run, 0, 0, "anna"); err != nil {
		t.Fatal(err)
	}
	a.now = a.now.AddDate(0, 0, 20)
	if err := a.gate.ExecuteRun(ctx, a.tenant, catalog.Job{Key: run}); err != nil && !notNow(err) {
		t.Fatal(err)
	}
	a.want(due, "destroyed")
	for _, id := range []preservation.RecordID{held, young, forever} {
		a.whole(id)
	}
}

// TestErasureLeft holds a record between the approval of its erasure and the execution: the
// request says that it is still there, and another run erases it once it is released.
func TestErasureLeft(t *testing.T) {
	ctx := t.Context()
	a := newArchive(t, "2026-02-01")
	one, two, three := a.about(contact, "2015-07-31"), a.about(contact, "2015-07-31"), a.about(contact, "2015-07-31")
	a.night()
	a.permit(contact)
	q := a.ask(AskErasure, "Erika Muster")
	if q.AnswerBy.String() != "2026-02-15" {
		t.Errorf("to be answered by %s", q.AnswerBy)
	}
	waiting := func(want int64) {
		t.Helper()
		if n, err := PendingRequests(ctx, a.tenant.View()); err != nil || n != want {
			t.Errorf("%d requests wait, want %d (%v)", n, want, err)
		}
	}
	waiting(1)
	q, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, granted(one, two, three), "anna")
	if err != nil {
		t.Fatal(err)
	}
	waiting(0)
	erase := func(run string) {
		t.Helper()
		if _, err := a.officer.ApproveRun(ctx, a.tenant, run, 0, "", "bernd"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.officer.StartRun(ctx, a.tenant, run, 0, 0, "bernd"); err != nil {
			t.Fatal(err)
		}
		a.now = a.now.AddDate(0, 0, 20)
		if err := a.gate.ExecuteRun(ctx, a.tenant, catalog.Job{Key: run}); err != nil && !notNow(err) {
			t.Fatal(err)
		}
	}
	stands := func(want ...Erasure) {
		t.Helper()
		got, err := Erasures(ctx, a.tenant.View(), q)
		for i := range got {
			got[i].Destroyed = time.Time{}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	first := q.Decision.Run
	stands(Erasure{Record: one, State: "open", Run: first}, Erasure{Record: two, State: "open", Run: first}, Erasure{Record: three, State: "open", Run: first})
	if _, err := a.officer.EraseLeft(ctx, a.tenant, q.ID, "anna"); !errors.Is(err, ErrEnded) {
		t.Errorf("a second run beside the first: %v", err)
	}
	h, other := a.hold(Scope{Records: []preservation.RecordID{two}}), a.hold(Scope{Records: []preservation.RecordID{three}})
	a.night()
	erase(first)
	kept := Erasure{Record: three, State: "left", Run: first, Reason: "it is held: " + other.ID}
	stands(Erasure{Record: one, State: "destroyed", Run: first}, Erasure{Record: two, State: "left", Run: first, Reason: "it is held: " + h.ID}, kept)
	waiting(1)
	var bad Invalid
	if _, err := a.officer.EraseLeft(ctx, a.tenant, q.ID, "anna"); !errors.As(err, &bad) || len(bad) != 2 || bad[0].Code != "held" || !strings.Contains(bad[0].Detail, string(two)) {
		t.Errorf("against the holds: %v", err)
	}
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	a.night()
	again, err := a.officer.EraseLeft(ctx, a.tenant, q.ID, "anna")
	if err != nil {
		t.Fatal(err)
	}
	waiting(1) // for what the other hold keeps
	erase(again.ID)
	stands(Erasure{Record: one, State: "destroyed", Run: first}, Erasure{Record: two, State: "destroyed", Run: again.ID}, kept)
	a.whole(two)
	a.whole(three)
	waiting(1)
}

func TestRestrictionAndStatement(t *testing.T) {
	ctx := t.Context()
	a := newArchive(t, "2026-02-01")
	one, two := a.about(contact, "2025-07-31"), a.about("00.10", "2015-07-31")
	q := a.ask(AskRestrict, "Erika Muster")
	if _, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, granted(one), "anna"); err != nil {
		t.Fatal(err)
	}
	if r, err := a.officer.Restricted(ctx, a.tenant, one, two); err != nil || len(r) != 1 || r[one].Request != q.ID {
		t.Errorf("%+v, %v", r, err)
	}
	q = a.ask(AskRestrict, "Otto Muster") // whom the same record is about
	if _, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, granted(one), "anna"); err != nil {
		t.Fatal(err)
	}
	if r, err := a.officer.Restricted(ctx, a.tenant, one); err != nil || r[one].Request != q.ID {
		t.Errorf("%+v, %v", r, err)
	}
	q = a.ask(AskStatement, "Erika Muster")
	if _, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, granted(one, two), "anna"); err != nil {
		t.Fatal(err)
	}
	if s, err := a.officer.Statements(ctx, a.tenant, two); err != nil || len(s) != 1 || s[0].Text != "So war es nicht." || s[0].Request != q.ID {
		t.Errorf("%+v, %v", s, err)
	}
	q = a.ask(AskAccess, "Erika Muster")
	if _, err := a.officer.AccessStatement(ctx, a.tenant, q.ID); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("a statement before the decision: %v", err)
	}
	if err := a.tenant.Audit(ctx, catalog.AuditEntry{Actor: "bauamt", Action: "file.read", Object: string(one)}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, granted(one, two), "anna"); err != nil {
		t.Fatal(err)
	}
	s, err := a.officer.AccessStatement(ctx, a.tenant, q.ID)
	if err != nil || len(s.Records) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	r := s.Records[0]
	if !r.Restricted || len(r.Statements) != 1 || len(r.Readings) != 1 || r.Readings[0].Actor != "bauamt" || r.Held[0].Name != "Muster, Erika" || r.KeptUntil.String() != "2027-12-31" || r.Purpose == "" {
		t.Errorf("%+v", r)
	}
}

func TestSubjectRequestRefused(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	good := SubjectRequest{Kind: AskAccess, Subject: preservation.Subject{Name: "Muster"}, Received: day(t, "2026-01-15")}
	for _, c := range []struct {
		name        string
		change      func(*SubjectRequest)
		field, code string
	}{
		{"kind", func(q *SubjectRequest) { q.Kind = "revenge" }, "kind", "oneof"},
		{"nobody", func(q *SubjectRequest) { q.Subject.Name = " " }, "subject.name", "required"},
		{"tomorrow", func(q *SubjectRequest) { q.Received = day(t, "2026-02-02") }, "received", "future"},
		{"no statement", func(q *SubjectRequest) { q.Kind = AskStatement }, "text", "required"},
		{"no record", func(q *SubjectRequest) { q.Records = []preservation.RecordID{"01jq2m9cfp2y8r0v6k3c5t7n4e"} }, "records[0]", "unknown-record"},
	} {
		q := good
		c.change(&q)
		var bad Invalid
		if _, err := a.officer.AddSubjectRequest(t.Context(), a.tenant, q, "anna"); !errors.As(err, &bad) || bad[0].Subject != c.field || bad[0].Code != c.code {
			t.Errorf("%s: %v, want %s of %s", c.name, err, c.code, c.field)
		}
	}
}

// TestRequestIsDeleted lets the years go by that a decided request is kept.
func TestRequestIsDeleted(t *testing.T) {
	ctx := t.Context()
	a := newArchive(t, "2026-02-01")
	q, open := a.ask(AskAccess, "Erika Muster"), a.ask(AskAccess, "Erika Muster")
	d, err := a.officer.DecideSubjectRequest(ctx, a.tenant, q.ID, SubjectDecision{Outcome: Refused, Reason: "unbegründet", LegalBasis: "DSGVO Art. 12(5)"}, "anna")
	if err != nil || d.Decision.DeleteFrom.String() != "2030-01-01" || d.Decision.Basis == "" {
		t.Fatalf("%+v, %v", d.Decision, err)
	}
	keys := a.vault.keys("cfg/")
	holds := func() (n int) {
		for _, key := range a.vault.keys("cfg/") {
			o, err := a.vault.Stat(ctx, key, "")
			if err != nil {
				t.Fatal(err)
			}
			text, err := read(ctx, a.vault, o, max(o.Size, 1))
			if err != nil {
				t.Fatal(err)
			}
			c, err := preservation.DecodeConfigObject(text)
			var of SubjectRequest
			if err == nil && c.Kind == KindSubjectRequest && json.Unmarshal(c.Body, &of) == nil && of.ID == q.ID {
				n++
			}
		}
		return n
	}
	forgotten := func() bool {
		gone, err := Forgotten(ctx, a.tenant, preservation.ConfigObject{Kind: KindSubjectRequest, Name: q.ID})
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	if holds() != 2 {
		t.Fatalf("%d objects of %d tell of it", holds(), len(keys))
	}
	for _, c := range []struct {
		day  string
		left int
	}{{"2029-12-31", 2}, {"2030-05-01", 0}} {
		for until := day(t, c.day).In(berlin(t)); a.now.Before(until); a.now = a.now.AddDate(0, 0, 15) {
			a.job(a.officer.ExtendLocks, "scheduled")
			a.gate.Gap = 1 << 62
			a.dispose()
		}
		if holds() != c.left {
			t.Errorf("on %s %d objects tell of it, want %d", c.day, holds(), c.left)
		}
		if forgotten() != (c.left == 0) {
			t.Errorf("on %s a backup may forget it: %t", c.day, forgotten())
		}
	}
	left, err := SubjectRequests(ctx, a.tenant.View())
	if err != nil || slices.ContainsFunc(left, func(x SubjectRequest) bool { return x.ID == q.ID }) || len(left) != 1 || left[0].ID != open.ID {
		t.Errorf("%+v, %v: want the open one alone", left, err)
	}
}
