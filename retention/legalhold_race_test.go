package retention

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// midway is the bucket of an archive in which something happens when a legal hold, after
// a number of others, is about to be set or taken off.
type midway struct {
	*vault
	after int
	once  sync.Once
	then  func()
}

func (m *midway) SetHold(ctx context.Context, key, version string, on bool) error {
	if m.after--; m.after < 0 {
		m.once.Do(m.then)
	}
	return m.vault.SetHold(ctx, key, version, on)
}

// midway has the next evaluation interrupted so. What acts meanwhile finds the bucket
// without the interruption.
func (a *archive) midway(after int, then func()) {
	plain := a.officer.Store
	m := &midway{vault: a.vault, after: after}
	m.then = func() {
		a.officer.Store = plain
		then()
	}
	a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return m, nil }
}

// wantHold wants all objects of a record on hold, or none, and the last that is told of
// holds to say so.
func (a *archive) wantHold(id preservation.RecordID, on bool) {
	a.t.Helper()
	for v := range objects(a.t.Context(), a.vault, id) {
		if o, err := a.vault.Stat(a.t.Context(), v.Key, v.VersionID); err != nil || o.Hold != on {
			a.t.Errorf("%+v, %v, want hold %t", o, err, on)
		}
	}
	events, err := a.tenant.Events(a.t.Context(), id)
	if err != nil {
		a.t.Fatal(err)
	}
	want, last := preservation.HoldReleased, ""
	if on {
		want = preservation.HoldSet
	}
	for _, e := range events {
		if e.Type == preservation.EventHold {
			last = e.Detail
		}
	}
	if last != want {
		a.t.Errorf("the last that is told is %q, want %q", last, want)
	}
}

// TestHoldsCross has a hold come while an earlier one is released in the store, or go
// while it is set, and another evaluation see to that in the middle: whatever the slow
// one does after it is put right.
func TestHoldsCross(t *testing.T) {
	for _, held := range []bool{true, false} { // in the end
		for _, other := range []bool{true, false} { // an evaluation in the middle
			a := newArchive(t, "2026-02-01")
			ctx := t.Context()
			id := a.keep(a.metadata(sickness, "2025-07-31"))
			a.evaluate()
			policy, err := a.officer.policy(ctx, a.tenant)
			if err != nil {
				t.Fatal(err)
			}
			scope := Scope{Records: []preservation.RecordID{id}}
			h := a.hold(scope)
			release := func() {
				if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
					t.Error(err)
				}
			}
			turn := release
			if held {
				a.evaluate()
				release()
				turn = func() { a.hold(scope) }
			}
			a.midway(0, func() {
				a.now = a.now.Add(time.Second)
				turn()
				if !other {
					return
				}
				// as a destruction does that finds a hold in the store
				if err := a.officer.applyHolds(ctx, a.tenant, policy, scope.Records); err != nil {
					t.Error(err)
				}
			})
			a.now = a.now.Add(time.Second)
			a.evaluate()
			a.now = a.now.Add(time.Second)
			a.evaluate()
			if (a.state(id) == "held") != held {
				t.Errorf("record %s is %s, want held %t", id, a.state(id), held)
			}
			a.wantHold(id, held)
		}
	}
}

// TestHoldsCrossTwice has a hold go and another one come while the first is set, and
// another evaluation see to the state in between.
func TestHoldsCrossTwice(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	id := a.keep(a.metadata(sickness, "2025-07-31"))
	a.evaluate()
	policy, err := a.officer.policy(ctx, a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	scope := Scope{Records: []preservation.RecordID{id}}
	h := a.hold(scope)
	a.midway(1, func() {
		a.now = a.now.Add(time.Second)
		if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
			t.Error(err)
		}
		if err := a.officer.applyHolds(ctx, a.tenant, policy, scope.Records); err != nil {
			t.Error(err)
		}
		a.hold(scope)
	})
	a.evaluate()
	a.evaluate()
	a.want(id, "held")
	a.wantHold(id, true)
}

// TestHoldMeetsVersion archives a version of a record whose objects are being put on
// hold: it is put on hold, too, and the hold is told of once.
func TestHoldMeetsVersion(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	m := a.metadata(sickness, "2025-07-31")
	id := a.keep(m)
	a.evaluate()
	a.hold(Scope{Records: []preservation.RecordID{id}})
	a.midway(0, func() { a.version(id, 2, m) })
	a.evaluate()
	a.evaluate()
	a.want(id, "held")
	a.wantHold(id, true)
	if rows, err := a.tenant.Objects(t.Context(), id); err != nil || len(rows) != 5 { // two of each version, and the hold
		t.Errorf("%d objects, %v", len(rows), err)
	}
}

