package retention

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Restriction keeps a record from being read in the daily business, while it is kept
// (GDPR Art. 18), or ends that. The last one counts.
type Restriction struct {
	Added
	Ended      bool   `json:"ended,omitempty"`
	Request    string `json:"request,omitempty"` // the subject request that led to it
	Reason     string `json:"reason" validate:"required,max=2000"`
	LegalBasis string `json:"legal_basis" validate:"required,max=1000"`
}

// Statement is the counter-statement of a person concerned (Gegendarstellung,
// SächsArchivG §6). It is shown with the record.
type Statement struct {
	Added
	Request string `json:"request"` // the subject request that led to it
	Text    string `json:"text" validate:"required,max=20000"`
}

// Restrict restricts the processing of a record, or ends that. Errors as for Grant, and
// catalog.ErrConflict where that is so already; a subject request is noted all the same.
func (o *Officer) Restrict(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, r Restriction, actor string) (Restriction, error) {
	if err := Validate(r); err != nil {
		return r, err
	}
	var err error
	if _, err = living(ctx, t.View(), id); err != nil {
		return r, err
	}
	if r.Added, err = o.added(ctx, t.View(), id, kindRestriction, actor); err != nil {
		return r, err
	}
	now, err := o.Restricted(ctx, t, id)
	if err != nil {
		return r, err
	}
	switch was, restricted := now[id]; {
	case r.Ended && !restricted:
		return r, fmt.Errorf("the processing of the record %s is not restricted: there is nothing to end: %w", id, catalog.ErrConflict)
	case !r.Ended && restricted && r.Request == "":
		return r, fmt.Errorf("the processing of the record %s is restricted since %s already: end that first to give another reason: %w", id, was.Recorded.Format(time.DateOnly), catalog.ErrConflict)
	}
	detail := "processing restricted"
	if r.Ended {
		detail = "restriction of processing ended"
	}
	return r, o.annotate(ctx, t, id, addition{by: r.Added, event: preservation.EventRestrict, body: r, detail: detail,
		audit: catalog.AuditEntry{Actor: actor, Action: "record.restrict", Object: string(id), Detail: map[string]string{"ended": fmt.Sprint(r.Ended)}}})
}

// Restricted returns, of some records, those whose processing is restricted.
func (o *Officer) Restricted(ctx context.Context, t *catalog.Tenant, ids ...preservation.RecordID) (map[preservation.RecordID]Restriction, error) {
	notes, err := t.View().AnnotationsOf(ctx, kindRestriction, ids...)
	if err != nil {
		return nil, err
	}
	return standing(notes)
}

// AllRestricted returns all records whose processing is restricted, in their order.
func (o *Officer) AllRestricted(ctx context.Context, t *catalog.Tenant) ([]preservation.RecordID, error) {
	notes, err := t.View().Annotated(ctx, kindRestriction)
	if err != nil {
		return nil, err
	}
	all, err := standing(notes)
	return slices.Sorted(maps.Keys(all)), err
}

// standing are the restrictions that have not ended.
func standing(notes []catalog.Annotation) (map[preservation.RecordID]Restriction, error) {
	all := map[preservation.RecordID]Restriction{}
	for _, n := range notes {
		var r Restriction
		if err := json.Unmarshal(n.Body, &r); err != nil {
			return nil, fmt.Errorf("restriction %s: %w", n.ID, err)
		}
		if all[n.Record] = r; r.Ended {
			delete(all, n.Record)
		}
	}
	return all, nil
}

// AddStatement attaches a counter-statement to a record. Errors as for Grant.
func (o *Officer) AddStatement(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, s Statement, actor string) (Statement, error) {
	if err := Validate(s); err != nil {
		return s, err
	}
	var err error
	if _, err = living(ctx, t.View(), id); err != nil {
		return s, err
	}
	if s.Added, err = o.added(ctx, t.View(), id, kindStatement, actor); err != nil {
		return s, err
	}
	return s, o.annotate(ctx, t, id, addition{by: s.Added, event: preservation.EventStatement, body: s, detail: "counter-statement attached",
		audit: catalog.AuditEntry{Actor: actor, Action: "record.statement", Object: string(id), Detail: map[string]string{"request": s.Request}}})
}

// Statements lists the counter-statements to a record, oldest first.
func (o *Officer) Statements(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) ([]Statement, error) {
	return annotationsOf[Statement](ctx, t.View(), id, kindStatement)
}
