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

// maxNesting is how many levels a record may lie within its file: more, or a
// circle, and the facts count as unknown.
const maxNesting = 8

// Evaluate says where a record stands now. It reads the plan in force and the
// events reported so far; the stored evaluation may be a night older.
// catalog.ErrNotFound when there is no such record.
func (o *Officer) Evaluate(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) (Evaluation, error) {
	return o.evaluateAt(ctx, t, id, o.Now())
}

// EvaluateAt says what the catalog had to say of a record at an instant by what
// is known now: a verification compares it with what it does say.
func (o *Officer) EvaluateAt(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, at time.Time) (catalog.Evaluation, error) {
	e, err := o.evaluateAt(ctx, t, id, at)
	if err != nil {
		return catalog.Evaluation{}, err
	}
	return stored(&e, at)
}

func (o *Officer) evaluateAt(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, at time.Time) (Evaluation, error) {
	r, err := t.View().Retention(ctx, id)
	if err != nil {
		return Evaluation{}, err
	}
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Evaluation{}, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Evaluation{}, err
	}
	facts, err := gather(ctx, t.View(), []catalog.Retention{r})
	if err != nil {
		return Evaluation{}, err
	}
	return Evaluate(p.schedule, *facts[0], p.holds, at, policy.zone()), nil
}

// Lock says how the objects of a new record, or of a new version of one, are
// to be locked.
func (o *Officer) Lock(ctx context.Context, t *catalog.Tenant, r preservation.Record) (preservation.Lock, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return preservation.Lock{}, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return preservation.Lock{}, err
	}
	facts, err := gather(ctx, t.View(), []catalog.Retention{{
		Record: r.ID, Class: r.Class, Parent: r.Parent, Opened: r.Opened, Closed: r.Closed, Subjects: r.Subjects,
	}})
	if err != nil {
		return preservation.Lock{}, err
	}
	now := o.Now()
	return LockUntil(Evaluate(p.schedule, *facts[0], p.holds, now, policy.zone()), now, policy), nil
}

// ProofLock is the lock of what is not a record and is kept for good: audit
// segments, reports, configuration, remains of destroyed records. ExtendLocks
// extends it, in passes that come three times as often as it ends.
func (o *Officer) ProofLock(ctx context.Context, t *catalog.Tenant) (preservation.Lock, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return preservation.Lock{}, err
	}
	return policy.proof(o.Now()), nil
}

// gather collects the facts of records: their triggers and the files that they
// belong to, and what runs decided to keep longer. The facts are in the order of the rows.
func gather(ctx context.Context, v catalog.View, rows []catalog.Retention) ([]*Facts, error) {
	known := make(map[preservation.RecordID]*Facts, len(rows))
	all := make([]*Facts, len(rows))
	for i := range rows {
		all[i] = facts(&rows[i])
		known[rows[i].Record] = all[i]
	}
	level := all
	for range maxNesting {
		ids := make([]preservation.RecordID, len(level))
		var parents []preservation.RecordID
		wanted := make(map[preservation.RecordID]bool)
		for i, f := range level {
			ids[i] = f.ID
			if p := f.Parent; p != "" && known[p] == nil && !wanted[p] {
				wanted[p] = true
				parents = append(parents, p)
			}
		}
		triggers, err := v.Triggers(ctx, ids...)
		if err != nil {
			return nil, fmt.Errorf("gather facts: %w", err)
		}
		kept, err := v.KeptLonger(ctx, ids...)
		if err != nil {
			return nil, fmt.Errorf("gather facts: %w", err)
		}
		for _, f := range level {
			f.Kept = kept[f.ID]
			for _, g := range triggers[f.ID] {
				f.Triggers = append(f.Triggers, trigger(g))
			}
		}
		if len(parents) == 0 {
			break
		}
		above, err := v.Retentions(ctx, catalog.RetentionFilter{IDs: parents}, "", len(parents))
		if err != nil {
			return nil, fmt.Errorf("gather facts: %w", err)
		}
		level = nil
		for i := range above {
			f := facts(&above[i])
			known[f.ID] = f
			level = append(level, f)
		}
		if len(level) == 0 {
			break
		}
	}
	for _, f := range known {
		f.File = known[f.Parent]
	}
	var tooDeep []*Facts
	for _, f := range known {
		depth := 0
		for at := f; at != nil && depth <= maxNesting; at = at.File {
			depth++
		}
		if depth > maxNesting {
			tooDeep = append(tooDeep, f)
		}
	}
	for _, f := range tooDeep {
		f.File = nil
	}
	return all, nil
}

