package retention

import (
	"context"
	"errors"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestTwoDecide: who looked at a run before somebody else decided takes nothing of that
// back unseen.
func TestTwoDecide(t *testing.T) {
	a, ids := dueRecords(t, 3, sickness)
	r := a.propose(ids...)
	seen := r.Revision
	decide := func(who string, seen int, decision string, s Scope) error {
		_, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: s, Decision: decision, Seen: seen}}, who)
		return err
	}
	one := func(i int) Scope { return Scope{Records: []preservation.RecordID{ids[i]}} }
	if err := errors.Join(decide("anna", seen, "V", one(0)), decide("dora", seen, "V", one(1)), decide("anna", seen, "V", one(0))); err != nil {
		t.Fatal(err)
	}
	for _, s := range []Scope{one(0), everything, {Classes: []string{"02"}}, {Records: ids}} {
		if err := decide("bernd", seen, "A", s); !errors.Is(err, catalog.ErrConflict) || !strings.Contains(err.Error(), "look at it again") {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if i := a.item(r, ids[0]); i.Decision != "V" {
		t.Errorf("%+v", i)
	}
	r, _ = a.run(r.ID)
	if err := errors.Join(decide("bernd", seen, "V", one(2)), decide("bernd", r.Revision, "B", one(0)), decide("anna", 0, "V", everything)); err != nil {
		t.Error(err)
	}
}

// TestNotesStay keeps the note of a record, with who wrote it, until somebody writes another
// one; the audit log has all of them.
func TestNotesStay(t *testing.T) {
	a, ids := dueRecords(t, 2, sickness)
	r := a.propose(ids...)
	one := Scope{Records: ids[:1]}
	want := func(note, by, decidedBy string) {
		t.Helper()
		if i := a.item(r, ids[0]); i.Note != note || i.NotedBy != by || i.DecidedBy != decidedBy {
			t.Errorf("%+v, want %q by %q", i, note, by)
		}
	}
	decide := func(who, decision, note string) {
		t.Helper()
		if _, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: one, Decision: decision, Note: note}}, who); err != nil {
			t.Fatal(err)
		}
	}
	answer := func(decision, note string) {
		t.Helper()
		if _, err := a.officer.AnswerRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: one, Decision: decision, Note: note}}, "carla"); err != nil {
			t.Fatal(err)
		}
	}
	decide("anna", "V", "ohne Wert")
	want("ohne Wert", "anna", "anna")
	decide("dora", "B", "")
	want("ohne Wert", "anna", "dora")
	decide("dora", "B", "ohne Wert") // as a list of decisions that was written to a file brings it back
	want("ohne Wert", "anna", "dora")
	if _, err := a.officer.OfferRun(t.Context(), a.tenant, r.ID, Offer{Authority: "Kreisarchiv", Offered: preservation.DateOf(a.now)}, "anna"); err != nil {
		t.Fatal(err)
	}
	answer("V", "")
	want("ohne Wert", "anna", "carla")
	answer("A", "Bauakte eines Denkmals")
	want("Bauakte eines Denkmals", "carla", "carla")
	a.now = a.now.AddDate(0, 7, 0)
	answer(NoAnswer, "nicht geantwortet")
	want("nicht geantwortet", "carla", "carla")
	a.restored(r)

	entries, err := a.tenant.AuditLog(t.Context(), 0, r.ID, 100)
	if err != nil {
		t.Fatal(err)
	}
	var noted []string
	for _, e := range entries {
		if note := e.Detail["note"]; note != "" && e.Detail["record"] == string(ids[0]) {
			noted = append(noted, e.Actor+" "+e.Detail["decision"]+": "+note)
		}
	}
	if got := strings.Join(noted, "; "); got != "anna V: ohne Wert; dora B: ohne Wert; carla A: Bauakte eines Denkmals; carla none: nicht geantwortet" {
		t.Errorf("the audit log has %q", got)
	}
}

// TestFormerEntries: an entry of a former release without a note took away that of before,
// and the approval is for the list as it was then.
func TestFormerEntries(t *testing.T) {
	a, ids := dueRecords(t, 2, contact)
	r := a.propose(ids...)
	a.decide(r, "V", everything)
	if _, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: Scope{Records: ids[:1]}, Decision: "V"}}, "dora"); err != nil {
		t.Fatal(err)
	}
	a.behind(`UPDATE document SET body = replace(body, ',"keeps":true', '') WHERE kind = 'disposal-run' AND body LIKE '%"keeps":true%'`)
	a.forgetRuns()
	if err := RestoreRuns(t.Context(), a.tenant); err != nil {
		t.Fatal(err)
	}
	if i := a.item(r, ids[0]); i.Note != "" || i.NotedBy != "" || i.DecidedBy != "dora" {
		t.Errorf("%+v", i)
	}
	if i := a.item(r, ids[1]); i.Note != "bewertet" || i.NotedBy != "anna" {
		t.Errorf("%+v", i)
	}
}

