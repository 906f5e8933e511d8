package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// lease is how long an attempt owns a destruction after claiming it. One that
// takes longer stops before the next object, and another goes on.
const lease = 10 * time.Minute

// advance brings a destruction to its end, from wherever it stands.
func (d *Disposer) advance(ctx context.Context, t *catalog.Tenant, w catalog.Disposal) error {
	v, err := d.Vault(ctx, t)
	if err != nil {
		return err
	}
	policy, err := d.Officer.policy(ctx, t)
	if err != nil {
		return err
	}
	r := attempt{Disposer: d, t: t, v: v, w: w, policy: policy}
	if err := json.Unmarshal(w.Body, &r.intent); err != nil {
		return fmt.Errorf("destroy record %s: intent: %w", w.Record, err)
	}
	err = r.do(ctx)
	if err == nil || notNow(err) {
		return err
	}
	return fmt.Errorf("destroy record %s: %w", w.Record, err)
}

// notNow reports whether an error is an answer rather than a fault.
func notNow(err error) bool {
	var refused *Refusal
	var later *catalog.Later
	return errors.As(err, &refused) || errors.As(err, &later)
}

// attempt is one attempt at one destruction.
type attempt struct {
	*Disposer
	t      *catalog.Tenant
	v      Vault
	w      catalog.Disposal
	intent Intent
	policy LockPolicy
}

func (r *attempt) do(ctx context.Context) error {
	outcome, _, err := readEvent(ctx, r.v, outcomeKey(r.w))
	if err == nil {
		lock := r.short()
		if outcome.Event.Type == preservation.EventDelete {
			lock = r.policy.proof(r.Officer.Now())
		}
		if outcome, _, err = put(ctx, r.v, outcomeKey(r.w), outcome, lock); err != nil { // not every copy may have it
			return err
		}
		return r.settle(ctx, outcome)
	}
	if !errors.Is(err, preservation.ErrNotFound) {
		return err
	}
	if err := r.declare(ctx); err != nil {
		return err
	}
	left, err := keysBelow(ctx, r.v, preservation.PackagePrefix(r.w.Record))
	if err != nil {
		return err
	}
	whole := !slices.ContainsFunc(r.intent.Packages, func(key string) bool { return !slices.Contains(left, key) })
	reason, err := r.claim(ctx, whole, len(left) == 0)
	if err != nil {
		return err
	}
	if err := r.at("claimed"); err != nil {
		return err
	}
	if reason != "" {
		return r.callOff(ctx, reason)
	}
	if err := r.unlocked(ctx, whole); err != nil {
		return err
	}
	if err := r.purge(ctx, preservation.PackagePrefix(r.w.Record)); err != nil {
		return err
	}
	if err := r.at("purged"); err != nil {
		return err
	}
	for _, remove := range r.Elsewhere {
		if err := remove(ctx, r.t, r.w.Record); err != nil {
			return err
		}
	}
	if err := r.at("elsewhere"); err != nil {
		return err
	}
	if err := r.purge(ctx, preservation.EventPrefix(r.w.Record)); err != nil {
		return err
	}
	if err := r.at("events"); err != nil {
		return err
	}
	return r.bury(ctx)
}

// declare writes the intent to the bucket. An attempt before may have done so.
func (r *attempt) declare(ctx context.Context) error {
	body, err := json.Marshal(r.intent)
	if err != nil {
		return err
	}
	_, _, err = put(ctx, r.v, r.w.Key, preservation.EventObject{Record: r.w.Record, Body: body, Event: preservation.Event{
		ID: strings.TrimSuffix(path.Base(r.w.Key), ".json"), Type: preservation.EventIntent, At: r.w.At.UTC(), Outcome: preservation.Success,
		Detail: "to be destroyed under " + under(r.w), Agent: agent,
	}}, r.short())
	if err != nil {
		return err
	}
	return r.at("intent")
}

// under names what allows a destruction.
func under(w catalog.Disposal) string {
	if w.Run != "" {
		return "disposal run " + w.Run
	}
	return "permit " + w.Permit
}

// short locks what may have to go again within days.
func (r *attempt) short() preservation.Lock {
	return LockUntil(Evaluation{State: Unresolved}, r.Officer.Now(), r.policy)
}

