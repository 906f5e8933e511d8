package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/storetest"
)

func TestOfficerRules(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	id := a.keep(a.metadata("01.10", "2020-07-31"))
	a.night()
	a.want(id, "retention")

	short := Rule{ID: "general-10y", Title: "Kürzer", Trigger: OnClosure, Duration: Duration{Years: 2}, Base: YearEnd, LegalBasis: "neu"}
	got, err := a.officer.AddRule(ctx, a.tenant, short, "anna")
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != 2 || got.ApprovedBy != "anna" || got.Disposition != Assess || got.ValidFrom != day(t, "2026-02-01") || got.Applies != "all" {
		t.Errorf("rule %+v", got)
	}
	a.evaluate()
	a.want(id, "due")

	short.Version = 1
	if _, err := a.officer.AddRule(ctx, a.tenant, short, "bernd"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("a change based on an old version: %v", err)
	}
	short.Version, short.Base = 0, "week"
	var bad Invalid
	if _, err := a.officer.AddRule(ctx, a.tenant, short, "bernd"); !errors.As(err, &bad) || bad[0].Subject != "base" {
		t.Errorf("a bad rule: %v", err)
	}
	later := Rule{ID: "general-10y", Title: "Ab Mai", Trigger: OnClosure, Duration: Duration{Years: 30}, Base: YearEnd, LegalBasis: "neu", ValidFrom: day(t, "2026-05-01")}
	if _, err := a.officer.AddRule(ctx, a.tenant, later, "anna"); err != nil {
		t.Fatal(err)
	}
	a.pass("2026-04-30")
	a.want(id, "due")
	a.pass("2026-05-01") // nothing happened but that the day came
	a.want(id, "retention")

	s, err := a.officer.Scheme(ctx, a.tenant)
	if err != nil || s.Version != 1 {
		t.Fatal(s.Version, err)
	}
	s.Classes = append(s.Classes, Class{Code: "00.99", Title: "Neu", Parent: "99"})
	if _, _, err := a.officer.SetScheme(ctx, a.tenant, s, "anna"); !errors.As(err, &bad) || !strings.HasSuffix(bad[0].Subject, ".parent") {
		t.Errorf("a bad scheme: %v", err)
	}
	s.Classes[len(s.Classes)-1].Parent = "00"
	late := time.Now().AddDate(100, 0, 0)
	if err := a.tenant.Enqueue(ctx, catalog.Job{Kind: JobCertify, Key: "waits", RunAt: late}); err != nil {
		t.Fatal(err)
	}
	if s, _, err = a.officer.SetScheme(ctx, a.tenant, s, "anna"); err != nil || s.Version != 2 {
		t.Errorf("version %d, %v", s.Version, err)
	}
	if j, err := a.tenant.JobOf(ctx, JobCertify, "waits"); err != nil || !j.RunAt.Before(late.AddDate(-1, 0, 0)) {
		t.Errorf("a certificate waits on although its class may be there: %+v, %v", j, err)
	}
	s.Version = 1
	if _, _, err = a.officer.SetScheme(ctx, a.tenant, s, "bernd"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("a change based on an old version: %v", err)
	}
	// A class that records are in is not left out without a successor.
	s.Version, s.Classes = 2, []Class{{Code: "1", Title: "Nur eine", Rule: "general-10y"}}
	var used InUse
	if _, _, err := a.officer.SetScheme(ctx, a.tenant, s, "anna"); !errors.As(err, &used) || len(used) != 1 {
		t.Errorf("a class in use is left out: %v", err)
	}
	s.Successors = map[string]string{"01.10": "1"}
	if _, _, err := a.officer.SetScheme(ctx, a.tenant, s, "anna"); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	a.want(id, "retention")
}

