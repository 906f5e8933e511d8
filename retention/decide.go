package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

var (
	// ErrSamePerson: who proposed may not approve. Ask somebody else.
	ErrSamePerson = errors.New("the approver must be another person than the proposer")
	// ErrEnded: a released hold or a revoked permit stays so. Make a new one.
	ErrEnded = errors.New("already ended")
)

// second wants an actor to be another person than those who had a part in something:
// ErrSamePerson for whoever had, by whichever account.
func (e *edit) second(ctx context.Context, actor string, had ...string) error {
	if actor == "" {
		return ErrSamePerson
	}
	accounts, err := e.v.Accounts(ctx, actor)
	if err != nil {
		return err
	}
	for _, name := range accounts {
		if !slices.ContainsFunc(had, func(h string) bool { return strings.EqualFold(h, name) }) {
			continue
		}
		if !strings.EqualFold(name, actor) {
			return fmt.Errorf("%s is another account of %s: %w", name, actor, ErrSamePerson)
		}
		return fmt.Errorf("%s had a part in it: %w", actor, ErrSamePerson)
	}
	return nil
}

// batch is how many records one statement or transaction deals with.
const batch = 200

// Holds lists all holds of a tenant, released ones included.
func (o *Officer) Holds(ctx context.Context, t *catalog.Tenant) ([]Hold, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	return slices.Clone(p.held), nil
}

// SetHold puts records under a hold. From its return on none of them can be
// destroyed by the archive, not even by one that was rebuilt from the bucket: the
// hold is stored there before the catalog knows of it. The legal holds in the
// store follow by the job "evaluate". Records and classes that are named but
// unknown are refused (Invalid); a finding of severity Notice names each record in
// its scope that was being destroyed, see Late. Nothing but that the hold could not be set
// is an error: what is not known of those is logged, and the hold stands.
func (o *Officer) SetHold(ctx context.Context, t *catalog.Tenant, h Hold, actor string) (Hold, []preservation.Finding, error) {
	now := o.Now()
	h.ID, h.Set, h.SetBy = preservation.NewID(now), now.UTC().Truncate(time.Millisecond), actor
	h.Released, h.ReleasedBy, h.Release, h.Reviews = time.Time{}, "", "", nil
	if err := Validate(h); err != nil {
		return h, nil, err
	}
	today, err := o.Today(ctx, t)
	if err != nil {
		return h, nil, err
	}
	if bad := reviewable(h.Review, today); len(bad) > 0 {
		return h, nil, bad
	}
	if err := namesRecords(ctx, t.View(), h.Scope.Records); err != nil {
		return h, nil, err
	}
	schedule, err := o.Schedule(ctx, t)
	if err != nil {
		return h, nil, err
	}
	if err := namesClasses(ctx, t.View(), schedule, h.Scope.Classes); err != nil {
		return h, nil, err
	}
	d, err := document(KindHold, h.ID, 1, h, actor, now)
	if err != nil {
		return h, nil, err
	}
	if err := o.put(ctx, t, d); err != nil {
		return h, nil, err
	}
	docs, looked, err := o.enactHold(ctx, t, d, &h, true)
	blind := err != nil && looked
	if blind { // the hold is what counts
		o.Log.ErrorContext(ctx, "what a hold comes late for could not be found out", "tenant", string(t.ID()), "hold", h.ID, "error", err)
		docs, _, err = o.enactHold(ctx, t, d, &h, false)
	}
	if err != nil {
		return h, nil, err
	}
	// From here on the hold stands: whoever heard of an error would set another.
	if len(docs) > 0 {
		if err := o.store(ctx, t, docs...); err != nil { // the job "configure" goes on trying
			o.Log.ErrorContext(ctx, "what a hold comes late for is not in the bucket yet", "tenant", string(t.ID()), "hold", h.ID, "error", err)
		}
	}
	off, more, err := o.calledOff(ctx, t, h)
	if err != nil {
		o.Log.WarnContext(ctx, "the destructions that a hold calls off could not be counted", "tenant", string(t.ID()), "hold", h.ID, "error", err)
	}
	found := notices(h.Late, off, more)
	if blind {
		found = append(found, note("scope", "late-unknown", "the hold stands, but which of its records are being destroyed could not be found out: look at the destructions under way"))
	}
	return h, found, nil
}

