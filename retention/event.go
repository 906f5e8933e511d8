package retention

import (
	"context"
	"errors"
	"fmt"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// keep writes an event object of a record under the lock and the holds of the record's
// other objects. What it returns is for the catalog: the object that is there, which
// is of another attempt with the same identifier if there was one, and its row.
func (o *Officer) keep(ctx context.Context, t *catalog.Tenant, r catalog.Retention, e preservation.EventObject) (kept preservation.EventObject, row catalog.RecordObject, err error) {
	at, err := o.Evaluate(ctx, t, r.Record)
	if err != nil {
		return kept, row, err
	}
	policy, err := o.policy(ctx, t)
	if err != nil {
		return kept, row, err
	}
	s, err := o.Store(ctx, t)
	if err != nil {
		return kept, row, err
	}
	kept, row, err = putHeld(ctx, s, preservation.EventKey(r.Record, e.Event.ID), e, eventLock(at, o.Now(), policy, r), at.State == Held)
	if err != nil {
		return kept, row, fmt.Errorf("store %s event %s of record %s: %w", e.Event.Type, e.Event.ID, r.Record, err)
	}
	row.Version = r.Version
	return kept, row, nil
}

// AddEvent keeps an event of a record in the bucket, under the lock and the holds of
// the record's other objects, and then in the catalog. Another attempt with the same
// identifier adds nothing. Of a record whose destruction has begun nothing is told
// any more.
func (o *Officer) AddEvent(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, e preservation.EventObject) error {
	r, err := t.View().Retention(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) || err == nil && r.Status != "live" {
		return nil
	}
	if err != nil {
		return err
	}
	kept, row, err := o.keep(ctx, t, r, e)
	if err != nil {
		return err
	}
	return o.change(ctx, t, System, func(ctx context.Context, x *edit) error {
		if now, err := x.v.Retention(ctx, id); errors.Is(err, catalog.ErrNotFound) || err == nil && now.Status != "live" {
			return nil // what was written goes with the rest
		} else if err != nil {
			return err
		}
		return errors.Join(x.AddEvents(id, kept.Event), x.AddObject(id, row))
	})
}
