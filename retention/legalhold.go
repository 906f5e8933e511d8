package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// holders is how many records have their legal holds set at a time: each of them waits
// for the store and then for the disk.
const holders = 8

// applyHolds is applyHold for many records. One that fails does not keep the others.
func (o *Officer) applyHolds(ctx context.Context, t *catalog.Tenant, policy LockPolicy, ids []preservation.RecordID) error {
	failed := make([]error, len(ids))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(holders, len(ids)) {
		all.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(ids)) && ctx.Err() == nil; n = next.Add(1) - 1 {
				failed[n] = o.applyHold(ctx, t, policy, ids[n])
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// applyHold brings the legal holds of all versions of a record's objects in
// line with its holds, and only then stores the evaluation. When a hold came or
// went meanwhile the record stays marked and its turn comes again.
func (o *Officer) applyHold(ctx context.Context, t *catalog.Tenant, policy LockPolicy, id preservation.RecordID) error {
	e, err := o.Evaluate(ctx, t, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil // destroyed since
	}
	if err != nil {
		return err
	}
	held := e.State == Held
	s, err := o.Store(ctx, t)
	if err != nil {
		return err
	}
	var versions []preservation.Object
	packages := false
	for v, err := range objects(ctx, s, id) {
		if err != nil {
			return fmt.Errorf("hold on record %s: %w", id, err)
		}
		if !v.Marker {
			versions = append(versions, v)
			packages = packages || strings.HasPrefix(v.Key, preservation.PackagePrefix(id))
		}
	}
	r, err := t.View().Retention(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var event preservation.Event
	var row catalog.RecordObject
	// Of a record whose destruction has purged its packages there is nothing to tell any more.
	tell := packages && held != (r.Last.State == string(Held))
	note := func() error {
		if event, row, err = o.noteHold(ctx, t, s, id, held, versions, eventLock(e, o.Now(), policy, r)); err != nil {
			return fmt.Errorf("hold on record %s: %w", id, err)
		}
		row.Version = r.Version
		return nil
	}
	// A release is told before it is done: the second copy lets go of nothing without.
	if tell && !held {
		if err := note(); err != nil {
			return err
		}
	}
	for _, v := range versions {
		if err := s.SetHold(ctx, v.Key, v.VersionID, held); err != nil && !errors.Is(err, preservation.ErrNotFound) {
			return fmt.Errorf("hold on record %s: %w", id, err)
		}
	}
	if tell && held {
		if err := note(); err != nil {
			return err
		}
	}
	return o.change(ctx, t, System, func(ctx context.Context, x *edit) error {
		r, err := x.v.Retention(ctx, id)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		facts, err := gather(ctx, x.v, []catalog.Retention{r})
		if err != nil {
			return err
		}
		if event.ID != "" { // it happened, whatever comes next
			if err := errors.Join(x.AddEvents(id, event), x.AddObject(id, row)); err != nil {
				return err
			}
		}
		ev := Evaluate(x.plan.schedule, *facts[0], x.plan.holds, x.now, policy.zone())
		if (ev.State == Held) != held {
			return x.Enqueue(catalog.Job{Kind: JobEvaluate, Key: keyStale})
		}
		return x.store(ctx, &r, &ev)
	})
}

// noteHold stores the event that a record's objects were put on hold or released.
// versions are those of the objects that the record has: an event that an attempt
// before stored and the catalog does not know is taken up.
func (o *Officer) noteHold(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.RecordID, held bool, versions []preservation.Object, lock preservation.Lock) (preservation.Event, catalog.RecordObject, error) {
	detail := preservation.HoldReleased
	if held {
		detail = preservation.HoldSet
	}
	known, err := t.Objects(ctx, id)
	if err != nil {
		return preservation.Event{}, catalog.RecordObject{}, err
	}
	for _, v := range versions {
		key := v.Key
		if !strings.HasPrefix(key, preservation.EventPrefix(id)) || slices.ContainsFunc(known, func(o catalog.RecordObject) bool { return o.Key == key }) {
			continue
		}
		e, row, err := readEvent(ctx, s, key)
		if err != nil && !errors.Is(err, preservation.ErrUnreadable) {
			return preservation.Event{}, row, err
		}
		if err == nil && e.Event.Type == preservation.EventHold && e.Event.Detail == detail {
			return e.Event, row, nil
		}
	}
	now := o.Now().UTC().Truncate(time.Millisecond)
	event := preservation.Event{ID: preservation.NewID(now), Type: preservation.EventHold, At: now, Outcome: preservation.Success, Detail: detail, Agent: agent}
	e, row, err := put(ctx, s, preservation.EventKey(id, event.ID), preservation.EventObject{Record: id, Event: event}, lock)
	if err == nil && held {
		err = s.SetHold(ctx, row.Key, row.VersionID, true)
	}
	return e.Event, row, err
}
