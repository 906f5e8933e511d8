package retention

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/replica"
)

// cutOff is a bucket whose writer is killed behind a number of legal holds that it sets
// or takes off, or with the event that it writes then.
type cutOff struct {
	*vault
	holds  int
	events int // it is killed when this one is written; 0: when it is to be written
}

var errKilled = errors.New("killed")

func (c *cutOff) SetHold(ctx context.Context, key, version string, on bool) error {
	if c.holds--; c.holds < 0 {
		return errKilled
	}
	return c.vault.SetHold(ctx, key, version, on)
}

func (c *cutOff) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	if c.events--; c.events < 0 {
		return preservation.Object{}, errKilled
	}
	have, err := c.vault.Put(ctx, key, r, o)
	if err == nil && c.events == 0 {
		err = errKilled
	}
	return have, err
}

// killed evaluates with a bucket whose writer is killed; the next finds it whole.
func (a *archive) killed(holds, events int) {
	a.t.Helper()
	plain := a.officer.Store
	a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) {
		return &cutOff{a.vault, holds, events}, nil
	}
	if err := a.officer.EvaluateDue(a.t.Context(), a.tenant, catalog.Job{Key: keyStale}); !errors.Is(err, errKilled) {
		a.t.Fatal(err)
	}
	a.officer.Store = plain
	a.now = a.now.Add(time.Second)
}

// holdTold is the last that the bucket alone tells of holds on a record.
func (a *archive) holdTold(id preservation.RecordID) string {
	a.t.Helper()
	var last preservation.Event
	for _, key := range a.vault.keys(preservation.EventPrefix(id)) {
		e, _, err := readEvent(a.t.Context(), a.vault, key)
		if err != nil {
			a.t.Fatal(err)
		}
		if e.Event.Type == preservation.EventHold && e.Event.At.After(last.At) {
			last = e.Event
		}
	}
	return last.Detail
}

// allKnown wants every event of a record in the bucket to stand in the catalog.
func (a *archive) allKnown(id preservation.RecordID) {
	a.t.Helper()
	rows, err := a.tenant.Objects(a.t.Context(), id)
	if err != nil {
		a.t.Fatal(err)
	}
	known := map[string]bool{}
	for _, r := range rows {
		known[r.Key] = true
	}
	for _, key := range a.vault.keys(preservation.EventPrefix(id)) {
		if !known[key] {
			a.t.Errorf("the catalog does not know %s", key)
		}
	}
}

// TestReleaseCutOff: a release is told in the bucket, and the writer is killed before the
// catalog knows. A hold that comes then is the last that is told, with the clock as it is or
// set back; where none comes the release is told once.
func TestReleaseCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		again bool
		clock time.Duration
		holds int // taken off before
	}{"a new hold": {true, time.Minute, 0}, "a new hold, half released": {true, time.Minute, 1}, "a new hold, clock set back": {true, -time.Hour, 0}, "none": {false, time.Minute, 1}} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			ctx := t.Context()
			id := a.keep(a.metadata(sickness, "2025-07-31"))
			a.evaluate()
			scope := Scope{Records: []preservation.RecordID{id}}
			h := a.hold(scope)
			a.evaluate()
			a.now = a.now.Add(time.Second)
			if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
				t.Fatal(err)
			}
			a.killed(c.holds, 99)
			if told := a.holdTold(id); told != preservation.HoldReleased {
				t.Fatalf("told was %q", told)
			}
			a.now = a.now.Add(c.clock)
			want := preservation.HoldReleased
			if c.again {
				a.hold(scope)
				want = preservation.HoldSet
			}
			for range 2 {
				a.evaluate()
				a.now = a.now.Add(time.Second)
			}
			a.wantHold(id, c.again)
			if told := a.holdTold(id); told != want {
				t.Errorf("the bucket tells %q last, want %q", told, want)
			}
			if released, err := replica.Released(ctx, a.tenant, id, a.vault); err != nil || released == c.again {
				t.Errorf("the second copy takes it for released: %t, %v", released, err)
			}
			a.allKnown(id)
		})
	}
}

// TestSetCutOff: a hold is set in the bucket, and from there in the second copy, and the
// writer is killed before it is told. When it is released before the next evaluation, the
// destruction that meets it tells the release, and the second copy lets go.
func TestSetCutOff(t *testing.T) {
	for name, events := range map[string]int{"before it is told": 0, "after it is told": 1} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			a.permit(contact)
			id := a.keep(a.metadata(contact, "2020-07-31"))
			a.night()
			h := a.hold(Scope{Records: []preservation.RecordID{id}})
			a.killed(99, events)
			if told := a.holdTold(id); (told == preservation.HoldSet) != (events > 0) {
				t.Fatalf("told was %q", told)
			}
			if _, err := a.officer.ReleaseHold(t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
				t.Fatal(err)
			}
			a.evaluate()
			a.now = a.now.AddDate(0, 0, 16)
			a.dispose() // meets the hold, and puts itself off
			if released, err := replica.Released(t.Context(), a.tenant, id, a.vault); err != nil || !released {
				t.Errorf("released: %t, %v", released, err)
			}
			a.wantHold(id, false)
			a.now = a.now.AddDate(0, 0, 16) // what was told has its lock
			a.dispose()
			a.want(id, "destroyed")
		})
	}
}

