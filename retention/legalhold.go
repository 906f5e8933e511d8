package retention

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// applied is a record whose objects in the store are in line with its holds.
type applied struct {
	id   preservation.RecordID
	was  *catalog.Retention // before its objects were listed
	by   Evaluation         // that they are in line with
	held bool
	news []toldHold // in the order of time

	unread bool // the bucket has an event of it that nobody can read, and may tell of a hold
}

// toldHold is an event in the bucket that a hold was set or released, which the catalog does
// not have yet.
type toldHold struct {
	event preservation.Event
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
	apply := func() error {
		packages = false
		for _, v := range versions {
			switch err := s.SetHold(ctx, v.Key, v.VersionID, a.held); {
			case err == nil:
				packages = packages || strings.HasPrefix(v.Key, preservation.PackagePrefix(r.Record))
			case !errors.Is(err, preservation.ErrNotFound): // purged since
				return err
			}
		}
		return nil
	}
	// A hold is done before anything is asked, so that nothing that cannot be read keeps it
	// away. A release is told before it is done: the second copy lets go of nothing without.
	if a.held {
		if err := apply(); err != nil {
			return a, err
		}
	}
	last, err := o.told(ctx, t, s, &a, versions)
	if err != nil {
		return a, err
	}
	// Of a record whose destruction has purged its packages there is nothing to tell any more.
	tell := packages && last.Detail != holdDetail(a.held)
	if packages && !a.held && last.Detail == "" { // one that was set, and cut off before it was told
		if tell, err = shown(ctx, s, versions); err != nil {
			return a, err
		}
	}
	if tell {
		n, err := o.noteHold(ctx, s, r.Record, a.held, last.At, eventLock(*e, o.Now(), policy, *r))
		n.row.Version = r.Version
		a.news = append(a.news, n)
		if err != nil {
			return a, err
		}
	}
	if !a.held {
		return a, apply()
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
			for _, n := range a.news { // it happened, whatever comes next
				if err := errors.Join(x.AddEvents(a.id, n.event), x.AddObject(a.id, n.row)); err != nil {
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
		return x.MarkStale(catalog.RetentionFilter{IDs: again})
	})
	return gone, err
}

// ReleaseLeft takes the legal holds in the store off a record on which none stands any
// more, and tells it: those of a hold that was cut off before the catalog knew that it was
// applied, and was released before its turn came again. It reports whether it did: what no
// such hold explains stays, since it may be all that is left of one, and so does everything
// while the bucket has a document that may be a hold and is not in the catalog. The record
// is evaluated anew after it: a hold that came meanwhile is set again.
func (o *Officer) ReleaseLeft(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) (bool, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return false, err
	}
	s, err := o.Store(ctx, t)
	if err != nil {
		return false, err
	}
	since, sure, err := o.settledSince(ctx, t, s, id)
	if err != nil || !sure {
		return false, err
	}
	of := catalog.RetentionFilter{IDs: []preservation.RecordID{id}}
	explained := func(mark bool) (ok bool, err error) {
		err = o.change(ctx, t, System, func(ctx context.Context, e *edit) error {
			ok = false
			rows, err := e.v.Retentions(ctx, of, "", 1)
			if err != nil || len(rows) == 0 {
				return err
			}
			facts, err := gather(ctx, e.v, rows)
			if err != nil {
				return err
			}
			holds, schedule := e.plan.holds, e.plan.schedule
			ok = len(holds.On(schedule, facts[0], e.now)) == 0 && holds.Over(schedule, facts[0], since, e.now)
			if !ok || !mark {
				return nil
			}
			return e.MarkStale(of)
		})
		return ok, err
	}
	if ok, err := explained(false); err != nil || !ok { // before all documents are looked at
		return false, err
	}
	if sure, err = o.documented(ctx, t, s); err != nil || !sure {
		return false, err
	}
	if ok, err := explained(true); err != nil || !ok {
		return false, err
	}
	return true, o.applyHolds(ctx, t, policy, of.IDs)
}

