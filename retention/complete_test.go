package retention

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/replica"
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
			if err := a.gate.Complete(t.Context(), a.tenant, id, nil, "cli"); !errors.Is(err, crash) {
				t.Errorf("%v, want the crash", err)
			}
			a.gate.Boundary = nil
			for range 2 {
				if err := a.gate.Complete(t.Context(), a.tenant, id, nil, "cli"); err != nil {
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
			a.refuses(id, nil, c.want)
		})
	}
	a := newArchive(t, "2026-02-01")
	if err := a.gate.Complete(t.Context(), a.tenant, a.id(), nil, "cli"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("of no record: %v", err)
	}
}

// partDone kills the gateway when the newest of three packages is gone, under a permit or
// in a run, and has a rebuild find the record.
func partDone(t *testing.T, inRun bool) (a *archive, id preservation.RecordID, run Run) {
	t.Helper()
	a = newArchive(t, "2026-02-01")
	m := a.metadata(map[bool]string{true: sickness, false: contact}[inRun], "2012-07-31")
	id = a.keep(m)
	a.version(id, 2, m)
	a.version(id, 3, m)
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	crash := errors.New("crash")
	a.gate.Boundary = func(at string) error {
		if at == "one object" {
			return crash
		}
		return nil
	}
	var err error
	if inRun {
		run = a.approved(id)
		err = a.tryExecute(run)
	} else {
		a.permit(contact)
		err = a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{})
	}
	if !errors.Is(err, crash) {
		t.Fatalf("%v, want the crash", err)
	}
	a.gate.Boundary = nil
	unbegun(a, id)
	a.behind(`UPDATE record SET version = 2 WHERE id = $1`, id)
	if left := a.vault.keys(preservation.PackagePrefix(id)); len(left) != 2 || left[1] != preservation.PackageKey(id, 2) {
		t.Fatalf("%q are left", left)
	}
	return a, id, run
}

// refuses fails the test unless nothing is purged and the reason is told.
func (a *archive) refuses(id preservation.RecordID, unread []preservation.Finding, want string) {
	a.t.Helper()
	before := a.vault.keys("")
	var refused *Refusal
	if err := a.gate.Complete(a.t.Context(), a.tenant, id, unread, "cli"); !errors.As(err, &refused) || !strings.Contains(refused.Reason, want) {
		a.t.Errorf("%v, want %q", err, want)
	}
	if after := a.vault.keys(""); !slices.Equal(after, before) {
		a.t.Errorf("there was %q and is %q", before, after)
	}
	if _, err := a.tenant.Tombstone(a.t.Context(), id); !errors.Is(err, catalog.ErrNotFound) {
		a.t.Errorf("tombstone: %v", err)
	}
}

// TestCompletePart ends the destruction of a record of which some packages are left, when
// nothing forbids it: the newest go first, and the events after them.
func TestCompletePart(t *testing.T) {
	for _, inRun := range []bool{false, true} {
		a, id, _ := partDone(t, inRun)
		h := a.hold(Scope{Records: []preservation.RecordID{id}})
		a.refuses(id, nil, "it is held")
		if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
			t.Fatal(err)
		}
		a.night()
		a.now = a.now.AddDate(0, 0, 20)
		events := a.vault.keys(preservation.EventPrefix(id))
		crash := errors.New("crash")
		a.gate.Boundary = func(string) error { return crash }
		if err := a.gate.Complete(t.Context(), a.tenant, id, nil, "cli"); !errors.Is(err, crash) {
			t.Errorf("%v, want the crash", err)
		}
		a.gate.Boundary = nil
		if left := a.vault.keys(preservation.PackagePrefix(id)); !slices.Equal(left, []string{preservation.PackageKey(id, 1)}) {
			t.Errorf("%q are left", left)
		}
		if left := a.vault.keys(preservation.EventPrefix(id)); !slices.Equal(left, events) {
			t.Errorf("of its events %q are left", left)
		}
		if err := a.gate.Complete(t.Context(), a.tenant, id, nil, "cli"); err != nil {
			t.Fatal(err)
		}
		a.want(id, "destroyed")
		a.whole(id)
	}
}

