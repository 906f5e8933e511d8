package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Vault is a bucket from which objects can be destroyed.
type Vault interface {
	preservation.Store
	preservation.Purger
}

// Disposer is the one gateway through which records are destroyed, whoever
// asks for it. It is the only user of preservation.Purger.
//
// It acts alone on records that are due under disposition V and covered by a
// standing permit that a second person approved, and on those of disposal runs that
// a second person approved; on nothing else. Each record is evaluated anew in the
// transaction that begins its destruction and again in the one before the first
// byte goes, so that a hold, a rule, a revoked permit or a stopped run that came
// meanwhile stops it.
//
// The order is: decision in the catalog, intent in the bucket, packages purged
// and read back, everything else of the record purged, tombstone in the bucket,
// tombstone in the catalog. After a crash anywhere the next run goes on where
// the bucket and the catalog say it stopped.
type Disposer struct {
	Officer *Officer
	// Vault opens the bucket of a tenant.
	Vault func(ctx context.Context, t *catalog.Tenant) (Vault, error)
	// Elsewhere removes what is left of a record outside the bucket and the
	// catalog: staging, index, caches. Each is called while the catalog still
	// knows the record, maybe repeatedly, and returns when nothing is left.
	Elsewhere []func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error
	// Leaves returns the evidence leaf of each version that has one, in hex, for the
	// tombstone.
	Leaves func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) ([]string, error)

	// Clock says why the clock is not good enough to destroy by. Nil: it is.
	Clock func(ctx context.Context) error
	// Packaged returns a version of a record as its package holds it, which its row
	// in the catalog must agree with. Nil: not compared.
	Packaged func(ctx context.Context, s preservation.Store, id preservation.RecordID, version int) (preservation.Record, error)

	// A run over more than Floor records that are more than Share of the
	// holding, or a disposal run over more than Jump times as many as the largest of
	// the last ones, stops itself and asks. 0 means 100 records, a tenth, and 10.
	Floor int
	Share float64
	Jump  float64
	// Gap is how long the archive may have slept before a person has to
	// confirm that the clock is right. 0 means 45 days.
	Gap time.Duration

	// Boundary is called between two steps, in tests, of several records at a time: its
	// error is what a crash would be.
	Boundary func(name string) error
}

// Refusal says why a record is not destroyed. Nothing of it was purged, unless
// the reason says so.
type Refusal struct {
	Record preservation.RecordID
	Reason string
}

func (r *Refusal) Error() string { return "record " + string(r.Record) + " is kept: " + r.Reason }

// DisposeDue is the handler of the job "dispose": it goes on with the
// destructions under way and then begins those that standing permits allow.
// Every other record that is due stays due and is listed as such. While
// destructions wait for a lock to run out it asks to be called again then.
func (d *Disposer) DisposeDue(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
	if err := d.checkClock(ctx, t); err != nil {
		return d.stop(ctx, t, err)
	}
	if err := d.checkPlan(ctx, t); err != nil {
		return d.stop(ctx, t, err)
	}
	next, err := d.resume(ctx, t)
	failed := []error{err}
	if j.Key != keyReconsider {
		failed = append(failed, d.replay(ctx, t), d.wakeRuns(ctx, t), d.forgetRequests(ctx, t))
		due, err := d.candidates(ctx, t)
		if err != nil {
			return err
		}
		if err := d.checkBatch(ctx, t, len(due)); err != nil {
			return errors.Join(append(failed, d.stop(ctx, t, err))...)
		}
		waiting, err := d.disposeAll(ctx, t, due, nil)
		if !waiting.IsZero() {
			next = earlier(next, waiting)
		}
		failed = append(failed, err)
	}
	if err := errors.Join(append(failed, t.DB().Truncate(ctx))...); err != nil {
		return err
	}
	if j.Key == keyReconsider || next.IsZero() {
		return nil
	}
	return &catalog.Later{Until: next, Reason: "destructions wait for locks"}
}

