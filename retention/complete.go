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
// it, record by record, when the catalog has all documents of the bucket: with one among
// the objects that could not be read back nothing is destroyed. A *Refusal says why not,
// before anything is touched unless it says so; catalog.ErrNotFound that the bucket knows
// nothing of the record. What was completed before is no error.
func (d *Disposer) Complete(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, unread []preservation.Finding, actor string) error {
	err := d.complete(ctx, t, id, unread, actor)
	var stopped *Stopped
	var later *catalog.Later
	var refused *Refusal
	switch {
	case errors.As(err, &stopped):
		return &Refusal{id, stopped.Reason}
	case errors.As(err, &later):
		return &Refusal{id, later.Reason}
	case err == nil, errors.As(err, &refused):
		return err
	}
	return fmt.Errorf("complete the destruction of record %s: %w", id, err)
}

func (d *Disposer) complete(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, unread []preservation.Finding, actor string) error {
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
	left, err := keysBelow(ctx, v, preservation.PackagePrefix(id))
	if err != nil {
		return err
	}
	w, i, err := announced(ctx, v, id)
	if errors.Is(err, catalog.ErrNotFound) && len(left) > 0 {
		err = &Refusal{id, "there are packages of it, " + strings.Join(left, ", ") + ", and no event says that its destruction has begun"}
	}
	if err != nil {
		return err
	}
	if f := slices.IndexFunc(unread, func(f preservation.Finding) bool { return strings.HasPrefix(f.Subject, "cfg/") }); f >= 0 {
		return &Refusal{id, unread[f].Subject + " may hold it or call its destruction off, and could not be read back: " + unread[f].Detail}
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
	if err := d.checkPlan(ctx, t); err != nil {
		return err
	}
	if run, err := readRun(ctx, t.View(), w.Run); err == nil && len(left) > 0 {
		if err := d.checkRun(ctx, t, &run); err != nil {
			return err
		}
	} else if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	policy, err := d.Officer.policy(ctx, t)
	if err != nil {
		return err
	}
	r := attempt{Disposer: d, t: t, v: v, w: w, intent: i, policy: policy}
	until, held, err := r.locked(ctx)
	if err != nil {
		return err
	}
	if err := d.Officer.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		reason, err := e.unfinished(ctx, &r, left)
		if err != nil {
			return err
		}
		switch {
		case reason != "":
		case held:
			reason = "the store shows a legal hold on what is left of it, or its second copy"
		case until.After(e.now):
			reason = "what is left of it, or its second copy, is locked until " + until.UTC().Format(time.RFC3339)
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
	for _, prefix := range []string{preservation.PackagePrefix(id), preservation.EventPrefix(id)} {
		if err := r.clear(ctx, prefix); err != nil {
			return err
		}
	}
	return r.bury(ctx)
}

// clear is purge for a destruction that the catalog does not know of: it goes no further
// than the first object that the store protects after all, and says so.
func (r *attempt) clear(ctx context.Context, prefix string) error {
	keys, err := keysBelow(ctx, r.v, prefix)
	if err != nil {
		return err
	}
	for _, key := range slices.Backward(slices.DeleteFunc(keys, r.stays)) {
		err := r.v.Purge(ctx, key)
		if errors.Is(err, preservation.ErrLocked) {
			return &Refusal{r.w.Record, "the store refused to go on, and what was purged before is gone: " + err.Error() + "; complete it when that has ended"}
		}
		if err != nil {
			return err
		}
		if err := r.at("one object"); err != nil {
			return err
		}
	}
	return nil
}

// announced returns the destruction that the last intent in the bucket tells of, unless it
// was called off. An event that cannot be read may have called it off: then it refuses.
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
		if illegible(err) {
			return w, i, &Refusal{id, key + " may say that its destruction was called off, and cannot be read: " + err.Error()}
		}
		if err != nil {
			return w, i, err
		}
		var next Intent
		switch {
		case e.Record != id || key != preservation.EventKey(id, e.Event.ID):
			return w, i, &Refusal{id, key + " may have said that its destruction was called off, and tells of something else"}
		case e.Event.Type != preservation.EventIntent:
		case e.Event.ID == w.ID: // called off
			w = catalog.Disposal{}
		case json.Unmarshal(e.Body, &next) != nil || next.Disposal == "" || next.Tombstone.Record != id:
			return w, i, &Refusal{id, key + " says neither that its destruction begins nor that it was called off"}
		default:
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
// and no hold. Of a record that the catalog knows, as it has to while packages are left, all
// is asked that a destruction is asked which begins.
func (e *edit) unfinished(ctx context.Context, r *attempt, left []string) (reason string, err error) {
	id := r.w.Record
	if reason, err = e.approved(ctx, r.w); err != nil || reason != "" {
		return reason, err
	}
	row, err := e.v.Retention(ctx, id)
	known := err == nil
	switch {
	case errors.Is(err, catalog.ErrNotFound) && len(left) > 0:
		return "what is left of it is damaged, or only in the second copy, and does not say whether it may go: " + strings.Join(left, ", "), nil
	case errors.Is(err, catalog.ErrNotFound):
		row = catalog.Retention{Record: id, Class: r.intent.Tombstone.Class}
		if len(r.intent.Files) > 0 {
			row.Parent = r.intent.Files[0]
		}
	case err != nil:
		return "", err
	}
	all, err := gather(ctx, e.v, []catalog.Retention{row})
	if err != nil {
		return "", err
	}
	facts := all[0]
	if !known { // nor may the files be
		at := facts
		for _, file := range r.intent.Files {
			if at.Parent = file; at.File == nil {
				at.File = &Facts{ID: file}
			}
			at = at.File
		}
	}
	if holds := e.plan.holds.On(e.plan.schedule, facts, e.now); len(holds) > 0 {
		return heldBy(holds), nil
	}
	if known {
		row.Version = r.intent.Tombstone.Versions // those that are gone count: it was listed with them
		j, err := judgeRow(ctx, e.v, e.plan, r.policy, e.now, row, r.w)
		return j.reason, err
	}
	if r.intent.Files == nil && (e.plan.holds.onRecords(e.now) || e.plan.holds.onClasses(e.now)) {
		return "a former release began its destruction and did not say to which file it belonged, and there are holds on records or classes, of which one may be on that file", nil
	}
	for file := facts.File; file != nil; file = file.File {
		if file.Class == "" && e.plan.holds.onClasses(e.now) {
			return fmt.Sprintf("the catalog does not know of which class the file %s was that it belonged to, and there are holds on classes, of which one may be on it", file.ID), nil
		}
	}
	parts, err := e.v.CountRetentions(ctx, catalog.RetentionFilter{Parent: id})
	if err == nil && parts > 0 {
		reason = fmt.Sprintf("%d records that belong to it are kept", parts)
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
	goes := func(i catalog.RunItem) bool { // what was left out of a run was whole when it was
		return i.State != catalog.ItemRefused && i.State != catalog.ItemLeft && (i.Decision == string(Destroy) || i.Decision == string(Archive) && i.OwnCopy == copyDestroy)
	}
	if r.Approval.By == "" || r.Execution.Begun.IsZero() || !slices.ContainsFunc(items, goes) {
		return none, nil
	}
	return "", nil
}
