package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// ExecuteRun is the handler of the job "dispose-run": it goes on listing the records of
// a new run, or carries an approved one out after its grace period. Whatever happens
// in between it goes on from the items that are still open. While records wait for a
// lock it asks to be called again then.
func (d *Disposer) ExecuteRun(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
	policy, err := d.Officer.policy(ctx, t)
	if err != nil {
		return err
	}
	r, err := readRun(ctx, t.View(), j.Key)
	if err != nil {
		return err
	}
	if r.Collecting {
		_, err := d.Officer.collect(ctx, t, policy, r.ID, time.Time{})
		return err
	}
	if r.Status != RunExecuting {
		return nil
	}
	if until := r.Execution.NotBefore; d.Officer.Now().Before(until) {
		return &catalog.Later{Until: until, Reason: "the grace period of disposal run " + r.ID}
	}
	x := execution{Disposer: d, t: t, policy: policy, id: r.ID}
	if err := x.ready(ctx, r); err != nil {
		return x.stopped(ctx, err)
	}
	if x.next, err = d.resume(ctx, t); err != nil {
		return err
	}
	if err := errors.Join(x.do(ctx), t.DB().Truncate(ctx)); err != nil {
		return err
	}
	return x.end(ctx)
}

// job is what goes on with the run.
func (r *Run) job() catalog.Job { return catalog.Job{Kind: JobRun, Key: r.ID} }

// goOn has the job of a run called now, also when it waits for a later time.
func (e *edit) goOn(r *Run) error {
	return errors.Join(e.DropJob(JobRun, r.ID), e.Enqueue(r.job()))
}

// Resumes says when a run that is being carried out goes on by itself; its zero value
// says that it does so now, or not at all. Until then what is open is locked in the store,
// or waits for its parts, unless there is a fault that ended the last attempt.
func (o *Officer) Resumes(ctx context.Context, t *catalog.Tenant, r Run) (at time.Time, fault string, err error) {
	if r.Status != RunExecuting || r.Execution.Begun.IsZero() {
		return at, "", nil
	}
	j, err := t.JobOf(ctx, JobRun, r.ID)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return at, "", nil // what waits for the archive goes on when it acknowledged
	case err != nil, j.Dead, j.Running, !o.Now().Before(j.RunAt):
		return at, "", err
	case j.Failing():
		fault = j.Error
	}
	return j.RunAt, fault, nil
}

// wakeRuns has the runs that are being carried out go on whose job was given up.
func (d *Disposer) wakeRuns(ctx context.Context, t *catalog.Tenant) error {
	rows, err := t.View().RunsIn(ctx, string(RunExecuting))
	if err != nil || len(rows) == 0 {
		return err
	}
	return t.Update(ctx, func(x *catalog.Tx) error {
		for _, row := range rows {
			if err := x.Enqueue(catalog.Job{Kind: JobRun, Key: row.ID}); err != nil {
				return err
			}
		}
		return nil
	})
}

// execution is one attempt at carrying out a run.
type execution struct {
	*Disposer
	t      *catalog.Tenant
	policy LockPolicy
	id     string
	next   time.Time // when a record that waits wants to be tried; zero: none does
	failed []error   // of single records
}

// errNotExecuting: somebody stopped the run.
var errNotExecuting = errors.New("the run is not being carried out")

// act does something to the run while it is being carried out.
func (x *execution) act(ctx context.Context, fn func(context.Context, *edit, *Run) error) error {
	_, err := x.Officer.act(ctx, x.t, x.id, System, func(ctx context.Context, e *edit, r *Run) error {
		if r.Status != RunExecuting {
			return errNotExecuting
		}
		return fn(ctx, e, r)
	})
	return err
}

// stopped makes the run stop where a Stopped asks for it. Other errors pass through.
func (x *execution) stopped(ctx context.Context, err error) error {
	var s *Stopped
	if !errors.As(err, &s) {
		return x.passed(err)
	}
	x.Officer.Log.ErrorContext(ctx, "disposal run stopped itself", "tenant", string(x.t.ID()), "run", x.id, "reason", s.Reason)
	return x.passed(x.act(ctx, func(ctx context.Context, e *edit, r *Run) error {
		if s.Void { // the approval was for another list
			if err := e.withdraw(ctx, r, s.Reason); err == nil || !errors.Is(err, catalog.ErrConflict) {
				return err
			}
		}
		stop := Stop{Reason: s.Reason}
		if s.Holding > 0 {
			stop.Asks = int64(s.Records)
		}
		return e.stopRun(ctx, r, stop)
	}))
}

// passed takes a run that somebody stopped for an end, not for a fault.
func (x *execution) passed(err error) error {
	if errors.Is(err, errNotExecuting) {
		return nil
	}
	return err
}