// TestKeepUntil: a record is kept until a day that somebody can have meant.
func TestKeepUntil(t *testing.T) {
	a, ids := dueRecords(t, 1, sickness)
	r := a.propose(ids...)
	today := preservation.DateOf(a.now)
	for until, want := range map[preservation.Date]string{
		today: "required",
		{Year: today.Year + MaxAhead + 1, Month: today.Month, Day: today.Day}: "too-far",
		{Year: today.Year + MaxAhead, Month: today.Month, Day: today.Day}:     "",
	} {
		_, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: Scope{All: true}, Decision: Keep, Until: until, Note: "Klage"}}, "anna")
		var bad Invalid
		switch {
		case want == "" && err != nil:
			t.Errorf("until %s: %v", until, err)
		case want != "" && (!errors.As(err, &bad) || bad[0].Subject != "decisions[0].until" || bad[0].Code != want):
			t.Errorf("until %s: %v, want %s", until, err, want)
		}
	}
}

// TestOfferDays: the archive's six months begin when the list can have been sent, neither
// before the run was begun nor on a day to come.
func TestOfferDays(t *testing.T) {
	a, ids := dueRecords(t, 1, sickness)
	r := a.propose(ids...)
	if _, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: Scope{All: true}, Decision: "V"}}, "anna"); err != nil {
		t.Fatal(err)
	}
	begun := preservation.DateOf(a.now)
	a.now = a.now.AddDate(0, 0, 3)
	for _, c := range []struct {
		days int
		want string
	}{{-1, "before-run"}, {4, "future"}, {0, ""}} {
		got, err := a.officer.OfferRun(t.Context(), a.tenant, r.ID, Offer{Authority: "Kreisarchiv", Offered: begun.AddDays(c.days)}, "anna")
		var bad Invalid
		switch {
		case c.want == "" && (err != nil || got.Offer.Deadline != add(begun, Duration{Months: 6})):
			t.Errorf("%d days later: %+v, %v", c.days, got.Offer, err)
		case c.want != "" && (!errors.As(err, &bad) || bad[0].Subject != "offered" || bad[0].Code != c.want):
			t.Errorf("%d days later: %v, want %s", c.days, err, c.want)
		}
	}
}

// TestSilenceWhileClockAhead: that the archive did not answer in its six months counts for
// nothing while they run: not what was noted while the clock was ahead, nor before the
// records were offered anew.
func TestSilenceWhileClockAhead(t *testing.T) {
	a, ids := dueRecords(t, 2, sickness)
	all := Scope{All: true}
	r := a.propose(ids...)
	decide := func(list func(context.Context, *catalog.Tenant, string, []Appraisal, string) (Run, error), decision string) {
		t.Helper()
		if _, err := list(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: all, Decision: decision}}, "anna"); err != nil {
			t.Fatal(err)
		}
	}
	offer := func() {
		t.Helper()
		if _, err := a.officer.OfferRun(t.Context(), a.tenant, r.ID, Offer{Authority: "Kreisarchiv", Offered: preservation.DateOf(a.now)}, "anna"); err != nil {
			t.Fatal(err)
		}
	}
	approve := func() error {
		_, err := a.officer.ApproveRun(t.Context(), a.tenant, r.ID, 0, "", "bernd")
		return err
	}
	decide(a.officer.DecideRun, "V")
	offer()
	right := a.now
	a.now = a.now.AddDate(0, 7, 0)
	decide(a.officer.AnswerRun, NoAnswer)
	offer()
	var not *NotReady
	if err := approve(); !errors.As(err, &not) || !strings.Contains(not.Reason, "has not answered about 2 records") {
		t.Errorf("offered anew: %v", err)
	}
	a.now = a.now.AddDate(0, 7, 0)
	if err := approve(); err != nil {
		t.Fatal(err)
	}
	a.now = right.AddDate(0, 2, 0)
	if _, err := a.officer.StartRun(t.Context(), a.tenant, r.ID, 0, 0, "anna"); err != nil {
		t.Fatal(err)
	}
	a.execute(r)
	for _, id := range ids {
		a.whole(id)
		a.wantItem(r, id, catalog.ItemLeft, "the archive may answer until ")
	}
}
