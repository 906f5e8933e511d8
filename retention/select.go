package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// page is how many records are listed in a run at a time: one object in the bucket.
const page = 1000

// patience is how long a request lists records itself; a job goes on then.
const patience = 5 * time.Second

// ProposeRun begins a disposal run over records that are due. Records named one by
// one that are not are listed as refused, each with the reason. catalog.ErrConflict where
// classes and a day select none. A run that many
// records fit into goes on listing them when this has returned.
func (o *Officer) ProposeRun(ctx context.Context, t *catalog.Tenant, title string, s Selection, actor string) (Run, error) {
	now := o.Now()
	if err := Validate(s); err != nil {
		return Run{}, err
	}
	if len(s.Records) == 0 && len(s.Classes) == 0 && s.DueBy.IsZero() {
		return Run{}, Invalid{fault("records", "required", "name records, classes, or the day by which records are due")}
	}
	r := Run{ID: preservation.NewID(now), Title: title, Selection: s, Collecting: true, Status: RunDraft, Proposer: actor, Proposed: now.UTC().Truncate(time.Millisecond)}
	r.Selection.Records = nil // each is an item
	if len(s.Records) > 0 && (len(s.Classes) > 0 || !s.DueBy.IsZero() || s.Limit > 0) {
		return r, Invalid{fault("records", "contradiction", "name records, or classes, a day and a limit, not both")}
	}
	policy, err := o.policy(ctx, t)
	if err != nil {
		return r, err
	}
	err = o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		if err := namesKnown(ctx, e.v, e.plan.schedule, s.Classes); err != nil {
			return err
		}
		if len(s.Records) == 0 {
			if err := s.anyDue(ctx, e.v, e.plan.schedule, preservation.DateOf(e.now.In(policy.zone()))); err != nil {
				return err
			}
		}
		created := r
		return e.enter(ctx, &created, Entry{Act: actCreated, Run: &r})
	})
	if err != nil {
		return r, err
	}
	if len(s.Records) == 0 {
		return o.collect(ctx, t, policy, r.ID, now.Add(patience))
	}
	ids := slices.Sorted(slices.Values(s.Records))
	for part := range slices.Chunk(ids, page) {
		last := part[len(part)-1] == ids[len(ids)-1]
		r, err = o.act(ctx, t, r.ID, actor, func(ctx context.Context, e *edit, r *Run) error {
			items, err := e.candidates(ctx, part, policy)
			if err != nil {
				return err
			}
			return e.enter(ctx, r, Entry{Act: actListed, Items: items, Through: string(part[len(part)-1]), More: !last})
		})
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

func namesKnown(ctx context.Context, v catalog.View, s *Schedule, codes []string) error {
	err := namesClasses(ctx, v, s, codes)
	var bad Invalid
	if errors.As(err, &bad) {
		for i := range bad {
			bad[i].Subject = fmt.Sprintf("classes[%d]", i)
		}
	}
	return err
}

// collect lists what fits the selection of a run, page by page, until an instant; the
// zero time: to the end.
func (o *Officer) collect(ctx context.Context, t *catalog.Tenant, policy LockPolicy, id string, until time.Time) (Run, error) {
	for {
		r, err := o.act(ctx, t, id, System, func(ctx context.Context, e *edit, r *Run) error {
			if !r.Collecting || !r.appraising() {
				return nil
			}
			f, err := r.Selection.due(e.plan.schedule)
			if err != nil {
				return err
			}
			rows, err := e.v.Retentions(ctx, f, preservation.RecordID(r.Collected), page)
			if err != nil {
				return err
			}
			ids := make([]preservation.RecordID, len(rows))
			for i, row := range rows {
				ids[i] = row.Record
			}
			items, err := e.candidates(ctx, ids, policy)
			if err != nil {
				return err
			}
			items, full, err := e.limited(ctx, r, items)
			if err != nil {
				return err
			}
			n := Entry{Act: actListed, Items: items, Through: r.Collected, More: len(rows) == page && !full}
			if len(ids) > 0 {
				n.Through = string(ids[len(ids)-1])
			}
			return e.enter(ctx, r, n)
		})
		if err != nil || !r.Collecting {
			return r, err
		}
		if !until.IsZero() && o.Now().After(until) {
			return r, t.Update(ctx, func(x *catalog.Tx) error { return x.Enqueue(r.job()) })
		}
	}
}

// due are the records that classes and a day select.
func (s Selection) due(plan *Schedule) (catalog.RetentionFilter, error) {
	f := catalog.RetentionFilter{Status: "live", States: []string{string(Due)}, DueBy: s.DueBy}
	for _, c := range s.Classes {
		f.Classes = append(f.Classes, c)
		f.Classes = append(f.Classes, plan.Below(c)...)
	}
	slices.Sort(f.Classes)
	if f.Classes = slices.Compact(f.Classes); len(f.Classes) > maxCodes {
		return f, Invalid{fault("classes", "too-many", fmt.Sprintf("they are %d with those below them, and at most %d can be chosen for one run", len(f.Classes), maxCodes))}
	}
	return f, nil
}

// anyDue refuses a selection that fits no record. What is due is looked up, not listed:
// of many records the first one is enough.
func (s Selection) anyDue(ctx context.Context, v catalog.View, plan *Schedule, today preservation.Date) error {
	f, err := s.due(plan)
	if err != nil {
		return err
	}
	rows, err := v.Retentions(ctx, f, "", 1)
	if err != nil || len(rows) > 0 {
		return err
	}
	of := ""
	if len(s.Classes) > 0 {
		of = " of " + strings.Join(s.Classes[:min(len(s.Classes), 10)], ", ")
	}
	return Invalid{fault("due_by", "nothing-due", fmt.Sprintf("nothing%s is due by %s: there is no run without records", of, cmp.Or(s.DueBy, today)))}
}

// limited cuts what is listed where the run has as many open records as it may have,
// and reports whether it has.
func (e *edit) limited(ctx context.Context, r *Run, items []catalog.RunItem) ([]catalog.RunItem, bool, error) {
	if r.Selection.Limit == 0 {
		return items, false, nil
	}
	counts, err := e.v.CountItems(ctx, r.ID)
	if err != nil {
		return nil, false, err
	}
	open := Count(counts).Open
	for i := range items {
		if items[i].State == catalog.ItemOpen {
			open++
		}
		if open == int64(r.Selection.Limit) {
			return items[:i+1], true, nil
		}
	}
	return items, false, nil
}

// candidates says of each record whether it can be in a run, and with what proposal.
func (e *edit) candidates(ctx context.Context, ids []preservation.RecordID, policy LockPolicy) ([]catalog.RunItem, error) {
	rows := make(map[preservation.RecordID]catalog.Retention, len(ids))
	known := make(map[preservation.RecordID]*Facts, len(ids))
	for part := range slices.Chunk(ids, batch) {
		found, err := e.v.Retentions(ctx, catalog.RetentionFilter{IDs: part}, "", len(part))
		if err != nil {
			return nil, err
		}
		all, err := gather(ctx, e.v, found)
		if err != nil {
			return nil, err
		}
		for i, r := range found {
			rows[r.Record], known[r.Record] = r, all[i]
		}
	}
	taken, err := e.v.OpenItems(ctx, ids...)
	if err != nil {
		return nil, err
	}
	today := preservation.DateOf(e.now.In(policy.zone()))
	items := make([]catalog.RunItem, len(ids))
	for n, id := range ids {
		i := catalog.RunItem{Record: id, State: catalog.ItemRefused}
		row, ok := rows[id]
		if !ok {
			i.Reason = "there is no such record"
			items[n] = i
			continue
		}
		ev := Evaluate(e.plan.schedule, *known[id], e.plan.holds, e.now, policy.zone())
		i.Version, i.Class, i.Opened, i.Closed, i.Ended = row.Version, row.Class, row.Opened, row.Closed, ev.End
		i.Proposed, i.Depth = string(ev.Disposition), depthOf(known[id])
		if ev.Rule.ID != "" {
			i.Rule = ev.Rule.String()
		}
		other, open := taken[id]
		switch {
		case row.Status != "live":
			i.Reason = "its destruction has begun"
		case ev.State != Due:
			i.Reason = notDue(&ev)
		case open:
			i.Reason = "it is in the disposal run " + other.Run
		default:
			i.State = catalog.ItemOpen
			rule, _ := e.plan.schedule.Rule(ev.Rule)
			_, permitted := e.plan.permit(&ev, today)
			i.Offer = !rule.NoOffer && !permitted
			for _, why := range ev.Reasons {
				if why.Code == Sampled {
					i.Sampled = sampledBy(why.Subject)
				}
			}
		}
		items[n] = i
	}
	return items, nil
}

// notDue says why a record is not due.
func notDue(e *Evaluation) string {
	if e.State == Retained && e.Kept.Run != "" {
		return fmt.Sprintf("it is kept until %s as decided in the disposal run %s", e.Kept.Until, e.Kept.Run)
	}
	if e.State == Retained && !e.End.IsZero() {
		return "its retention ends on " + e.End.String()
	}
	return e.notDue()
}

// depthOf is how deep a record lies within its file.
func depthOf(f *Facts) (n int) {
	for ; f.File != nil && n < maxNesting; f = f.File {
		n++
	}
	return n
}
