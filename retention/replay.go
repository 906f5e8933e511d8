package retention

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// leftName is the cursor of the destroyed records of which something is left
// that a lock protects, as a JSON list.
const leftName = "dispose.left"

// replay finishes what rebuilds and late writers left open: objects of destroyed
// records that came back, as from a backup, and tombstones that only the catalog
// has. It looks at each record every night for a week, then once a week until no
// lock can be left that was set before its end. What it finds locked it tries
// again until it is gone.
func (d *Disposer) replay(ctx context.Context, t *catalog.Tenant) error {
	policy, err := d.Officer.policy(ctx, t)
	if err != nil {
		return err
	}
	before, err := leftOf(ctx, t.View())
	if err != nil {
		return err
	}
	var left []preservation.RecordID
	v, err := d.Vault(ctx, t)
	if err != nil {
		return err
	}
	var failed []error
	look := func(g catalog.Tombstone) {
		some, err := d.Replay(ctx, v, g, policy.proof(d.Officer.Now()))
		if some && err == nil {
			err = d.Officer.letGo(ctx, t, g)
		}
		if some || err != nil {
			left = append(left, g.Record)
		}
		failed = append(failed, err)
	}
	for _, id := range before {
		g, err := t.Tombstone(ctx, id)
		if err != nil {
			return err
		}
		look(g)
	}
	for g, err := range lately(ctx, t.View(), d.Officer.Now(), policy) {
		if err != nil {
			return err
		}
		if !slices.Contains(before, g.Record) {
			look(g)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		d.Officer.Log.WarnContext(ctx, "something is left of destroyed records", "tenant", string(t.ID()), "records", len(left))
	}
	if slices.Equal(left, before) {
		return errors.Join(failed...)
	}
	inner := context.WithoutCancel(ctx)
	return errors.Join(append(failed, t.Update(ctx, func(x *catalog.Tx) error {
		now, err := leftOf(inner, x.View())
		if err != nil {
			return err
		}
		all := slices.Clone(left)
		for _, id := range now { // that Remind added meanwhile
			if !slices.Contains(before, id) && !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
		return setLeft(x, all)
	}))...)
}

// Remind has the next run look at a destroyed record of which something was found in
// the bucket or its second copy, however long ago it was destroyed.
func (d *Disposer) Remind(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	inner := context.WithoutCancel(ctx)
	return t.Update(ctx, func(x *catalog.Tx) error {
		left, err := leftOf(inner, x.View())
		if err != nil || slices.Contains(left, id) {
			return err
		}
		return setLeft(x, append(left, id))
	})
}

func leftOf(ctx context.Context, v catalog.View) (left []preservation.RecordID, err error) {
	text, err := v.Cursor(ctx, leftName)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &left)
	}
	return left, err
}

func setLeft(x *catalog.Tx, left []preservation.RecordID) error {
	text := ""
	if len(left) > 0 {
		raw, err := json.Marshal(left)
		if err != nil {
			return err
		}
		text = string(raw)
	}
	return x.SetCursor(leftName, text)
}

// Replay purges what there is of a record that has a tombstone, but for the proof
// of its destruction, and writes that proof where it is missing. A restore from a
// backup calls it for every tombstone, so that nothing destroyed comes back. left
// says that a lock protects some of it.
func (d *Disposer) Replay(ctx context.Context, v Vault, stone catalog.Tombstone, proof preservation.Lock) (left bool, err error) {
	packages, err := keysBelow(ctx, v, preservation.PackagePrefix(stone.Record))
	if err != nil {
		return false, err
	}
	events, err := keysBelow(ctx, v, preservation.EventPrefix(stone.Record))
	if err != nil {
		return false, err
	}
	for _, key := range slices.Concat(packages, events) {
		if IsProof(stone, key) {
			continue
		}
		switch err := v.Purge(ctx, key); {
		case errors.Is(err, preservation.ErrLocked):
			left = true
		case err != nil:
			return left, err
		}
	}
	if left || stone.Key == "" || slices.Contains(events, stone.Key) {
		return left, nil
	}
	_, err = bury(ctx, v, stone, proof)
	return false, err
}

// IsProof reports whether an object is part of what stays of a destroyed record.
// Of one whose tombstone does not name the intent no event goes.
func IsProof(stone catalog.Tombstone, key string) bool {
	return key == stone.Key || key == stone.Intent || stone.Intent == "" && strings.HasPrefix(key, preservation.EventPrefix(stone.Record))
}

// bury writes a tombstone to the bucket, where it stays with the intent. When one
// stands there already that is the one.
func bury(ctx context.Context, s preservation.Store, stone catalog.Tombstone, proof preservation.Lock) (preservation.EventObject, error) {
	body, err := json.Marshal(stone)
	if err != nil {
		return preservation.EventObject{}, err
	}
	outcome, _, err := put(ctx, s, stone.Key, preservation.EventObject{Record: stone.Record, Body: body, Event: preservation.Event{
		ID: strings.TrimSuffix(path.Base(stone.Key), ".json"), Type: preservation.EventDelete, At: stone.Destroyed, Outcome: preservation.Success, Agent: agent,
		Detail: "every version purged and read back",
	}}, proof)
	if err != nil || stone.Intent == "" {
		return outcome, err
	}
	return outcome, s.Extend(ctx, stone.Intent, "", proof)
}

// lately yields the tombstones whose turn it is to be looked at.
func lately(ctx context.Context, v catalog.View, now time.Time, policy LockPolicy) func(yield func(catalog.Tombstone, error) bool) {
	return func(yield func(catalog.Tombstone, error) bool) {
		cursor := ""
		for {
			stones, next, err := v.Destroyed(ctx, cursor, batch)
			if err != nil {
				yield(catalog.Tombstone{}, err)
				return
			}
			for _, g := range stones {
				days := int(now.Sub(g.Destroyed) / (24 * time.Hour))
				if days > 2*policy.horizon() {
					return
				}
				if (days <= 7 || days%7 == 0) && !yield(g, nil) {
					return
				}
			}
			if cursor = next; cursor == "" {
				return
			}
		}
	}
}
