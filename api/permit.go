package api

import (
	"context"
	"slices"
	"strings"

	"bestand/retention"
)

// ListPermits lists standing destruction permits, newest first.
func (s *server) ListPermits(ctx context.Context, _ ListPermitsRequestObject) (ListPermitsResponseObject, error) {
	permits, err := s.config.Officer.Permits(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(permits, func(a, b retention.Permit) int { return strings.Compare(b.ID, a.ID) })
	return ListPermits200JSONResponse{Items: list(permits)}, nil
}

// ProposePermit records a permit that a second person has to approve.
func (s *server) ProposePermit(ctx context.Context, request ProposePermitRequestObject) (ProposePermitResponseObject, error) {
	b := request.Body
	p, err := s.config.Officer.ProposePermit(ctx, s.tenant(ctx), retention.Permit{Classes: b.Classes, Authority: b.Authority,
		Granted: b.Granted, LegalBasis: b.LegalBasis, ValidFrom: b.ValidFrom, ValidTo: b.ValidTo}, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return ProposePermit201JSONResponse(p), nil
}

// ApprovePermit puts a permit into force.
func (s *server) ApprovePermit(ctx context.Context, request ApprovePermitRequestObject) (ApprovePermitResponseObject, error) {
	p, err := s.config.Officer.ApprovePermit(ctx, s.tenant(ctx), request.ID, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return ApprovePermit200JSONResponse(p), nil
}

// RevokePermit ends a permit. Nothing more is destroyed under it.
func (s *server) RevokePermit(ctx context.Context, request RevokePermitRequestObject) (RevokePermitResponseObject, error) {
	p, err := s.config.Officer.RevokePermit(ctx, s.tenant(ctx), request.ID, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return RevokePermit200JSONResponse(p), nil
}
