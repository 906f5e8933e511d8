package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Handover notes that an archive acknowledged packages of records with decision A.
type Handover struct {
	Receiver     string            `json:"receiver" validate:"required,max=500"`
	Reference    string            `json:"reference" validate:"required,max=500"` // of the acknowledgement
	Acknowledged preservation.Date `json:"acknowledged" validate:"required"`
	OwnCopy      string            `json:"own_copy" validate:"required,oneof=destroy keep"`
}

const (
	copyDestroy = "destroy"
	copyKeep    = "keep"
)

func (h *Handover) text() string {
	return fmt.Sprintf("%s, %s, acknowledged on %s", h.Receiver, h.Reference, h.Acknowledged)
}

// handing reports whether records of the run may be handed over.
func (r *Run) handing() error {
	if r.Status != RunApproved && r.Status != RunExecuting && r.Status != RunStopped {
		return fmt.Errorf("it is %s, and packages are handed over when it is approved: %w", r.Status, catalog.ErrConflict)
	}
	return nil
}

// actExported is the action in the audit log of a package that was sent whole, to be
// handed over by a run. Its object is the record.
const actExported = "disposal.exported"

// MayExport refuses (ErrConflict) to send the package of a record for a run that does
// not hand it over. Of those that it does hand over the record is number of total.
func (o *Officer) MayExport(ctx context.Context, t *catalog.Tenant, run string, id preservation.RecordID) (number, total int, err error) {
	r, err := readRun(ctx, t.View(), run)
	if err != nil {
		return 0, 0, err
	}
	if err := r.handing(); err != nil {
		return 0, 0, fmt.Errorf("disposal run %s: %w", run, err)
	}
	items, err := t.View().RunItems(ctx, catalog.ItemFilter{Run: run, IDs: []preservation.RecordID{id}, States: []string{catalog.ItemOpen}, Decisions: []string{string(Archive)}}, "", 1)
	if err == nil && len(items) == 0 {
		err = fmt.Errorf("record %s is not open with decision A in disposal run %s: %w", id, run, catalog.ErrConflict)
	}
	if err != nil {
		return 0, 0, err
	}
	return t.View().ItemPlace(ctx, run, string(Archive), id)
}

// Exported notes that the package of a record was sent whole, to be handed over by a run.
func (o *Officer) Exported(ctx context.Context, t *catalog.Tenant, run string, id preservation.RecordID, version int, profile, actor string) error {
	return t.Audit(ctx, catalog.AuditEntry{Actor: actor, Action: actExported, Object: string(id),
		Detail: map[string]string{"run": run, "version": strconv.Itoa(version), "profile": profile}})
}

// LeftOut is how many open records of a scope a transfer was not noted for, and why.
type LeftOut struct {
	Kept      int64 `json:"kept,omitempty"`      // acknowledged before: the own copy is kept
	Destroyed int64 `json:"destroyed,omitempty"` // likewise: it is destroyed
	Other     int64 `json:"other,omitempty"`     // the decision is not A
}

