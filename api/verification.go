package api

import (
	"context"
	"slices"

	"bestand/preservation"
)

// VerifyRecord reads a record back from the store and reports what it found.
func (s *server) VerifyRecord(ctx context.Context, request VerifyRecordRequestObject) (VerifyRecordResponseObject, error) {
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	findings, err := s.config.Verify(ctx, s.tenant(ctx), e.ID)
	if err != nil {
		return nil, err
	}
	passed := !slices.ContainsFunc(findings, func(f preservation.Finding) bool { return f.Severity == preservation.Failed })
	outcome := map[bool]string{true: "passed", false: "failed"}[passed]
	if err := s.audit(ctx, "record.verify", string(e.ID), map[string]string{"outcome": outcome}); err != nil {
		return nil, err
	}
	return VerifyRecord200JSONResponse{RecordID: e.ID, At: s.now().UTC(), Passed: passed, Findings: list(findings)}, nil
}
