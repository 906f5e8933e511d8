package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/proof"
)

// GetEvidence returns the evidence record of a version or of one file in it, or a
// report on it.
func (s *server) GetEvidence(ctx context.Context, request GetEvidenceRequestObject) (GetEvidenceResponseObject, error) {
	p := request.Params
	if p.File != "" && p.Format != "" && p.Format != GetEvidenceParamsFormatDer {
		return nil, badParameter.in(fieldError("file", "excluded", "the report is about the whole record: only with format=der"))
	}
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	version := e.Version
	if p.Version != nil {
		version = *p.Version
	}
	if version > e.Version {
		return nil, notFound.because("the newest version of the record is %d", e.Version)
	}
	var answer GetEvidenceResponseObject
	switch p.Format {
	case GetEvidenceParamsFormatJSON, GetEvidenceParamsFormatPdf:
		answer, err = s.evidenceReport(ctx, request.ID, version, p.Format)
	default:
		var der []byte
		der, err = s.config.Evidence(ctx, s.tenant(ctx), request.ID, version, p.File)
		answer = GetEvidence200ApplicationOctetStreamResponse{Body: bytes.NewReader(der), ContentLength: int64(len(der))}
	}
	if errors.Is(err, proof.ErrPending) {
		return nil, noEvidence.because("no evidence batch has covered version %d of the record yet", version)
	}
	if errors.Is(err, catalog.ErrNotFound) && p.File != "" {
		return nil, notFound.because("version %d of the record has no file %q", version, p.File)
	}
	if err != nil {
		return nil, s.orDestroyed(ctx, request.ID, err)
	}
	return answer, nil
}

func (s *server) evidenceReport(ctx context.Context, id preservation.RecordID, version int, format GetEvidenceParamsFormat) (GetEvidenceResponseObject, error) {
	report, err := s.config.EvidenceReport(ctx, s.tenant(ctx), id, version)
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "evidence.report", string(id), map[string]string{"passed": fmt.Sprint(report.Passed)}); err != nil {
		return nil, err
	}
	if format == GetEvidenceParamsFormatJSON {
		return GetEvidence200JSONResponse(report), nil
	}
	pdf, size, err := s.config.EvidencePDF(ctx, s.tenant(ctx), report)
	if err != nil {
		return nil, err
	}
	return GetEvidence200ApplicationPdfResponse{Body: pdf, ContentLength: size}, nil
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

// ListRenewals says what has to be renewed, today or on a day to come.
func (s *server) ListRenewals(ctx context.Context, request ListRenewalsRequestObject) (ListRenewalsResponseObject, error) {
	at := s.now()
	if day := request.Params.At; !day.IsZero() {
		at = day.In(time.UTC)
	}
	due, err := s.config.Due(ctx, s.tenant(ctx), at)
	if err != nil {
		return nil, err
	}
	return ListRenewals200JSONResponse{Items: list(due)}, nil
}

// RenewEvidence has renewed what is due.
func (s *server) RenewEvidence(ctx context.Context, _ RenewEvidenceRequestObject) (RenewEvidenceResponseObject, error) {
	due, err := s.config.Due(ctx, s.tenant(ctx), s.now())
	if err != nil {
		return nil, err
	}
	if len(due) > 0 {
		if err := s.tenant(ctx).Enqueue(ctx, catalog.Job{Kind: proof.JobRenew, Key: "scheduled"}); err != nil {
			return nil, err
		}
	}
	if err := s.audit(ctx, "evidence.renew", "", map[string]string{"due": fmt.Sprint(len(due))}); err != nil {
		return nil, err
	}
	return RenewEvidence202JSONResponse{Items: list(due)}, nil
}
