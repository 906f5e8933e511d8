package retention

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Kinds of the jobs of this package. A schedule enqueues them with the key
// "scheduled"; "evaluate" also comes with the key "stale" whenever something
// changed on which evaluations depend.
const (
	JobEvaluate  = "evaluate"
	JobLocks     = "extend-locks"
	JobDispose   = "dispose"
	JobRun       = "dispose-run" // its key is the run
	JobConfigure = "configure"

	keyStale      = "stale"
	keyReconsider = "reconsider" // of "dispose": look at destructions under way only
)

// dayName is the cursor of the last day on which time itself was looked at:
// the day and the version of the evaluation's code.
const dayName = "retention.day"

// evaluationVersion rises when Evaluate gives other results than before.
const evaluationVersion = "3"

// EvaluateDue is the handler of the job "evaluate". The scheduled one marks the
// records that the passing of time may have changed; the other evaluates what
// is marked, page by page, and sets or releases legal holds in the store. Its
// progress is the mark itself: it goes on where it was interrupted.
func (o *Officer) EvaluateDue(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
	if j.Key != keyStale {
		return o.markDue(ctx, t)
	}
	policy, err := o.policy(ctx, t)
	if err != nil {
		return err
	}
	var after preservation.RecordID
	var failed []error
	for {
		page, err := o.evaluatePage(ctx, t, policy, after)
		if err != nil {
			return err
		}
		failed = append(failed, o.applyHolds(ctx, t, policy, page.hold)) // the others come first
		if err := ctx.Err(); err != nil {
			return err
		}
		if after = page.last; after == "" {
			return errors.Join(failed...)
		}
	}
}

// markDue marks what a new day changes, and everything when a version of a rule
// begins or ends.
func (o *Officer) markDue(ctx context.Context, t *catalog.Tenant) error {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return err
	}
	today := preservation.DateOf(o.Now().In(policy.zone()))
	return o.change(ctx, t, System, func(ctx context.Context, e *edit) error {
		last, err := e.v.Cursor(ctx, dayName)
		if err != nil {
			return err
		}
		f := catalog.RetentionFilter{NextBy: today}
		if e.plan.changed(last, today) {
			f = catalog.RetentionFilter{}
		}
		if err := e.MarkStale(f); err != nil {
			return err
		}
		if stamp, err := e.v.Cursor(ctx, stampName); err != nil {
			return err
		} else if stamp == "" { // rebuilt from the bucket: from now on the plan can be kept in memory
			if err := e.SetCursor(stampName, preservation.NewID(e.now)); err != nil {
				return err
			}
		}
		return e.SetCursor(dayName, today.String()+" "+evaluationVersion)
	})
}

// changed reports whether rules in force may differ between two days, or the
// way of evaluating them.
func (p *plan) changed(last string, today preservation.Date) bool {
	var day, version string
	if n, _ := fmt.Sscan(last, &day, &version); n != 2 || version != evaluationVersion {
		return true
	}
	from, err := preservation.ParseDate(day)
	if err != nil || today.Before(from) {
		return true
	}
	between := func(d preservation.Date) bool { return from.Before(d) && !today.Before(d) }
	for _, r := range p.rules {
		if between(r.ValidFrom) || !r.ValidTo.IsZero() && between(r.ValidTo.AddDays(1)) {
			return true
		}
	}
	return false
}

// evaluated is one page of stale records.
type evaluated struct {
	last preservation.RecordID   // empty behind the last page
	hold []preservation.RecordID // their legal holds in the store have to be looked at first
}

func (o *Officer) evaluatePage(ctx context.Context, t *catalog.Tenant, policy LockPolicy, after preservation.RecordID) (evaluated, error) {
	var page evaluated
	err := o.change(ctx, t, System, func(ctx context.Context, e *edit) error {
		page = evaluated{}
		rows, err := e.v.Retentions(ctx, catalog.RetentionFilter{Stale: true}, after, batch)
		if err != nil || len(rows) == 0 {
			return err
		}
		page.last = rows[len(rows)-1].Record
		facts, err := gather(ctx, e.v, rows)
		if err != nil {
			return err
		}
		for i := range rows {
			ev := Evaluate(e.plan.schedule, *facts[i], e.plan.holds, e.now, policy.zone())
			if ev.State == Held || rows[i].Last.State == string(Held) {
				page.hold = append(page.hold, rows[i].Record)
			} else if err := e.store(ctx, &rows[i], &ev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return page, fmt.Errorf("evaluate: %w", err)
	}
	return page, nil
}

// store writes an evaluation and has the parts of a file follow it.
func (e *edit) store(ctx context.Context, r *catalog.Retention, ev *Evaluation) error {
	s, err := stored(ev, e.now)
	if err != nil {
		return err
	}
	if err := e.SetEvaluation(r.Record, s); err != nil {
		return err
	}
	if r.Last.State == "" || bytes.Equal(r.Last.Body, s.Body) {
		return nil
	}
	return e.MarkStale(catalog.RetentionFilter{Parent: r.Record})
}