// claim asks the catalog once more, in the transaction after which bytes may
// go, and makes this attempt the only one for a while. The reason says why the
// destruction has to be called off, which is possible while nothing was purged: what is
// missing then was lost. When purging has begun and all bytes are gone the destruction
// ends as it has to, and in between it is blocked for a person to decide.
func (r *attempt) claim(ctx context.Context, whole, gone bool) (reason string, err error) {
	next := r.w
	stuck := false
	err = r.Officer.change(ctx, r.t, System, func(ctx context.Context, e *edit) error {
		stuck = false
		if err := r.mine(ctx, e.v, e.now); err != nil {
			return err
		}
		j, err := judge(ctx, e.v, e.plan, r.policy, e.now, r.w.Record, r.w)
		if err != nil {
			return err
		}
		reason = j.objection(&r.intent)
		next = r.w
		next.Phase, next.Problem, next.Attempts, next.Try = purging, "", r.w.Attempts+1, e.now.Add(lease)
		switch {
		case r.w.Phase == intended:
		case gone:
			reason = ""
		case reason != "" && !whole:
			stuck = true
			next.Phase, next.Problem, next.Try = blocked, "partly purged, and now "+reason, e.now.Add(24*time.Hour)
			if r.w.Phase != blocked {
				if err := e.Audit(catalog.AuditEntry{Actor: System, Action: "record.dispose.blocked", Object: string(r.w.Record), Detail: map[string]string{"reason": reason}}); err != nil {
					return err
				}
			}
		}
		return e.SetDisposal(next)
	})
	if err != nil {
		return "", err
	}
	r.w = next
	if stuck {
		r.Officer.Log.ErrorContext(ctx, "destruction is blocked", "tenant", string(r.t.ID()), "record", string(r.w.Record), "reason", next.Problem)
		return "", &Refusal{r.w.Record, next.Problem}
	}
	return reason, nil
}

// mine refuses when another attempt has claimed the destruction or ended it.
func (r *attempt) mine(ctx context.Context, v catalog.View, now time.Time) error {
	have, err := v.Disposal(ctx, r.w.Record)
	switch {
	case errors.Is(err, catalog.ErrNotFound), err == nil && have.ID != r.w.ID:
		return &Refusal{r.w.Record, "another attempt ended its destruction"}
	case err != nil:
		return err
	case have.Attempts != r.w.Attempts, have.Phase == purging && have.Try.After(now):
		return &catalog.Later{Until: have.Try, Reason: "another attempt is at work"}
	}
	return nil
}

// unlocked postpones the destruction while a COMPLIANCE lock or a legal hold in
// the store forbids it, before anything is touched.
func (r *attempt) unlocked(ctx context.Context, whole bool) error {
	until, held, err := r.locked(ctx)
	if err != nil {
		return err
	}
	now := r.Officer.Now()
	switch {
	case until.After(now):
		return r.postpone(ctx, whole, until, "locked until "+until.UTC().Format(time.RFC3339))
	case held: // the catalog knows of none: one is being released, came this moment, or nobody knows of it
		problem := "the store shows a legal hold that no hold explains: find out who set it; a hold set and released here takes it off"
		if left, err := r.Officer.ReleaseLeft(ctx, r.t, r.w.Record); err != nil {
			return err
		} else if left {
			problem = "the store shows a legal hold of a hold that was released, which is being taken off"
		}
		return r.postpone(ctx, whole, now.Add(time.Hour), problem)
	}
	return nil
}

// locked looks at every version of every object that is to go, in the bucket and in its
// second copy: when the last COMPLIANCE lock ends, and whether one shows a legal hold.
func (r *attempt) locked(ctx context.Context) (until time.Time, held bool, err error) {
	for o, err := range objects(ctx, r.v, r.w.Record) {
		if err != nil {
			return until, held, err
		}
		if o.Marker || r.stays(o.Key) {
			continue
		}
		o, err = r.v.Stat(ctx, o.Key, o.VersionID)
		if errors.Is(err, preservation.ErrNotFound) {
			continue
		}
		if err != nil {
			return until, held, err
		}
		held = held || o.Hold
		if o.Lock.Mode == preservation.Compliance && o.Lock.Until.After(until) {
			until = o.Lock.Until
		}
	}
	return until, held, nil
}

// callOff writes the outcome and then tells the catalog: from the object on
// this disposal can't end otherwise.
func (r *attempt) callOff(ctx context.Context, reason string) error {
	outcome, _, err := put(ctx, r.v, outcomeKey(r.w), preservation.EventObject{Record: r.w.Record, Event: preservation.Event{
		ID: r.w.ID, Type: preservation.EventIntent, At: r.Officer.Now().UTC().Truncate(time.Millisecond), Outcome: preservation.Failure,
		Code: "called-off", Detail: reason, Agent: agent,
	}}, r.short())
	if err != nil {
		return err
	}
	if err := r.at("called off"); err != nil {
		return err
	}
	return r.settle(ctx, outcome)
}

