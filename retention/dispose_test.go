package retention

import (
	"context"
	"encoding/json"
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

const contact = "21.40" // disposition V, two years from the end of the year

func TestDisposeLifecycle(t *testing.T) {
	a := newArchive(t, "2023-07-31")
	a.permit(contact)
	due := a.keep(a.metadata(contact, "2023-07-31"))
	assess := a.keep(a.metadata("01.10", "2012-07-31"))
	a.night()
	a.want(due, "closed")
	a.want(assess, "due")

	a.pass("2025-12-31")
	a.dispose()
	a.want(due, "retention")

	a.now = day(t, "2026-01-01").In(berlin(t)).Add(4 * time.Hour)
	a.night()
	a.want(due, "due")
	a.dispose() // the lock ended with the period: nothing to wait for
	a.want(due, "destroyed")
	a.whole(due)
	a.want(assess, "due") // listed, never touched
	a.whole(assess)

	stone, err := a.tenant.Tombstone(t.Context(), due)
	if err != nil {
		t.Fatal(err)
	}
	if stone.Class != contact || stone.End != day(t, "2025-12-31") || stone.Closed != day(t, "2023-07-31") || stone.Permit == "" || stone.Versions != 1 || stone.LegalBasis != "VwV AusSchul" {
		t.Errorf("tombstone %+v", stone)
	}
	keys := a.vault.keys(preservation.EventPrefix(due))
	if len(keys) != 2 || keys[1] != stone.Key {
		t.Fatalf("of its events stay %q, want the intent and %q", keys, stone.Key)
	}
	var events []preservation.EventObject
	for _, key := range keys {
		e, _, err := readEvent(t.Context(), a.vault, key)
		if err != nil {
			t.Fatal(err)
		}
		if o, _ := a.vault.Stat(t.Context(), key, ""); o.Lock.Until.Before(a.now.AddDate(0, 0, 80)) {
			t.Errorf("%s is locked until %s only", key, o.Lock.Until)
		}
		if raw, _ := json.Marshal(e); strings.Contains(string(raw), "Muster") {
			t.Errorf("%s tells about the content: %s", key, raw)
		}
		if key != preservation.EventKey(due, e.Event.ID) {
			t.Errorf("%s is event %s", key, e.Event.ID)
		}
		events = append(events, e)
	}
	if g, ok := Remains(events); !ok || fmt.Sprint(g) != fmt.Sprint(stone) {
		t.Errorf("a rebuild would find %+v", g)
	}
	if g, ok := Remains(events[:1]); ok {
		t.Errorf("a rebuild would take an intent for %+v", g)
	}
	for n, want := range map[int]bool{1: true, len(events): false} {
		if packages, begun := Begun(events[:n]); begun != want || begun && len(packages) != 1 {
			t.Errorf("after %d events a destruction is under way: %t, of %v", n, begun, packages)
		}
	}
	log, err := a.tenant.AuditLog(t.Context(), 0, string(due), 100)
	if err != nil || len(log) != 2 || log[0].Action != "record.dispose" || log[1].Action != "record.destroy" {
		t.Errorf("audit log %+v, %v", log, err)
	}
	if err := a.gate.Dispose(t.Context(), a.tenant, due); err != nil {
		t.Errorf("once more: %v", err)
	}
	if _, err := a.tenant.Record(t.Context(), due); !errors.Is(err, catalog.ErrDestroyed) {
		t.Errorf("the catalog answers %v", err)
	}

	// A late writer brings a package back: it goes again.
	a.vault.add(preservation.PackageKey(due, 2), []byte("late"), preservation.Lock{})
	a.now = a.now.AddDate(0, 0, 1)
	a.dispose()
	a.whole(due)
}

func TestDisposeOnlyUnderPermit(t *testing.T) {
	a := newArchive(t, "2026-01-15")
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.pass("2026-02-20")
	refused := func(why string) {
		t.Helper()
		a.dispose()
		a.want(id, "due")
		a.whole(id)
		var r *Refusal
		if err := a.gate.Dispose(t.Context(), a.tenant, id); !errors.As(err, &r) {
			t.Errorf("%s: %v, want a refusal", why, err)
		}
		a.want(id, "due")
	}
	refused("no permit")

	p, err := a.officer.ProposePermit(t.Context(), a.tenant, Permit{Classes: []string{"21"}, Authority: "Stadtarchiv", LegalBasis: "§5(9)", Granted: day(t, "2020-01-01"), ValidFrom: day(t, "2020-01-01")}, "anna")
	if err != nil {
		t.Fatal(err)
	}
	refused("permit not approved")
	if _, err := a.officer.ApprovePermit(t.Context(), a.tenant, p.ID, "Anna"); !errors.Is(err, ErrSamePerson) || !strings.Contains(err.Error(), "Anna had a part in it") {
		t.Errorf("approved by its proposer: %v", err)
	}
	refused("permit approved by its proposer")
	a.permit("20")
	refused("permit for another class")
	revoked := a.permit("21")
	if _, err := a.officer.RevokePermit(t.Context(), a.tenant, revoked.ID, "carla"); err != nil {
		t.Fatal(err)
	}
	refused("permit revoked")
	if _, err := a.officer.ApprovePermit(t.Context(), a.tenant, revoked.ID, "carla"); !errors.Is(err, ErrEnded) {
		t.Errorf("revoked permit approved: %v", err)
	}
	h := a.hold(Scope{Classes: []string{"2"}})
	if _, err := a.officer.ApprovePermit(t.Context(), a.tenant, p.ID, "bernd"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.officer.ApprovePermit(t.Context(), a.tenant, p.ID, "carla"); !errors.Is(err, catalog.ErrConflict) || !strings.Contains(err.Error(), "approved already") {
		t.Errorf("approved twice: %v", err)
	}
	a.evaluate()
	a.dispose()
	a.want(id, "held")
	if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "Klage erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	a.dispose() // its short lock still runs
	a.want(id, "releasing")
	a.now = a.now.AddDate(0, 0, 15)
	a.dispose()
	a.want(id, "destroyed")
	a.whole(id)
}

func TestDisposeWaitsForLock(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31")) // past its end on arrival: 14 days
	a.night()
	a.dispose()
	a.want(id, "releasing")
	a.whole(id)
	err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{})
	var later *catalog.Later
	if want := day(t, "2026-02-15").In(berlin(t)); !errors.As(err, &later) || !later.Until.Equal(want) {
		t.Errorf("%v, want to be called again at %s", err, want)
	}
	a.now = a.now.AddDate(0, 0, 10)
	a.night() // approved for destruction: its lock is not extended
	a.dispose()
	a.want(id, "releasing")
	a.now = later.Until
	a.dispose()
	a.want(id, "destroyed")
	a.whole(id)
}

// TestDisposeCallsOff lets something come between the decision and the lock's end.
func TestDisposeCallsOff(t *testing.T) {
	for _, c := range []struct {
		name  string
		event func(*archive, preservation.RecordID, Permit)
		state string
	}{
		{"hold on the record", func(a *archive, id preservation.RecordID, _ Permit) {
			a.hold(Scope{Records: []preservation.RecordID{id}})
		}, "held"},
		{"permit revoked", func(a *archive, _ preservation.RecordID, p Permit) {
			if _, err := a.officer.RevokePermit(a.t.Context(), a.tenant, p.ID, "carla"); err != nil {
				a.t.Fatal(err)
			}
		}, "due"},
		{"rule changed", func(a *archive, _ preservation.RecordID, _ Permit) {
			r := rule(a.t, "school-parent-contact")
			r.Version, r.ValidFrom = 1, preservation.Date{}
			if _, err := a.officer.AddRule(a.t.Context(), a.tenant, r, "anna"); err != nil {
				a.t.Fatal(err)
			}
		}, "retention"},
		{"new version", func(a *archive, id preservation.RecordID, _ Permit) {
			a.version(id, 2, a.metadata(contact, "2020-07-31"))
		}, "due"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			p := a.permit(contact)
			id := a.keep(a.metadata(contact, "2020-07-31"))
			a.night()
			a.dispose()
			a.want(id, "releasing")

			c.event(a, id, p)
			if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{Key: keyReconsider}); err != nil {
				t.Fatal(err)
			}
			a.evaluate()
			a.want(id, c.state)
			a.whole(id)
			if c.state == "held" {
				a.now = a.now.AddDate(0, 0, 30)
				a.dispose()
				a.want(id, "held")
				a.whole(id)
			}
		})
	}
}