// enactHold puts a hold into force whose document d stands in the bucket, and returns the
// documents that follow it there. With look it notes what the hold comes late for; looked
// says that it got so far.
func (o *Officer) enactHold(ctx context.Context, t *catalog.Tenant, d catalog.Document, h *Hold, look bool) (docs []catalog.Document, looked bool, err error) {
	err = o.change(ctx, t, d.Actor, func(ctx context.Context, e *edit) error {
		h.Late, docs, looked = nil, nil, false
		if err := namesRecords(ctx, e.v, h.Scope.Records); err != nil {
			return err
		}
		if err := errors.Join(e.enact(d, "hold.set"), e.DocumentStored(d.Key), e.stale(h.Scope)); err != nil || !look {
			return err
		}
		looked = true
		late, err := e.late(ctx, *h)
		if err != nil || len(late) == 0 {
			return err
		}
		h.Late = late
		err = e.add(ctx, KindHold, h.ID, h, "hold.late")
		docs, e.docs = e.docs, nil
		return err
	})
	return docs, looked, err
}

// ReleaseHold ends a hold. Records under another one stay held.
func (o *Officer) ReleaseHold(ctx context.Context, t *catalog.Tenant, id, reason, actor string) (Hold, error) {
	if strings.TrimSpace(reason) == "" {
		return Hold{}, Invalid{fault("reason", "required", "is missing")}
	}
	var h Hold
	err := o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		i := slices.IndexFunc(e.plan.held, func(h Hold) bool { return h.ID == id })
		if i < 0 {
			return fmt.Errorf("hold %s: %w", id, catalog.ErrNotFound)
		}
		if h = e.plan.held[i]; !h.Released.IsZero() {
			return fmt.Errorf("hold %s: %w", id, ErrEnded)
		}
		h.Released, h.ReleasedBy, h.Release = e.now.UTC().Truncate(time.Millisecond), actor, reason
		if err := Validate(h); err != nil {
			return err
		}
		if err := e.add(ctx, KindHold, id, h, "hold.release"); err != nil {
			return err
		}
		return e.stale(h.Scope)
	})
	return h, err
}

// reviewable finds a day on which nobody can look at a hold.
func reviewable(on, today preservation.Date) Invalid {
	if on.Before(today) {
		return Invalid{fault("review", "past", fmt.Sprintf("lies before today, %s: name a day to come on which somebody asks whether the hold is still needed", today))}
	}
	return Invalid(tooFar("review", on, today))
}

// ConfirmHold notes that somebody looked at a hold and that it is still needed, why, and
// when to look again. ErrEnded for one that was released.
func (o *Officer) ConfirmHold(ctx context.Context, t *catalog.Tenant, id string, next preservation.Date, note, actor string) (Hold, error) {
	today, err := o.Today(ctx, t)
	if err != nil {
		return Hold{}, err
	}
	var bad Invalid
	switch {
	case next.IsZero():
		bad = append(bad, fault("review", "required", "is missing"))
	default:
		bad = reviewable(next, today)
	}
	if strings.TrimSpace(note) == "" {
		bad = append(bad, fault("note", "required", "is missing: say why the hold is still needed"))
	}
	if len(bad) > 0 {
		return Hold{}, bad
	}
	var h Hold
	err = o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		i := slices.IndexFunc(e.plan.held, func(h Hold) bool { return h.ID == id })
		if i < 0 {
			return fmt.Errorf("hold %s: %w", id, catalog.ErrNotFound)
		}
		if h = e.plan.held[i]; !h.Released.IsZero() {
			return fmt.Errorf("hold %s: %w", id, ErrEnded)
		}
		r := Review{At: e.now.UTC().Truncate(time.Millisecond), By: actor, Due: h.Review, Next: next, Note: note}
		if bad := fields("", r); len(bad) > 0 {
			return Invalid(bad)
		}
		h.Review, h.Reviews = next, append(slices.Clip(h.Reviews), r)
		return e.add(ctx, KindHold, id, h, "hold.confirm")
	})
	return h, err
}