// settledSince returns the instant from which on it is open which holds came and went on
// a record: of its reception, or of what was told last of its holds or its class. It is not
// sure while an event cannot be read, nor when the last that the catalog knows is that a
// hold was set: others may have come while that one stood, and are not told.
func (o *Officer) settledSince(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.RecordID) (since time.Time, sure bool, err error) {
	row, err := t.View().Retention(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return since, false, nil
	}
	if err != nil {
		return since, false, err
	}
	var versions []preservation.Object
	for v, err := range s.Versions(ctx, preservation.EventPrefix(id)) {
		if err != nil {
			return since, false, err
		}
		if !v.Marker {
			versions = append(versions, v)
		}
	}
	a := applied{id: id, was: &row}
	last, err := o.told(ctx, t, s, &a, versions)
	if err != nil {
		return since, false, err
	}
	known, err := t.Events(ctx, id)
	if err != nil {
		return since, false, err
	}
	since = row.Received
	for _, e := range append(known, last) {
		if (e.Type == preservation.EventHold || e.Type == preservation.EventReclassify) && e.At.After(since) {
			since = e.At
		}
	}
	news := slices.ContainsFunc(a.news, func(n toldHold) bool { return n.event.ID == last.ID })
	return since, !a.unread && (last.Detail == "" || last.Detail == preservation.HoldReleased || last.Detail == preservation.HoldSet && news), nil
}

// documented reports whether the catalog has all documents in the bucket by which holds
// are judged, and nothing is known to be wrong with one in either copy. Surplus versions of
// a document are looked at: one that says the same, or decides nothing, tells of no hold.
func (o *Officer) documented(ctx context.Context, t *catalog.Tenant, s preservation.Store) (bool, error) {
	const documents, surplus = "cfg/", "surplus-version"
	found, err := t.View().Findings(ctx, "")
	if err != nil || slices.ContainsFunc(found, func(f preservation.Finding) bool { return strings.HasPrefix(f.Subject, documents) && f.Code != surplus }) {
		return false, err
	}
	docs, _, err := t.View().AllDocuments(ctx)
	if err != nil {
		return false, err
	}
	known := make(map[string]*catalog.Document, len(docs))
	for i, d := range docs {
		known[d.Key] = &docs[i]
	}
	first := make(map[string]preservation.Object, len(docs)) // the version of a known document that was listed first
	for v, err := range s.Versions(ctx, documents) {
		if err != nil {
			return false, err
		}
		if d := known[v.Key]; d != nil {
			before, more := first[v.Key]
			if !more {
				first[v.Key] = v
				continue
			}
			for _, v := range []preservation.Object{before, v} { // which of them is the right one nobody knows
				if same, err := saysSame(ctx, s, v, d); err != nil || !same {
					return false, err
				}
			}
			continue
		}
		_, err := t.SubmissionRow(ctx, preservation.SubmissionID(strings.TrimSuffix(path.Base(v.Key), ".json")))
		if err == nil { // the report of one
			continue
		}
		if !errors.Is(err, catalog.ErrNotFound) {
			return false, err
		}
		decides, err := mayDecide(ctx, s, v)
		if err != nil || decides {
			return false, err
		}
	}
	return true, nil
}

// saysSame reports whether a version of the object of a document decides nothing that the
// document does not say: it has the same bytes, is a delete marker above it, or another
// document that decides nothing.
func saysSame(ctx context.Context, s preservation.Store, v preservation.Object, d *catalog.Document) (bool, error) {
	if v.Marker {
		return true, nil
	}
	_, sum, err := preservation.ConfigObject{Kind: d.Kind, Name: d.Name, Version: d.Version, At: d.At, Actor: d.Actor, Body: d.Body}.Encode()
	if err != nil {
		return false, err
	}
	data, err := read(ctx, s, v, preservation.MaxConfigObject)
	if err == nil {
		if have := sha256.Sum256(data); hex.EncodeToString(have[:]) == sum {
			return true, nil
		}
	}
	decides, err := mayDecide(ctx, s, v)
	return err == nil && !decides, err
}

