package retention

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Erasure is what has become of a record whose erasure was granted.
type Erasure struct {
	Record    preservation.RecordID `json:"record_id"`
	State     string                `json:"state"`         // open, left, destroyed or transferred, as of an item of a run
	Run       string                `json:"run,omitempty"` // the newest that decides about it, or did
	Reason    string                `json:"reason,omitempty"`
	Destroyed time.Time             `json:"destroyed,omitzero"`
}

// Erasures says what has become of the records whose erasure a request was granted, in the
// order of the decision. It is empty for all other requests.
func Erasures(ctx context.Context, v catalog.View, q SubjectRequest) (all []Erasure, err error) {
	if q.Kind != AskErasure || q.Decision == nil || q.Decision.Outcome != Granted {
		return nil, nil
	}
	for _, id := range q.Decision.Records {
		e, err := erasure(ctx, v, id, q.Decision.Run)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// erasure says what has become of a record that a run was to erase.
func erasure(ctx context.Context, v catalog.View, id preservation.RecordID, run string) (Erasure, error) {
	stone, err := v.Tombstone(ctx, id)
	if err == nil {
		return Erasure{Record: id, State: catalog.ItemDestroyed, Run: stone.Run, Destroyed: stone.Destroyed}, nil
	}
	if !errors.Is(err, catalog.ErrNotFound) {
		return Erasure{}, err
	}
	open, err := v.OpenItems(ctx, id)
	if err != nil {
		return Erasure{}, err
	}
	if i, ok := open[id]; ok {
		return Erasure{Record: id, State: i.State, Run: i.Run}, nil
	}
	if over, err := v.TakenOver(ctx, id); err != nil || over {
		return Erasure{Record: id, State: catalog.ItemTransferred}, err
	}
	i, err := v.LastLeft(ctx, id)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return Erasure{}, err
	}
	if err != nil || i.Run < run { // it was not even taken into the run
		items, err := v.RunItems(ctx, catalog.ItemFilter{Run: run, IDs: []preservation.RecordID{id}}, "", 1)
		if err != nil {
			return Erasure{}, err
		}
		if i = (catalog.RunItem{Run: run}); len(items) > 0 {
			i = items[0]
		}
	}
	return Erasure{Record: id, State: catalog.ItemLeft, Run: i.Run, Reason: i.Reason}, nil
}

// unerased are the records of granted erasures that are still here, and that no run decides about.
func unerased(all []Erasure) (ids []preservation.RecordID) {
	for _, e := range all {
		if e.State == catalog.ItemLeft {
			ids = append(ids, e.Record)
		}
	}
	return ids
}

// EraseLeft begins another disposal run over the records of a granted erasure that were
// left by the runs before, as for a hold that is released by now. What something still
// stands against is left again; Invalid says so of each where there is nothing else.
// ErrEnded says that nothing is left, or that a run decides about it.
func (o *Officer) EraseLeft(ctx context.Context, t *catalog.Tenant, id, actor string) (Run, error) {
	q, err := o.SubjectRequest(ctx, t, id)
	if err != nil {
		return Run{}, err
	}
	all, err := Erasures(ctx, t.View(), q)
	if err != nil {
		return Run{}, err
	}
	ids := unerased(all)
	if len(ids) == 0 {
		return Run{}, fmt.Errorf("subject request %s has no record that a disposal run of its erasure left: %w", id, ErrEnded)
	}
	var bad Invalid
	var free []preservation.RecordID
	for i, id := range ids {
		code, why, err := o.againstErasing(ctx, t, id)
		switch {
		case err != nil:
			return Run{}, err
		case code != "":
			bad = append(bad, fault(fmt.Sprintf("records[%d]", i), code, "record "+string(id)+": "+why))
		default:
			free = append(free, id)
		}
	}
	if len(free) == 0 {
		return Run{}, bad
	}
	run, err := o.proposeErasure(ctx, t, id, free, q.Decision.LegalBasis, actor)
	if err != nil {
		return Run{}, err
	}
	return o.Run(ctx, t, run)
}

// proposeErasure begins the disposal run of an erasure, with its records to be destroyed.
func (o *Officer) proposeErasure(ctx context.Context, t *catalog.Tenant, request string, ids []preservation.RecordID, basis, actor string) (run string, err error) {
	r, err := o.ProposeRun(ctx, t, "Betroffenenantrag "+request, Selection{Records: ids}, actor)
	if err != nil {
		return "", err
	}
	_, err = o.DecideRun(ctx, t, r.ID, []Appraisal{{Scope: Scope{All: true}, Decision: string(Destroy), Note: basis}}, actor)
	return r.ID, err
}

// erasable says what stands against the erasure of records.
func (o *Officer) erasable(ctx context.Context, t *catalog.Tenant, ids []preservation.RecordID) (bad Invalid, err error) {
	for i, id := range ids {
		code, why, err := o.againstErasing(ctx, t, id)
		if err != nil {
			return nil, err
		}
		if code != "" {
			bad = append(bad, fault(fmt.Sprintf("records[%d]", i), code, why))
		}
	}
	return bad, nil
}

// againstErasing says what stands against the erasure of a record now, or nothing.
func (o *Officer) againstErasing(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) (code, why string, err error) {
	e, err := o.Evaluate(ctx, t, id)
	if err != nil {
		return "", "", err
	}
	over, err := t.View().TakenOver(ctx, id)
	if err != nil {
		return "", "", err
	}
	if code, why = againstErasure(&e, over); code != "" {
		return code, why, nil
	}
	open, err := t.View().OpenItems(ctx, id)
	if item, ok := open[id]; ok {
		return "in-disposal", "the disposal run " + item.Run + " decides about it already", err
	}
	return "", "", err
}

// againstErasure says why a record must not be erased, or nothing.
func againstErasure(e *Evaluation, takenOver bool) (code, why string) {
	switch {
	case e.State == Held:
		return "held", "a hold keeps it (" + strings.Join(e.Holds, ", ") + ")"
	case takenOver, e.State == Permanent, e.Disposition == Archive:
		return "archival", "it is archival material, of which nothing is erased: a counter-statement can be attached (SächsArchivG §6)"
	case e.State == Due:
		return "", ""
	case e.Kept.Run != "":
		return "duty-to-keep", fmt.Sprintf("it is kept until %s as decided in the disposal run %s", e.Kept.Until, e.Kept.Run)
	case e.End.IsZero():
		return "duty-to-keep", "it is " + string(e.State) + ": until when it has to be kept is not known"
	}
	return "duty-to-keep", fmt.Sprintf("it has to be kept until %s by rule %s", e.End, e.Rule)
}