// namesRecords refuses records that do not exist.
func namesRecords(ctx context.Context, v catalog.View, ids []preservation.RecordID) error {
	var bad Invalid
	for start := 0; start < len(ids); start += batch {
		part := ids[start:min(start+batch, len(ids))]
		rows, err := v.Retentions(ctx, catalog.RetentionFilter{IDs: part}, "", len(part))
		if err != nil {
			return err
		}
		known := make(map[preservation.RecordID]bool, len(rows))
		for _, r := range rows {
			known[r.Record] = true
		}
		for i, id := range part {
			if !known[id] {
				bad = append(bad, fault(fmt.Sprintf("scope.records[%d]", start+i), "unknown-record", fmt.Sprintf("there is no record %s", id)))
			}
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// stale has the records of a scope evaluated anew, which also sets or releases
// their legal holds in the store.
func (e *edit) stale(s Scope) error {
	if s.All {
		return e.MarkStale(catalog.RetentionFilter{})
	}
	for part := range slices.Chunk(s.Records, batch) {
		if err := e.MarkStale(catalog.RetentionFilter{IDs: part}); err != nil {
			return err
		}
	}
	codes := slices.Clone(s.Classes)
	for _, c := range s.Classes {
		codes = append(codes, e.plan.schedule.Below(c)...)
	}
	for part := range slices.Chunk(codes, batch) {
		if err := e.MarkStale(catalog.RetentionFilter{Classes: part}); err != nil {
			return err
		}
	}
	if len(codes) == 0 {
		return nil
	}
	// Holds also reach classes that the classification no longer knows: their
	// records are unresolved, or held already.
	return e.MarkStale(catalog.RetentionFilter{States: []string{string(Unresolved), string(Held)}})
}

// Permits lists all standing permits of a tenant.
func (o *Officer) Permits(ctx context.Context, t *catalog.Tenant) ([]Permit, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	today, err := o.Today(ctx, t)
	all := slices.Clone(p.permits)
	for i := range all {
		all[i].Idle = all[i].idle(p.schedule, today)
	}
	return all, err
}

// ProposePermit records a standing permit. Nothing may be destroyed by it
// before another person approved it. What it returns names the classes without effect.
func (o *Officer) ProposePermit(ctx context.Context, t *catalog.Tenant, p Permit, actor string) (Permit, error) {
	now := o.Now()
	p.ID, p.Proposer, p.Proposed = preservation.NewID(now), actor, now.UTC().Truncate(time.Millisecond)
	p.Approver, p.Approved, p.Revoker, p.Revoked, p.Idle = "", time.Time{}, "", time.Time{}, nil
	if err := Validate(p); err != nil {
		return p, err
	}
	today, err := o.Today(ctx, t)
	if err != nil {
		return p, err
	}
	var idle []IdleClass
	err = o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		var bad Invalid
		if today.Before(p.Granted) {
			bad = append(bad, fault("granted", "future", "lies ahead: propose the permit when the archive has granted it"))
		}
		for i, code := range p.Classes {
			if _, ok := e.plan.schedule.Class(code); !ok {
				bad = append(bad, fault(fmt.Sprintf("classes[%d]", i), UnknownClass, fmt.Sprintf("there is no class %q", code)))
			}
		}
		if len(bad) > 0 {
			return bad
		}
		idle = p.idle(e.plan.schedule, today)
		return e.add(ctx, KindPermit, p.ID, p, "permit.propose")
	})
	p.Idle = idle
	return p, err
}

// ApprovePermit puts a permit into force. ErrSamePerson for who proposed it,
// catalog.ErrConflict when it was approved already.
func (o *Officer) ApprovePermit(ctx context.Context, t *catalog.Tenant, id, actor string) (Permit, error) {
	return o.changePermit(ctx, t, id, actor, "permit.approve", func(ctx context.Context, e *edit, p *Permit) error {
		if err := e.second(ctx, actor, p.Proposer); err != nil {
			return err
		}
		if !p.Approved.IsZero() {
			return fmt.Errorf("it is approved already: %w", catalog.ErrConflict)
		}
		p.Approver, p.Approved = actor, e.now.UTC().Truncate(time.Millisecond)
		return nil
	})
}

// RevokePermit ends a permit, approved or not. A destruction under it whose
// bytes are still whole is called off.
func (o *Officer) RevokePermit(ctx context.Context, t *catalog.Tenant, id, actor string) (Permit, error) {
	return o.changePermit(ctx, t, id, actor, "permit.revoke", func(_ context.Context, e *edit, p *Permit) error {
		p.Revoker, p.Revoked = actor, e.now.UTC().Truncate(time.Millisecond)
		return nil
	})
}

func (o *Officer) changePermit(ctx context.Context, t *catalog.Tenant, id, actor, action string, fn func(context.Context, *edit, *Permit) error) (Permit, error) {
	var p Permit
	err := o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		i := slices.IndexFunc(e.plan.permits, func(p Permit) bool { return p.ID == id })
		if i < 0 {
			return catalog.ErrNotFound
		}
		if p = e.plan.permits[i]; !p.Revoked.IsZero() {
			return ErrEnded
		}
		if err := fn(ctx, e, &p); err != nil {
			return err
		}
		return e.add(ctx, KindPermit, id, p, action)
	})
	if err != nil {
		err = fmt.Errorf("permit %s: %w", id, err)
	}
	return p, err
}
