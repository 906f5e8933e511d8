package retention

import (
	"context"
	"fmt"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// JobReview is the job that reminds of holds whose day of review has come.
const JobReview = "review-holds"

// reviewName is the cursor of the last day on which holds were looked at.
const reviewName = "holds.reviewed"

// ReviewHolds is the handler of the job "review-holds": of each hold that stands
// and whose review is over since the last run it tells the audit log, once.
// HoldReport goes on listing it.
func (o *Officer) ReviewHolds(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return err
	}
	return o.change(ctx, t, System, func(ctx context.Context, e *edit) error {
		today := preservation.DateOf(e.now.In(policy.zone()))
		text, err := e.v.Cursor(ctx, reviewName)
		if err != nil {
			return err
		}
		last, err := preservation.ParseDate(text)
		if err != nil { // the first run
			last = preservation.Date{}
		}
		for _, h := range e.plan.held {
			told := h.Review.Before(last) && preservation.DateOf(h.Set.In(policy.zone())).Before(last)
			if told || !h.Active(e.now) || !h.Review.Before(today) {
				continue
			}
			o.Log.WarnContext(ctx, "hold wants a review", "tenant", string(t.ID()), "hold", h.ID, "review", h.Review.String())
			if err := e.Audit(catalog.AuditEntry{Actor: System, Action: "hold.review", Object: h.ID, Detail: map[string]string{"review": h.Review.String()}}); err != nil {
				return err
			}
		}
		return e.SetCursor(reviewName, today.String())
	})
}

// PastReview counts the holds that stand although the day of their review is over.
func (o *Officer) PastReview(ctx context.Context, t *catalog.Tenant) (n int, err error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return 0, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return 0, err
	}
	now := o.Now()
	today := preservation.DateOf(now.In(policy.zone()))
	for i := range p.held {
		if h := &p.held[i]; h.Active(now) && h.Review.Before(today) {
			n++
		}
	}
	return n, nil
}

// Hold returns a hold, how far it is applied, and what has become of the records that it
// came late for. catalog.ErrNotFound when there is none.
func (o *Officer) Hold(ctx context.Context, t *catalog.Tenant, id string) (Hold, Progress, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Hold{}, Progress{}, err
	}
	i := slices.IndexFunc(p.held, func(h Hold) bool { return h.ID == id })
	if i < 0 {
		return Hold{}, Progress{}, fmt.Errorf("hold %s: %w", id, catalog.ErrNotFound)
	}
	h := p.held[i]
	done, err := p.progress(ctx, t.View(), &h)
	if err == nil {
		h.Late, err = o.fates(ctx, t, h.Late)
	}
	return h, done, err
}

// HoldsOver lists the holds in whose scope a record is, those included that were released.
// catalog.ErrNotFound when there is no such record.
func (o *Officer) HoldsOver(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) ([]Hold, error) {
	r, err := t.View().Retention(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	facts, err := gather(ctx, t.View(), []catalog.Retention{r})
	if err != nil {
		return nil, err
	}
	over := p.holds.which(p.schedule, facts[0], func(*Hold) bool { return true })
	return slices.DeleteFunc(slices.Clone(p.held), func(h Hold) bool { return !slices.Contains(over, h.ID) }), nil
}

// progress counts the records in the scope of a hold and those whose legal holds
// are set.
func (p *plan) progress(ctx context.Context, v catalog.View, h *Hold) (Progress, error) {
	var filters []catalog.RetentionFilter
	if h.Scope.All {
		filters = append(filters, catalog.RetentionFilter{})
	} else {
		var codes []string
		for _, c := range h.Scope.Classes {
			codes = append(append(codes, c), p.schedule.Below(c)...)
		}
		slices.Sort(codes)
		codes = slices.Compact(codes)
		for part := range slices.Chunk(codes, maxCodes) {
			filters = append(filters, catalog.RetentionFilter{Classes: part})
		}
		for part := range slices.Chunk(h.Scope.Records, maxCodes) {
			filters = append(filters, catalog.RetentionFilter{IDs: part, NotClasses: codes}) // those are counted
		}
	}
	var done Progress
	for _, f := range filters {
		total, err := v.CountRetentions(ctx, f)
		if err != nil {
			return done, err
		}
		f.States = []string{string(Held)}
		applied, err := v.CountRetentions(ctx, f)
		if err != nil {
			return done, err
		}
		done.Total += total
		done.Applied += applied
	}
	return done, nil
}
