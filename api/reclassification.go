package api

import "context"

// ReclassifyRecord moves a record to another class.
func (s *server) ReclassifyRecord(ctx context.Context, request ReclassifyRecordRequestObject) (ReclassifyRecordResponseObject, error) {
	t, b := s.tenant(ctx), request.Body
	if _, err := s.config.Officer.Reclassify(ctx, t, request.ID, b.Class, b.Reason, principal(ctx).Actor); err != nil {
		return nil, s.missing(ctx, request.ID, err)
	}
	now, err := s.config.Officer.Evaluate(ctx, t, request.ID)
	if err != nil {
		return nil, err
	}
	return ReclassifyRecord201JSONResponse(evaluation(now)), nil
}

// PreviewReclassification says what moving a record would mean.
func (s *server) PreviewReclassification(ctx context.Context, request PreviewReclassificationRequestObject) (PreviewReclassificationResponseObject, error) {
	e, err := s.config.Officer.PreviewReclassification(ctx, s.tenant(ctx), request.ID, request.Body.Class)
	if err != nil {
		return nil, s.missing(ctx, request.ID, err)
	}
	return PreviewReclassification200JSONResponse(evaluation(e)), nil
}