func facts(r *catalog.Retention) *Facts {
	return &Facts{ID: r.Record, Class: r.Class, Opened: r.Opened, Closed: r.Closed, Subjects: r.Subjects, Parent: r.Parent}
}

func trigger(g catalog.Trigger) Trigger {
	return Trigger{ID: g.ID, Type: g.Type, Date: g.Date, Withdrawn: g.Date.IsZero(), Custodian: g.Name, Recorded: g.At, Actor: g.Actor}
}

// stored is the catalog's form of an evaluation.
func stored(e *Evaluation, now time.Time) (catalog.Evaluation, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return catalog.Evaluation{}, err
	}
	s := catalog.Evaluation{
		State: string(e.State), Trigger: e.Trigger, Disposition: string(e.Disposition), Start: e.Start, End: e.End, Due: e.DueFrom, Next: e.Next(), Body: body, Evaluated: now,
	}
	if e.Rule.ID != "" {
		s.Rule = e.Rule.String()
	}
	return s, nil
}

// AddTrigger reports an event that starts or corrects a record's period. It is
// stored in the bucket before the catalog knows of it, so that a rebuild finds
// it. A type that no rule knows and a day that cannot be meant are refused (Invalid);
// catalog.ErrConflict once the record is being destroyed.
func (o *Officer) AddTrigger(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, g Trigger, actor string) (Trigger, error) {
	g.Custodian = ""
	if err := Validate(g); err != nil {
		return g, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return g, err
	}
	if err := p.namesTrigger(g.Type); err != nil {
		return g, err
	}
	today, err := o.Today(ctx, t)
	if err != nil {
		return g, err
	}
	if bad := g.believable(today); !g.Withdrawn && len(bad) > 0 {
		return g, Invalid(bad)
	}
	return o.report(ctx, t, id, g, actor)
}

// report stores a trigger.
func (o *Officer) report(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, g Trigger, actor string) (Trigger, error) {
	now := o.Now().UTC().Truncate(time.Millisecond)
	g.ID, g.Recorded, g.Actor = preservation.NewID(now), now, actor
	if g.Withdrawn {
		g.Date = preservation.Date{}
	}
	r, err := living(ctx, t.View(), id)
	if err != nil {
		return g, err
	}
	body, err := json.Marshal(g)
	if err != nil {
		return g, err
	}
	event := preservation.Event{ID: g.ID, Type: preservation.EventRetention, At: now, Outcome: preservation.Success, Detail: "trigger " + g.Type, Agent: agent}
	_, row, err := o.keep(ctx, t, r, preservation.EventObject{Record: id, Event: event, Body: body})
	if err != nil {
		return g, err
	}
	return g, o.change(ctx, t, actor, func(ctx context.Context, x *edit) error {
		if _, err := living(ctx, x.v, id); err != nil {
			return err
		}
		return errors.Join(
			x.Tx.AddTrigger(catalog.Trigger{ID: g.ID, Record: id, Type: g.Type, Name: g.Custodian, Date: g.Date, At: now, Actor: actor, Key: row.Key}),
			x.AddObject(id, row),
			x.AddEvents(id, event),
			x.Audit(catalog.AuditEntry{Actor: actor, Action: "record.trigger", Object: string(id), Detail: map[string]string{"type": g.Type}}),
		)
	})
}
