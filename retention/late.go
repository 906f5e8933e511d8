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
	Record preservation.RecordID `json:"record_id"`
	Class  string                `json:"class"`
	Run    string                `json:"run,omitempty"`    // what allowed it
	Permit string                `json:"permit,omitempty"` // instead of a run
	Begun  time.Time             `json:"begun"`            // when it was decided
	Fate   Fate                  `json:"fate"`             // when the hold was set; from Officer.Hold: by now

	Destroyed time.Time `json:"destroyed,omitzero"`
}

// Fate is what becomes of a record that a hold came late for.
type Fate string

// Fates.
const (
	Purging Fate = "purging"   // its objects are being purged
	Stuck   Fate = "blocked"   // some of its objects are gone; the hold keeps the others
	Gone    Fate = "destroyed" // nothing was left to be kept
	Saved   Fate = "saved"     // nothing of it was gone yet, and it is kept
)

// late finds the records that a hold comes late for, and counts those whose destruction
// is called off.
func (e *edit) late(ctx context.Context, h Hold) (late []Late, calledOff int, err error) {
	alone := NewHolds(h)
	var after preservation.RecordID
	for {
		open, err := e.v.Disposals(ctx, time.Time{}, after, batch)
		if err != nil || len(open) == 0 {
			return late, calledOff, err
		}
		after = open[len(open)-1].Record
		ids := make([]preservation.RecordID, len(open))
		works := make(map[preservation.RecordID]catalog.Disposal, len(open))
		for i, w := range open {
			ids[i], works[w.Record] = w.Record, w
		}
		rows, err := e.v.Retentions(ctx, catalog.RetentionFilter{IDs: ids}, "", len(ids))
		if err != nil {
			return nil, 0, err
		}
		facts, err := gather(ctx, e.v, rows)
		if err != nil {
			return nil, 0, err
		}
		for _, f := range facts {
			if len(alone.On(e.plan.schedule, f, e.now)) == 0 {
				continue
			}
			w := works[f.ID]
			l := Late{Record: f.ID, Class: f.Class, Run: w.Run, Permit: w.Permit, Begun: w.At.UTC(), Fate: Purging}
			switch w.Phase {
			case intended:
				calledOff++
				continue
			case blocked:
				l.Fate = Stuck
			}
			late = append(late, l)
		}
	}
}

// notices say what a hold comes late for.
func notices(late []Late, calledOff int) (found []preservation.Finding) {
	for _, l := range late {
		detail := "its objects were being purged when the hold was set: what is gone stays gone, what is left is kept"
		if l.Fate == Stuck {
			detail = "its destruction was stopped in the middle before: what is left is kept"
		}
		found = append(found, note(string(l.Record), "being-destroyed", detail))
	}
	if calledOff > 0 {
		found = append(found, note("scope", "called-off", fmt.Sprintf("the destruction of %d records of it had been decided; nothing of them is gone, and it is called off", calledOff)))
	}
	return found
}

// fates says what has become of the records that a hold came late for.
func fates(ctx context.Context, v catalog.View, late []Late) ([]Late, error) {
	now := make([]Late, len(late))
	for i, l := range late {
		w, err := v.Disposal(ctx, l.Record)
		switch {
		case err == nil && w.At.Equal(l.Begun): // under way
			if l.Fate = Purging; w.Phase == blocked {
				l.Fate = Stuck
			}
		case err == nil, errors.Is(err, catalog.ErrNotFound):
			l.Fate = Saved
			stone, err := v.Tombstone(ctx, l.Record)
			if err == nil {
				l.Fate, l.Destroyed = Gone, stone.Destroyed
			} else if !errors.Is(err, catalog.ErrNotFound) {
				return nil, err
			}
		default:
			return nil, err
		}
		now[i] = l
	}
	return now, nil
}
