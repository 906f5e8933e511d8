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

// Intent is the body of the event object that says which record is about to be
// destroyed, written before any of its bytes goes. It proves no destruction: while the
// catalog has it the destruction goes on, or is called off; after a rebuild what is
// there lives.
type Intent struct {
	Disposal  string                  `json:"disposal"`
	Packages  []string                `json:"packages"`  // keys that existed
	Files     []preservation.RecordID `json:"files"`     // that it belonged to, the nearest first; null in those of former releases
	Tombstone catalog.Tombstone       `json:"tombstone"` // what will stay, but for the time
}

// Phases of a disposal.
const (
	intended = "intended" // decided; nothing is purged
	purging  = "purging"  // bytes may be gone
	blocked  = "blocked"  // some bytes are gone and something forbids the rest: a person has to decide
)

// Dispose destroys one record that is due, or goes on with its destruction. A
// *Refusal says why not; a *catalog.Later that a lock has to run out first. It
// is idempotent: what is destroyed already is no error.
func (d *Disposer) Dispose(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	w, err := t.View().Disposal(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		if _, terr := t.Tombstone(ctx, id); terr == nil {
			return nil
		}
		w, err = d.begin(ctx, t, id)
	}
	if err != nil {
		return err
	}
	return d.advance(ctx, t, w)
}

// begin decides in one transaction that the record is to be destroyed.
func (d *Disposer) begin(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) (catalog.Disposal, error) {
	var w catalog.Disposal
	v, err := d.Vault(ctx, t)
	if err != nil {
		return w, err
	}
	packages, err := keysBelow(ctx, v, preservation.PackagePrefix(id))
	if err != nil {
		return w, fmt.Errorf("dispose of record %s: %w", id, err)
	}
	if len(packages) == 0 {
		return w, fmt.Errorf("dispose of record %s: %w: the store has no package of it", id, preservation.ErrCorrupt)
	}
	if err := d.checkFacts(ctx, t, v, id); err != nil {
		return w, err
	}
	var leaves []string
	if d.Leaves != nil {
		if leaves, err = d.Leaves(ctx, t, id); err != nil {
			return w, fmt.Errorf("dispose of record %s: evidence leaves: %w", id, err)
		}
	}
	policy, err := d.Officer.policy(ctx, t)
	if err != nil {
		return w, err
	}
	err = d.Officer.change(ctx, t, System, func(ctx context.Context, e *edit) error {
		j, err := judge(ctx, e.v, e.plan, policy, e.now, id, catalog.Disposal{})
		if err != nil {
			return err
		}
		if j.reason != "" {
			return &Refusal{id, j.reason}
		}
		w = catalog.Disposal{Record: id, ID: preservation.NewID(e.now), Phase: intended, Permit: j.permit.ID, Run: j.run.ID, Try: e.now, At: e.now}
		w.Key = preservation.EventKey(id, preservation.NewID(e.now.Add(-time.Millisecond))) // sorts before the outcome
		rule, _ := e.plan.schedule.Rule(j.evaluation.Rule)
		stone := catalog.Tombstone{
			Record: id, Class: j.row.Class, Rule: rule.Ref().String(), LegalBasis: rule.LegalBasis,
			Reason: "retention ended, disposition V, standing permit of " + j.permit.Authority, Permit: j.permit.ID, Run: j.run.ID, Actor: System,
			Opened: j.row.Opened, Closed: j.row.Closed, End: j.evaluation.End, Received: j.row.Received.UTC(),
			Versions: j.row.Version, Leaves: leaves, Intent: w.Key, Key: outcomeKey(w),
		}
		approver := j.permit.Approver
		if w.Run != "" {
			stone.Reason, stone.Actor, approver = j.run.reason(&j.item), j.run.Execution.By, j.run.Approval.By
		}
		w.Body, err = json.Marshal(Intent{Disposal: w.ID, Packages: packages, Files: j.files, Tombstone: stone})
		if err != nil {
			return err
		}
		if err := e.BeginDisposal(w); err != nil {
			return err
		}
		return e.Audit(catalog.AuditEntry{Actor: System, Action: "record.dispose", Object: string(id),
			Detail: map[string]string{"disposal": w.ID, "permit": w.Permit, "run": w.Run, "approver": approver, "rule": rule.ID}})
	})
	if err != nil {
		return w, err
	}
	return w, d.at("begun")
}

