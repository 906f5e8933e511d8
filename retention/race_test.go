package retention

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/storetest"
)

// TestDisposeRace runs several gateways, evaluations and new holds at once. A
// record may end either way, but never in between: destroyed without a byte
// left, or whole.
func TestDisposeRace(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	var ids []preservation.RecordID
	for range 30 {
		ids = append(ids, a.keep(a.metadata(contact, "2020-07-31")))
	}
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	ctx := t.Context()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			err := a.gate.DisposeDue(ctx, a.tenant, catalog.Job{})
			var later *catalog.Later
			if err != nil && !errors.As(err, &later) && !errors.Is(err, catalog.ErrConflict) {
				t.Error(err)
			}
		})
	}
	var held []preservation.RecordID
	wg.Go(func() {
		for _, id := range slices.Backward(ids[10:]) {
			_, _, err := a.officer.SetHold(ctx, a.tenant, Hold{Scope: Scope{Records: []preservation.RecordID{id}}, Authority: "a", Reason: "r", Review: preservation.Date{Year: 2030, Month: 1, Day: 1}}, "anna")
			var bad Invalid
			if err == nil {
				held = append(held, id)
			} else if !errors.As(err, &bad) { // destroyed already
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 20 {
			if err := a.officer.EvaluateDue(ctx, a.tenant, catalog.Job{Key: keyStale}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	for range 3 {
		a.now = a.now.Add(2 * time.Hour)
		a.dispose()
		a.evaluate()
	}
	destroyed := 0
	for _, id := range ids {
		a.whole(id)
		switch a.state(id) {
		case "destroyed":
			destroyed++
		case "held":
			if !slices.Contains(held, id) {
				t.Errorf("record %s is held by nobody", id)
			}
		case "releasing": // a hold came between package and receipt
			w, err := a.tenant.View().Disposal(ctx, id)
			if err != nil || len(a.vault.keys(preservation.PackagePrefix(id))) > 0 {
				t.Errorf("record %s: %+v, %v", id, w, err)
			}
		default:
			t.Errorf("record %s is %s", id, a.state(id))
		}
	}
	if destroyed == 0 {
		t.Error("nothing was destroyed: the race was none")
	}
}

// TestDisposeRealStore destroys by real versions in a real S3: what is locked
// or held there stays, whatever the catalog thinks.
func TestDisposeRealStore(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.now = time.Now() // the store has a clock of its own
	a.permit(contact)
	bucket := storetest.Bucket(t)
	a.gate.Vault = func(context.Context, *catalog.Tenant) (Vault, error) { return bucket, nil }
	a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return bucket, nil }
	ctx := t.Context()

	unlocked, locked, held := a.keep(a.metadata(contact, "2020-07-31")), a.keep(a.metadata(contact, "2020-07-31")), a.keep(a.metadata(contact, "2020-07-31"))
	for _, o := range a.vault.objects { // from memory to the real store, but for the locks
		o.Lock.Until = time.Now().Add(2 * time.Second)
		if id, _, ok := preservation.ParsePackageKey(o.Key); ok && id == locked {
			o.Lock = preservation.Lock{Mode: preservation.Compliance, Until: a.now.Add(time.Hour)}
		}
		copyTo(t, bucket, o)
	}
	if err := bucket.SetHold(ctx, preservation.PackageKey(held, 1), "", true); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	time.Sleep(3 * time.Second) // until the short locks have run out
	a.now = time.Now()
	a.dispose()
	a.want(unlocked, "destroyed")
	for id, want := range map[preservation.RecordID]int{unlocked: 0, locked: 1, held: 1} {
		keys, err := keysBelow(ctx, bucket, preservation.PackagePrefix(id))
		if err != nil || len(keys) != want {
			t.Errorf("record %s is %s with packages %q, %v", id, a.state(id), keys, err)
		}
	}
	a.want(locked, "releasing")
	a.want(held, "releasing")
	if keys, err := keysBelow(ctx, bucket, preservation.EventPrefix(unlocked)); err != nil || len(keys) != 2 {
		t.Errorf("of its events stay %q, %v", keys, err)
	}
	stone, err := a.tenant.Tombstone(ctx, unlocked)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := bucket.Stat(ctx, stone.Key, ""); err != nil || o.Lock.Mode != preservation.Compliance || !o.Lock.Until.After(a.now.AddDate(0, 0, 80)) {
		t.Errorf("tombstone %+v, %v", o, err)
	}

	// A hold in the catalog reaches every version in the store and is taken off again.
	h := a.hold(Scope{Records: []preservation.RecordID{locked}})
	a.evaluate()
	if o, err := bucket.Stat(ctx, preservation.PackageKey(locked, 1), ""); err != nil || !o.Hold {
		t.Errorf("package %+v, %v: want it held", o, err)
	}
	if err := a.gate.DisposeDue(ctx, a.tenant, catalog.Job{Key: keyReconsider}); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	a.want(locked, "held")
	if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	if o, err := bucket.Stat(ctx, preservation.PackageKey(locked, 1), ""); err != nil || o.Hold {
		t.Errorf("package %+v, %v: want it released", o, err)
	}
	a.job(a.officer.ExtendLocks, "")
	a.job(a.officer.Configure, "")
}
