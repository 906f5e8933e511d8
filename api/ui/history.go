package ui

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// historyView is everything that happened to a record.
type historyView struct {
	ID       string
	Happened []happening
	Limit    int // of the acts of the audit log, when there are more; 0 when all are here
	Reported map[string]catalog.Trigger
	Names    documents
}

// happening is one thing that happened to a record: an event of its own (PREMIS), a hold
// that was set or released, an act that the audit log has, or that it was read back.
type happening struct {
	At     time.Time
	What   string              // in words
	Event  *preservation.Event // nil for others
	Act    *catalog.AuditEntry // nil for others
	Actor  string              // who did it, where that is known
	Reason string              // that the person gave
	Hold   string              // identifier of the hold; "" for others
}

// Outcome is that of the event; what else is told succeeded.
func (h happening) Outcome() preservation.Outcome {
	if h.Event != nil {
		return h.Event.Outcome
	}
	switch {
	case h.Act == nil:
		return preservation.Success
	case h.Act.Detail["outcome"] == "failed":
		return preservation.Failure
	case h.Act.Action == "record.dispose.blocked":
		return preservation.Warning
	}
	return preservation.Success
}

func historyPage(v *visit) error {
	p := historyView{ID: v.r.PathValue("id")}
	events, err := v.events(p.ID)
	if err != nil {
		return err
	}
	var more bool
	if p.Happened, more, err = v.happened(preservation.RecordID(p.ID), events); err != nil {
		return err
	}
	if more {
		p.Limit = actsShown
	}
	if p.Reported, err = v.reported(p.ID); err != nil {
		return err
	}
	if p.Names, err = v.documents(p.ID, events); err != nil {
		return err
	}
	return v.show("history", v.lang.t("history.title"), p, crumb{v.lang.t("search.title"), "/suche"}, crumb{v.lang.t("record.record"), joinPath("/akte/", p.ID)})
}

// acts are the entries of the audit log that the history of a record has beside its
// events. Who only looked at it or fetched it stands in the log alone.
var acts = []string{"record.verify", "evidence.report", "record.dispose", "record.dispose.cancel", "record.dispose.blocked"}

// actsShown is how many of them a page has at most.
const actsShown = 200

// happened puts what is known of a record beside its events, of which the visitor was
// given all: who added what to it and why for those who may read reasons, when it was last
// read back, its holds for those who may see holds, and what the audit log has of it for
// those who may read that. The newest comes first. more reports whether the log has older
// acts.
func (v *visit) happened(id preservation.RecordID, events []preservation.Event) (all []happening, more bool, err error) {
	view := v.ui.Catalog.Tenant(v.who.Tenant).View()
	notes, err := view.Annotations(v.r.Context(), id, "")
	if err != nil {
		return nil, false, err
	}
	by := map[string]catalog.Annotation{}
	for _, n := range notes {
		by[n.ID] = n
	}
	for i := range events {
		h := happening{At: events[i].At, What: v.lang.coded("event", events[i].Type), Event: &events[i]}
		if n, added := by[h.Event.ID]; added && v.ui.API.GivesReasons(v.who) {
			var said struct{ Reason string }
			if err := json.Unmarshal(n.Body, &said); err != nil {
				return nil, false, fmt.Errorf("annotation %s: %w", n.ID, err)
			}
			h.Actor, h.Reason = n.Actor, said.Reason
		}
		all = append(all, h)
	}
	check, err := view.Checked(v.r.Context(), id)
	if err != nil {
		return nil, false, err
	}
	if !check.At.IsZero() && len(check.Findings) == 0 {
		all = append(all, happening{At: check.At, What: v.lang.t("history.read")})
	}
	holds, err := v.ui.API.HoldsOver(v.r.Context(), v.who, id)
	if err != nil {
		return nil, false, err
	}
	for _, h := range holds {
		all = append(all, happening{At: h.Set, What: v.lang.coded("action", "hold.set"), Actor: h.SetBy, Reason: fmt.Sprintf("%s (%s)", h.Reason, h.Authority), Hold: h.ID})
		if !h.Released.IsZero() {
			all = append(all, happening{At: h.Released, What: v.lang.coded("action", "hold.release"), Actor: h.ReleasedBy, Reason: h.Release, Hold: h.ID})
		}
	}
	if v.may("GET /v1/audit") {
		log, err := view.Acts(v.r.Context(), string(id), actsShown+1, acts...)
		if err != nil {
			return nil, false, err
		}
		if more = len(log) > actsShown; more {
			log = log[:actsShown]
		}
		for i := range log {
			all = append(all, happening{At: log[i].At, What: v.lang.coded("action", log[i].Action), Act: &log[i], Actor: log[i].Actor})
		}
	}
	slices.SortStableFunc(all, func(a, b happening) int { return b.At.Compare(a.At) })
	return all, more, nil
}