// settle does in the catalog what the outcome object says.
func (r *attempt) settle(ctx context.Context, outcome preservation.EventObject) error {
	if outcome.Event.Type == preservation.EventDelete {
		if err := r.v.Extend(ctx, r.w.Key, "", r.policy.proof(r.Officer.Now())); err != nil {
			return err
		}
		return r.finish(ctx, outcome)
	}
	reason := outcome.Event.Detail
	inner := context.WithoutCancel(ctx)
	err := r.t.Update(ctx, func(x *catalog.Tx) error {
		have, err := x.View().Disposal(inner, r.w.Record)
		if errors.Is(err, catalog.ErrNotFound) || err == nil && have.ID != r.w.ID {
			return nil // another attempt did
		}
		return errors.Join(err,
			x.CancelDisposal(r.w.Record),
			x.Enqueue(catalog.Job{Kind: JobEvaluate, Key: keyStale}),
			x.Audit(catalog.AuditEntry{Actor: System, Action: "record.dispose.cancel", Object: string(r.w.Record), Detail: map[string]string{"reason": reason}}),
		)
	})
	if err != nil {
		return err
	}
	return &Refusal{r.w.Record, reason}
}

// postpone gives the claim back and notes when to try again.
func (r *attempt) postpone(ctx context.Context, whole bool, until time.Time, problem string) error {
	next := r.w
	next.Try, next.Problem = until, problem
	if whole {
		next.Phase = intended
	}
	inner := context.WithoutCancel(ctx)
	if err := r.t.Update(ctx, func(x *catalog.Tx) error {
		have, err := x.View().Disposal(inner, r.w.Record)
		if err != nil || have.Attempts != r.w.Attempts {
			return errors.Join(err, &catalog.Later{Until: have.Try, Reason: "another attempt is at work"})
		}
		return x.SetDisposal(next)
	}); err != nil {
		return err
	}
	return &catalog.Later{Until: until, Reason: problem}
}

// stays reports whether an object is part of the proof.
func (r *attempt) stays(key string) bool { return key == r.w.Key || key == outcomeKey(r.w) }

// purge destroys every object below a prefix but the proof, newest first, since
// later versions need the earlier ones, and reads back that nothing is left.
func (r *attempt) purge(ctx context.Context, prefix string) error {
	for {
		keys, err := keysBelow(ctx, r.v, prefix)
		if err != nil {
			return err
		}
		keys = slices.DeleteFunc(keys, r.stays)
		if len(keys) == 0 {
			return nil
		}
		for i, key := range slices.Backward(keys) {
			if now := r.Officer.Now(); now.After(r.w.Try) {
				return &catalog.Later{Until: now, Reason: "the attempt took too long"}
			}
			err := r.v.Purge(ctx, key)
			if errors.Is(err, preservation.ErrLocked) {
				untouched := prefix == preservation.PackagePrefix(r.w.Record) && i == len(keys)-1 && len(keys) == len(r.intent.Packages)
				return r.postpone(ctx, untouched, r.Officer.Now().Add(6*time.Hour), "the store refused: "+err.Error())
			}
			if err != nil {
				return err
			}
			if err := r.at("one object"); err != nil {
				return err
			}
		}
	}
}

// keysBelow lists the keys below a prefix that have any version or marker.
func keysBelow(ctx context.Context, s preservation.Store, prefix string) ([]string, error) {
	var keys []string
	for v, err := range s.Versions(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, v.Key)
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// bury ends the destruction in the bucket and then in the catalog.
func (r *attempt) bury(ctx context.Context) error {
	stone := r.intent.Tombstone
	stone.Destroyed = r.Officer.Now().UTC().Truncate(time.Millisecond)
	stone.Intent, stone.Key = r.w.Key, outcomeKey(r.w)
	outcome, err := bury(ctx, r.v, stone, r.policy.proof(stone.Destroyed))
	if err != nil {
		return err
	}
	if err := r.at("buried"); err != nil {
		return err
	}
	return r.finish(ctx, outcome)
}

// finish lets the tombstone take the record's place in the catalog.
func (r *attempt) finish(ctx context.Context, outcome preservation.EventObject) error {
	var stone catalog.Tombstone
	if err := json.Unmarshal(outcome.Body, &stone); err != nil || stone.Record != r.w.Record {
		return fmt.Errorf("%w: %s is no tombstone", preservation.ErrCorrupt, outcomeKey(r.w))
	}
	inner := context.WithoutCancel(ctx)
	if err := r.t.Update(ctx, func(x *catalog.Tx) error {
		if _, err := x.View().Tombstone(inner, r.w.Record); err == nil {
			return nil
		}
		return errors.Join(
			x.Destroy(stone),
			x.Audit(catalog.AuditEntry{Actor: System, Action: "record.destroy", Object: string(r.w.Record),
				Detail: map[string]string{"disposal": r.w.ID, "permit": stone.Permit, "run": stone.Run, "class": stone.Class}}),
			x.Progressed(),
		)
	}); err != nil {
		return err
	}
	return r.at("done")
}

// at is a boundary at which a crash must lose nothing.
func (d *Disposer) at(boundary string) error {
	if d.Boundary == nil {
		return nil
	}
	return d.Boundary(boundary)
}