// TestCompletePartRefused: while packages are left all is asked that a destruction is asked.
func TestCompletePartRefused(t *testing.T) {
	for name, c := range map[string]struct {
		inRun  bool
		before func(a *archive, id preservation.RecordID, run Run)
		want   string
	}{
		"stopped run": {inRun: true, before: func(a *archive, _ preservation.RecordID, run Run) {
			if _, err := a.officer.StopRun(a.t.Context(), a.tenant, run.ID, "Zweifel", "bernd"); err != nil {
				a.t.Fatal(err)
			}
		}, want: "is stopped"},
		"cancelled run": {inRun: true, before: func(a *archive, _ preservation.RecordID, run Run) {
			if _, err := a.officer.StopRun(a.t.Context(), a.tenant, run.ID, "Zweifel", "bernd"); err != nil {
				a.t.Fatal(err)
			}
			if _, err := a.officer.CancelRun(a.t.Context(), a.tenant, run.ID, "falsch", "bernd"); err != nil {
				a.t.Fatal(err)
			}
		}, want: "does not have it destroyed"},
		"changed list": {inRun: true, before: func(a *archive, id preservation.RecordID, _ Run) {
			a.behind(`UPDATE run_item SET note = 'anders' WHERE record_id = $1`, id)
		}, want: "not the one that was approved"},
		"another run": {before: func(a *archive, id preservation.RecordID, _ Run) { a.propose(id) }, want: "the disposal run"},
		"kept until": {before: func(a *archive, id preservation.RecordID, _ Run) {
			r := a.propose(id)
			a.decide(r, Keep, everything)
			a.approve(r)
			a.start(r, 0)
			a.execute(r)
		}, want: "it is kept until"},
		"another class": {before: func(a *archive, id preservation.RecordID, _ Run) {
			a.behind(`UPDATE record SET class = $2 WHERE id = $1`, id, sickness) // B
		}, want: "disposition B"},
		"another plan": {before: func(a *archive, _ preservation.RecordID, _ Run) {
			a.behind(`UPDATE document SET body = replace(body, $1, '21') WHERE kind = 'permit'`, contact)
		}, want: "as it stands in the bucket"},
		"not in the catalog": {before: unreadable, want: "v0001.zip, "},
		"held in the bucket": {before: func(a *archive, id preservation.RecordID, _ Run) {
			a.set(a.vault, preservation.PackageKey(id, 1), preservation.Lock{}, true)
		}, want: "legal hold"},
		"locked event": {before: func(a *archive, id preservation.RecordID, _ Run) {
			a.set(a.vault, a.vault.keys(preservation.EventPrefix(id))[0], preservation.Lock{Mode: preservation.Compliance, Until: a.now.AddDate(0, 0, 1)}, false)
		}, want: "is locked until"},
		"held in the copy": {before: func(a *archive, id preservation.RecordID, _ Run) {
			other := &vault{now: a.vault.now, next: 1000}
			key := preservation.PackageKey(id, 1)
			other.add(key, []byte("copy"), preservation.Lock{})
			a.set(other, key, preservation.Lock{}, true)
			a.gate.Vault = func(context.Context, *catalog.Tenant) (Vault, error) {
				return &replica.Vault{Store: replica.Store{Store: a.vault, Tenant: a.tenant}, Primary: a.vault, Copy: other}, nil
			}
		}, want: "legal hold"},
	} {
		t.Run(name, func(t *testing.T) {
			a, id, run := partDone(t, c.inRun)
			c.before(a, id, run)
			a.refuses(id, nil, c.want)
		})
	}
}

// unreadable has a rebuild find packages of the record that nobody can read.
func unreadable(a *archive, id preservation.RecordID, _ Run) {
	a.t.Helper()
	a.behind(`DELETE FROM record WHERE id = $1`, id)
}

// set changes the lock and the legal hold of an object.
func (a *archive) set(v *vault, key string, l preservation.Lock, hold bool) {
	a.t.Helper()
	if err := errors.Join(v.Extend(a.t.Context(), key, "", l), v.SetHold(a.t.Context(), key, "", hold)); err != nil {
		a.t.Fatal(err)
	}
}

