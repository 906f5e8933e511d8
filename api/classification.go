package api

import (
	"context"

	"bestand/preservation/catalog"
)

// GetClassification returns the classification in force, or another version of it.
func (s *server) GetClassification(ctx context.Context, request GetClassificationRequestObject) (GetClassificationResponseObject, error) {
	scheme, err := s.config.Officer.SchemeAt(ctx, s.tenant(ctx), request.Params.Version)
	if err != nil {
		return nil, err
	}
	if scheme.Version == 0 {
		return nil, catalog.ErrNotFound
	}
	return GetClassification200JSONResponse(scheme), nil
}

// ListClassificationVersions says who put which version into force.
func (s *server) ListClassificationVersions(ctx context.Context, _ ListClassificationVersionsRequestObject) (ListClassificationVersionsResponseObject, error) {
	versions, err := s.config.Officer.SchemeVersions(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	return ListClassificationVersions200JSONResponse{Items: list(versions)}, nil
}

// ReplaceClassification puts a new version into force.
func (s *server) ReplaceClassification(ctx context.Context, request ReplaceClassificationRequestObject) (ReplaceClassificationResponseObject, error) {
	scheme, err := s.config.Officer.SetScheme(ctx, s.tenant(ctx), *request.Body, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return ReplaceClassification201JSONResponse(scheme), nil
}

// PreviewClassification says what a new version would do.
func (s *server) PreviewClassification(ctx context.Context, request PreviewClassificationRequestObject) (PreviewClassificationResponseObject, error) {
	p, err := s.config.Officer.PreviewScheme(ctx, s.tenant(ctx), *request.Body, examples(request.Params.Examples))
	if err != nil {
		return nil, err
	}
	return PreviewClassification200JSONResponse(p), nil
}

// examples is how many records a preview names of each move.
func examples(n *Examples) int {
	if n == nil {
		return 5
	}
	return *n
}
