package retention

import (
	"context"
	"errors"
	"fmt"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

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
	at, err := o.Evaluate(ctx, t, id)
	if err != nil {
		return err
	}
	policy, err := o.policy(ctx, t)
	if err != nil {
		return err
	}
	s, err := o.Store(ctx, t)
	if err != nil {
		return err
	}
	kept, row, err := put(ctx, s, preservation.EventKey(id, e.Event.ID), e, eventLock(at, o.Now(), policy, r))
	if err == nil && at.State == Held {
		err = s.SetHold(ctx, row.Key, row.VersionID, true)
	}
	if err != nil {
		return fmt.Errorf("store event %s of record %s: %w", e.Event.ID, id, err)
	}
	row.Version = r.Version
	return o.change(ctx, t, System, func(ctx context.Context, x *edit) error {
		if now, err := x.v.Retention(ctx, id); errors.Is(err, catalog.ErrNotFound) || err == nil && now.Status != "live" {
			return nil // what was written goes with the rest
		} else if err != nil {
			return err
		}
		return errors.Join(x.AddEvents(id, kept.Event), x.AddObject(id, row))
	})
}