// disposeAll destroys records, several at a time. It returns when those that wait for a
// lock want to be tried again, and tells of those that are refused.
func (d *Disposer) disposeAll(ctx context.Context, t *catalog.Tenant, due []preservation.RecordID, told func(*Refusal)) (next time.Time, err error) {
	var failed []error
	destroyed := 0
	settle := func(id preservation.RecordID, err error) {
		var later *catalog.Later
		if errors.As(err, &later) {
			next = earlier(next, later.Until)
		}
		var refused *Refusal
		if errors.As(err, &refused) && told != nil {
			told(refused)
		}
		switch {
		case err == nil:
			destroyed++
		case notNow(err):
			d.Officer.Log.InfoContext(ctx, "not destroyed now", "tenant", string(t.ID()), "record", string(id), "reason", err.Error())
		default:
			failed = append(failed, err)
		}
	}
	// All are decided before the first is destroyed: the index then lets go of
	// all of them at once. What waits for its parts to be gone comes last.
	works := make([]catalog.Disposal, len(due))
	errs := make([]error, len(due))
	abreast(ctx, len(due), func(i int) { works[i], errs[i] = d.begin(ctx, t, due[i]) })
	if err := ctx.Err(); err != nil {
		return next, err
	}
	var begun []catalog.Disposal
	var rest []preservation.RecordID
	for i, err := range errs {
		switch {
		case err == nil:
			begun = append(begun, works[i])
		case notNow(err):
			rest = append(rest, due[i])
		default:
			failed = append(failed, err)
		}
	}
	errs = errs[:len(begun)]
	abreast(ctx, len(begun), func(i int) { errs[i] = d.advance(ctx, t, begun[i]) })
	if err := ctx.Err(); err != nil {
		return next, err
	}
	for i, w := range begun {
		settle(w.Record, errs[i])
	}
	for _, id := range rest {
		if err := ctx.Err(); err != nil {
			return next, err
		}
		settle(id, d.Dispose(ctx, t, id))
	}
	if destroyed > 0 {
		d.Officer.Log.InfoContext(ctx, "records destroyed", "tenant", string(t.ID()), "records", destroyed)
	}
	return next, errors.Join(failed...)
}

