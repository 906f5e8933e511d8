package api

import (
	"context"

	"bestand/retention"
)

// SetTrigger reports an event that starts or corrects a record's retention.
func (s *server) SetTrigger(ctx context.Context, request SetTriggerRequestObject) (SetTriggerResponseObject, error) {
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	t, b := s.tenant(ctx), request.Body
	report := retention.Trigger{Type: b.Type, Date: b.Date, Withdrawn: b.Withdrawn}
	if _, err := s.config.Officer.AddTrigger(ctx, t, e.ID, report, principal(ctx).Actor); err != nil {
		return nil, err
	}
	now, err := s.config.Officer.Evaluate(ctx, t, e.ID)
	if err != nil {
		return nil, err
	}
	return SetTrigger201JSONResponse(evaluation(now)), nil
}
