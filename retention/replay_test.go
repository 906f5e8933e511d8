package retention

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestDisposeWaitsForArrival keeps a record while a version of it is under way.
func TestDisposeWaitsForArrival(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	m := a.metadata(contact, "2020-07-31")
	id := a.keep(m)
	sub := preservation.SubmissionID(a.id())
	if err := a.tenant.CreateSubmission(t.Context(), catalog.Submission{ID: sub, RecordID: id, Version: 2, Metadata: m, SubmittedBy: "system", Received: a.now}); err != nil {
		t.Fatal(err)
	}
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	a.dispose()
	a.want(id, "due")
	a.whole(id)
	if err := a.tenant.Settle(t.Context(), sub, catalog.Rejected, []preservation.Finding{{Code: "x", Severity: preservation.Failed}}); err != nil {
		t.Fatal(err)
	}
	a.dispose()
	a.want(id, "destroyed")
	a.whole(id)
}

// TestReplayLocked brings objects of a destroyed record back under a lock: they
// go when it has run out, however long that takes.
func TestReplayLocked(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	a.dispose()
	a.want(id, "destroyed")

	late := preservation.EventKey(id, string(a.id()))
	lock := preservation.Lock{Mode: preservation.Compliance, Until: a.now.AddDate(1, 0, 0)}
	a.vault.add(preservation.PackageKey(id, 2), []byte("late"), lock)
	a.vault.add(late, []byte("late"), lock)
	for a.now.Before(lock.Until) {
		if n := len(a.vault.keys(preservation.EventPrefix(id))); n != 3 || a.now.After(lock.Until) {
			t.Fatalf("%d events on %s", n, a.now)
		}
		a.now = a.now.AddDate(0, 0, 20)
		a.job(a.officer.ExtendLocks, "scheduled")
		a.dispose()
	}
	if o, err := a.vault.Stat(t.Context(), late, ""); !errors.Is(err, preservation.ErrNotFound) {
		t.Errorf("still there: %+v, %v", o, err)
	}
	a.whole(id)
	for _, key := range a.vault.keys(preservation.EventPrefix(id)) {
		if o, _ := a.vault.Stat(t.Context(), key, ""); !o.Lock.Until.After(a.now.AddDate(0, 0, 45)) {
			t.Errorf("%s is locked until %s only", key, o.Lock.Until)
		}
	}
	if text, err := a.tenant.View().Cursor(t.Context(), leftName); err != nil || text != "" {
		t.Errorf("left: %s, %v", text, err)
	}
}

// TestRemind destroys what comes to light of a record that was destroyed years ago.
func TestRemind(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	a.dispose()
	a.now = a.now.AddDate(3, 0, 0)
	key := preservation.PackageKey(id, 1)
	a.vault.add(key, []byte("of a copy that was away"), preservation.Lock{})
	a.gate.Gap = 10 * 365 * 24 * time.Hour
	a.dispose()
	if _, err := a.vault.Stat(t.Context(), key, ""); err != nil {
		t.Fatalf("looked at without a reminder: %v", err)
	}
	for range 2 {
		if err := a.gate.Remind(t.Context(), a.tenant, id); err != nil {
			t.Fatal(err)
		}
	}
	a.dispose()
	if _, err := a.vault.Stat(t.Context(), key, ""); !errors.Is(err, preservation.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
	if text, err := a.tenant.View().Cursor(t.Context(), leftName); err != nil || text != "" {
		t.Errorf("left: %s, %v", text, err)
	}
}

// TestReplayFinishes writes the proof of a destruction that only the catalog has, and
// purges what is left. No rebuild believes the intent.
func TestReplayFinishes(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	a.gate.Boundary = func(at string) error {
		if at == "purged" {
			return errors.New("crash")
		}
		return nil
	}
	if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); err == nil {
		t.Fatal("no crash")
	}
	a.gate.Boundary = nil
	read := func() (events []preservation.EventObject) {
		for _, key := range a.vault.keys(preservation.EventPrefix(id)) {
			if e, _, err := readEvent(t.Context(), a.vault, key); err == nil { // the receipt of this test is none
				events = append(events, e)
			}
		}
		return events
	}
	if stone, ok := Remains(read()); ok {
		t.Fatalf("a rebuild would find %+v", stone)
	}
	w, err := a.tenant.View().Disposal(t.Context(), id)
	var i Intent
	if err = errors.Join(err, json.Unmarshal(w.Body, &i)); err != nil {
		t.Fatal(err)
	}
	stone := i.Tombstone
	stone.Destroyed = a.now.UTC()
	if err := a.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.Destroy(stone) }); err != nil {
		t.Fatal(err)
	}
	a.now = a.now.Add(24 * time.Hour)
	a.dispose()
	if keys := a.vault.keys(preservation.EventPrefix(id)); len(keys) != 2 || keys[0] != stone.Intent || keys[1] != stone.Key {
		t.Fatalf("of its events stay %q", keys)
	}
	if again, ok := Remains(read()); !ok || !again.Destroyed.Equal(stone.Destroyed) || again.Class != contact {
		t.Errorf("a rebuild would find %+v, not %+v", again, stone)
	}
	for _, key := range []string{stone.Intent, stone.Key} {
		if o, _ := a.vault.Stat(t.Context(), key, ""); !o.Lock.Until.After(a.now.AddDate(0, 0, 80)) {
			t.Errorf("%s is locked until %s only", key, o.Lock.Until)
		}
	}
}

// TestLostIsNotPurged: what a disk lost of a record while its destruction waited, nobody
// has destroyed. When something forbids it by then the destruction is called off.
func TestLostIsNotPurged(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.night()
	a.dispose()
	a.want(id, "releasing") // its lock still runs
	a.hold(Scope{Records: []preservation.RecordID{id}})
	a.vault.drop(preservation.PackageKey(id, 1))
	a.now = a.now.AddDate(0, 0, 16)
	a.dispose()
	a.evaluate()
	a.want(id, "held")
	if _, err := a.tenant.Tombstone(t.Context(), id); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("tombstone: %v", err)
	}
}

// TestRestoreLeavesLiving restores a completed run without what it destroyed at last: the
// record that lives is in no run any more, and another may decide about it.
func TestRestoreLeavesLiving(t *testing.T) {
	a, ids := dueRecords(t, 1, sickness)
	r := a.approved(ids...)
	back, err := a.officer.act(t.Context(), a.tenant, r.ID, System, func(ctx context.Context, e *edit, r *Run) error {
		return e.enter(ctx, r, Entry{Act: actCompleted, Run: &Run{Ended: e.now}})
	})
	if err != nil || back.Open() {
		t.Fatal(back, err)
	}
	a.forgetRuns()
	for range 2 {
		if err := RestoreRuns(t.Context(), a.tenant); err != nil {
			t.Fatal(err)
		}
		a.wantItem(r, ids[0], catalog.ItemLeft, "came back")
	}
	again := a.approved(ids[0])
	a.execute(again)
	a.want(ids[0], "destroyed")
	a.wantRun(again, RunCompleted)
}