// HandOver notes an acknowledged transfer of records whose decision is A, in a run that
// was approved. Only from then on the own copies may go, or are kept for the archive.
// Of a whole run, or of classes, it is noted for what still waits for it; the rest is left
// out. NotReady when the newest version of one was not sent for this run: nobody can have
// acknowledged that.
//
// Nothing is destroyed on the word of one person: whoever notes an acknowledgement that
// has own copies destroyed must have neither proposed the run nor decided anything in it,
// nor noted the archive's answer (ErrSamePerson). The approver may, so that two persons
// are enough. That copies are kept anybody may note.
func (o *Officer) HandOver(ctx context.Context, t *catalog.Tenant, id string, s Scope, h Handover, actor string) (Run, LeftOut, error) {
	var left LeftOut
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Run{}, left, err
	}
	bad := Invalid(fields("", h))
	if s.Empty() {
		bad = append(bad, fault("scope", "required", "name records or classes, or say all"))
	}
	if preservation.DateOf(o.Now().In(policy.zone())).Before(h.Acknowledged) {
		bad = append(bad, fault("acknowledged", "future", "lies ahead"))
	}
	if len(bad) > 0 {
		return Run{}, left, bad
	}
	r, err := o.act(ctx, t, id, actor, func(ctx context.Context, e *edit, r *Run) error {
		if err := r.handing(); err != nil {
			return err
		}
		if begun := preservation.DateOf(r.Proposed.In(policy.zone())); h.Acknowledged.Before(begun) {
			return Invalid{fault("acknowledged", "before-run", fmt.Sprintf("is %s, and the run was begun on %s: nobody can have acknowledged its packages before", h.Acknowledged, begun))}
		}
		if h.OwnCopy == copyDestroy {
			if err := e.second(ctx, actor, append(r.Deciders, r.Proposer)...); err != nil {
				return fmt.Errorf("own copies are destroyed on this word: the approver has to note it, or somebody else who neither proposed nor decided; own_copy: keep is for everybody: %w", err)
			}
		}
		scope, err := e.scope(ctx, catalog.ItemFilter{Run: r.ID, States: []string{catalog.ItemOpen}}, s, "scope")
		if err != nil {
			return err
		}
		rest := scope.All || len(scope.Classes) > 0
		if rest {
			left, err = e.leftOut(ctx, r, scope)
		} else {
			err = errors.Join(e.forArchive(ctx, r, scope), e.mayLose(ctx, r, scope, h))
		}
		if err != nil {
			return err
		}
		if err := e.wasExported(ctx, r, scope, rest, left); err != nil {
			return err
		}
		if err := e.enter(ctx, r, Entry{Act: actHandedOver, Scope: scope, Handover: &h, Rest: rest}); err != nil {
			return err
		}
		return e.goOn(r)
	})
	return r, left, err
}

// leftOut counts what a transfer of all, or of classes, is not about.
func (e *edit) leftOut(ctx context.Context, r *Run, s Scope) (n LeftOut, err error) {
	err = e.eachItem(ctx, catalog.ItemFilter{Run: r.ID, States: []string{catalog.ItemOpen}}, s, func(items []catalog.RunItem) error {
		for _, i := range items {
			switch {
			case i.Decision != string(Archive):
				n.Other++
			case i.OwnCopy == copyKeep:
				n.Kept++
			case i.OwnCopy == copyDestroy:
				n.Destroyed++
			}
		}
		return nil
	})
	return n, err
}

// forArchive refuses records whose decision is not A.
func (e *edit) forArchive(ctx context.Context, r *Run, s Scope) error {
	named := make(map[preservation.RecordID]int, len(s.Records))
	for i, id := range s.Records {
		named[id] = i
	}
	claimed := catalog.ItemFilter{Run: r.ID, States: []string{catalog.ItemOpen}, Decisions: []string{string(Archive)}}
	err := e.eachItem(ctx, claimed, s, func(items []catalog.RunItem) error {
		for _, i := range items {
			delete(named, i.Record)
		}
		return nil
	})
	if err != nil || len(named) == 0 {
		return err
	}
	var bad Invalid
	for _, id := range s.Records {
		if i, ok := named[id]; ok {
			bad = append(bad, fault(fmt.Sprintf("scope.records[%d]", i), "not-for-archive", "the decision about "+string(id)+" is not A"))
		}
	}
	return bad
}

// mayLose refuses (ErrConflict) to have own copies destroyed of which it is noted that
// they are kept for the archive: whoever noted that may count on it.
func (e *edit) mayLose(ctx context.Context, r *Run, s Scope, h Handover) error {
	if h.OwnCopy != copyDestroy {
		return nil
	}
	kept := catalog.ItemFilter{Run: r.ID, States: []string{catalog.ItemOpen}, Decisions: []string{string(Archive)}, OwnCopy: copyKeep}
	return e.eachItem(ctx, kept, s, func(items []catalog.RunItem) error {
		return fmt.Errorf("the own copy of record %s is to be kept, as was noted with the acknowledgement %q: %w", items[0].Record, items[0].Transfer, catalog.ErrConflict)
	})
}