// do does to the open items what was decided about them, parts before their files.
func (x *execution) do(ctx context.Context) error {
	keep := catalog.ItemFilter{Run: x.id, States: []string{catalog.ItemOpen}, Decisions: []string{Keep}}
	taken := catalog.ItemFilter{Run: x.id, States: []string{catalog.ItemOpen}, Decisions: []string{string(Archive)}, OwnCopy: copyKeep}
	depth, err := x.t.View().ItemDepth(ctx, x.id)
	if err != nil {
		return err
	}
	err = errors.Join(x.each(ctx, keep, x.keep), x.each(ctx, taken, x.takeOver))
	for ; depth >= 0 && err == nil; depth-- {
		at := depth
		due := catalog.ItemFilter{Run: x.id, States: []string{catalog.ItemOpen}, Decisions: []string{string(Destroy)}, Depth: &at}
		gone := due
		gone.Decisions, gone.OwnCopy = []string{string(Archive)}, copyDestroy
		if err = x.each(ctx, due, x.destroy); err == nil {
			err = x.each(ctx, gone, x.destroy)
		}
	}
	return errors.Join(append(x.failed, x.passed(err))...)
}

// each calls fn with pages of items until somebody stops the run.
func (x *execution) each(ctx context.Context, f catalog.ItemFilter, fn func(context.Context, []catalog.RunItem) error) error {
	var after preservation.RecordID
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := readRun(ctx, x.t.View(), x.id)
		if err != nil {
			return err
		}
		if r.Status != RunExecuting {
			return errNotExecuting
		}
		items, err := x.t.View().RunItems(ctx, f, after, batch)
		if err != nil || len(items) == 0 {
			return err
		}
		after = items[len(items)-1].Record
		if err := fn(ctx, items); err != nil {
			return err
		}
		if len(items) < batch {
			return nil
		}
	}
}

// leave takes items out of the run that are kept, each with its reason.
func (x *execution) leave(ctx context.Context, left []catalog.RunItem) error {
	if len(left) == 0 {
		return nil
	}
	return x.act(ctx, func(ctx context.Context, e *edit, r *Run) error {
		return e.enter(ctx, r, Entry{Act: actLeft, Items: left})
	})
}

// left is an item as an entry says that it is kept.
func left(id preservation.RecordID, reason string) catalog.RunItem {
	return catalog.RunItem{Record: id, State: catalog.ItemLeft, Reason: reason}
}

func (x *execution) keep(ctx context.Context, items []catalog.RunItem) error {
	kept, ids := make([]catalog.RunItem, len(items)), make([]preservation.RecordID, len(items))
	for n, i := range items {
		kept[n], ids[n] = left(i.Record, fmt.Sprintf("kept until %s: %s", i.Until, i.Note)), i.Record
	}
	return x.act(ctx, func(ctx context.Context, e *edit, r *Run) error {
		if err := e.enter(ctx, r, Entry{Act: actLeft, Items: kept}); err != nil {
			return err
		}
		return e.staleWithin(ctx, ids, 0)
	})
}

// staleWithin has records evaluated anew with everything that belongs to them, page by
// page: until then nothing of it is said to be wrong.
func (e *edit) staleWithin(ctx context.Context, ids []preservation.RecordID, level int) error {
	if err := e.MarkStale(catalog.RetentionFilter{IDs: ids}); err != nil || level == maxNesting {
		return err
	}
	_, err := eachPage(ctx, e.v, ids, func(parts []preservation.RecordID) (bool, error) {
		return true, e.staleWithin(ctx, parts, level+1)
	})
	return err
}

// takeOver makes copies that are kept for the archive permanent.
func (x *execution) takeOver(ctx context.Context, items []catalog.RunItem) error {
	run, err := readRun(ctx, x.t.View(), x.id)
	if err != nil {
		return err
	}
	var done []preservation.RecordID
	var kept []catalog.RunItem
	for _, i := range items {
		e, err := x.Officer.Evaluate(ctx, x.t, i.Record)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			kept = append(kept, left(i.Record, "there is no such record any more"))
			continue
		case err != nil:
			return err
		}
		if e.Trigger != OnTakeover {
			g := Trigger{Type: OnTakeover, Date: run.Handovers[i.Transfer].Acknowledged, Custodian: run.Handovers[i.Transfer].Receiver}
			if _, err := x.Officer.report(ctx, x.t, i.Record, g, run.Execution.By); err != nil {
				return err
			}
			if err := x.at("taken over"); err != nil {
				return err
			}
		}
		done = append(done, i.Record)
	}
	if err := x.leave(ctx, kept); err != nil || len(done) == 0 {
		return err
	}
	return x.act(ctx, func(ctx context.Context, e *edit, r *Run) error {
		return e.enter(ctx, r, Entry{Act: actTakenOver, Records: done})
	})
}