// judgement is what the catalog says about destroying a record now.
type judgement struct {
	row        catalog.Retention
	evaluation Evaluation
	permit     Permit          // that allows it, or
	run        Run             // that does
	item       catalog.RunItem // of the run
	files      []preservation.RecordID
	reason     string // why not; empty when it may go
}

// judge evaluates a record by a plan. A destruction that is under way may go on under
// the permit or the run that it began under, and no other. No standing permit counts
// for a record about which people decide in a run, or decided to keep it longer.
func judge(ctx context.Context, v catalog.View, p *plan, policy LockPolicy, now time.Time, id preservation.RecordID, w catalog.Disposal) (j judgement, err error) {
	row, err := v.Retention(ctx, id)
	if err != nil {
		return j, err
	}
	return judgeRow(ctx, v, p, policy, now, row, w)
}

// judgeRow is judge by a row of the record that the caller has.
func judgeRow(ctx context.Context, v catalog.View, p *plan, policy LockPolicy, now time.Time, row catalog.Retention, w catalog.Disposal) (j judgement, err error) {
	j.row = row
	facts, err := gather(ctx, v, []catalog.Retention{j.row})
	if err != nil {
		return j, err
	}
	j.files = facts[0].files()
	j.evaluation = Evaluate(p.schedule, *facts[0], p.holds, now, policy.zone())
	parts, err := v.CountRetentions(ctx, catalog.RetentionFilter{Parent: row.Record})
	if err != nil {
		return j, err
	}
	arriving, err := v.Arriving(ctx, row.Record)
	if err != nil {
		return j, err
	}
	switch {
	case j.evaluation.State != Due:
		j.reason = notDue(&j.evaluation)
	case parts > 0:
		j.reason = fmt.Sprintf("%d records that belong to it are kept", parts)
	case arriving > 0:
		j.reason = "a new version of it is being archived"
	default:
		err = j.allow(ctx, v, p, preservation.DateOf(now.In(policy.zone())), now, w)
	}
	return j, err
}

// allow finds what allows the record to be destroyed.
func (j *judgement) allow(ctx context.Context, v catalog.View, p *plan, today preservation.Date, now time.Time, w catalog.Disposal) error {
	items, err := v.OpenItems(ctx, j.row.Record)
	if err != nil {
		return err
	}
	var inRun bool
	j.item, inRun = items[j.row.Record]
	if w.Run != "" && (!inRun || j.item.Run != w.Run) {
		j.reason = "the disposal run " + w.Run + " does not cover it any more"
		return nil
	}
	if inRun {
		if j.run, err = readRun(ctx, v, j.item.Run); err == nil {
			j.reason = j.run.objection(&j.item, &j.row, &j.evaluation, now, today)
		}
		return err
	}
	switch found := false; {
	case j.evaluation.Disposition != Destroy:
		j.reason = "disposition " + string(j.evaluation.Disposition)
	default:
		for _, c := range p.permits {
			if (w.Permit == "" || c.ID == w.Permit) && c.Allows(p.schedule, &j.evaluation, today) {
				j.permit, found = c, true
				break
			}
		}
		if !found {
			j.reason = "no standing permit in force covers it"
		}
	}
	return nil
}

// objection says why a destruction that was decided must not go on, or nothing.
func (j *judgement) objection(i *Intent) string {
	if j.reason == "" && j.row.Version != i.Tombstone.Versions {
		return "a new version was added"
	}
	return j.reason
}

// reconsider says why a destruction under way must not go on, or nothing: also
// when it has ended meanwhile.
func reconsider(ctx context.Context, v catalog.View, p *plan, policy LockPolicy, now time.Time, w catalog.Disposal) (judgement, string, error) {
	j, err := judge(ctx, v, p, policy, now, w.Record, w)
	if errors.Is(err, catalog.ErrNotFound) {
		return j, "", nil
	}
	if err != nil {
		return j, "", err
	}
	var i Intent
	if err := json.Unmarshal(w.Body, &i); err != nil {
		return j, "", fmt.Errorf("intent of record %s: %w", w.Record, err)
	}
	return j, j.objection(&i), nil
}

func outcomeKey(w catalog.Disposal) string { return preservation.EventKey(w.Record, w.ID) }
