package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"bestand/preservation/proof"
)

// GetEvidence returns the evidence record of a version.
func (s *server) GetEvidence(ctx context.Context, request GetEvidenceRequestObject) (GetEvidenceResponseObject, error) {
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	version := e.Version
	if request.Params.Version != nil {
		version = *request.Params.Version
	}
	if version > e.Version {
		return nil, notFound.because("the record has %d versions", e.Version)
	}
	der, err := s.config.Evidence(ctx, s.tenant(ctx), request.ID, version)
	if errors.Is(err, proof.ErrPending) {
		return nil, noEvidence.because("no evidence batch has covered version %d of the record yet", version)
	}
	if err != nil {
		return nil, s.orDestroyed(ctx, request.ID, err)
	}
	return GetEvidence200ApplicationOctetStreamResponse{Body: bytes.NewReader(der), ContentLength: int64(len(der))}, nil
}

// StampPending has everything stamped that waits for it.
func (s *server) StampPending(ctx context.Context, _ StampPendingRequestObject) (StampPendingResponseObject, error) {
	n, err := s.config.Stamp(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "evidence.batch", "", map[string]string{"stamped": fmt.Sprint(n)}); err != nil {
		return nil, err
	}
	return StampPending200JSONResponse{Stamped: n}, nil
}