// destroy has records destroyed, and leaves out those that may not be.
func (x *execution) destroy(ctx context.Context, items []catalog.RunItem) error {
	due, kept, err := x.due(ctx, items)
	if err != nil {
		return err
	}
	next, err := x.disposeAll(ctx, x.t, due, func(r *Refusal) { kept = append(kept, left(r.Record, r.Reason)) })
	if !next.IsZero() {
		x.next = earlier(x.next, next)
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		x.failed = append(x.failed, err) // the others come first
	}
	if kept, err = x.untouched(ctx, kept); err != nil {
		return err
	}
	return x.leave(ctx, kept)
}

// due tells the records that are to be destroyed now from those that are kept after
// all. What is in neither waits, or is being destroyed already.
func (x *execution) due(ctx context.Context, items []catalog.RunItem) (due []preservation.RecordID, kept []catalog.RunItem, err error) {
	run, err := readRun(ctx, x.t.View(), x.id)
	if err != nil {
		return nil, nil, err
	}
	p, err := x.Officer.plans.at(ctx, x.t.View(), x.t.ID())
	if err != nil {
		return nil, nil, err
	}
	ids := make([]preservation.RecordID, len(items))
	for n, i := range items {
		ids[n] = i.Record
	}
	rows, err := x.t.View().Retentions(ctx, catalog.RetentionFilter{IDs: ids}, "", len(ids))
	if err != nil {
		return nil, nil, err
	}
	facts, err := gather(ctx, x.t.View(), rows)
	if err != nil {
		return nil, nil, err
	}
	known := make(map[preservation.RecordID]bool, len(rows))
	files := make(map[preservation.RecordID]bool)
	for n, row := range rows {
		known[row.Record] = true
		if row.Status != "live" {
			continue // begun: resume goes on with it
		}
		top := facts[n]
		for up := 0; top.File != nil && up < maxNesting; up++ {
			top = top.File
		}
		whole, seen := files[top.ID]
		if !seen {
			if whole, err = x.wholeFile(ctx, x.t, p, x.policy, top.ID, &run); err != nil {
				return nil, nil, err
			}
			files[top.ID] = whole
		}
		going, err := x.partsGoing(ctx, row.Record)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case going:
			x.next = earlier(x.next, x.Officer.Now().Add(time.Hour))
		case whole, top.ID == row.Record: // what stands alone is judged alone, with a better reason
			due = append(due, row.Record)
		default:
			kept = append(kept, left(row.Record, "its file is kept, or another part of it"))
		}
	}
	for _, id := range ids {
		if !known[id] {
			kept = append(kept, left(id, "there is no such record any more"))
		}
	}
	return due, kept, nil
}

// untouched returns the items of whose records no bytes are gone. The others stay in
// the run: a person has to see to what forbids the rest.
func (x *execution) untouched(ctx context.Context, items []catalog.RunItem) (whole []catalog.RunItem, err error) {
	for _, i := range items {
		switch _, err := x.t.View().Disposal(ctx, i.Record); {
		case errors.Is(err, catalog.ErrNotFound):
			whole = append(whole, i)
		case err != nil:
			return nil, err
		default:
			x.next = earlier(x.next, x.Officer.Now().Add(time.Hour))
		}
	}
	return whole, nil
}

// partsGoing reports whether all that still belongs to a record is on its way out, so
// that it has to wait.
func (x *execution) partsGoing(ctx context.Context, id preservation.RecordID) (bool, error) {
	v, there := x.t.View(), false
	going, err := eachPage(ctx, v, []preservation.RecordID{id}, func(parts []preservation.RecordID) (bool, error) {
		there = true
		items, err := v.OpenItems(ctx, parts...)
		if err != nil {
			return false, err
		}
		rows, err := v.Retentions(ctx, catalog.RetentionFilter{Status: "live", IDs: parts}, "", len(parts))
		if err != nil {
			return false, err
		}
		kept := func(r catalog.Retention) bool { return items[r.Record].Run != x.id }
		return !slices.ContainsFunc(rows, kept), nil
	})
	return there && going, err
}

// end completes the run when none of its items is open any more.
func (x *execution) end(ctx context.Context) error {
	waiting := false
	err := x.act(ctx, func(ctx context.Context, e *edit, r *Run) error {
		counts, err := e.v.CountItems(ctx, r.ID)
		if err != nil {
			return err
		}
		n := Count(counts)
		if waiting = n.Open > n.HandOver; n.Open > 0 {
			return nil // what waits for the archive goes on when it acknowledged
		}
		ended := Run{Ended: e.now.UTC().Truncate(time.Millisecond)}
		if err := e.enter(ctx, r, Entry{Act: actCompleted, Run: &ended}); err != nil {
			return err
		}
		return e.Enqueue(catalog.Job{Kind: JobCertify, Key: r.ID})
	})
	if err != nil || !waiting {
		return x.passed(err)
	}
	now := x.Officer.Now()
	if x.next.IsZero() || x.next.Before(now) {
		x.next = now.Add(time.Minute)
	}
	return &catalog.Later{Until: x.next, Reason: "records of disposal run " + x.id + " wait"}
}