// TestDisposeCrash kills the gateway at every boundary, with and without a hold
// that comes right then, and lets it go on.
func TestDisposeCrash(t *testing.T) {
	crash := errors.New("crash")
	ready := func(t *testing.T) (*archive, preservation.RecordID) {
		a := newArchive(t, "2026-02-01")
		a.permit(contact)
		id := a.keep(a.metadata(contact, "2020-07-31"))
		a.version(id, 2, a.metadata(contact, "2020-07-31"))
		a.night()
		a.now = a.now.AddDate(0, 0, 16)
		return a, id
	}
	var boundaries []string
	a, id := ready(t)
	a.gate.Boundary = func(at string) error { boundaries = append(boundaries, at); return nil }
	a.dispose()
	a.want(id, "destroyed")
	if len(boundaries) < 12 {
		t.Fatalf("boundaries %q", boundaries)
	}
	for n, at := range boundaries {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %s held=%t", n, at, held), func(t *testing.T) {
				a, id := ready(t)
				count := 0
				a.gate.Boundary = func(string) error {
					if count++; count == n+1 {
						return crash
					}
					return nil
				}
				if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); !errors.Is(err, crash) {
					t.Fatalf("%v, want the crash", err)
				}
				a.gate.Boundary = nil
				left := len(a.vault.keys(preservation.PackagePrefix(id)))
				receipts := len(a.vault.keys(preservation.EventPrefix(id))) - 1
				again := func() {
					for range 3 {
						a.now = a.now.Add(2 * time.Hour)
						a.dispose()
					}
					a.evaluate()
				}
				if !held || a.state(id) == "destroyed" {
					again()
					a.want(id, "destroyed")
					a.whole(id)
					return
				}
				h := a.hold(Scope{Records: []preservation.RecordID{id}})
				a.evaluate()
				again()
				switch {
				case left == 2:
					a.want(id, "held") // whole: called off
					a.whole(id)
				case left == 1:
					a.want(id, "releasing") // half gone: a person has to decide
					w, err := a.tenant.View().Disposal(t.Context(), id)
					if err != nil || w.Phase != blocked || len(a.vault.keys(preservation.PackagePrefix(id))) != 1 {
						t.Errorf("%+v, %v: want it blocked with what is left", w, err)
					}
				case receipts > 0 && at != "buried":
					a.want(id, "releasing") // the hold keeps what it found
					if n := len(a.vault.keys(preservation.EventPrefix(id))) - 1; n != receipts {
						t.Errorf("%d of %d receipts are left", n, receipts)
					}
				default:
					a.want(id, "destroyed")
				}
				if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
					t.Fatal(err)
				}
				a.evaluate()
				a.now = a.now.AddDate(0, 0, 15)
				again()
				a.now = a.now.AddDate(0, 0, 15)
				again()
				a.want(id, "destroyed")
				a.whole(id)
			})
		}
	}
}