// TestHoldAfterBurial destroys a record whose objects an evaluation has listed and is
// about to put on hold: nothing stays on hold.
func TestHoldAfterBurial(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	listed, buried := make(chan struct{}), make(chan struct{})
	var evaluation sync.WaitGroup
	a.gate.Boundary = func(at string) error {
		if at != "claimed" {
			return nil
		}
		a.hold(Scope{Records: []preservation.RecordID{id}})
		a.midway(0, func() {
			close(listed)
			<-buried
		})
		evaluation.Go(func() { a.evaluate() })
		<-listed
		return nil
	}
	err := a.gate.Dispose(t.Context(), a.tenant, id)
	close(buried)
	evaluation.Wait()
	if err != nil {
		t.Fatal(err)
	}
	a.want(id, "destroyed")
	a.wantProof(id, 0)
}

// TestHoldToldAfterBurial has the event of a hold that was released written when the
// record is destroyed, by an evaluation that was slow, or that ended before it saw so:
// what was told goes when its lock has run out.
func TestHoldToldAfterBurial(t *testing.T) {
	for _, ends := range []bool{false, true} {
		a := newArchive(t, "2026-02-01")
		a.permit(contact)
		id := a.keep(a.metadata(contact, "2020-07-31"))
		a.night()
		h := a.hold(Scope{Records: []preservation.RecordID{id}})
		plain := a.officer.Store
		a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) {
			return &telling{vault: a.vault, ends: ends, then: func() {
				a.officer.Store = plain
				if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
					t.Error(err)
				}
				a.evaluate()
				a.now = a.now.AddDate(0, 0, 16)
				a.dispose() // finds the hold, and tells its release
				a.now = a.now.AddDate(0, 0, 16)
				a.dispose()
				a.want(id, "destroyed")
			}}, nil
		}
		a.now = a.now.AddDate(0, 0, 1)
		if err := a.officer.EvaluateDue(t.Context(), a.tenant, catalog.Job{Key: keyStale}); (err != nil) != ends {
			t.Error(err)
		}
		a.wantProof(id, 1)
		for range 2 { // the first takes the hold off
			a.now = a.now.AddDate(0, 0, 1)
			a.dispose()
		}
		a.wantProof(id, 0)
		if text, err := a.tenant.View().Cursor(t.Context(), leftName); err != nil || text != "" {
			t.Errorf("left: %s, %v", text, err)
		}
	}
}

// telling is a bucket in which something happens before an event is written, which may be
// the last that is done.
type telling struct {
	*vault
	ends bool
	then func()
}

func (w *telling) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	w.then()
	have, err := w.vault.Put(ctx, key, r, o)
	if err == nil && w.ends {
		err = errKilled
	}
	return have, err
}

// wantProof wants of a record that is destroyed the proof of that, not on hold, and a
// number of other events.
func (a *archive) wantProof(id preservation.RecordID, more int) {
	a.t.Helper()
	stone, err := a.tenant.Tombstone(a.t.Context(), id)
	if err != nil {
		a.t.Fatal(err)
	}
	n := 0
	for _, key := range a.vault.keys(preservation.EventPrefix(id)) {
		o, err := a.vault.Stat(a.t.Context(), key, "")
		if err != nil || o.Hold && IsProof(stone, key) {
			a.t.Errorf("%+v, %v", o, err)
		}
		if !IsProof(stone, key) {
			n++
		}
	}
	if n != more {
		a.t.Errorf("%d events stay, want %d", n, more)
	}
}

// TestHoldsFailAlone has the store refuse the holds of one record of a page: the others
// are held and told of, and its turn comes again.
func TestHoldsFailAlone(t *testing.T) {
	for _, held := range []bool{true, false} {
		a := newArchive(t, "2026-02-01")
		ctx := t.Context()
		var ids []preservation.RecordID
		for range 5 {
			ids = append(ids, a.keep(a.metadata(sickness, "2025-07-31")))
		}
		a.evaluate()
		h := a.hold(Scope{Records: ids})
		if !held {
			a.evaluate()
			a.now = a.now.Add(time.Second)
			if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
				t.Fatal(err)
			}
		}
		plain := a.officer.Store
		a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) {
			return &refusing{a.vault, preservation.PackagePrefix(ids[2])}, nil
		}
		if err := a.officer.EvaluateDue(ctx, a.tenant, catalog.Job{Key: keyStale}); err == nil || !strings.Contains(err.Error(), string(ids[2])) {
			t.Errorf("%v", err)
		}
		a.officer.Store = plain
		if (a.state(ids[2]) == "held") == held {
			t.Errorf("record %s is %s, and its holds were refused", ids[2], a.state(ids[2]))
		}
		for _, id := range append(ids[:2:2], ids[3:]...) {
			a.wantHold(id, held)
		}
		a.evaluate()
		for _, id := range ids {
			a.wantHold(id, held)
		}
	}
}

// refusing refuses the holds below a prefix.
type refusing struct {
	*vault
	prefix string
}

func (r *refusing) SetHold(ctx context.Context, key, version string, on bool) error {
	if strings.HasPrefix(key, r.prefix) {
		return errors.New("the store is away")
	}
	return r.vault.SetHold(ctx, key, version, on)
}