// TestSchemeConflict tells first that somebody else was faster: what is wrong in a file
// that is out of date is not worth mending there.
func TestSchemeConflict(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	s, err := a.officer.Scheme(t.Context(), a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	s.Classes = append(slices.Clone(s.Classes), Class{Code: "97", Title: " "})
	var bad Invalid
	if _, _, err := a.officer.SetScheme(t.Context(), a.tenant, s, "anna"); !errors.As(err, &bad) || len(bad) != 1 || bad[0].Subject != fmt.Sprintf("classes[%d].title", len(s.Classes)-1) {
		t.Errorf("a class without a title: %v", err)
	}
	s.Version++
	if _, _, err := a.officer.SetScheme(t.Context(), a.tenant, s, "anna"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("out of date and wrong: %v", err)
	}
}

func TestOfficerConfigure(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.job(a.officer.Configure, "store")
	keys := a.vault.keys("cfg/")
	if len(keys) < 30 {
		t.Fatalf("%d documents in the bucket", len(keys))
	}
	kinds := make(map[string]int)
	for _, key := range keys {
		o, err := a.vault.Stat(t.Context(), key, "")
		if err != nil || !o.Lock.Until.After(a.now) {
			t.Errorf("%s is not locked: %v", key, err)
		}
		data, err := read(t.Context(), a.vault, o, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		d, err := preservation.DecodeConfigObject(data)
		if err != nil {
			t.Fatal(err)
		}
		kinds[d.Kind]++
	}
	if kinds[KindScheme] != 1 || kinds[KindRule] < 30 {
		t.Errorf("documents %v", kinds)
	}
	a.job(a.officer.Configure, "store")
	if again := a.vault.keys("cfg/"); len(again) != len(keys) {
		t.Errorf("%d documents after the second run", len(again))
	}
}

// A decision is acknowledged when it stands in the bucket, and a hold stands
// there before anything else knows of it.
func TestOfficerStoreDown(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	h := a.hold(Scope{All: true})
	p := a.permit(contact)
	stored := func() (names []string) {
		for _, key := range a.vault.keys("cfg/") {
			o, _ := a.vault.Stat(ctx, key, "")
			data, err := read(ctx, a.vault, o, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			d, err := preservation.DecodeConfigObject(data)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, d.Name)
		}
		return names
	}
	if names := stored(); !slices.Contains(names, h.ID) || !slices.Contains(names, p.ID) {
		t.Errorf("hold %s or permit %s is not among %q", h.ID, p.ID, names)
	}
	if left, err := a.tenant.View().UnstoredDocuments(ctx, 10); err != nil || len(left) > 0 {
		t.Errorf("to be stored: %+v, %v", left, err)
	}

	faulty := &storetest.Fault{Store: a.vault}
	faulty.Add(storetest.Plan{Op: storetest.OpPut, Nth: 1, Err: storetest.ErrInjected}, storetest.Plan{Op: storetest.OpPut, Nth: 2, Err: storetest.ErrInjected})
	a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return faulty, nil }
	if _, _, err := a.officer.SetHold(ctx, a.tenant, Hold{Scope: Scope{All: true}, Authority: "a", Reason: "r", Review: day(t, "2030-01-01")}, "anna"); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("a hold without a store: %v", err)
	}
	if all, err := a.officer.Holds(ctx, a.tenant); err != nil || len(all) != 1 {
		t.Errorf("holds %+v, %v", all, err)
	}
	if _, err := a.officer.RevokePermit(ctx, a.tenant, p.ID, "carla"); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("a permit revoked without a store: %v", err)
	}
	if all, err := a.officer.Permits(ctx, a.tenant); err != nil || all[0].Revoked.IsZero() {
		t.Errorf("permits %+v, %v", all, err)
	}
	before := len(stored())
	a.job(a.officer.Configure, "store")
	if after := len(stored()); after != before+1 {
		t.Errorf("%d documents, then %d", before, after)
	}
}

func TestOfficerTriggers(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	id := a.keep(a.metadata("63.10", "2015-11-30"))
	part := a.metadata("63.10", "2015-11-30")
	part.Parent = id
	below := a.keep(part)
	a.night()
	a.want(id, "unresolved")
	a.want(below, "unresolved")

	g, err := a.officer.AddTrigger(ctx, a.tenant, id, Trigger{Type: "building-removed", Date: day(t, "2026-03-01")}, "bauamt")
	if err != nil {
		t.Fatal(err)
	}
	e, row, err := readEvent(ctx, a.vault, preservation.EventKey(id, g.ID))
	if err != nil {
		t.Fatal(err)
	}
	if back, ok := TriggerOf(e); !ok || back.Type != "building-removed" || back.Date != g.Date || back.Record != id || !back.At.Equal(g.Recorded) {
		t.Errorf("a rebuild would find %+v", back)
	}
	if o, _ := a.vault.Stat(ctx, row.Key, ""); !o.Lock.Until.After(a.now) {
		t.Error("the trigger is not locked")
	}
	a.evaluate()
	a.evaluate() // the parts follow their file
	a.want(id, "active")
	a.want(below, "active")
	a.pass("2026-03-02")
	a.want(id, "due")
	a.evaluate()
	a.want(below, "due")

	if _, err := a.officer.AddTrigger(ctx, a.tenant, id, Trigger{Type: "building-removed", Withdrawn: true}, "bauamt"); err != nil {
		t.Fatal(err)
	}
	if e, err := a.officer.Evaluate(ctx, a.tenant, id); err != nil || e.State != Unresolved {
		t.Errorf("withdrawn: %s, %v", e.State, err)
	}
	var bad Invalid
	if _, err := a.officer.AddTrigger(ctx, a.tenant, id, Trigger{Type: "Kein Name"}, "bauamt"); !errors.As(err, &bad) {
		t.Errorf("a bad trigger: %v", err)
	}
	if _, err := a.officer.AddTrigger(ctx, a.tenant, a.id(), Trigger{Type: OnClosure, Date: g.Date}, "bauamt"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("no such record: %v", err)
	}
}

