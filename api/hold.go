package api

import (
	"context"
	"slices"
	"strings"

	"bestand/preservation"
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
	answer := ListHolds200JSONResponse{Items: make([]Hold, len(all)), Next: next}
	for i, h := range all {
		answer.Items[i] = hold(h, nil)
	}
	return answer, nil
}

// CreateHold forbids the destruction of records.
func (s *server) CreateHold(ctx context.Context, request CreateHoldRequestObject) (CreateHoldResponseObject, error) {
	b := request.Body
	h, notices, err := s.config.Officer.SetHold(ctx, s.tenant(ctx),
		retention.Hold{Scope: b.Scope, Authority: b.Authority, Reason: b.Reason, Review: b.Review}, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return CreateHold201JSONResponse(hold(h, notices)), nil
}

// ReleaseHold lifts a hold.
func (s *server) ReleaseHold(ctx context.Context, request ReleaseHoldRequestObject) (ReleaseHoldResponseObject, error) {
	h, err := s.config.Officer.ReleaseHold(ctx, s.tenant(ctx), request.ID, request.Body.Reason, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return ReleaseHold200JSONResponse(hold(h, nil)), nil
}

func hold(h retention.Hold, notices []preservation.Finding) Hold {
	return Hold{ID: h.ID, Scope: h.Scope, Authority: h.Authority, Reason: h.Reason, Review: h.Review, Set: h.Set, SetBy: h.SetBy,
		Released: h.Released, ReleasedBy: h.ReleasedBy, ReleaseReason: h.Release, Notices: notices}
}
