package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Late is a record that was being destroyed when a hold was set on it: what had been
// purged of it by then no hold brings back. A destruction that had only been decided is
// called off, and is none of these.
type Late struct {
	Record   preservation.RecordID `json:"record_id"`
	Class    string                `json:"class"`
	Disposal string                `json:"disposal"`         // which of its destructions that was
	Run      string                `json:"run,omitempty"`    // what allowed it
	Permit   string                `json:"permit,omitempty"` // instead of a run
	Begun    time.Time             `json:"begun"`            // when it was decided
	Fate     Fate                  `json:"fate"`             // when the hold was set; from Officer.Hold and Fates: by now

	Destroyed time.Time `json:"destroyed,omitzero"`
}

// Fate is what becomes of a record that a hold came late for.
type Fate string

// Fates.
const (
	Purging Fate = "purging"   // its objects are being purged
	Stuck   Fate = "blocked"   // some of its objects are gone; the hold keeps the others
	Gone    Fate = "destroyed" // nothing was left to be kept
	Saved   Fate = "saved"     // its destruction was called off before anything of it was gone, and it lives
	Since   Fate = "since"     // that destruction did not end it; a later one, decided anew, did
	Unclear Fate = "unclear"   // its outcome is not in the bucket, as after a rebuild, or cannot be read now
)

// Lost reports whether something of the record is gone, or may be, that the hold was for.
func (f Fate) Lost() bool { return f != Saved && f != Since }

// late finds the records that a hold comes late for.
func (e *edit) late(ctx context.Context, h Hold) (late []Late, err error) {
	err = within(ctx, e.v, e.plan, h, e.now, e.v.Claimed, 0, func(f *Facts, w catalog.Disposal) {
		l := Late{Record: f.ID, Class: f.Class, Disposal: w.ID, Run: w.Run, Permit: w.Permit, Begun: w.At.UTC(), Fate: Purging}
		if w.Phase == blocked {
			l.Fate = Stuck
		}
		late = append(late, l)
	})
	return late, err
}

// maxCalledOff is how many destructions a hold looks through to say how many it calls off.
const maxCalledOff = 10_000

// calledOff counts, for people, the destructions that a hold calls off which stands
// already. It looks through maxCalledOff at most; more says that there are others.
func (o *Officer) calledOff(ctx context.Context, t *catalog.Tenant, h Hold) (n int, more bool, err error) {
	v := t.View()
	p, err := o.plans.at(ctx, v, t.ID())
	if err != nil {
		return 0, false, err
	}
	open := func(ctx context.Context, after preservation.RecordID, limit int) ([]catalog.Disposal, error) {
		page, err := v.Disposals(ctx, time.Time{}, after, limit)
		more = len(page) == limit
		return page, err
	}
	err = within(ctx, v, p, h, o.Now(), open, maxCalledOff, func(_ *Facts, w catalog.Disposal) {
		if w.Phase == intended {
			n++
		}
	})
	return n, more, err
}

// within calls fn with those of some destructions whose records are in the scope of a hold.
// It looks through no more than most, if that is not 0.
func within(ctx context.Context, v catalog.View, p *plan, h Hold, now time.Time, list func(context.Context, preservation.RecordID, int) ([]catalog.Disposal, error), most int, fn func(*Facts, catalog.Disposal)) error {
	alone := NewHolds(h)
	var after preservation.RecordID
	for n := 0; most == 0 || n < most; n += batch {
		open, err := list(ctx, after, batch)
		if err != nil || len(open) == 0 {
			return err
		}
		after = open[len(open)-1].Record
		ids := make([]preservation.RecordID, len(open))
		works := make(map[preservation.RecordID]catalog.Disposal, len(open))
		for i, w := range open {
			ids[i], works[w.Record] = w.Record, w
		}
		rows, err := v.Retentions(ctx, catalog.RetentionFilter{IDs: ids}, "", len(ids))
		if err != nil {
			return err
		}
		facts, err := gather(ctx, v, rows)
		if err != nil {
			return err
		}
		for _, f := range facts {
			if len(alone.On(p.schedule, f, now)) > 0 {
				fn(f, works[f.ID])
			}
		}
	}
	return nil
}

// notices say what a hold comes late for, and how many destructions it calls off.
func notices(late []Late, calledOff int, more bool) (found []preservation.Finding) {
	for _, l := range late {
		detail := "its objects were being purged when the hold was set: what is gone stays gone, what is left is kept"
		if l.Fate == Stuck {
			detail = "its destruction was stopped in the middle before: what is left is kept"
		}
		found = append(found, note(string(l.Record), "being-destroyed", detail))
	}
	if calledOff > 0 {
		many := fmt.Sprint(calledOff)
		if more {
			many = "at least " + many
		}
		found = append(found, note("scope", "called-off", "the destruction of "+many+" records of it had been decided; nothing of them is gone, and it is called off"))
	}
	return found
}

// Fates puts into holds what has become of the records that they came late for.
func (o *Officer) Fates(ctx context.Context, t *catalog.Tenant, holds []Hold) (err error) {
	for i := range holds {
		if holds[i].Late, err = o.fates(ctx, t, holds[i].Late); err != nil {
			return fmt.Errorf("hold %s: %w", holds[i].ID, err)
		}
	}
	return nil
}

// fates says what has become of the records that a hold came late for.
func (o *Officer) fates(ctx context.Context, t *catalog.Tenant, late []Late) ([]Late, error) {
	var now []Late
	for _, l := range late {
		l, err := o.fate(ctx, t, l)
		if err != nil {
			return nil, err
		}
		now = append(now, l)
	}
	return now, nil
}

// fate says what has become of a record. That its destruction has left the catalog without
// a tombstone saves nothing: only an outcome in the bucket that calls it off says so.
func (o *Officer) fate(ctx context.Context, t *catalog.Tenant, l Late) (Late, error) {
	v := t.View()
	w, err := v.Disposal(ctx, l.Record)
	if err == nil && w.ID == l.Disposal { // under way
		if l.Fate = Purging; w.Phase == blocked {
			l.Fate = Stuck
		}
		return l, nil
	}
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return l, err
	}
	stone, err := v.Tombstone(ctx, l.Record)
	if err == nil {
		if l.Fate, l.Destroyed = Since, stone.Destroyed; stone.Key == l.outcome() {
			l.Fate = Gone
		}
		return l, nil
	}
	if !errors.Is(err, catalog.ErrNotFound) {
		return l, err
	}
	if l.Fate == Stuck {
		return l, nil // bytes were gone
	}
	l.Fate = Unclear
	row, err := v.Retention(ctx, l.Record)
	if errors.Is(err, catalog.ErrNotFound) {
		return l, nil
	}
	if err != nil || row.Status != "live" {
		return l, err
	}
	var outcome preservation.EventObject
	s, err := o.Store(ctx, t)
	if err == nil {
		outcome, _, err = readEvent(ctx, s, l.outcome())
	}
	switch {
	case err == nil && outcome.Event.Type == preservation.EventIntent && outcome.Event.Outcome == preservation.Failure:
		l.Fate = Saved
	case err != nil && !errors.Is(err, preservation.ErrNotFound):
		o.Log.WarnContext(ctx, "the outcome of a destruction cannot be read", "tenant", string(t.ID()), "record", string(l.Record), "error", err)
	}
	return l, nil
}

// outcome is the key of the object that says how the destruction ended.
func (l *Late) outcome() string {
	return outcomeKey(catalog.Disposal{Record: l.Record, ID: l.Disposal})
}
