package retention

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Appraisal decides about some records of a run: A, B, V, or K to keep them until a
// day. B leaves them to be assessed. As the archive's answer to an offer it is A, B, V
// or NoAnswer. Without a note that of before stays.
type Appraisal struct {
	Scope    Scope             `json:"scope"`
	Decision string            `json:"decision" validate:"required,oneof=A B V K none"`
	Until    preservation.Date `json:"until,omitzero"`
	Note     string            `json:"note,omitempty" validate:"max=2000"`
	Seen     int               `json:"-"` // revision of the run that was looked at; 0: any
}

// DecideRun assesses records of a run. ErrConflict once it is approved: the approval
// has to be withdrawn first, and where somebody else has decided since what was Seen.
// What the archive has claimed (A) cannot be decided otherwise.
func (o *Officer) DecideRun(ctx context.Context, t *catalog.Tenant, id string, decisions []Appraisal, actor string) (Run, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Run{}, err
	}
	today := preservation.DateOf(o.Now().In(policy.zone()))
	var bad Invalid
	for i, d := range decisions {
		at := fmt.Sprintf("decisions[%d].", i)
		bad = append(bad, d.check(at)...)
		switch {
		case d.Decision == NoAnswer:
			bad = append(bad, fault(at+"decision", "oneof", "must be one of A, B, V, K"))
		case d.Decision == Keep && (!today.Before(d.Until) || d.Note == ""):
			if !today.Before(d.Until) {
				bad = append(bad, fault(at+"until", "required", "must be a day to come"))
			}
			if d.Note == "" {
				bad = append(bad, fault(at+"note", "required", "must say why it is kept longer"))
			}
		case d.Decision != Keep && !d.Until.IsZero():
			bad = append(bad, fault(at+"until", "contradiction", "is for the decision K"))
		default:
			bad = append(bad, tooFar(at+"until", d.Until, today)...)
		}
	}
	if len(bad) > 0 {
		return Run{}, bad
	}
	return o.appraise(ctx, t, id, actor, actDecided, decisions, func(context.Context, *edit, *Run) error { return nil })
}

func (d *Appraisal) check(at string) (bad Invalid) {
	for _, f := range fields("", *d) {
		f.Subject = at + f.Subject
		bad = append(bad, f)
	}
	if d.Scope.Empty() {
		bad = append(bad, fault(at+"scope", "required", "name records or classes, or say all"))
	}
	return bad
}

// appraise enters decisions or answers, each as one entry.
func (o *Officer) appraise(ctx context.Context, t *catalog.Tenant, id, actor, act string, decisions []Appraisal, allowed func(context.Context, *edit, *Run) error) (Run, error) {
	return o.act(ctx, t, id, actor, func(ctx context.Context, e *edit, r *Run) error {
		if err := r.mayAppraise(); err != nil {
			return err
		}
		if err := allowed(ctx, e, r); err != nil {
			return err
		}
		among, list := catalog.ItemFilter{Run: r.ID, States: []string{catalog.ItemOpen}}, "decisions"
		if act == actAnswered {
			among, list = Offerable(r.ID), "answers"
		}
		for i, d := range decisions {
			scope, err := e.scope(ctx, among, d.Scope, fmt.Sprintf("%s[%d].scope", list, i))
			if err != nil {
				return err
			}
			if err := e.unchanged(ctx, r, d.Seen, scope); err != nil {
				return err
			}
			if act == actDecided && d.Decision == string(Archive) {
				if err := e.mayArchive(ctx, among, scope, fmt.Sprintf("decisions[%d].decision", i)); err != nil {
					return err
				}
			}
			if err := e.enter(ctx, r, Entry{Act: act, Scope: scope, Decision: d.Decision, Until: d.Until, Note: d.Note, Keeps: true}); err != nil {
				return err
			}
		}
		if act == actAnswered {
			return nil
		}
		claimed, err := e.v.CountItems(ctx, r.ID)
		if err != nil {
			return err
		}
		for _, c := range claimed {
			if c.State == catalog.ItemOpen && c.Answer == string(Archive) && c.Decision == string(Destroy) {
				return fmt.Errorf("the archive claimed records that would be destroyed: %w", catalog.ErrConflict)
			}
		}
		return nil
	})
}