// mayDecide reports whether an object is a document that decides on what may be destroyed,
// or cannot be read, so that it may be one.
func mayDecide(ctx context.Context, s preservation.Store, v preservation.Object) (bool, error) {
	if v.Marker {
		return true, nil
	}
	data, err := read(ctx, s, v, preservation.MaxConfigObject)
	if err == nil {
		var c preservation.ConfigObject
		if c, err = preservation.DecodeConfigObject(data); err == nil {
			return Decides(c.Kind), nil
		}
	}
	if illegible(err) {
		return true, nil
	}
	return false, err
}

// told returns the last event that tells of legal holds on a record, of the catalog and of
// the bucket, where versions are its objects: an attempt that was cut off has told what the
// catalog does not know. That is taken up.
func (o *Officer) told(ctx context.Context, t *catalog.Tenant, s preservation.Store, a *applied, versions []preservation.Object) (last preservation.Event, err error) {
	known, err := t.Objects(ctx, a.id)
	if err != nil {
		return last, err
	}
	events, err := t.Events(ctx, a.id)
	if err != nil {
		return last, err
	}
	for _, v := range versions {
		if !strings.HasPrefix(v.Key, preservation.EventPrefix(a.id)) || slices.ContainsFunc(known, func(o catalog.RecordObject) bool { return o.Key == v.Key }) {
			continue
		}
		e, row, err := readEvent(ctx, s, v.Key)
		switch {
		case illegible(err), err == nil && (e.Record != a.id || v.Key != preservation.EventKey(a.id, e.Event.ID)):
			a.unread = true // nor does a rebuild take it up
			continue
		case err != nil:
			return last, err
		}
		if e.Event.Type == preservation.EventHold {
			row.Version = a.was.Version
			a.news = append(a.news, toldHold{e.Event, row})
		}
		events = append(events, e.Event)
	}
	for _, e := range events {
		switch {
		case e.Type != preservation.EventHold:
		case e.At.After(last.At):
			last = e
		case e.At.Equal(last.At) && e.Detail != last.Detail: // by two evaluations: no reader knows which counts
			last.Detail = "both"
		}
	}
	slices.SortFunc(a.news, func(a, b toldHold) int { return a.event.At.Compare(b.event.At) })
	return last, nil
}

// shown reports whether one of some versions is on legal hold.
func shown(ctx context.Context, s preservation.Store, versions []preservation.Object) (bool, error) {
	for _, v := range versions {
		o, err := s.Stat(ctx, v.Key, v.VersionID)
		if err == nil && o.Hold {
			return true, nil
		}
		if err != nil && !errors.Is(err, preservation.ErrNotFound) {
			return false, err
		}
	}
	return false, nil
}

// holdDetail is the detail of the event that tells so.
func holdDetail(held bool) string {
	if held {
		return preservation.HoldSet
	}
	return preservation.HoldReleased
}

// noteHold stores the event that a record's objects were put on hold or released. It is
// later than the last one: whoever reads them goes by their times.
func (o *Officer) noteHold(ctx context.Context, s preservation.Store, id preservation.RecordID, held bool, last time.Time, lock preservation.Lock) (toldHold, error) {
	now := o.Now().UTC().Truncate(time.Millisecond)
	if !now.After(last) {
		now = last.UTC().Add(time.Millisecond)
	}
	event := preservation.Event{ID: preservation.NewID(now), Type: preservation.EventHold, At: now, Outcome: preservation.Success, Detail: holdDetail(held), Agent: agent}
	e, row, err := putHeld(ctx, s, preservation.EventKey(id, event.ID), preservation.EventObject{Record: id, Event: event}, lock, held)
	return toldHold{e.Event, row}, err
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
		if err != nil && !illegible(err) {
			return err
		}
	}
	return nil
}
