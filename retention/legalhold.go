package retention

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// applied is a record whose objects in the store are in line with its holds.
type applied struct {
	id    preservation.RecordID
	was   *catalog.Retention // before its objects were listed
	by    Evaluation         // that they are in line with
	held  bool
	event preservation.Event // that says so; its ID is empty when there is nothing to tell
	row   catalog.RecordObject
}

// applyHolds brings the legal holds of all versions of the records' objects in line
// with their holds, and only then stores the evaluations, together: one at a time most
// of it would be waiting for the disk. A record of which a hold came or went meanwhile,
// and what a crash left undone, stays marked, and its turn comes again. One that fails
// does not keep the others.
func (o *Officer) applyHolds(ctx context.Context, t *catalog.Tenant, policy LockPolicy, ids []preservation.RecordID) error {
	if len(ids) == 0 {
		return nil
	}
	s, err := o.Store(ctx, t)
	if err != nil {
		return err
	}
	rows, err := t.View().Retentions(ctx, catalog.RetentionFilter{IDs: ids}, "", len(ids)) // without what was destroyed since
	if err != nil {
		return err
	}
	facts, err := gather(ctx, t.View(), rows)
	if err != nil {
		return err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return err
	}
	all := make([]applied, len(rows))
	failed := make([]error, len(rows))
	reached := abreast(ctx, len(rows), func(n int) {
		e := Evaluate(p.schedule, *facts[n], p.holds, o.Now(), policy.zone())
		all[n], failed[n] = o.applyHold(ctx, t, s, policy, &rows[n], &e)
	})
	done := make(map[preservation.RecordID]applied, reached)
	for n, err := range failed[:reached] {
		if err != nil {
			failed[n] = fmt.Errorf("hold on record %s: %w", rows[n].Record, err)
		} else {
			done[rows[n].Record] = all[n]
		}
	}
	gone, err := o.holdsApplied(ctx, t, policy, done)
	failed = append(failed, err)
	for _, id := range gone {
		stone, err := t.Tombstone(ctx, id)
		if err == nil {
			err = o.letGo(ctx, t, stone)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// applyHold does so in the store alone.
func (o *Officer) applyHold(ctx context.Context, t *catalog.Tenant, s preservation.Store, policy LockPolicy, r *catalog.Retention, e *Evaluation) (applied, error) {
	a := applied{id: r.Record, was: r, by: *e, held: e.State == Held}
	var versions []preservation.Object
	packages := false
	for v, err := range objects(ctx, s, r.Record) {
		if err != nil {
			return a, err
		}
		if !v.Marker {
			versions = append(versions, v)
			packages = packages || strings.HasPrefix(v.Key, preservation.PackagePrefix(r.Record))
		}
	}
	// Of a record whose destruction has purged its packages there is nothing to tell any more.
	tell := packages && a.held != (r.Last.State == string(Held))
	note := func() (err error) {
		a.event, a.row, err = o.noteHold(ctx, t, s, r.Record, a.held, versions, eventLock(*e, o.Now(), policy, *r))
		a.row.Version = r.Version
		return err
	}
	// A release is told before it is done: the second copy lets go of nothing without.
	if tell && !a.held {
		if err := note(); err != nil {
			return a, err
		}
	}
	packages = false
	for _, v := range versions {
		switch err := s.SetHold(ctx, v.Key, v.VersionID, a.held); {
		case err == nil:
			packages = packages || strings.HasPrefix(v.Key, preservation.PackagePrefix(r.Record))
		case !errors.Is(err, preservation.ErrNotFound): // purged since
			return a, err
		}
	}
	if tell && a.held && packages {
		return a, note()
	}
	return a, nil
}

// holdsApplied tells the catalog what was done in the store, and returns the records that
// were destroyed meanwhile. One of which a hold or a version came, or a hold went, or that
// another evaluation saw to while that was done is marked again: the other may have taken
// the mark away, and each may have undone what the other did.
func (o *Officer) holdsApplied(ctx context.Context, t *catalog.Tenant, policy LockPolicy, done map[preservation.RecordID]applied) (gone []preservation.RecordID, err error) {
	if len(done) == 0 {
		return nil, nil
	}
	err = o.change(ctx, t, System, func(ctx context.Context, x *edit) error {
		left := maps.Clone(done)
		rows, err := x.v.Retentions(ctx, catalog.RetentionFilter{IDs: slices.Collect(maps.Keys(done))}, "", len(done))
		if err != nil {
			return err
		}
		facts, err := gather(ctx, x.v, rows)
		if err != nil {
			return err
		}
		var again []preservation.RecordID
		for i := range rows {
			a := done[rows[i].Record]
			delete(left, a.id)
			if a.event.ID != "" { // it happened, whatever comes next
				if err := errors.Join(x.AddEvents(a.id, a.event), x.AddObject(a.id, a.row)); err != nil {
					return err
				}
			}
			e := Evaluate(x.plan.schedule, *facts[i], x.plan.holds, x.now, policy.zone())
			differs := (e.State == Held) != a.held
			if differs {
				e = a.by // the next evaluation has to know what the store shows, and what was told
			}
			if differs || rows[i].Version != a.was.Version || !rows[i].Last.Evaluated.Equal(a.was.Last.Evaluated) {
				again = append(again, a.id)
			}
			if err := x.store(ctx, &rows[i], &e); err != nil {
				return err
			}
		}
		gone = slices.Collect(maps.Keys(left))
		if len(again) == 0 {
			return nil
		}
		_, err = x.MarkStale(catalog.RetentionFilter{IDs: again})
		return err
	})
	return gone, err
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

// letGo takes legal holds off the proof that a record is destroyed, and off what was
// told of holds on it: an evaluation that had listed its objects before may set and tell
// them after its end, and no other comes to release them. The second copy takes nothing
// more of such a record, and needs no word.
func (o *Officer) letGo(ctx context.Context, t *catalog.Tenant, stone catalog.Tombstone) error {
	s, err := o.Store(ctx, t)
	if err != nil {
		return err
	}
	for v, err := range s.Versions(ctx, preservation.EventPrefix(stone.Record)) {
		if err != nil {
			return err
		}
		if v.Marker {
			continue
		}
		e, _, err := readEvent(ctx, s, v.Key)
		if err == nil && (e.Event.Type == preservation.EventHold || IsProof(stone, v.Key)) {
			err = s.SetHold(ctx, v.Key, v.VersionID, false)
		}
		if err != nil && !errors.Is(err, preservation.ErrNotFound) && !errors.Is(err, preservation.ErrUnreadable) {
			return err
		}
	}
	return nil
}
