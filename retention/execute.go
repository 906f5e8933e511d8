package retention

import (
	"bytes"
	"context"
	"encoding/json"
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

// ready refuses (Stopped) to begin by a clock, a plan or a list that is not what it
// has to be, and with a number of records that is unusual.
func (x *execution) ready(ctx context.Context, r Run) error {
	if err := x.checkClock(ctx, x.t); err != nil {
		return err
	}
	if err := x.Officer.Configure(ctx, x.t, catalog.Job{}); err != nil { // the order itself may not be in the bucket yet
		return err
	}
	if err := x.checkPlan(ctx, x.t); err != nil {
		return err
	}
	if err := x.checkRun(ctx, x.t, &r); err != nil {
		return err
	}
	if !r.Execution.Begun.IsZero() {
		return nil
	}
	n, err := x.checkNumber(ctx, &r)
	if err != nil {
		return err
	}
	return x.act(ctx, func(ctx context.Context, e *edit, r *Run) error {
		begun := r.Execution
		begun.Begun = e.now.UTC().Truncate(time.Millisecond)
		return e.enter(ctx, r, Entry{Act: actBegun, Execution: &begun, Note: fmt.Sprintf("%d records to be destroyed", n)})
	})
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

// checkRun refuses to act on a run that is not what stands in the bucket, and on a list
// that is not the one that was approved.
func (d *Disposer) checkRun(ctx context.Context, t *catalog.Tenant, r *Run) error {
	v, err := d.Vault(ctx, t)
	if err != nil {
		return err
	}
	var told Run
	for {
		docs, err := t.View().Versions(ctx, KindRun, r.ID, told.Revision, 20)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			same, err := d.attested(ctx, t, v, doc)
			if err != nil {
				return fmt.Errorf("compare disposal run %s with the bucket: %w", r.ID, err)
			}
			if !same {
				return &Stopped{Reason: fmt.Sprintf("its revision %d is not in the catalog as it stands in the bucket (%s): stop the service and run bestand check", doc.Version, doc.Key)}
			}
			n, err := entryOf(doc)
			if err != nil {
				return err
			}
			if err := told.replay(unlisted{}, &n, doc); err != nil {
				return err
			}
		}
		if len(docs) == 0 {
			break
		}
	}
	have, err := json.Marshal(r)
	if err != nil {
		return err
	}
	want, err := json.Marshal(told)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return &Stopped{Reason: "the catalog says something else of it than its revisions do: stop the service and run bestand check"}
	}
	digest, _, err := listDigest(ctx, t.View(), r.ID)
	if err != nil {
		return err
	}
	if digest != r.Approval.Digest {
		return &Stopped{Void: true, Reason: "the list is not the one that was approved"}
	}
	return nil
}

// checkNumber refuses to destroy unusually many records, unless a person said that
// they are right.
func (x *execution) checkNumber(ctx context.Context, r *Run) (int, error) {
	counts, err := x.t.View().CountItems(ctx, r.ID)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, c := range counts {
		if c.State == catalog.ItemOpen && (c.Decision == string(Destroy) || c.OwnCopy == copyDestroy) {
			n += int(c.Items)
		}
	}
	if int64(n) <= r.Execution.Allow {
		return n, nil
	}
	s, err := x.unusual(ctx, x.t, n)
	if err == nil && s == nil {
		s, err = x.leap(ctx, n)
	}
	if err == nil && s != nil {
		err = s
	}
	return n, err
}

// leap says why a run is much larger than the last ones, or nothing.
func (x *execution) leap(ctx context.Context, n int) (*Stopped, error) {
	jump, floor := x.Jump, x.Floor
	if jump == 0 {
		jump = 10
	}
	if floor == 0 {
		floor = 100
	}
	runs, err := x.Officer.Runs(ctx, x.t, "", 20)
	if err != nil || n <= floor {
		return nil, err
	}
	largest, known := int64(0), 0
	for _, r := range runs {
		if r.Status == RunCompleted {
			largest, known = max(largest, r.Approval.Destroy), known+1
		}
	}
	if known < 3 || float64(n) <= jump*float64(largest) {
		return nil, nil
	}
	holding, err := x.t.View().CountRetentions(ctx, catalog.RetentionFilter{})
	return &Stopped{Reason: fmt.Sprintf("%d records in one run are more than %g times as many as in the last %d runs, of which the largest had %d", n, jump, known, largest),
		Records: n, Holding: holding}, err
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
	kept := make([]catalog.RunItem, len(items))
	for n, i := range items {
		kept[n] = left(i.Record, fmt.Sprintf("kept until %s: %s", i.Until, i.Note))
	}
	return x.leave(ctx, kept)
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
	run, err := readRun(ctx, x.t.View(), x.id)
	if err != nil {
		return err
	}
	p, err := x.Officer.plans.at(ctx, x.t.View(), x.t.ID())
	if err != nil {
		return err
	}
	ids := make([]preservation.RecordID, len(items))
	for n, i := range items {
		ids[n] = i.Record
	}
	rows, err := x.t.View().Retentions(ctx, catalog.RetentionFilter{IDs: ids}, "", len(ids))
	if err != nil {
		return err
	}
	facts, err := gather(ctx, x.t.View(), rows)
	if err != nil {
		return err
	}
	var due []preservation.RecordID
	var kept []catalog.RunItem
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
				return err
			}
			files[top.ID] = whole
		}
		going, err := x.partsGoing(ctx, row.Record)
		if err != nil {
			return err
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
	final := kept[:0]
	for _, i := range kept {
		switch _, err := x.t.View().Disposal(ctx, i.Record); {
		case errors.Is(err, catalog.ErrNotFound):
			final = append(final, i)
		case err != nil:
			return err
		default: // bytes of it are gone: a person has to see to what forbids the rest
			x.next = earlier(x.next, x.Officer.Now().Add(time.Hour))
		}
	}
	return x.leave(ctx, final)
}

// partsGoing reports whether all that still belongs to a record is on its way out, so
// that it has to wait.
func (x *execution) partsGoing(ctx context.Context, id preservation.RecordID) (bool, error) {
	v := x.t.View()
	parts, err := v.Children(ctx, id)
	if err != nil {
		return false, err
	}
	for ids := range slices.Chunk(parts, batch) {
		items, err := v.OpenItems(ctx, ids...)
		if err != nil {
			return false, err
		}
		rows, err := v.Retentions(ctx, catalog.RetentionFilter{Status: "live", IDs: ids}, "", len(ids))
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			if items[row.Record].Run != x.id {
				return false, nil // it is kept
			}
		}
	}
	return len(parts) > 0, nil
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