// TestDisposeBlockedStaysLocked interrupts a destruction between two packages and
// forbids it then: what is left is locked as long as that lasts.
func TestDisposeBlockedStaysLocked(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.version(id, 2, a.metadata(contact, "2020-07-31"))
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	crash := errors.New("crash")
	a.gate.Boundary = func(at string) error {
		if at == "one object" {
			return crash
		}
		return nil
	}
	if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	a.gate.Boundary = nil
	h := a.hold(Scope{Records: []preservation.RecordID{id}})
	for range 60 {
		a.night()
		a.now = a.now.AddDate(0, 0, 1)
		a.dispose()
		a.want(id, "releasing")
		for o := range objects(t.Context(), a.vault, id) {
			if o, err := a.vault.Stat(t.Context(), o.Key, o.VersionID); err != nil || !o.Lock.Until.After(a.now) {
				t.Fatalf("%s is locked until %s only on %s, %v", o.Key, o.Lock.Until, a.now, err)
			}
		}
	}
	if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		a.night()
		a.now = a.now.AddDate(0, 0, 1)
		a.dispose()
	}
	a.want(id, "destroyed")
	a.whole(id)
}

// TestDisposeCrashWhenCalledOff kills the gateway between the outcome object
// and the catalog, and lifts the hold meanwhile: the outcome stands.
func TestDisposeCrashWhenCalledOff(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.night()
	a.dispose()
	a.want(id, "releasing")
	h := a.hold(Scope{Records: []preservation.RecordID{id}})
	a.gate.Boundary = func(at string) error {
		if at == "called off" {
			return errors.New("crash")
		}
		return nil
	}
	if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{Key: keyReconsider}); err == nil {
		t.Fatal("no crash")
	}
	a.gate.Boundary = nil
	if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	first, err := a.tenant.View().Disposal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	a.now = a.now.Add(lease + time.Minute)
	a.job(a.gate.DisposeDue, keyReconsider)
	a.evaluate()
	a.want(id, "due")
	a.whole(id)
	a.dispose()
	a.want(id, "releasing") // a new disposal waits for the locks of the first intent, too
	a.now = a.now.AddDate(0, 0, 15)
	a.dispose()
	a.want(id, "destroyed")
	a.whole(id)
	if keys := a.vault.keys(preservation.EventPrefix(id)); len(keys) != 2 || slices.Contains(keys, outcomeKey(first)) {
		t.Errorf("of its events stay %q", keys)
	}
}