// TestOfficerHolds puts a hold on a class, interrupts it in the middle, lets
// records and versions arrive under it, and releases one of two.
func TestOfficerHolds(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	var ids []preservation.RecordID
	for range 8 {
		ids = append(ids, a.keep(a.metadata(contact, "2025-07-31")))
	}
	other := a.keep(a.metadata("01.10", "2025-07-31"))
	a.night()
	faulty := &storetest.Fault{Store: a.vault}
	faulty.Add(storetest.Plan{Op: storetest.OpSetHold, Nth: 5})
	a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return faulty, nil }

	held := func(id preservation.RecordID) (n int) {
		for o := range objects(ctx, a.vault, id) {
			if o, err := a.vault.Stat(ctx, o.Key, o.VersionID); err == nil && o.Hold {
				n++
			}
		}
		return n
	}
	h := a.hold(Scope{Classes: []string{"21"}})
	if err := a.officer.EvaluateDue(ctx, a.tenant, catalog.Job{Key: keyStale}); !errors.Is(err, storetest.ErrInjected) {
		t.Fatalf("%v, want the injected fault", err)
	}
	a.evaluate() // goes on with what is left
	ids = append(ids, a.keep(a.metadata(contact, "2025-07-31")))
	a.version(ids[0], 2, a.metadata(contact, "2025-07-31"))
	a.evaluate()
	for i, id := range ids {
		a.want(id, "held")
		want := 3 // the event that says so, too
		if i == 0 {
			want = 5
		}
		if n := held(id); n != want {
			t.Errorf("record %d has %d objects on hold, want %d", i, n, want)
		}
	}
	if n := held(other); n != 0 {
		t.Errorf("another class has %d objects on hold", n)
	}

	second := a.hold(Scope{Records: ids[:1]})
	a.evaluate()
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, " ", "anna"); err == nil {
		t.Error("released without a reason")
	}
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); !errors.Is(err, ErrEnded) {
		t.Errorf("released twice: %v", err)
	}
	a.evaluate()
	a.want(ids[0], "held")
	if n := held(ids[0]); n != 5 {
		t.Errorf("under the second hold: %d objects on hold", n)
	}
	a.want(ids[1], "retention")
	if n := held(ids[1]); n != 0 {
		t.Errorf("released: %d objects on hold", n)
	}
	events, err := a.tenant.Events(ctx, ids[1])
	if err != nil || len(events) != 2 || events[0].Type != preservation.EventHold {
		t.Errorf("events %+v, %v", events, err)
	}
	for i, want := range events { // a rebuild finds the same
		e, _, err := readEvent(ctx, a.vault, preservation.EventKey(ids[1], want.ID))
		if err != nil || e.Event.Detail != want.Detail || !e.Event.At.Equal(want.At) {
			t.Errorf("event %d in the bucket: %+v, %v", i, e, err)
		}
	}
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, second.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}

	var bad Invalid
	_, _, err = a.officer.SetHold(ctx, a.tenant, Hold{Scope: Scope{Records: []preservation.RecordID{ids[0], a.id()}}, Authority: "a", Reason: "r", Review: day(t, "2030-01-01")}, "anna")
	if !errors.As(err, &bad) || bad[0].Subject != "scope.records[1]" {
		t.Errorf("a hold on nothing: %v", err)
	}
}

func TestOfficerLocks(t *testing.T) {
	a := newArchive(t, "2026-01-02")
	ctx := t.Context()
	long := a.keep(a.metadata("01.10", "2025-07-31"))    // ends in 2035
	near := a.keep(a.metadata(contact, "2023-07-31"))    // due: short lock
	ends := a.keep(a.metadata("21.20", "2005-12-31"))    // ends on 2025-12-31 too, disposition A
	forever := a.keep(a.metadata("91.10", "2025-07-31")) // permanent
	missing := a.keep(a.metadata("63.10", "2025-07-31")) // unresolved
	all := []preservation.RecordID{long, near, ends, forever, missing}
	a.job(a.officer.Configure, "store")
	for range 400 {
		a.now = a.now.AddDate(0, 0, 1)
		a.night()
		for _, key := range a.vault.keys("cfg/") {
			if o, err := a.vault.Stat(ctx, key, ""); err != nil || o.Lock.Until.Sub(a.now) < 45*24*time.Hour {
				t.Fatalf("%s is locked until %s only on %s, %v", key, o.Lock.Until, a.now, err)
			}
		}
		for _, id := range all {
			for o := range objects(ctx, a.vault, id) {
				o, err := a.vault.Stat(ctx, o.Key, o.VersionID)
				if err != nil {
					t.Fatal(err)
				}
				if left := o.Lock.Until.Sub(a.now); left <= 0 || left > 91*24*time.Hour {
					t.Fatalf("%s: %s of its lock is left on %s", o.Key, left, a.now)
				}
			}
		}
	}
	if r, err := a.tenant.View().Retention(ctx, long); err != nil || !r.LockUntil.After(a.now.AddDate(0, 0, 40)) {
		t.Errorf("the catalog says locked until %s, %v", r.LockUntil, err)
	}
	for _, key := range a.vault.keys("cfg/") {
		if o, _ := a.vault.Stat(ctx, key, ""); !o.Lock.Until.After(a.now) {
			t.Errorf("%s is locked until %s only", key, o.Lock.Until)
		}
	}
	a.vault.objects = a.vault.objects[:0] // the store lost everything
	a.now = a.now.AddDate(0, 0, 80)
	if err := a.officer.ExtendLocks(ctx, a.tenant, catalog.Job{}); !errors.Is(err, preservation.ErrCorrupt) {
		t.Errorf("a lost package: %v", err)
	}
}

