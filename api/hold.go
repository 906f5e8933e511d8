package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// ListHolds lists legal holds, newest first.
func (s *server) ListHolds(ctx context.Context, request ListHoldsRequestObject) (ListHoldsResponseObject, error) {
	p := request.Params
	limit := pageSize(p.Limit)
	if err := afterID(p.After); err != nil {
		return nil, err
	}
	all, err := s.config.Officer.Holds(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b retention.Hold) int { return strings.Compare(b.ID, a.ID) })
	if p.After != "" {
		all = slices.DeleteFunc(all, func(h retention.Hold) bool { return h.ID >= p.After })
	}
	all, next := page(all, limit, func(h retention.Hold) string { return h.ID })
	if err := s.config.Officer.Fates(ctx, s.tenant(ctx), all); err != nil {
		return nil, err
	}
	answer := ListHolds200JSONResponse{Items: make([]Hold, len(all)), Next: next}
	for i, h := range all {
		answer.Items[i] = hold(h, nil)
	}
	return answer, nil
}

// CreateHold forbids the destruction of records.
func (s *server) CreateHold(ctx context.Context, request CreateHoldRequestObject) (CreateHoldResponseObject, error) {
	b := request.Body
	h := retention.Hold{Scope: b.Scope, Authority: b.Authority, Reason: b.Reason, Review: b.Review}
	if b.Query != (RecordQuery{}) {
		if len(b.Scope.Records) > 0 {
			return nil, invalid.in(fieldError("query", "excluded", "name records, or say how they are found"))
		}
		found, err := s.frozen(ctx, b.Query)
		if err != nil {
			return nil, err
		}
		h.Scope.Records, h.Query = found, b.Query.fields()
	}
	h, notices, err := s.config.Officer.SetHold(ctx, s.tenant(ctx), h, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return CreateHold201JSONResponse(hold(h, notices)), nil
}

// GetHold returns a hold and how far it is applied.
func (s *server) GetHold(ctx context.Context, request GetHoldRequestObject) (GetHoldResponseObject, error) {
	h, done, err := s.config.Officer.Hold(ctx, s.tenant(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	answer := hold(h, nil)
	answer.Progress = done
	return GetHold200JSONResponse(answer), nil
}

// maxFrozen is how many records a query may put under one hold.
const maxFrozen = 1_000_000

// frozen returns all records that a query finds now.
func (s *server) frozen(ctx context.Context, q RecordQuery) (ids []preservation.RecordID, err error) {
	limit := maxPage
	p := ListRecordsParams{Q: q.Q, Class: q.Class, Producer: q.Producer, Reference: q.Reference, Kind: q.Kind, From: q.From, To: q.To, Limit: &limit}
	if err := checkFilter(p); err != nil {
		return nil, inQuery(err)
	}
	if q.Q != "" {
		p.Sort = ListRecordsParamsSortReference
		if c, err := s.indexCount(ctx, p, nil); err != nil {
			return nil, inQuery(err)
		} else if !c.exact {
			return nil, unavailable.because("the text index does not know the newest records yet: send it again in a moment")
		}
	}
	for {
		var next string
		var found []preservation.RecordID
		if q.Q != "" {
			page, err := s.searchRecords(ctx, p, nil)
			if err != nil {
				return nil, inQuery(err)
			}
			for _, r := range page.Items {
				found = append(found, r.ID)
			}
			next = page.Next
		} else {
			f := catalog.RecordFilter{Class: q.Class, Producer: q.Producer, Reference: q.Reference, Kind: q.Kind, From: q.From, To: q.To, Status: live, Expected: maxFrozen}
			entries, cursor, err := s.tenant(ctx).Records(ctx, f, "archived", p.After, limit)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				found = append(found, e.ID)
			}
			next = cursor
		}
		ids = append(ids, found...)
		if len(ids) > maxFrozen {
			return nil, invalid.in(fieldError("query", "too-many", fmt.Sprintf("finds more than %d records: hold classes, or all", maxFrozen)))
		}
		if p.After = next; next == "" {
			break
		}
	}
	if len(ids) == 0 {
		if err := s.classExists(ctx, q.Class); err != nil {
			return nil, inQuery(err)
		}
		return nil, invalid.in(fieldError("query", "nothing-found", "finds no record, and would hold nothing"))
	}
	return ids, nil
}

// inQuery names the property of a query in a body that a fault is about, which is
// otherwise one of the address.
func inQuery(err error) error {
	_, _, fields := classify(err)
	if len(fields) == 0 {
		return err
	}
	for i := range fields {
		fields[i].Field = "query." + fields[i].Field
	}
	return invalid.in(fields...)
}

// fields are the filters of a query by name.
func (q RecordQuery) fields() map[string]string {
	all := map[string]string{"q": q.Q, "class": q.Class, "producer": q.Producer, "reference": q.Reference, "kind": q.Kind, "from": q.From.String(), "to": q.To.String()}
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return all
}

// ReleaseHold lifts a hold.
func (s *server) ReleaseHold(ctx context.Context, request ReleaseHoldRequestObject) (ReleaseHoldResponseObject, error) {
	h, err := s.config.Officer.ReleaseHold(ctx, s.tenant(ctx), request.ID, request.Body.Reason, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	one := []retention.Hold{h}
	if err := s.config.Officer.Fates(ctx, s.tenant(ctx), one); err != nil {
		one[0].Late = nil // it is released all the same, and GET tells them
	}
	return ReleaseHold200JSONResponse(hold(one[0], nil)), nil
}

// ReviewHold notes that a hold is still needed.
func (s *server) ReviewHold(ctx context.Context, request ReviewHoldRequestObject) (ReviewHoldResponseObject, error) {
	h, err := s.config.Officer.ConfirmHold(ctx, s.tenant(ctx), request.ID, request.Body.Review, request.Body.Note, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	one := []retention.Hold{h}
	if err := s.config.Officer.Fates(ctx, s.tenant(ctx), one); err != nil {
		one[0].Late = nil // it is confirmed all the same, and GET tells them
	}
	return ReviewHold200JSONResponse(hold(one[0], nil)), nil
}

func hold(h retention.Hold, notices []preservation.Finding) Hold {
	return Hold{ID: h.ID, Scope: h.Scope, Authority: h.Authority, Reason: h.Reason, Review: h.Review, Set: h.Set, SetBy: h.SetBy,
		Query: h.Query, Reviews: h.Reviews, Released: h.Released, ReleasedBy: h.ReleasedBy, ReleaseReason: h.Release, Late: h.Late, Notices: notices}
}
