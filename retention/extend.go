package retention

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// objects lists every version of every object of a record, the packages first.
func objects(ctx context.Context, s preservation.Store, id preservation.RecordID) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		for _, prefix := range []string{preservation.PackagePrefix(id), preservation.EventPrefix(id)} {
			for v, err := range s.Versions(ctx, prefix) {
				if !yield(v, err) || err != nil {
					return
				}
			}
		}
	}
}

// lockLead is how far ahead of midnight the daily schedule of ExtendLocks runs,
// and a little more.
const lockLead = 3 * time.Hour

// ExtendLocks is the handler of the job "extend-locks": it moves the locks of
// all records ahead whose lock has less than half of its way left. Records past
// their end that a standing permit will have destroyed are left to run out,
// and no lock passes a record's end. Locks that had run out already are
// extended and reported as an error, which is an alarm.
//
// It looks at tomorrow: a lock that ends with the period at midnight is followed
// by the short one before it ends, so that nothing undecided is ever unlocked.
func (o *Officer) ExtendLocks(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return err
	}
	s, err := o.Store(ctx, t)
	if err != nil {
		return err
	}
	now := o.Now().Add(lockLead)
	filter := catalog.RetentionFilter{Status: "live", LockBefore: now.AddDate(0, 0, policy.horizon()/2+1)}
	var after preservation.RecordID
	var late int
	var failed []error
	for {
		rows, err := t.View().Retentions(ctx, filter, after, batch)
		if err != nil {
			return fmt.Errorf("extend locks: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		after = rows[len(rows)-1].Record
		facts, err := gather(ctx, t.View(), rows)
		if err != nil {
			return fmt.Errorf("extend locks: %w", err)
		}
		p, err := o.plans.at(ctx, t.View(), t.ID())
		if err != nil {
			return err
		}
		stopped, err := t.View().Cursor(ctx, stoppedName)
		if err != nil {
			return err
		}
		for i, r := range rows {
			e := Evaluate(p.schedule, *facts[i], p.holds, now, policy.zone())
			if _, leave := p.permit(&e, preservation.DateOf(now.In(policy.zone()))); leave && stopped == "" {
				continue
			}
			lock, due := Extend(e, r.LockUntil, now, policy)
			if !due {
				continue
			}
			if r.LockUntil.Before(o.Now()) && !newlyDue(&e, r.LockUntil, policy.zone()) {
				late++
			}
			if err := o.extend(ctx, t, s, r.Record, lock); err != nil {
				if ctx.Err() != nil {
					return err
				}
				failed = append(failed, err)
			}
		}
	}
	if late > 0 {
		o.Log.ErrorContext(ctx, "locks had run out before they were extended", "tenant", string(t.ID()), "records", late)
	}
	failed = append(failed, o.extendForbidden(ctx, t, s, policy, now), o.extendProof(ctx, t, s, policy))
	return errors.Join(failed...)
}

// extendForbidden moves the locks of records whose destruction has begun and
// must not go on now, as under a fresh hold: what is left of them is kept.
func (o *Officer) extendForbidden(ctx context.Context, t *catalog.Tenant, s preservation.Store, policy LockPolicy, now time.Time) error {
	var after preservation.RecordID
	var failed []error
	for {
		open, err := t.View().Disposals(ctx, time.Time{}, after, batch)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		p, err := o.plans.at(ctx, t.View(), t.ID())
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		for _, w := range open {
			after = w.Record
			if err := o.extendIfForbidden(ctx, t, s, p, policy, now, w); err != nil {
				failed = append(failed, fmt.Errorf("extend locks of record %s, whose destruction has begun: %w", w.Record, err))
			}
		}
		if len(open) < batch || ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
	}
}

func (o *Officer) extendIfForbidden(ctx context.Context, t *catalog.Tenant, s preservation.Store, p *plan, policy LockPolicy, now time.Time, w catalog.Disposal) error {
	j, reason, err := reconsider(ctx, t.View(), p, policy, now, w)
	if err != nil || reason == "" {
		return err
	}
	lock, due := Extend(j.evaluation, j.row.LockUntil, now, policy)
	if !due {
		return nil
	}
	return o.extend(ctx, t, s, w.Record, lock)
}

// newlyDue reports whether a lock ran out with the period itself, as it should.
func newlyDue(e *Evaluation, until time.Time, zone *time.Location) bool {
	return e.Ended() && !until.Before(e.DueFrom.In(zone))
}

// extend moves the locks of all objects of a record.
func (o *Officer) extend(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.RecordID, lock preservation.Lock) error {
	packages := 0
	for v, err := range objects(ctx, s, id) {
		if err == nil && !v.Marker {
			if _, _, ok := preservation.ParsePackageKey(v.Key); ok {
				packages++
			}
			err = s.Extend(ctx, v.Key, v.VersionID, lock)
		}
		if err != nil {
			return fmt.Errorf("extend locks of record %s: %w", id, err)
		}
	}
	if packages == 0 {
		// A destruction that began since is the only innocent cause.
		if r, err := t.View().Retention(ctx, id); errors.Is(err, catalog.ErrNotFound) || err == nil && r.Status != "live" {
			return nil
		}
		return fmt.Errorf("extend locks of record %s: %w: the store has no package of it", id, preservation.ErrCorrupt)
	}
	return t.Update(ctx, func(x *catalog.Tx) error { return x.SetLock(id, lock) })
}

// Protect locks one object again that is not a record and has lost its lock, as
// ExtendLocks would with its next pass. It reports whether it did: not where one is in
// force, nor of a request of a person that is past its time.
func (o *Officer) Protect(ctx context.Context, t *catalog.Tenant, key string) (bool, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return false, err
	}
	past, err := o.pastRequests(ctx, t)
	if err != nil || slices.Contains(slices.Concat(slices.Collect(maps.Values(past))...), key) {
		return false, err
	}
	s, err := o.Store(ctx, t)
	if err != nil {
		return false, err
	}
	v, err := s.Stat(ctx, key, "")
	if err != nil || v.Lock.Mode != preservation.Unlocked && v.Lock.Until.After(o.Now()) {
		return false, err
	}
	err = s.Extend(ctx, key, v.VersionID, policy.proof(o.Now()))
	return err == nil, err
}