// TestHoldUntoldStays: what the archive does not know of a hold it tells no release of.
func TestHoldUntoldStays(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.evaluate()
	policy, err := a.officer.policy(t.Context(), a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.officer.applyHolds(t.Context(), a.tenant, policy, []preservation.RecordID{id}); err != nil {
		t.Fatal(err)
	}
	if told := a.holdTold(id); told != "" {
		t.Errorf("told %q", told)
	}
}

// TestReleaseLeft: a hold that was cut off before the catalog knew of it, and released
// before the next evaluation, is taken off and told when it is found; not one that stands,
// nor what no hold explains.
func TestReleaseLeft(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	ctx := t.Context()
	id, strange := a.keep(a.metadata(sickness, "2025-07-31")), a.keep(a.metadata(sickness, "2025-07-31"))
	a.evaluate()
	left := func(id preservation.RecordID, released bool) {
		t.Helper()
		if done, err := a.officer.ReleaseLeft(ctx, a.tenant, id); err != nil || done != released {
			t.Errorf("released: %t, %v", done, err)
		}
		if o, err := a.vault.Stat(ctx, preservation.PackageKey(id, 1), ""); err != nil || o.Hold == released {
			t.Errorf("%+v, %v", o, err)
		}
	}
	if err := a.vault.SetHold(ctx, preservation.PackageKey(strange, 1), "", true); err != nil {
		t.Fatal(err)
	}
	left(strange, false)
	h := a.hold(Scope{Classes: []string{sickness}})
	all := len(a.vault.keys(preservation.EventPrefix(id))) + len(a.vault.keys(preservation.PackagePrefix(id)))
	a.killed(2*all, 0)
	left(id, false)
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	left(id, true)
	left(strange, true)
	a.wantHold(id, false)
	if told := a.holdTold(id); told != preservation.HoldReleased {
		t.Errorf("told was %q", told)
	}
	if released, err := replica.Released(ctx, a.tenant, id, a.vault); err != nil || !released {
		t.Errorf("the second copy takes it for released: %t, %v", released, err)
	}
	a.allKnown(id)
}

// TestHoldBesideUnreadable: an event object that nobody can read, that tells of another
// record, or that the store does not hand out keeps no legal hold away, and only the last of
// them what is told.
func TestHoldBesideUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		event func(a *archive, id preservation.RecordID) []byte
		away  bool
	}{
		"damaged": {event: func(*archive, preservation.RecordID) []byte { return []byte("?") }},
		"too large": {event: func(*archive, preservation.RecordID) []byte {
			return make([]byte, preservation.MaxEventObject+1)
		}},
		"of another record": {event: func(a *archive, _ preservation.RecordID) []byte {
			event := preservation.Event{ID: string(a.id()), Type: preservation.EventHold, At: a.now.AddDate(1, 0, 0).UTC(), Outcome: preservation.Success, Detail: preservation.HoldSet, Agent: agent}
			data, _, err := preservation.EventObject{Record: a.id(), Event: event}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			return data
		}},
		"away": {event: func(*archive, preservation.RecordID) []byte { return []byte("?") }, away: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			id := a.keep(a.metadata(sickness, "2025-07-31"))
			a.evaluate()
			stranger := preservation.EventKey(id, string(a.id()))
			a.vault.add(stranger, c.event(a, id), preservation.Lock{})
			a.hold(Scope{Records: []preservation.RecordID{id}})
			if !c.away {
				a.evaluate()
				a.wantHold(id, true)
				return
			}
			a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) {
				return &unopened{a.vault, stranger}, nil
			}
			if err := a.officer.EvaluateDue(t.Context(), a.tenant, catalog.Job{Key: keyStale}); !errors.Is(err, errKilled) {
				t.Error(err)
			}
			o, err := a.vault.Stat(t.Context(), preservation.PackageKey(id, 1), "")
			if err != nil || !o.Hold {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// unopened does not hand out one object.
type unopened struct {
	*vault
	key string
}

func (u *unopened) Open(ctx context.Context, key, version string, offset, length int64) (io.ReadCloser, error) {
	if key == u.key {
		return nil, errKilled
	}
	return u.vault.Open(ctx, key, version, offset, length)
}
