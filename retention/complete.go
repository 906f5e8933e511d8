package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Complete ends the destruction of a record whose catalog was lost in the middle of it: the
// bucket has the intent, packages that it names are gone, and nothing says how it ended.
// What was purged cannot be told from what a disk lost, so that a person has to ask for
// it, record by record, when the catalog has all documents of the bucket. A *Refusal says
// why not; catalog.ErrNotFound that the bucket knows nothing of the record. What was
// completed before is no error.
func (d *Disposer) Complete(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, actor string) error {
	err := d.complete(ctx, t, id, actor)
	if err == nil || notNow(err) {
		return err
	}
	return fmt.Errorf("complete the destruction of record %s: %w", id, err)
}

func (d *Disposer) complete(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, actor string) error {
	if _, err := t.Tombstone(ctx, id); !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	switch _, err := t.View().Disposal(ctx, id); {
	case err == nil:
		return &Refusal{id, "the service goes on with its destruction, or calls it off"}
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	v, err := d.Vault(ctx, t)
	if err != nil {
		return err
	}
	w, i, err := announced(ctx, v, id)
	if err != nil {
		return err
	}
	left, err := keysBelow(ctx, v, preservation.PackagePrefix(id))
	if err != nil {
		return err
	}
	missing := func(of, from []string) bool {
		return slices.ContainsFunc(of, func(key string) bool { return !slices.Contains(from, key) })
	}
	switch {
	case !missing(i.Packages, left):
		return &Refusal{id, "none of its packages is gone: it lives"}
	case missing(left, i.Packages):
		return &Refusal{id, "a new version was added"}
	}
	policy, err := d.Officer.policy(ctx, t)
	if err != nil {
		return err
	}
	stone := i.Tombstone
	stone.Intent, stone.Key = w.Key, outcomeKey(w)
	if err := d.Officer.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		stone.Destroyed = e.now.UTC().Truncate(time.Millisecond)
		reason, err := e.unfinished(ctx, policy, w, stone.Class, len(left) == 0)
		if err != nil {
			return err
		}
		if reason != "" {
			return &Refusal{id, reason}
		}
		return e.Audit(catalog.AuditEntry{Actor: actor, Action: "record.dispose.complete", Object: string(id),
			Detail: map[string]string{"disposal": w.ID, "permit": w.Permit, "run": w.Run}})
	}); err != nil {
		return err
	}
	for _, remove := range d.Elsewhere {
		if err := remove(ctx, t, id); err != nil {
			return err
		}
	}
	locked, err := d.Replay(ctx, v, stone, policy.proof(d.Officer.Now()))
	if err != nil {
		return err
	}
	if locked {
		return &Refusal{id, "a lock or a legal hold in the store protects what is left of it, or its second copy: complete it when that has ended"}
	}
	if err := d.at("buried"); err != nil {
		return err
	}
	return t.Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(
			x.Destroy(stone),
			x.Audit(catalog.AuditEntry{Actor: actor, Action: "record.destroy", Object: string(id),
				Detail: map[string]string{"disposal": w.ID, "permit": stone.Permit, "run": stone.Run, "class": stone.Class}}),
		)
	})
}

// announced returns the destruction that the last intent in the bucket tells of, unless it
// was called off.
func announced(ctx context.Context, s preservation.Store, id preservation.RecordID) (w catalog.Disposal, i Intent, err error) {
	keys, err := keysBelow(ctx, s, preservation.EventPrefix(id))
	if err != nil {
		return w, i, err
	}
	if len(keys) == 0 {
		return w, i, catalog.ErrNotFound
	}
	for _, key := range keys {
		e, _, err := readEvent(ctx, s, key)
		if errors.Is(err, preservation.ErrUnreadable) || errors.Is(err, preservation.ErrNotFound) {
			continue
		}
		if err != nil {
			return w, i, err
		}
		var next Intent
		switch {
		case e.Event.Type != preservation.EventIntent:
		case e.Event.ID == w.ID: // called off
			w = catalog.Disposal{}
		case json.Unmarshal(e.Body, &next) == nil && next.Disposal != "" && next.Tombstone.Record == id:
			i = next
			w = catalog.Disposal{Record: id, ID: i.Disposal, Key: key, Permit: i.Tombstone.Permit, Run: i.Tombstone.Run, At: e.Event.At}
		}
	}
	if w.ID == "" {
		return w, i, &Refusal{id, "nothing in the bucket says that its destruction has begun, or it was called off"}
	}
	return w, i, nil
}

// unfinished says why a destruction that was begun before the catalog was lost must not be
// ended, or nothing: the approval that its intent names has to stand among the documents,
// and no hold. Of what is not gone the record has to be due still.
func (e *edit) unfinished(ctx context.Context, policy LockPolicy, w catalog.Disposal, class string, gone bool) (reason string, err error) {
	if reason, err = e.approved(ctx, w); err != nil || reason != "" {
		return reason, err
	}
	facts := &Facts{ID: w.Record, Class: class}
	row, err := e.v.Retention(ctx, w.Record)
	switch {
	case errors.Is(err, catalog.ErrNotFound) && gone:
	case err != nil:
		return "", err
	default:
		all, err := gather(ctx, e.v, []catalog.Retention{row})
		if err != nil {
			return "", err
		}
		facts = all[0]
		at := Evaluate(e.plan.schedule, *facts, e.plan.holds, e.now, policy.zone())
		if at.State != Due {
			return "it is " + string(at.State), nil
		}
	}
	if holds := e.plan.holds.On(e.plan.schedule, facts, e.now); len(holds) > 0 {
		return "it is held: " + strings.Join(holds, ", "), nil
	}
	parts, err := e.v.Children(ctx, w.Record)
	if err == nil && len(parts) > 0 {
		reason = fmt.Sprintf("%d records that belong to it are kept", len(parts))
	}
	return reason, err
}

// approved says why the documents do not tell of the approval that an intent names.
func (e *edit) approved(ctx context.Context, w catalog.Disposal) (reason string, err error) {
	if w.Run == "" {
		for _, p := range e.plan.permits {
			if p.ID == w.Permit && p.Approver != "" && !strings.EqualFold(p.Proposer, p.Approver) && p.Revoked.IsZero() {
				return "", nil
			}
		}
		return "the permit that it was begun under is not approved, or was revoked", nil
	}
	const none = "the disposal run that it was begun in is not approved, or does not have it destroyed"
	r, err := readRun(ctx, e.v, w.Run)
	if errors.Is(err, catalog.ErrNotFound) {
		return none, nil
	}
	if err != nil {
		return "", err
	}
	items, err := e.v.RunItems(ctx, catalog.ItemFilter{Run: w.Run, IDs: []preservation.RecordID{w.Record}}, "", 1)
	if err != nil {
		return "", err
	}
	goes := func(i catalog.RunItem) bool {
		return i.State != catalog.ItemRefused && (i.Decision == string(Destroy) || i.Decision == string(Archive) && i.OwnCopy == copyDestroy)
	}
	if r.Approval.By == "" || r.Execution.Begun.IsZero() || !slices.ContainsFunc(items, goes) {
		return none, nil
	}
	return "", nil
}