// proofName is the cursor of the day on which the locks of what is not a record
// are extended next: configuration, audit log, evidence and the remains of destroyed records.
const proofName = "retention.proof"

// extendProof extends those locks in one pass when its day has come.
func (o *Officer) extendProof(ctx context.Context, t *catalog.Tenant, s preservation.Store, policy LockPolicy) error {
	now := o.Now()
	text, err := t.View().Cursor(ctx, proofName)
	if err != nil {
		return err
	}
	// A day further away than a whole interval was noted by a clock that was ahead.
	today := preservation.DateOf(now.In(policy.zone()))
	next := today.AddDays(policy.proofEvery())
	if day, err := preservation.ParseDate(text); err == nil && today.Before(day) && !next.Before(day) {
		return nil
	}
	past, err := o.pastRequests(ctx, t)
	if err != nil {
		return err
	}
	ending := slices.Concat(slices.Collect(maps.Values(past))...)
	lock := policy.proof(now)
	move := func(prefix string, keep func(key string) bool) error {
		for v, err := range s.Versions(ctx, prefix) {
			if err == nil && !v.Marker && keep(v.Key) {
				err = s.Extend(ctx, v.Key, v.VersionID, lock)
			}
			if err != nil {
				return fmt.Errorf("extend locks below %s: %w", prefix, err)
			}
		}
		return nil
	}
	for _, prefix := range []string{"cfg/", "audit/", preservation.StampPrefix} {
		if err := move(prefix, func(key string) bool { return !slices.Contains(ending, key) }); err != nil {
			return err
		}
	}
	for cursor := ""; ; {
		stones, more, err := t.View().Destroyed(ctx, cursor, batch)
		if err != nil {
			return err
		}
		for _, g := range stones {
			if err := move(preservation.EventPrefix(g.Record), func(key string) bool { return IsProof(g, key) }); err != nil {
				return err
			}
		}
		if cursor = more; cursor == "" {
			break
		}
	}
	return t.Update(ctx, func(x *catalog.Tx) error { return x.SetCursor(proofName, next.String()) })
}