// wasExported refuses a scope of which nothing is handed over, or a record that is was not
// sent in its newest version.
func (e *edit) wasExported(ctx context.Context, r *Run, s Scope, rest bool, left LeftOut) error {
	claimed, missing, first := 0, 0, preservation.RecordID("")
	open := catalog.ItemFilter{Run: r.ID, States: []string{catalog.ItemOpen}, Decisions: []string{string(Archive)}, Waiting: rest}
	err := e.eachItem(ctx, open, s, func(items []catalog.RunItem) error {
		claimed += len(items)
		sent, err := e.exported(ctx, r.ID, items)
		for _, i := range items {
			if err == nil && !sent[i.Record] {
				if missing++; first == "" {
					first = i.Record
				}
			}
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case claimed == 0 && left.Kept+left.Destroyed > 0:
		return fmt.Errorf("that the archive took them over is noted already of all %d of these records that have the decision A: %w", left.Kept+left.Destroyed, catalog.ErrConflict)
	case claimed == 0:
		return fmt.Errorf("none of these records has the decision A: %w", catalog.ErrConflict)
	case missing > 0:
		return &NotReady{fmt.Sprintf("%d of %d records were not fetched for this run in their newest version, first %s: fetch each package with disposal=%s (bestand disposal export), send it to the archive, and note what it acknowledged then",
			missing, claimed, first, r.ID)}
	}
	return nil
}

// eachItem calls fn with pages of the items of a scope that match a filter, with each item
// once, though its record and its class are named both.
func (e *edit) eachItem(ctx context.Context, match catalog.ItemFilter, s Scope, fn func([]catalog.RunItem) error) error {
	filters := []catalog.ItemFilter{match}
	var named []preservation.RecordID
	if !s.All {
		filters = nil
		named = slices.Compact(slices.Sorted(slices.Values(s.Records)))
		for ids := range slices.Chunk(named, batch) {
			f := match
			f.IDs = ids
			filters = append(filters, f)
		}
		for codes := range slices.Chunk(s.Classes, maxCodes) {
			f := match
			f.Classes = codes
			filters = append(filters, f)
		}
	}
	for _, f := range filters {
		var after preservation.RecordID
		for {
			items, err := e.v.RunItems(ctx, f, after, batch)
			if err != nil {
				return err
			}
			if len(items) == 0 {
				break
			}
			after = items[len(items)-1].Record
			if len(f.IDs) == 0 {
				items = slices.DeleteFunc(items, func(i catalog.RunItem) bool {
					_, before := slices.BinarySearch(named, i.Record)
					return before
				})
			}
			if len(items) == 0 {
				continue
			}
			if err := fn(items); err != nil {
				return err
			}
		}
	}
	return nil
}

// exported returns which records of a run were sent for it in their newest version.
func (e *edit) exported(ctx context.Context, run string, items []catalog.RunItem) (map[preservation.RecordID]bool, error) {
	ids, objects := make([]preservation.RecordID, len(items)), make([]string, len(items))
	for n, i := range items {
		ids[n], objects[n] = i.Record, string(i.Record)
	}
	rows, err := e.v.Retentions(ctx, catalog.RetentionFilter{IDs: ids}, "", len(ids))
	if err != nil {
		return nil, err
	}
	newest := make(map[preservation.RecordID]string, len(rows))
	for _, row := range rows {
		newest[row.Record] = strconv.Itoa(row.Version)
	}
	entries, err := e.v.Audited(ctx, actExported, objects...)
	sent := make(map[preservation.RecordID]bool)
	for _, a := range entries {
		if id := preservation.RecordID(a.Object); a.Detail["run"] == run && a.Detail["version"] == newest[id] {
			sent[id] = true
		}
	}
	return sent, err
}
