package api

import (
	"context"
	"strings"

	"bestand/preservation/catalog"
)

// GetReceipt returns the signed receipt of a submission.
func (s *server) GetReceipt(ctx context.Context, request GetReceiptRequestObject) (GetReceiptResponseObject, error) {
	t := s.tenant(ctx)
	sub, err := s.submission(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	if sub.Status != catalog.Archived && sub.Status != catalog.Partial {
		return nil, noReceipt.because("the submission is %s; keep your copy", sub.Status)
	}
	if sub.Receipt == "" {
		return nil, s.orDestroyed(ctx, sub.RecordID, catalog.ErrDestroyed)
	}
	if request.Params.Format != GetReceiptParamsFormatPdf {
		jws, err := s.config.Receipt(ctx, t, sub)
		if err != nil {
			return nil, err
		}
		return GetReceipt200ApplicationJoseResponse{Body: strings.NewReader(jws), ContentLength: int64(len(jws))}, nil
	}
	pdf, size, err := s.config.ReceiptPDF(ctx, t, sub)
	if err != nil {
		return nil, err
	}
	return GetReceipt200ApplicationPdfResponse{Body: pdf, ContentLength: size}, nil
}
