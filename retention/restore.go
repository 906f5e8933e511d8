package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TriggerOf returns the trigger that an event object reports, for the rebuild.
func TriggerOf(e preservation.EventObject) (catalog.Trigger, bool) {
	var g Trigger
	if e.Event.Type != preservation.EventRetention || json.Unmarshal(e.Body, &g) != nil || g.Type == "" || g.ID != e.Event.ID {
		return catalog.Trigger{}, false
	}
	return catalog.Trigger{
		ID: g.ID, Record: e.Record, Type: g.Type, Name: g.Custodian, Date: g.Date, At: g.Recorded, Actor: g.Actor, Key: preservation.EventKey(e.Record, g.ID),
	}, true
}

// Replanned has every record evaluated anew, by documents that have come into bucket and
// catalog otherwise than by an Officer.
func Replanned(x *catalog.Tx) error {
	_, err := x.MarkStale(catalog.RetentionFilter{})
	return errors.Join(err, x.SetCursor(stampName, ""))
}

// Remains returns the tombstone of a record as its event objects tell it, for
// the rebuild: of a destruction that ended, or of one whose packages are all
// gone and that only has to be written down. ok is false while the record
// lives, also when a destruction was begun or called off.
func Remains(events []preservation.EventObject, packages int, now time.Time) (stone catalog.Tombstone, ok bool) {
	ended := make(map[string]bool)
	for _, e := range events {
		ended[e.Event.ID] = true // an outcome has the ID of its disposal
		if e.Event.Type == preservation.EventDelete && json.Unmarshal(e.Body, &stone) == nil && stone.Record == e.Record {
			return stone, true
		}
	}
	for _, e := range events {
		var i Intent
		if packages > 0 || e.Event.Type != preservation.EventIntent || json.Unmarshal(e.Body, &i) != nil {
			continue
		}
		if i.Disposal != "" && !ended[i.Disposal] && i.Tombstone.Record == e.Record {
			i.Tombstone.Destroyed = now.UTC()
			return i.Tombstone, true
		}
	}
	return catalog.Tombstone{}, false
}

// RestoreRuns makes the disposal runs and their items anew from the versions of their
// documents, for the rebuild: when documents and tombstones are in the catalog. What
// it knows already it leaves as it is.
func RestoreRuns(ctx context.Context, t *catalog.Tenant) error {
	const some = 20 // documents of a thousand records in one transaction
	var at catalog.Document
	for {
		docs, err := t.View().VersionsInTime(ctx, KindRun, at, some)
		if err != nil {
			return fmt.Errorf("restore disposal runs: %w", err)
		}
		if len(docs) == 0 {
			break
		}
		at = docs[len(docs)-1]
		inner := context.WithoutCancel(ctx)
		err = t.Update(ctx, func(x *catalog.Tx) error {
			for _, d := range docs {
				if err := restoreRun(inner, x, d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("restore disposal runs: %w", err)
		}
	}
	return markDestroyed(ctx, t)
}

func restoreRun(ctx context.Context, x *catalog.Tx, d catalog.Document) error {
	r, err := readRun(ctx, x.View(), d.Name)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	if d.Version <= r.Revision {
		return nil
	}
	n, err := entryOf(d)
	if err != nil {
		return err
	}
	if err := refuseTaken(ctx, x.View(), d.Name, n.Items); err != nil {
		return err
	}
	if err := r.replay(x, &n, d); err != nil {
		return err
	}
	row, err := r.row()
	if err != nil {
		return err
	}
	switch {
	case r.Collecting, r.Status == RunExecuting:
		err = x.Enqueue(r.job())
	case r.Status == RunCompleted && r.Certificate == "":
		err = x.Enqueue(catalog.Job{Kind: JobCertify, Key: r.ID})
	}
	return errors.Join(err, x.SetRun(row))
}

// refuseTaken keeps what stands open in another run out of a list, by documents that a
// wrong clock brought out of order.
func refuseTaken(ctx context.Context, v catalog.View, run string, items []catalog.RunItem) error {
	ids := make([]preservation.RecordID, len(items))
	for n, i := range items {
		ids[n] = i.Record
	}
	open, err := v.OpenItems(ctx, ids...)
	for n := range items {
		if other, taken := open[items[n].Record]; taken && other.Run != run && items[n].State == catalog.ItemOpen {
			items[n].State, items[n].Reason = catalog.ItemRefused, "it is in the disposal run "+other.Run
		}
	}
	return err
}

// markDestroyed notes which records of runs have a tombstone.
func markDestroyed(ctx context.Context, t *catalog.Tenant) error {
	cursor := ""
	for {
		stones, next, err := t.View().Destroyed(ctx, cursor, batch)
		if err != nil {
			return err
		}
		byRun := make(map[string][]preservation.RecordID)
		for _, g := range stones {
			byRun[g.Run] = append(byRun[g.Run], g.Record)
		}
		err = t.Update(ctx, func(x *catalog.Tx) error {
			for run, ids := range byRun {
				f := catalog.ItemFilter{Run: run, IDs: ids}
				if run == "" { // destroyed for another reason while a run knew of them
					f.States = []string{catalog.ItemOpen}
				}
				if _, err := x.SetItems(f, catalog.ItemChange{State: catalog.ItemDestroyed}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || next == "" {
			return err
		}
		cursor = next
	}
}