// mayArchive refuses to hand over records of which a rule forbids that they are offered
// (BArchG §6(2)).
func (e *edit) mayArchive(ctx context.Context, among catalog.ItemFilter, s Scope, field string) error {
	forbidden := make(map[string]bool)
	for _, rule := range e.plan.rules {
		if rule.NoOffer {
			forbidden[rule.Ref().String()] = true
		}
	}
	if len(forbidden) == 0 {
		return nil
	}
	return e.eachItem(ctx, among, s, func(items []catalog.RunItem) error {
		for _, i := range items {
			if forbidden[i.Rule] {
				return Invalid{fault(field, "no-offer", fmt.Sprintf("rule %s of record %s forbids to offer it to an archive: decide V, or K with the reason", i.Rule, i.Record))}
			}
		}
		return nil
	})
}

func (r *Run) mayAppraise() error {
	switch {
	case r.Collecting:
		return fmt.Errorf("its records are still being listed; try again later: %w", catalog.ErrConflict)
	case r.Status == RunApproved, r.Status == RunStopped:
		return fmt.Errorf("it is %s: withdraw the approval first: %w", r.Status, catalog.ErrConflict)
	case !r.appraising():
		return fmt.Errorf("it is %s: %w", r.Status, catalog.ErrConflict)
	}
	return nil
}

// scope names the classes of a scope one by one, and refuses records that are not among
// those of a run that are meant, and classes of which none is.
func (e *edit) scope(ctx context.Context, among catalog.ItemFilter, s Scope, field string) (Scope, error) {
	out := Scope{All: s.All, Records: s.Records}
	without := ""
	if among.Offer {
		without = ", or is not offered: a rule or a standing permit spares that, or it is kept longer (K)"
	}
	if s.All {
		out.Records = nil
		items, err := e.v.RunItems(ctx, among, "", 1)
		if err == nil && len(items) == 0 {
			err = Invalid{fault(field+".all", "not-in-run", "no record of this run is open"+without)}
		}
		return out, err
	}
	var bad Invalid
	for at := 0; at < len(s.Records); at += batch {
		ids := s.Records[at:min(at+batch, len(s.Records))]
		f := among
		f.IDs = ids
		items, err := e.v.RunItems(ctx, f, "", len(ids))
		if err != nil {
			return out, err
		}
		for i, id := range ids {
			if !slices.ContainsFunc(items, func(x catalog.RunItem) bool { return x.Record == id }) {
				bad = append(bad, fault(fmt.Sprintf("%s.records[%d]", field, at+i), "not-in-run", "it is not open in this run"+without))
			}
		}
	}
	for i, c := range s.Classes {
		codes := append([]string{c}, e.plan.schedule.Below(c)...)
		slices.Sort(codes)
		codes = slices.Compact(codes)
		some := false
		for part := range slices.Chunk(codes, maxCodes) {
			f := among
			f.Classes = part
			items, err := e.v.RunItems(ctx, f, "", 1)
			if err != nil {
				return out, err
			}
			some = some || len(items) > 0
		}
		if !some {
			bad = append(bad, fault(fmt.Sprintf("%s.classes[%d]", field, i), "not-in-run", "no open record of this run is in it"+without))
		}
		out.Classes = append(out.Classes, codes...)
	}
	slices.Sort(out.Classes)
	out.Classes = slices.Compact(out.Classes)
	if len(bad) > 0 {
		return out, bad
	}
	return out, nil
}

// Offerable selects the open records of a run that an offer to the archive is about:
// those that have to be offered, but for those that are kept longer.
func Offerable(run string) catalog.ItemFilter {
	return catalog.ItemFilter{Run: run, States: []string{catalog.ItemOpen}, Offer: true,
		Decisions: []string{"", string(Archive), string(Assess), string(Destroy)}}
}

// OfferRun notes that the records of a run were offered to the competent archive,
// which begins its six months. Those that a rule forbids to offer, that a standing permit
// covers or that are kept longer are not part of the offer.
func (o *Officer) OfferRun(ctx context.Context, t *catalog.Tenant, id string, f Offer, actor string) (Run, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Run{}, err
	}
	if bad := fields("", f); len(bad) > 0 {
		return Run{}, Invalid(bad)
	}
	today := preservation.DateOf(o.Now().In(policy.zone()))
	if today.Before(f.Offered) {
		return Run{}, Invalid{fault("offered", "future", "lies ahead: note the offer when it was made")}
	}
	f.Deadline, f.By = add(f.Offered, Duration{Months: 6}), actor
	return o.act(ctx, t, id, actor, func(ctx context.Context, e *edit, r *Run) error {
		if err := r.mayAppraise(); err != nil {
			return err
		}
		if begun := preservation.DateOf(r.Proposed.In(policy.zone())); f.Offered.Before(begun) {
			return Invalid{fault("offered", "before-run", fmt.Sprintf("is %s, and the run was begun on %s: its list cannot have been offered before", f.Offered, begun))}
		}
		items, err := e.v.RunItems(ctx, Offerable(r.ID), "", 1)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return fmt.Errorf("none of its records is to be offered: %w", catalog.ErrConflict)
		}
		return e.enter(ctx, r, Entry{Act: actOffered, Offer: &f})
	})
}

