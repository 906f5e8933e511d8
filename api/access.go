package api

import (
	"context"
	"errors"
	"slices"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// free are the roles that work with all records of the tenant. Who has none of them
// is not given those whose processing is restricted. Closure periods bind the public,
// in whose hand a researcher's token is, and readers once the archive has taken the
// record over and the copy here is archival material; until then the administration
// reads its own files.
var free = []auth.Role{auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin}

// open refuses a record that the caller may not read.
func (s *server) open(ctx context.Context, e catalog.Entry) error {
	who, t := principal(ctx), s.tenant(ctx)
	if who.Has(free...) {
		return nil
	}
	why, err := s.config.Officer.Restricted(ctx, t, e.ID)
	if err != nil {
		return err
	}
	if r, ok := why[e.ID]; ok {
		if !who.Has(auth.Reader, auth.Submitter) { // the reason can be about a person, and is not for the public
			return restricted.because("")
		}
		return restricted.because("restricted since %s: %s (%s)", r.Recorded.Format("2006-01-02"), r.Reason, r.LegalBasis)
	}
	if who.Has(auth.Reader, auth.Submitter) {
		over, err := t.View().TakenOver(ctx, e.ID)
		if err != nil || !over {
			return err
		}
	}
	a, err := s.config.Officer.Access(ctx, t, e.Record)
	if err != nil {
		return err
	}
	today, err := s.config.Officer.Today(ctx, t)
	if err != nil {
		return err
	}
	if a.Closed(today) {
		return closed.because("closed until %s, by %s (%s)", a.ClosedUntil, a.Basis, a.Reason)
	}
	return nil
}

// hidden are the records that lists and their counts leave out for the caller.
func (s *server) hidden(ctx context.Context) ([]preservation.RecordID, error) {
	if principal(ctx).Has(free...) {
		return nil, nil
	}
	return s.config.Officer.AllRestricted(ctx, s.tenant(ctx))
}

// listed leaves out what the caller may not read. Whoever lists reads what is closed.
func (s *server) listed(ctx context.Context, entries []catalog.Entry) ([]catalog.Entry, error) {
	if principal(ctx).Has(free...) {
		return entries, nil
	}
	ids := make([]preservation.RecordID, len(entries))
	for i, e := range entries {
		ids[i] = e.ID
	}
	out, err := s.config.Officer.Restricted(ctx, s.tenant(ctx), ids...)
	if len(out) == 0 {
		return entries, err
	}
	return slices.DeleteFunc(entries, func(e catalog.Entry) bool { _, ok := out[e.ID]; return ok }), nil
}

// permitted are those of the records that the caller may read.
func (s *server) permitted(ctx context.Context, ids []preservation.RecordID) ([]preservation.RecordID, error) {
	if principal(ctx).Has(free...) {
		return ids, nil
	}
	entries, err := s.tenant(ctx).EntriesByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	var all []preservation.RecordID
	for _, e := range entries {
		var refused *fault
		switch err := s.open(ctx, e); {
		case err == nil:
			all = append(all, e.ID)
		case !errors.As(err, &refused):
			return nil, err
		}
	}
	return all, nil
}

// titles are what records are called, of those that the caller may read and whose
// processing is not restricted.
func (s *server) titles(ctx context.Context, ids []preservation.RecordID) (map[preservation.RecordID]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	t := s.tenant(ctx)
	out, err := s.config.Officer.Restricted(ctx, t, ids...)
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id preservation.RecordID) bool { _, ok := out[id]; return ok })
	if ids, err = s.permitted(ctx, ids); err != nil {
		return nil, err
	}
	return t.Titles(ctx, ids)
}

// addAccess tells who may read a record and what persons concerned had noted in it.
func (s *server) addAccess(ctx context.Context, v *Record, e catalog.Entry) error {
	t := s.tenant(ctx)
	var err error
	if v.Access, err = s.config.Officer.Access(ctx, t, e.Record); err != nil {
		return err
	}
	out, err := s.config.Officer.Restricted(ctx, t, e.ID)
	if err != nil {
		return err
	}
	if r, ok := out[e.ID]; ok {
		v.Restriction = r
	}
	v.CounterStatements, err = s.config.Officer.Statements(ctx, t, e.ID)
	return err
}

// GrantAccess records an exception from closure.
func (s *server) GrantAccess(ctx context.Context, request GrantAccessRequestObject) (GrantAccessResponseObject, error) {
	t, b := s.tenant(ctx), request.Body
	g := retention.AccessGrant{Kind: string(b.Kind), Person: b.Person, Until: b.Until, Reason: b.Reason, LegalBasis: b.LegalBasis}
	if _, err := s.config.Officer.Grant(ctx, t, request.ID, g, principal(ctx).Actor); err != nil {
		return nil, s.missing(ctx, request.ID, err)
	}
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	now, err := s.config.Officer.Access(ctx, t, e.Record)
	return GrantAccess201JSONResponse(now), err
}

// RestrictRecord restricts the processing of a record, or ends that.
func (s *server) RestrictRecord(ctx context.Context, request RestrictRecordRequestObject) (RestrictRecordResponseObject, error) {
	b := request.Body
	r := retention.Restriction{Ended: b.Ended, Reason: b.Reason, LegalBasis: b.LegalBasis}
	r, err := s.config.Officer.Restrict(ctx, s.tenant(ctx), request.ID, r, principal(ctx).Actor)
	if err != nil {
		return nil, s.missing(ctx, request.ID, err)
	}
	return RestrictRecord201JSONResponse(r), nil
}
