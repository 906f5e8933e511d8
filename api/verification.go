package api

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// VerifyRecord reads a record back from the store and reports what it found.
func (s *server) VerifyRecord(ctx context.Context, request VerifyRecordRequestObject) (VerifyRecordResponseObject, error) {
	id, t := request.ID, s.tenant(ctx)
	known, err := s.verifiable(ctx, id)
	if err != nil {
		return nil, err
	}
	findings, err := s.config.Verify(ctx, t, id)
	if err != nil {
		return nil, s.orDestroyed(ctx, id, err)
	}
	var codes []string
	for _, f := range findings {
		if f.Severity == preservation.Failed && !slices.Contains(codes, f.Code) {
			codes = append(codes, f.Code)
		}
	}
	if !known && len(codes) == 0 {
		return nil, catalog.ErrNotFound
	}
	detail := map[string]string{"outcome": "passed"}
	if len(codes) > 0 {
		detail = map[string]string{"outcome": "failed", "codes": strings.Join(codes, " ")}
		s.log.ErrorContext(ctx, "verification failed", slog.String("tenant", string(t.ID())), slog.String("record", string(id)), slog.Any("codes", codes))
	}
	if err := s.audit(ctx, "record.verify", string(id), detail); err != nil {
		return nil, err
	}
	return VerifyRecord200JSONResponse{RecordID: id, At: s.now().UTC(), Passed: len(codes) == 0, Findings: list(findings)}, nil
}

// verifiable reports whether the catalog knows a record. The error is that of one
// whose destruction was decided: a record that is marked so without any decision
// is damaged, and one that the catalog has lost may be in the bucket, which the
// verification finds out.
func (s *server) verifiable(ctx context.Context, id preservation.RecordID) (known bool, err error) {
	e, err := s.tenant(ctx).Head(ctx, id)
	err = s.visible(ctx, e, id, err)
	var gone *destroyed
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return false, nil
	case !errors.As(err, &gone) || !gone.tombstone.Destroyed.IsZero():
		return true, err
	}
	if _, lookup := s.tenant(ctx).View().Disposal(ctx, id); errors.Is(lookup, catalog.ErrNotFound) {
		return true, nil
	} else if lookup != nil {
		return true, lookup
	}
	return true, err
}
