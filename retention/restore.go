package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

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
	return errors.Join(x.MarkStale(catalog.RetentionFilter{}), x.SetCursor(stampName, ""))
}

// Remains returns the tombstone of a record as its event objects tell it, for the
// rebuild. ok is false while there is none: an intent alone destroys nothing, also when
// no package is left, since a package may be lost as well. What is known of holds,
// permits and other copies decides, and that is the business of a Disposer.
func Remains(events []preservation.EventObject) (stone catalog.Tombstone, ok bool) {
	for _, e := range events {
		if e.Event.Type == preservation.EventDelete && json.Unmarshal(e.Body, &stone) == nil && stone.Record == e.Record {
			return stone, true
		}
	}
	return catalog.Tombstone{}, false
}

// Begun reports whether the event objects of a record tell of a destruction that has
// begun, and neither ended nor was called off, and names the packages that there were.
func Begun(events []preservation.EventObject) (packages []string, ok bool) {
	ended := make(map[string]bool)
	for _, e := range events {
		ended[e.Event.ID] = true // an outcome has the ID of its disposal
	}
	for _, e := range events {
		var i Intent
		if e.Event.Type == preservation.EventIntent && json.Unmarshal(e.Body, &i) == nil &&
			i.Disposal != "" && !ended[i.Disposal] && i.Tombstone.Record == e.Record {
			packages, ok = append(packages, i.Packages...), true
		}
	}
	return packages, ok
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
	if err := markDestroyed(ctx, t); err != nil {
		return err
	}
	if err := leaveLiving(ctx, t); err != nil {
		return err
	}
	return certifyAgain(ctx, t)
}

// leaveLiving takes records that live out of runs that were completed: their destruction
// is younger than the copy that was restored, and no run is left to carry it out.
func leaveLiving(ctx context.Context, t *catalog.Tenant) error {
	runs, err := t.View().RunsIn(ctx, string(RunCompleted))
	if err != nil {
		return err
	}
	for _, run := range runs {
		open := catalog.ItemFilter{Run: run.ID, States: []string{catalog.ItemOpen}}
		var after preservation.RecordID
		for {
			items, err := t.View().RunItems(ctx, open, after, batch)
			if err != nil {
				return err
			}
			if len(items) == 0 {
				break
			}
			var ids []preservation.RecordID
			for _, i := range items {
				ids = append(ids, i.Record)
			}
			after = ids[len(ids)-1]
			living, err := t.View().Retentions(ctx, catalog.RetentionFilter{IDs: ids}, "", len(ids))
			if err != nil {
				return err
			}
			if ids = ids[:0]; len(living) == 0 {
				continue
			}
			for _, r := range living {
				ids = append(ids, r.Record)
			}
			of := open
			of.IDs = ids
			err = t.Update(ctx, func(x *catalog.Tx) error {
				_, err := x.SetItems(of, catalog.ItemChange{State: catalog.ItemLeft, Reason: "the run was completed, and the record came back with a restore"})
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// certifyAgain has runs certified anew whose certificate did not come back with them: its
// record is younger than the copy that was restored.
func certifyAgain(ctx context.Context, t *catalog.Tenant) error {
	for _, status := range []RunStatus{RunCompleted, RunCancelled} {
		rows, err := t.View().RunsIn(ctx, string(status))
		if err != nil {
			return err
		}
		for _, row := range rows {
			var r Run
			if err := json.Unmarshal(row.Body, &r); err != nil {
				return fmt.Errorf("disposal run %s: %w", row.ID, err)
			}
			if r.Certificate == "" {
				continue
			}
			_, err := t.Record(ctx, r.Certificate)
			if errors.Is(err, catalog.ErrNotFound) {
				_, err = t.Tombstone(ctx, r.Certificate)
			}
			if err == nil {
				continue
			}
			if !errors.Is(err, catalog.ErrNotFound) {
				return err
			}
			r.Certificate = ""
			if row, err = r.row(); err != nil {
				return err
			}
			err = t.Update(ctx, func(x *catalog.Tx) error {
				return errors.Join(x.SetRun(row), x.Enqueue(catalog.Job{Kind: JobCertify, Key: r.ID}))
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
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
