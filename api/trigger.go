package api

import (
	"context"
	"fmt"

	"bestand/retention"
)

// SetTrigger reports an event that starts or corrects a record's retention.
func (s *server) SetTrigger(ctx context.Context, request SetTriggerRequestObject) (SetTriggerResponseObject, error) {
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	t, b := s.tenant(ctx), request.Body
	if !b.Withdrawn && b.Date.Before(e.Opened) && !b.Date.IsZero() && b.Type != retention.OnBirth && b.Type != retention.OnDeath {
		return nil, invalid.in(fieldError("date", "before-opened", fmt.Sprintf("lies before the record was opened (%s): only a birth and a death may", e.Opened)))
	}
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
