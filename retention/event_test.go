package retention

import (
	"errors"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestEventsUnderHold: what is told of a held record is held as the record is, and
// goes free with it: a trigger, the takeover by an archive, an event of another part
// of the program.
func TestEventsUnderHold(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	held, free := a.keep(a.metadata(sickness, "2025-07-31")), a.keep(a.metadata(sickness, "2025-07-31"))
	a.evaluate()
	h := a.hold(Scope{Records: []preservation.RecordID{held}})
	a.evaluate()
	a.want(held, "held")
	tell := func(id preservation.RecordID) {
		t.Helper()
		a.now = a.now.AddDate(0, 0, 1)
		if _, err := a.officer.AddTrigger(ctx, a.tenant, id, Trigger{Type: OnClosure, Date: day(t, "2025-08-31")}, "bauamt"); err != nil {
			t.Fatal(err)
		}
		a.now = a.now.AddDate(0, 0, 1)
		if _, err := a.officer.report(ctx, a.tenant, id, Trigger{Type: OnTakeover, Date: day(t, "2026-02-01"), Custodian: "Kreisarchiv"}, "anna"); err != nil {
			t.Fatal(err)
		}
		event := preservation.Event{ID: string(a.id()), Type: preservation.EventRetention, At: a.now, Outcome: preservation.Success, Agent: agent}
		for range 2 { // the second time nothing is added
			if err := a.officer.AddEvent(ctx, a.tenant, id, preservation.EventObject{Record: id, Event: event}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// all wants a number of event objects besides the receipt, on hold or not, each locked
	// at least as long as the record.
	all := func(id preservation.RecordID, hold bool, want int) {
		t.Helper()
		r, err := a.tenant.View().Retention(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		n := -1
		for v, err := range objects(ctx, a.vault, id) {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(v.Key, preservation.EventPrefix(id)) {
				n++
			}
			if o, err := a.vault.Stat(ctx, v.Key, v.VersionID); err != nil || o.Hold != hold || o.Lock.Until.Before(r.LockUntil) {
				t.Errorf("%+v, %v, want hold %t and a lock until %s", o, err, hold, r.LockUntil)
			}
		}
		if rows, err := a.tenant.Objects(ctx, id); err != nil || n != want || len(rows) != n+2 {
			t.Errorf("%d events in the store, %d objects in the catalog, %v; want %d events", n, len(rows), err, want)
		}
	}
	tell(held)
	tell(free)
	all(held, true, 4) // the hold itself, too
	all(free, false, 3)
	a.evaluate()
	a.want(held, "held")
	a.want(free, "permanent")
	if e, err := a.officer.Evaluate(ctx, a.tenant, held); err != nil || e.Beneath != Permanent || e.Custodian != "Kreisarchiv" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	a.want(held, "permanent")
	all(held, false, 5) // and the release
	if _, err := a.officer.AddTrigger(ctx, a.tenant, a.id(), Trigger{Type: OnClosure, Date: day(t, "2025-08-31")}, "bauamt"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("of no record: %v", err)
	}
}

// TestHoldsResume kills the process between the store and the catalog: what it had
// done is found, told of once, and the rest follows. The release goes the same way.
func TestHoldsResume(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	ids := make([]preservation.RecordID, 2*batch+5)
	for i := range ids {
		ids[i] = a.keep(a.metadata(sickness, "2025-07-31"))
	}
	a.evaluate()
	h := a.hold(Scope{Classes: []string{sickness}})
	policy, err := a.officer.policy(ctx, a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	interrupted := func(n int) { // a kill when the objects of n records were seen to
		t.Helper()
		for _, id := range ids[:n] {
			r, err := a.tenant.View().Retention(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			e, err := a.officer.Evaluate(ctx, a.tenant, id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.officer.applyHold(ctx, a.tenant, a.vault, policy, &r, &e); err != nil {
				t.Fatal(err)
			}
		}
		a.now = a.now.AddDate(0, 0, 1)
	}
	whole := func(hold bool, told int) {
		t.Helper()
		for _, id := range ids {
			events, err := a.tenant.Events(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, e := range events {
				if e.Type == preservation.EventHold {
					n++
				}
			}
			if n != told {
				t.Errorf("record %s: told of %d times, want %d", id, n, told)
			}
			for v := range objects(ctx, a.vault, id) {
				if o, err := a.vault.Stat(ctx, v.Key, v.VersionID); err != nil || o.Hold != hold {
					t.Errorf("%+v, %v, want hold %t", o, err, hold)
				}
			}
		}
		_, done, err := a.officer.Hold(ctx, a.tenant, h.ID)
		if applied := done.Applied == done.Total; err != nil || done.Total != int64(len(ids)) || applied != hold || !hold && done.Applied != 0 {
			t.Errorf("%+v, %v", done, err)
		}
	}
	interrupted(7)
	if _, done, err := a.officer.Hold(ctx, a.tenant, h.ID); err != nil || done.Applied != 0 { // nothing is said before it is true of all
		t.Errorf("%+v, %v", done, err)
	}
	a.evaluate()
	whole(true, 1)
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	interrupted(7)
	a.evaluate()
	whole(false, 2)
}