func TestDisposeWholeFiles(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit("21")
	file := a.keep(a.metadata(contact, "2020-07-31"))
	part := a.metadata(contact, "2020-07-31")
	part.Parent = file
	one, two := a.keep(part), a.keep(part)
	below := part
	below.Parent = one
	deep := a.keep(below)
	a.night()
	h := a.hold(Scope{Records: []preservation.RecordID{deep}})
	a.evaluate()
	a.now = a.now.AddDate(0, 0, 20)
	a.dispose()
	for _, id := range []preservation.RecordID{file, one, two} {
		a.want(id, "due")
	}
	a.want(deep, "held")
	if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	a.dispose() // the events of hold and release are locked for a while
	a.want(deep, "releasing")
	a.now = a.now.AddDate(0, 0, 15)
	a.dispose()
	for _, id := range []preservation.RecordID{deep, one, two, file} {
		a.want(id, "destroyed")
		a.whole(id)
	}
}

// TestWholeFileOfPages: the last of the parts of a large file keeps all of it.
func TestWholeFileOfPages(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit("21")
	part := a.metadata(contact, "2020-07-31")
	file := a.keep(part)
	part.Parent = file
	var last preservation.RecordID
	for range 2*batch + 1 {
		last = max(last, a.keep(part))
	}
	a.evaluate()
	h := a.hold(Scope{Records: []preservation.RecordID{last}})
	whole := func() bool {
		t.Helper()
		policy, err := a.officer.policy(t.Context(), a.tenant)
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.officer.plans.at(t.Context(), a.tenant.View(), a.tenant.ID())
		if err != nil {
			t.Fatal(err)
		}
		ok, err := a.gate.wholeFile(t.Context(), a.tenant, p, policy, file, &Run{})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if whole() {
		t.Error("a part that is held goes with its file")
	}
	if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	if !whole() {
		t.Error("a file of which every part may go is kept")
	}
}

func TestDisposeStopsItself(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	a.gate.Floor = 3
	var ids []preservation.RecordID
	for range 5 {
		ids = append(ids, a.keep(a.metadata(contact, "2020-07-31")))
	}
	for range 20 {
		a.keep(a.metadata("01.10", "2025-07-31"))
	}
	a.night()
	a.now = a.now.AddDate(0, 0, 20)
	var final *catalog.Final
	var stopped *Stopped
	err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{})
	if !errors.As(err, &final) || !errors.As(err, &stopped) || stopped.Records != 5 || stopped.Holding != 25 {
		t.Fatalf("%v, want the run to stop", err)
	}
	for _, id := range ids {
		a.want(id, "due")
	}
	if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); err != nil {
		t.Errorf("the same stop again: %v", err)
	}
	a.now = a.now.AddDate(0, 0, 10)
	a.night() // they are kept meanwhile, so they are locked again
	if o, err := a.vault.Stat(t.Context(), preservation.PackageKey(ids[0], 1), ""); err != nil || !o.Lock.Until.After(a.now) {
		t.Errorf("unlocked while it is kept: %+v, %v", o, err)
	}
	if s, err := a.gate.Stopped(t.Context(), a.tenant); err != nil || s == nil || s.Records != 5 {
		t.Errorf("stopped: %+v, %v", s, err)
	}
	if err := a.gate.Allow(t.Context(), a.tenant, 5, "carla"); err != nil {
		t.Fatal(err)
	}
	a.dispose()
	a.now = a.now.AddDate(0, 0, 15)
	a.dispose()
	for _, id := range ids {
		a.want(id, "destroyed")
	}
}

