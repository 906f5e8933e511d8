package retention

import (
	"context"
	"fmt"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// AccessGrant is an exception from the closure periods of a record
// (SächsArchivG §10).
type AccessGrant struct {
	Added
	Kind string `json:"kind" validate:"required,oneof=consent shortening"`
	// Person is who consented, by the name in the record's metadata.
	Person     string            `json:"person,omitempty" validate:"max=500"`
	Until      preservation.Date `json:"until,omitzero"` // of a shortening: the last day that stays closed; none: it is opened
	Reason     string            `json:"reason" validate:"required,max=2000"`
	LegalBasis string            `json:"legal_basis" validate:"required,max=1000"`
}

// Consent of a person concerned.
const Consent = "consent"

// Kinds of annotations that this package reads.
const (
	kindGrant       = "access-grant"
	kindRestriction = "restriction"
	kindStatement   = "counter-statement"
)

// Grant records an exception from closure. Errors of type Invalid name the field;
// catalog.ErrConflict once the record is being destroyed.
func (o *Officer) Grant(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, g AccessGrant, actor string) (AccessGrant, error) {
	g.Added = Added{}
	if err := Validate(g); err != nil {
		return g, err
	}
	r, err := living(ctx, t.View(), id)
	if err != nil {
		return g, err
	}
	switch {
	case g.Kind == Consent && !g.Until.IsZero():
		return g, Invalid{fault("until", "misplaced", "consent ends no period on a day: leave it out")}
	case g.Kind == Consent && !slices.ContainsFunc(r.Subjects, func(s preservation.Subject) bool { return s.Name == g.Person }):
		return g, Invalid{fault("person", "unknown-person", "the record names no such person among its subjects")}
	case g.Kind == Shortening && g.Person != "":
		return g, Invalid{fault("person", "misplaced", "a shortening is for the whole record: leave it out")}
	}
	if g.Added, err = o.added(ctx, t.View(), id, kindGrant, actor); err != nil {
		return g, err
	}
	return g, o.annotate(ctx, t, id, addition{by: g.Added, event: preservation.EventAccess, body: g,
		detail: "exception from closure: " + g.Kind,
		audit:  catalog.AuditEntry{Actor: actor, Action: "record.access.grant", Object: string(id), Detail: map[string]string{"kind": g.Kind}}})
}

// Access says until when a record is closed for use by the public, whoever asks.
func (o *Officer) Access(ctx context.Context, t *catalog.Tenant, r preservation.Record) (Access, error) {
	periods, err := closurePeriods()
	if err != nil {
		return Access{}, err
	}
	grants, err := annotationsOf[AccessGrant](ctx, t.View(), r.ID, kindGrant)
	if err != nil {
		return Access{}, err
	}
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Access{}, err
	}
	created := r.Closed
	if created.IsZero() {
		created = preservation.DateOf(r.Received.In(policy.zone()))
	}
	return Closure(periods, ClosureFacts{Created: created, Confidentiality: r.Confidentiality, PersonalData: r.PersonalData, Subjects: r.Subjects}, grants), nil
}

// Today is the day in the tenant's zone.
func (o *Officer) Today(ctx context.Context, t *catalog.Tenant) (preservation.Date, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return preservation.Date{}, fmt.Errorf("today: %w", err)
	}
	return preservation.DateOf(o.Now().In(policy.zone())), nil
}
