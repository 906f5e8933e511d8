package api

import "context"

// GetEvidence says why there is no evidence record yet.
func (s *server) GetEvidence(ctx context.Context, request GetEvidenceRequestObject) (GetEvidenceResponseObject, error) {
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	return nil, noEvidence.because("no evidence batch has covered version %d of the record yet", e.Version)
}