func TestDisposeClock(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	a.dispose()
	id := a.keep(a.metadata(contact, "2025-07-31"))
	a.night()
	start := a.now
	for name, now := range map[string]time.Time{"years ahead": start.AddDate(10, 0, 0), "back": start.Add(-time.Hour)} {
		a.now = start
		if err := a.gate.Allow(t.Context(), a.tenant, 0, "carla"); err != nil {
			t.Fatal(err)
		}
		a.now = now
		a.job(a.officer.EvaluateDue, "scheduled")
		a.evaluate()
		var stopped *Stopped
		if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); !errors.As(err, &stopped) {
			t.Errorf("%s: %v, want the run to stop", name, err)
		}
		a.whole(id)
		if a.state(id) == "destroyed" {
			t.Fatalf("%s: destroyed", name)
		}
	}
}

// TestDisposeStoreFaults fails every call to the store once, before or after it
// had its effect, and lets the gateway go on.
func TestDisposeStoreFaults(t *testing.T) {
	for _, op := range []storetest.Op{storetest.OpPut, storetest.OpOpen, storetest.OpStat, storetest.OpVersions, storetest.OpExtend, storetest.OpPurge} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%t", op, after), func(t *testing.T) {
				a := newArchive(t, "2026-02-01")
				a.permit(contact)
				var id preservation.RecordID
				for range 6 { // one fault each
					id = a.keep(a.metadata(contact, "2020-07-31"))
				}
				a.night()
				a.now = a.now.AddDate(0, 0, 16)
				faulty := &storetest.Fault{Store: a.vault}
				for n := range 10 {
					faulty.Add(storetest.Plan{Op: op, Nth: 1 + 3*n, After: after, Err: storetest.ErrInjected})
				}
				a.gate.Vault = func(context.Context, *catalog.Tenant) (Vault, error) { return faulty, nil }
				for range 12 {
					a.now = a.now.Add(time.Hour)
					var later *catalog.Later
					if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); err != nil && !errors.Is(err, storetest.ErrInjected) && !errors.As(err, &later) {
						t.Fatal(err)
					}
				}
				faulty.Heal()
				a.now = a.now.Add(time.Hour)
				a.dispose()
				a.want(id, "destroyed")
				rows, err := a.tenant.View().Retentions(t.Context(), catalog.RetentionFilter{}, "", 10)
				if err != nil || len(rows) > 0 || len(a.vault.keys("aip/")) > 0 || len(a.vault.keys("evt/")) != 12 {
					t.Errorf("%d records, packages %q, %d events, %v", len(rows), a.vault.keys("aip/"), len(a.vault.keys("evt/")), err)
				}
			})
		}
	}
}