// resume goes on with destructions whose time has come, and calls off those
// that wait for a lock while something forbids them by now. It returns when the
// next one wants to be tried; the zero time when none is open.
func (d *Disposer) resume(ctx context.Context, t *catalog.Tenant) (next time.Time, err error) {
	var failed []error
	var after preservation.RecordID
	for {
		open, err := t.View().Disposals(ctx, time.Time{}, after, batch)
		if err != nil {
			return next, err
		}
		for _, w := range open {
			after = w.Record
			if err := ctx.Err(); err != nil {
				return next, err
			}
			if w.Try.After(d.Officer.Now()) {
				if forbidden, err := d.forbidden(ctx, t, w); err != nil || !forbidden {
					failed = append(failed, err)
					next = earlier(next, w.Try)
					continue
				}
			}
			err := d.advance(ctx, t, w)
			var later *catalog.Later
			if errors.As(err, &later) {
				next = earlier(next, later.Until)
			}
			if notNow(err) {
				d.Officer.Log.InfoContext(ctx, "not destroyed now", "tenant", string(t.ID()), "record", string(w.Record), "reason", err.Error())
			} else {
				failed = append(failed, err)
			}
		}
		if len(open) < batch {
			return next, errors.Join(failed...)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// forbidden reports whether a destruction that waits must not happen any more.
func (d *Disposer) forbidden(ctx context.Context, t *catalog.Tenant, w catalog.Disposal) (bool, error) {
	if w.Phase != intended {
		return false, nil
	}
	policy, err := d.Officer.policy(ctx, t)
	if err != nil {
		return false, err
	}
	p, err := d.Officer.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return false, err
	}
	_, reason, err := reconsider(ctx, t.View(), p, policy, d.Officer.Now(), w)
	return reason != "", err
}

// candidates lists the records that a standing permit allows to be destroyed,
// parts before their files.
func (d *Disposer) candidates(ctx context.Context, t *catalog.Tenant) ([]preservation.RecordID, error) {
	o := d.Officer
	policy, err := o.policy(ctx, t)
	if err != nil {
		return nil, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	now := o.Now()
	today := preservation.DateOf(now.In(policy.zone()))
	var codes []string
	for i := range p.permits {
		if p.permits[i].InForce(today) {
			for _, c := range p.permits[i].Classes {
				codes = append(codes, p.schedule.Below(c)...)
			}
		}
	}
	if len(codes) == 0 {
		return nil, nil
	}
	if len(codes) > maxCodes {
		codes = nil // more than a statement takes: the permits are asked for each record anyway
	}
	filter := catalog.RetentionFilter{Status: "live", States: []string{string(Due)}, Classes: codes, DueBy: today}
	levels := make([][]preservation.RecordID, maxNesting+1) // by depth within the file
	files := make(map[preservation.RecordID]bool)           // by its top record: all of it may go
	var after preservation.RecordID
	for {
		rows, err := t.View().Retentions(ctx, filter, after, batch)
		if err != nil {
			return nil, fmt.Errorf("find due records: %w", err)
		}
		facts, err := gather(ctx, t.View(), rows)
		if err != nil {
			return nil, fmt.Errorf("find due records: %w", err)
		}
		for i, r := range rows {
			after = r.Record
			e := Evaluate(p.schedule, *facts[i], p.holds, now, policy.zone())
			if _, ok := p.permit(&e, today); !ok {
				continue
			}
			depth, top := 0, facts[i]
			for ; top.File != nil && depth < maxNesting; top = top.File {
				depth++
			}
			whole, known := files[top.ID]
			if !known {
				if whole, err = d.wholeFile(ctx, t, p, policy, top.ID, &Run{}); err != nil {
					return nil, fmt.Errorf("find due records: %w", err)
				}
				files[top.ID] = whole
			}
			if whole {
				levels[depth] = append(levels[depth], r.Record)
			}
		}
		if len(rows) < batch {
			break
		}
	}
	var all []preservation.RecordID
	for depth := maxNesting; depth >= 0; depth-- {
		all = append(all, levels[depth]...)
	}
	return all, nil
}

// wholeFile reports whether every part of a file may be destroyed, by a run or by
// standing permits: a part never goes before its file may. It looks at a page of parts
// at a time, however many there are.
func (d *Disposer) wholeFile(ctx context.Context, t *catalog.Tenant, p *plan, policy LockPolicy, top preservation.RecordID, run *Run) (bool, error) {
	v, now := t.View(), d.Officer.Now()
	today := preservation.DateOf(now.In(policy.zone()))
	may := func(ids []preservation.RecordID) (bool, error) {
		rows, err := v.Retentions(ctx, catalog.RetentionFilter{Status: "live", IDs: ids}, "", len(ids))
		if err != nil {
			return false, err
		}
		facts, err := gather(ctx, v, rows)
		if err != nil {
			return false, err
		}
		items, err := v.OpenItems(ctx, ids...)
		if err != nil {
			return false, err
		}
		for i, f := range facts {
			e := Evaluate(p.schedule, *f, p.holds, now, policy.zone())
			if item, inRun := items[f.ID]; inRun {
				if item.Run != run.ID || e.State != Due || run.objection(&item, &rows[i], &e, now, today) != "" {
					return false, nil
				}
			} else if _, ok := p.permit(&e, today); !ok {
				return false, nil
			}
		}
		return true, nil
	}
	var all func(ids []preservation.RecordID, level int) (bool, error)
	all = func(ids []preservation.RecordID, level int) (bool, error) {
		if level > maxNesting {
			return false, nil // nested too deeply: its evaluation is unresolved anyway
		}
		if ok, err := may(ids); err != nil || !ok {
			return false, err
		}
		return eachPage(ctx, v, ids, func(parts []preservation.RecordID) (bool, error) { return all(parts, level+1) })
	}
	return all([]preservation.RecordID{top}, 0)
}

// eachPage calls fn with the parts of some records, page by page, as long as it returns
// true, and reports whether it always did.
func eachPage(ctx context.Context, v catalog.View, files []preservation.RecordID, fn func(parts []preservation.RecordID) (bool, error)) (bool, error) {
	var last catalog.Part
	for {
		page, err := v.Within(ctx, files, last, batch)
		if err != nil || len(page) == 0 {
			return err == nil, err
		}
		last = page[len(page)-1]
		parts := make([]preservation.RecordID, len(page))
		for i, p := range page {
			parts[i] = p.Record
		}
		if ok, err := fn(parts); err != nil || !ok {
			return false, err
		}
	}
}
