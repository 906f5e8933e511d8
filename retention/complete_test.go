package retention

import (
	"errors"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// halfDone kills the gateway at a boundary of a destruction, under a permit or in a run,
// and has the catalog forget it.
func halfDone(t *testing.T, inRun bool, boundary string, forget func(a *archive, id preservation.RecordID)) (*archive, preservation.RecordID, string) {
	t.Helper()
	crash := errors.New("crash")
	a, ids := dueRecords(t, 1, map[bool]string{true: sickness, false: contact}[inRun])
	a.gate.Boundary = func(at string) error {
		if at == boundary {
			return crash
		}
		return nil
	}
	var err error
	under := ""
	if inRun {
		r := a.approved(ids...)
		under, err = r.ID, a.tryExecute(r)
	} else {
		under = a.permit(contact).ID
		err = a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{})
	}
	if !errors.Is(err, crash) {
		t.Fatalf("%v, want the crash", err)
	}
	a.gate.Boundary = nil
	forget(a, ids[0])
	return a, ids[0], under
}

// lost has a rebuild find no package of the record.
func lost(a *archive, id preservation.RecordID) {
	a.t.Helper()
	a.behind(`DELETE FROM disposal WHERE record_id = $1`, id)
	a.behind(`DELETE FROM record WHERE id = $1`, id)
}

// unbegun has a rebuild find the record, of which not all packages are gone.
func unbegun(a *archive, id preservation.RecordID) {
	a.t.Helper()
	a.behind(`DELETE FROM disposal WHERE record_id = $1`, id)
	a.behind(`UPDATE record SET status = 'live' WHERE id = $1`, id)
}

// TestComplete ends destructions whose catalog was lost after the purge and before the
// tombstone.
func TestComplete(t *testing.T) {
	for _, inRun := range []bool{false, true} {
		for _, boundary := range []string{"one object", "purged", "elsewhere", "events"} {
			a, id, under := halfDone(t, inRun, boundary, lost)
			if inRun {
				a.forgetRuns()
				if err := RestoreRuns(t.Context(), a.tenant); err != nil {
					t.Fatal(err)
				}
			}
			crash := errors.New("crash")
			a.gate.Boundary = func(string) error { return crash }
			if err := a.gate.Complete(t.Context(), a.tenant, id, "cli"); !errors.Is(err, crash) {
				t.Errorf("%v, want the crash", err)
			}
			a.gate.Boundary = nil
			for range 2 {
				if err := a.gate.Complete(t.Context(), a.tenant, id, "cli"); err != nil {
					t.Fatalf("%s: %v", boundary, err)
				}
			}
			stone, err := a.tenant.Tombstone(t.Context(), id)
			if err != nil || stone.Permit+stone.Run != under || stone.Destroyed.IsZero() {
				t.Errorf("%+v %v", stone, err)
			}
			if keys := a.vault.keys(preservation.EventPrefix(id)); len(keys) != 2 || keys[0] != stone.Intent || keys[1] != stone.Key {
				t.Errorf("of its events stay %q", keys)
			}
		}
	}
}

// TestCompleteRefused: an intent alone completes nothing.
func TestCompleteRefused(t *testing.T) {
	for name, c := range map[string]struct {
		boundary string
		inRun    bool
		before   func(a *archive, id preservation.RecordID, under string)
		want     string
	}{
		"whole": {boundary: "intent", before: func(a *archive, id preservation.RecordID, _ string) { unbegun(a, id) }, want: "none of its packages is gone"},
		"held": {boundary: "purged", before: func(a *archive, id preservation.RecordID, _ string) {
			a.hold(Scope{Records: []preservation.RecordID{id}})
			lost(a, id)
		}, want: "it is held"},
		"revoked": {boundary: "purged", before: func(a *archive, id preservation.RecordID, permit string) {
			lost(a, id)
			if _, err := a.officer.RevokePermit(a.t.Context(), a.tenant, permit, "bernd"); err != nil {
				a.t.Fatal(err)
			}
		}, want: "revoked"},
		"no run": {boundary: "purged", inRun: true, before: func(a *archive, id preservation.RecordID, _ string) { lost(a, id); a.forgetRuns() }, want: "not approved"},
		"grown": {boundary: "purged", before: func(a *archive, id preservation.RecordID, _ string) {
			lost(a, id)
			a.vault.add(preservation.PackageKey(id, 2), []byte("new"), preservation.Lock{})
		}, want: "a new version"},
		"under way": {boundary: "purged", before: func(*archive, preservation.RecordID, string) {}, want: "the service goes on"},
	} {
		t.Run(name, func(t *testing.T) {
			a, id, under := halfDone(t, c.inRun, c.boundary, func(*archive, preservation.RecordID) {})
			c.before(a, id, under)
			keys := len(a.vault.keys(""))
			var refused *Refusal
			if err := a.gate.Complete(t.Context(), a.tenant, id, "cli"); !errors.As(err, &refused) || !strings.Contains(refused.Reason, c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, err := a.tenant.Tombstone(t.Context(), id); !errors.Is(err, catalog.ErrNotFound) {
				t.Errorf("tombstone: %v", err)
			}
			if n := len(a.vault.keys(preservation.EventPrefix(id))); n == 0 || len(a.vault.keys("")) < keys {
				t.Errorf("something was purged: %d", n)
			}
		})
	}
	a := newArchive(t, "2026-02-01")
	if err := a.gate.Complete(t.Context(), a.tenant, a.id(), "cli"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("of no record: %v", err)
	}
}

// TestCompletePart ends the destruction of a record of which some packages are left, when
// nothing forbids it.
func TestCompletePart(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	m := a.metadata(contact, "2012-07-31")
	id := a.keep(m)
	a.version(id, 2, m)
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	a.permit(contact)
	a.gate.Boundary = func(at string) error {
		if at == "one object" {
			return errors.New("crash")
		}
		return nil
	}
	if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); err == nil {
		t.Fatal("no crash")
	}
	a.gate.Boundary = nil
	unbegun(a, id)
	if n := len(a.vault.keys(preservation.PackagePrefix(id))); n != 1 {
		t.Fatalf("%d packages are left", n)
	}
	h := a.hold(Scope{Records: []preservation.RecordID{id}})
	var refused *Refusal
	if err := a.gate.Complete(t.Context(), a.tenant, id, "cli"); !errors.As(err, &refused) || len(a.vault.keys(preservation.PackagePrefix(id))) != 1 {
		t.Errorf("held: %v", err)
	}
	if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	a.night()
	a.now = a.now.AddDate(0, 0, 20)
	if err := a.gate.Complete(t.Context(), a.tenant, id, "cli"); err != nil {
		t.Fatal(err)
	}
	a.want(id, "destroyed")
	a.whole(id)
}