// TestUnchanged: a classification, rules or a template that say what is in force say
// nothing new, however often they come. Another order of the classes is a change.
func TestUnchanged(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	s, err := a.officer.Scheme(ctx, a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	in := s.Version
	s.Version, s.Template = 0, nil
	rules, err := a.officer.Rules(ctx, a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	sample, err := SampleTemplate()
	if err != nil {
		t.Fatal(err)
	}
	log := func() int {
		t.Helper()
		all, err := a.tenant.AuditLog(ctx, 0, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	before := log()
	for range 2 {
		if p, err := a.officer.PreviewScheme(ctx, a.tenant, s, 0); err != nil || !p.Unchanged {
			t.Errorf("preview %+v, %v", p, err)
		}
		if got, changed, err := a.officer.SetScheme(ctx, a.tenant, s, "anna"); err != nil || changed || got.Version != in || got.Template == nil {
			t.Errorf("version %d, changed %v, %v", got.Version, changed, err)
		}
		if c, err := a.officer.AddRules(ctx, a.tenant, NewestRules(rules), "anna"); err != nil || len(c.Rules) != 0 {
			t.Errorf("%d rules change, %v", len(c.Rules), err)
		}
		if p, err := a.officer.PreviewTemplate(ctx, a.tenant, sample, 0); err != nil || !p.Unchanged {
			t.Errorf("preview of the template %+v, %v", p, err)
		}
		if got, err := a.officer.Adopt(ctx, a.tenant, sample, "anna"); err != nil || !got.Unchanged || got.Scheme.Version != in {
			t.Errorf("template: version %d, unchanged %v, %v", got.Scheme.Version, got.Unchanged, err)
		}
	}
	if after := log(); after != before {
		t.Errorf("%d entries of the audit log about nothing", after-before)
	}
	s.Classes = slices.Clone(s.Classes)
	slices.Reverse(s.Classes)
	if got, changed, err := a.officer.SetScheme(ctx, a.tenant, s, "anna"); err != nil || !changed || got.Version != in+1 {
		t.Errorf("version %d, changed %v, %v", got.Version, changed, err)
	}
}

// TestAgainStoreDown: what is said a second time is in force already, and acknowledged when
// it stands in the bucket.
func TestAgainStoreDown(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	scheme, err := a.officer.Scheme(ctx, a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	scheme.Title = "Umbenannt"
	rule := Rule{ID: "brief", Title: "Kurz", Trigger: OnClosure, Duration: Duration{Years: 4}, Base: Day, LegalBasis: "neu",
		Disposition: Assess, Confidence: "high", Checked: day(t, "2026-01-01"), ValidFrom: day(t, "2026-01-01")}
	next, err := SampleTemplate()
	if err != nil {
		t.Fatal(err)
	}
	next.Version = 2
	steps := map[string]func() error{
		"classification": func() error { _, _, err := a.officer.SetScheme(ctx, a.tenant, scheme, "anna"); return err },
		"rules":          func() error { _, err := a.officer.AddRules(ctx, a.tenant, []Rule{rule}, "anna"); return err },
		"template":       func() error { _, err := a.officer.Adopt(ctx, a.tenant, next, "anna"); return err },
	}
	for _, name := range []string{"classification", "rules", "template"} {
		scheme.Version = 0
		a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return nil, storetest.ErrInjected }
		for range 2 {
			if err := steps[name](); !errors.Is(err, storetest.ErrInjected) {
				t.Errorf("%s without a store: %v", name, err)
			}
		}
		a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return a.vault, nil }
		if err := steps[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := a.tenant.View().UnstoredDocuments(ctx, 10); err != nil || len(left) > 0 {
			t.Errorf("%s: to be stored: %+v, %v", name, left, err)
		}
	}
}