// TestCompleteUnread: what cannot be read may be a hold, or the call-off of a record whose
// package was lost later.
func TestCompleteUnread(t *testing.T) {
	a, id, _ := halfDone(t, false, "purged", lost)
	hold := preservation.Finding{Code: "unreadable-document", Severity: preservation.Failed, Subject: preservation.ConfigKey("x"), Detail: "no JSON"}
	a.refuses(id, []preservation.Finding{hold}, hold.Subject)

	a, id, _ = halfDone(t, false, "intent", lost)
	a.vault.drop(preservation.PackageKey(id, 1))
	key := preservation.EventKey(id, string(a.id()))
	a.vault.add(key, []byte("damaged"), preservation.Lock{})
	a.refuses(id, nil, key)

	a, id, _ = halfDone(t, true, "purged", lost)
	a.behind(`UPDATE run_item SET state = 'left' WHERE record_id = $1`, id)
	a.refuses(id, nil, "does not have it destroyed")
}

// TestCompleteNothingBegun names the packages of a record that has no events.
func TestCompleteNothingBegun(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	id := a.id()
	a.vault.add(preservation.PackageKey(id, 1), []byte("package"), preservation.Lock{})
	a.refuses(id, nil, preservation.PackageKey(id, 1))
}

// TestCompleteOfFile: a hold on the file to which a record belonged, or on a class of one
// above, stands against its completion when no package of it is left that says so: the
// announcement names them.
func TestCompleteOfFile(t *testing.T) {
	begun := func(t *testing.T) (a *archive, file, part preservation.RecordID) {
		a = newArchive(t, "2026-02-01")
		a.permit(contact)
		m := a.metadata(contact, "2020-07-31")
		file = a.keep(m)
		m.Parent = file
		m.Parent = a.keep(m)
		part = a.keep(m)
		a.night()
		a.now = a.now.AddDate(0, 0, 20)
		crash := errors.New("crash")
		a.gate.Boundary = func(at string) error {
			if at == "purged" {
				return crash
			}
			return nil
		}
		if err := a.gate.Dispose(t.Context(), a.tenant, part); !errors.Is(err, crash) {
			t.Fatal(err)
		}
		a.gate.Boundary = nil
		lost(a, part)
		return a, file, part
	}
	for name, gone := range map[string]bool{"the file is there": false, "the file is gone as well": true} {
		t.Run(name, func(t *testing.T) {
			a, file, part := begun(t)
			h := a.hold(Scope{Records: []preservation.RecordID{file}})
			other := a.keep(a.metadata(sickness, "2025-07-31"))
			if gone {
				a.behind(`DELETE FROM record WHERE id <> $1`, other)
			}
			a.refuses(part, nil, "it is held: "+h.ID)
			if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
				t.Fatal(err)
			}
			a.hold(Scope{Records: []preservation.RecordID{other}})
			a.now = a.now.AddDate(0, 0, 1)
			if err := a.gate.Complete(t.Context(), a.tenant, part, nil, "cli"); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a class of a file that is gone", func(t *testing.T) {
		a, file, part := begun(t)
		h := a.hold(Scope{Classes: []string{sickness}})
		a.behind(`DELETE FROM record WHERE id = $1`, file) // the outer one
		a.refuses(part, nil, "of which class the file "+string(file)+" was")
		a.behind(`DELETE FROM record`)
		a.refuses(part, nil, "of which class the file")
		if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
			t.Fatal(err)
		}
		if err := a.gate.Complete(t.Context(), a.tenant, part, nil, "cli"); err != nil {
			t.Error(err)
		}
	})
	t.Run("another class than that of its files", func(t *testing.T) {
		a, _, part := begun(t)
		a.hold(Scope{Classes: []string{sickness}})
		if err := a.gate.Complete(t.Context(), a.tenant, part, nil, "cli"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a former release", func(t *testing.T) {
		a, file, part := begun(t)
		for _, k := range a.vault.objects {
			if strings.HasPrefix(k.Key, preservation.EventPrefix(part)) {
				k.data = regexp.MustCompile(`"files":\[[^]]*\],`).ReplaceAll(k.data, nil)
				k.Size = int64(len(k.data))
			}
		}
		for _, s := range []Scope{{Records: []preservation.RecordID{file}}, {Classes: []string{sickness}}} {
			h := a.hold(s)
			a.refuses(part, nil, "did not say to which file it belonged")
			if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.gate.Complete(t.Context(), a.tenant, part, nil, "cli"); err != nil {
			t.Error(err)
		}
	})
}
