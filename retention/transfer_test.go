package retention

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// export notes that the newest version of a record was fetched for a run.
func (a *archive) export(r Run, id preservation.RecordID) {
	a.t.Helper()
	row, err := a.tenant.View().Retention(a.t.Context(), id)
	if err == nil {
		_, _, err = a.officer.MayExport(a.t.Context(), a.tenant, r.ID, id)
	}
	if err == nil {
		err = a.officer.Exported(a.t.Context(), a.tenant, r.ID, id, row.Version, "xdomea", "anna")
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// TestTransferExported acknowledges only what was fetched in the same run and in its
// newest version.
func TestTransferExported(t *testing.T) {
	a, ids := dueRecords(t, 4, sickness)
	one, two, kept, foreign := ids[0], ids[1], ids[2], ids[3]
	elsewhere := a.propose(foreign)
	a.offered(elsewhere, "A")
	a.approve(elsewhere)
	r := a.propose(one, two, kept)
	a.offered(r, "A")
	a.decide(r, Keep, Scope{Records: []preservation.RecordID{kept}})
	own, who := "destroy", "bernd"
	var left LeftOut
	hand := func(s Scope) (err error) {
		_, left, err = a.officer.HandOver(t.Context(), a.tenant, r.ID, s, Handover{Receiver: "Kreisarchiv", Reference: "Ü 3/26", Acknowledged: preservation.DateOf(a.now), OwnCopy: own}, who)
		return err
	}
	refused := func(err error, said string) {
		t.Helper()
		if !errors.Is(err, catalog.ErrConflict) || !strings.Contains(err.Error(), said) {
			t.Errorf("%v, want %q", err, said)
		}
	}
	may := func(id preservation.RecordID) error {
		_, _, err := a.officer.MayExport(t.Context(), a.tenant, r.ID, id)
		return err
	}
	refused(may(one), "handed over when it is approved")
	a.approve(r)
	refused(may(kept), "not open with decision A")
	refused(may(foreign), "not open with decision A")
	if n, total, err := a.officer.MayExport(t.Context(), a.tenant, r.ID, two); n != 2 || total != 2 || err != nil {
		t.Errorf("%d of %d, %v", n, total, err)
	}
	refused(hand(everything), "2 of 2 records were not fetched for this run in their newest version, first "+string(one))
	a.export(elsewhere, foreign) // another run's export counts for that one
	a.export(r, one)
	refused(hand(everything), "1 of 2 records were not fetched")
	refused(hand(Scope{Classes: []string{sickness}}), "first "+string(two))
	var bad Invalid
	if _, _, err := a.officer.HandOver(t.Context(), a.tenant, r.ID, everything, Handover{Receiver: "Kreisarchiv", Reference: "Ü 3/26", Acknowledged: preservation.DateOf(r.Proposed).AddDays(-1), OwnCopy: own}, "anna"); !errors.As(err, &bad) || bad[0].Subject != "acknowledged" || bad[0].Code != "before-run" {
		t.Errorf("acknowledged before the run was begun: %v", err)
	}
	if err := hand(Scope{Records: []preservation.RecordID{one, kept}}); !errors.As(err, &bad) || bad[0].Code != "not-for-archive" || bad[0].Subject != "scope.records[1]" {
		t.Errorf("acknowledged what is kept: %v", err)
	}
	who = "Anna" // who decided has not our own copies destroyed by her word alone
	if err := hand(Scope{Records: []preservation.RecordID{one}}); !errors.Is(err, ErrSamePerson) {
		t.Errorf("one person decided and noted: %v", err)
	}
	who = "bernd"
	if err := hand(Scope{Records: []preservation.RecordID{one}}); err != nil {
		t.Fatal(err)
	}
	a.export(r, two)
	a.behind(`UPDATE record SET version = 2 WHERE id = '` + string(two) + `'`)
	refused(hand(Scope{Records: []preservation.RecordID{two}}), "1 of 1 records were not fetched")
	a.export(r, two)
	own, who = "keep", "anna" // which anybody may note
	if err := hand(everything); err != nil || left != (LeftOut{Destroyed: 1, Other: 1}) {
		t.Fatalf("%+v %v", left, err)
	}
	if _, n := a.run(r.ID); n.Archive != 2 || n.OwnCopies != 1 || n.HandOver != 0 || n.ToDestroy() != 1 {
		t.Errorf("%+v", n)
	}
	if i := a.item(r, one); i.OwnCopy != "destroy" {
		t.Errorf("what was acknowledged before: %+v", i)
	}
	own, who = "destroy", "bernd"
	refused(hand(Scope{Records: []preservation.RecordID{two}}), "the own copy of record "+string(two)+" is to be kept")
	refused(hand(everything), "noted already of all 2 of these records")
	a.gate.Gap = 300 * 24 * time.Hour
	a.start(r, 0)
	a.now = a.now.Add(time.Hour)
	a.execute(r)
	a.want(one, "destroyed")
	a.wantRun(r, RunCompleted)
	a.wantItem(r, two, catalog.ItemTransferred, "")
	stone, err := a.tenant.Tombstone(t.Context(), one)
	if err != nil || !strings.Contains(stone.Reason, "handed over to Kreisarchiv, Ü 3/26, acknowledged on ") {
		t.Errorf("%+v %v", stone, err)
	}
	e, err := a.officer.Evaluate(t.Context(), a.tenant, two)
	if err != nil || e.Custodian != "Kreisarchiv" || e.State != Permanent {
		t.Errorf("%+v %v", e, err)
	}
}

// TestTransferRest notes for a whole run what still waits, and leaves alone and tells what
// was noted before.
func TestTransferRest(t *testing.T) {
	a, ids := dueRecords(t, 4, sickness)
	r := a.propose(ids...)
	a.decide(r, "A", everything)
	a.decide(r, Keep, Scope{Records: ids[3:]})
	a.approve(r)
	for _, id := range ids[:3] {
		a.export(r, id)
	}
	hand := func(s Scope, own, reference string) (LeftOut, error) {
		_, left, err := a.officer.HandOver(t.Context(), a.tenant, r.ID, s, Handover{Receiver: "Kreisarchiv", Reference: reference, Acknowledged: preservation.DateOf(a.now), OwnCopy: own}, "bernd")
		return left, err
	}
	if _, err := hand(Scope{Records: ids[:1]}, "keep", "Ü 1"); err != nil {
		t.Fatal(err)
	}
	if left, err := hand(everything, "destroy", "Ü 2"); err != nil || left != (LeftOut{Kept: 1, Other: 1}) {
		t.Fatalf("%+v %v", left, err)
	}
	for n, want := range []string{"keep", "destroy", "destroy", ""} {
		if i := a.item(r, ids[n]); i.OwnCopy != want || want == "keep" && !strings.Contains(i.Transfer, "Ü 1") {
			t.Errorf("record %d: %+v", n, i)
		}
	}
	if left, err := hand(Scope{Classes: []string{sickness}}, "keep", "Ü 3"); !errors.Is(err, catalog.ErrConflict) || !strings.Contains(err.Error(), "noted already of all 3") {
		t.Errorf("%+v %v", left, err)
	}
	both := Scope{Records: []preservation.RecordID{ids[0]}, Classes: []string{sickness}} // counts once what it names twice
	if _, err := hand(both, "keep", "Ü 3"); !errors.Is(err, catalog.ErrConflict) || !strings.Contains(err.Error(), "noted already of all 3") {
		t.Error(err)
	}
	a.restored(r)
}

// TestSampledProposed: what the sample of a rule chooses by birthdays is proposed for the
// archive, with the reason, which no note takes the place of; a person may decide otherwise.
func TestSampledProposed(t *testing.T) {
	a, _ := dueRecords(t, 1, contact)
	s, err := a.officer.Schedule(t.Context(), a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	next := *s.classes[contact].rules[0]
	next.ValidFrom, next.Applies, next.Sampling = preservation.Date{}, "all", &Sampling{Birthdays: []int{15}}
	if _, err := a.officer.AddRule(t.Context(), a.tenant, next, "anna"); err != nil {
		t.Fatal(err)
	}
	born := func(text string) preservation.RecordID {
		m := a.metadata(contact, "2012-07-31")
		m.Subjects = []preservation.Subject{{Name: "Muster, Erika", Born: day(t, text)}}
		return a.keep(m)
	}
	chosen, other := born("1970-01-15"), born("1970-01-16")
	a.evaluate()
	r := a.propose(chosen, other)
	if i := a.item(r, chosen); i.Proposed != "A" || i.Sampled != "by birthday" || i.Note != "" || i.Closed != day(t, "2012-07-31") {
		t.Errorf("chosen: %+v", i)
	}
	if i := a.item(r, other); i.Proposed != "V" || i.Sampled != "" {
		t.Errorf("not chosen: %+v", i)
	}
	a.decide(r, "V", everything)
	if i := a.item(r, chosen); i.Decision != "V" || i.Sampled != "by birthday" || i.Note != "bewertet" || i.NotedBy != "anna" {
		t.Errorf("decided: %+v", i)
	}
	a.behind(`UPDATE document SET body = replace(body, '"sampled":"by birthday"', '"sampled":"born on a day 15"') WHERE kind = 'disposal-run' AND body LIKE '%by birthday%'`)
	a.restored(r) // former releases listed more
}

// TestNoOffer refuses to hand over what the law wants destroyed and never offered.
func TestNoOffer(t *testing.T) {
	a, _ := dueRecords(t, 1, sickness)
	s, err := a.officer.Schedule(t.Context(), a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	next := *s.classes[sickness].rules[0]
	next.Disposition, next.NoOffer, next.ValidFrom, next.Applies = Destroy, true, preservation.Date{}, "all"
	if _, err := a.officer.AddRule(t.Context(), a.tenant, next, "anna"); err != nil {
		t.Fatal(err)
	}
	id := a.keep(a.metadata(sickness, "2012-07-31"))
	a.evaluate()
	r := a.propose(id)
	if i := a.item(r, id); i.Offer || i.Proposed != "V" {
		t.Fatalf("%+v", i)
	}
	for _, scope := range []Scope{everything, {Records: []preservation.RecordID{id}}, {Classes: []string{sickness}}} {
		_, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: scope, Decision: "A"}}, "anna")
		var bad Invalid
		if !errors.As(err, &bad) || bad[0].Code != "no-offer" || bad[0].Subject != "decisions[0].decision" || !strings.Contains(bad[0].Detail, "decide V, or K") {
			t.Errorf("%+v: %v", scope, err)
		}
	}
	a.decide(r, "V", everything)
	a.wantRun(r, RunDecided)
}