// unchanged refuses what would take back what somebody else decided about the same records
// since a revision of the run, that was looked at; 0 asks for nothing.
func (e *edit) unchanged(ctx context.Context, r *Run, seen int, scope Scope) error {
	for seen > 0 {
		entries, err := e.v.Versions(ctx, KindRun, r.ID, seen, 100)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, d := range entries {
			var n Entry
			if err := json.Unmarshal(d.Body, &n); err != nil {
				return fmt.Errorf("revision %d: %w", d.Version, err)
			}
			if (n.Act == actDecided || n.Act == actAnswered) && !strings.EqualFold(d.Actor, e.actor) && n.Scope.meets(scope) {
				return fmt.Errorf("%s decided about the same records in revision %d, later than revision %d: look at it again: %w", d.Actor, d.Version, seen, catalog.ErrConflict)
			}
			seen = d.Version
		}
	}
	return nil
}

// meets reports whether two scopes may have a record in common.
func (s *Scope) meets(other Scope) bool {
	if len(s.Records) == 0 || len(other.Records) == 0 || len(s.Classes) > 0 || len(other.Classes) > 0 || s.All || other.All {
		return true
	}
	of := map[preservation.RecordID]bool{}
	for _, id := range s.Records {
		of[id] = true
	}
	return slices.ContainsFunc(other.Records, func(id preservation.RecordID) bool { return of[id] })
}

// AnswerRun notes what the archive answered: A and V become the decision, and B, that it
// has not decided yet, leaves the record to be assessed and unanswered. After the
// deadline NoAnswer says that it did not answer, and the decisions stand.
func (o *Officer) AnswerRun(ctx context.Context, t *catalog.Tenant, id string, answers []Appraisal, actor string) (Run, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Run{}, err
	}
	var bad Invalid
	silent := false
	for i, d := range answers {
		at := fmt.Sprintf("answers[%d].", i)
		bad = append(bad, d.check(at)...)
		if d.Decision == Keep {
			bad = append(bad, fault(at+"answer", "oneof", "must be one of A, B, V, none"))
		}
		silent = silent || d.Decision == NoAnswer
	}
	if len(bad) > 0 {
		return Run{}, bad
	}
	today := preservation.DateOf(o.Now().In(policy.zone()))
	return o.appraise(ctx, t, id, actor, actAnswered, answers, func(_ context.Context, _ *edit, r *Run) error {
		switch {
		case r.Offer.Authority == "":
			return fmt.Errorf("it was not offered: %w", catalog.ErrConflict)
		case silent && r.Offer.running(today):
			return fmt.Errorf("the archive may answer until %s: %w", r.Offer.Deadline, catalog.ErrConflict)
		}
		return nil
	})
}

// CancelRun ends a run that is not being carried out. Its records are free for others.
func (o *Officer) CancelRun(ctx context.Context, t *catalog.Tenant, id, reason, actor string) (Run, error) {
	return o.act(ctx, t, id, actor, func(ctx context.Context, e *edit, r *Run) error {
		if !r.Open() || r.Status == RunExecuting {
			return fmt.Errorf("it is %s: %w", r.Status, catalog.ErrConflict)
		}
		n, err := e.v.RunDisposals(ctx, r.ID, intended, purging, blocked)
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%d of its records are on their way out: wait until they are called off, or go on with those of which bytes are gone: %w", n, catalog.ErrConflict)
		}
		ended := Run{Ended: e.now.UTC().Truncate(time.Millisecond)}
		if err := e.enter(ctx, r, Entry{Act: actCancelled, Run: &ended, Note: reason}); err != nil || r.Execution.Begun.IsZero() {
			return err
		}
		return e.Enqueue(catalog.Job{Kind: JobCertify, Key: r.ID}) // of what was destroyed before
	})
}
