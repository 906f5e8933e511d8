package api

import (
	"context"

	"bestand/preservation/catalog"
)

// GetClassification returns the classification in force.
func (s *server) GetClassification(ctx context.Context, _ GetClassificationRequestObject) (GetClassificationResponseObject, error) {
	scheme, err := s.config.Officer.Scheme(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	if scheme.Version == 0 {
		return nil, catalog.ErrNotFound
	}
	return GetClassification200JSONResponse(scheme), nil
}

// ReplaceClassification puts a new version into force.
func (s *server) ReplaceClassification(ctx context.Context, request ReplaceClassificationRequestObject) (ReplaceClassificationResponseObject, error) {
	scheme, err := s.config.Officer.SetScheme(ctx, s.tenant(ctx), *request.Body, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return ReplaceClassification201JSONResponse(scheme), nil
}
