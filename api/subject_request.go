package api

import (
	"context"
	"slices"
	"strconv"

	"bestand/preservation"
	"bestand/retention"
)

// ListSubjectRequests lists the requests of persons concerned, newest first.
func (s *server) ListSubjectRequests(ctx context.Context, request ListSubjectRequestsRequestObject) (ListSubjectRequestsResponseObject, error) {
	p := request.Params
	if err := afterID(p.After); err != nil {
		return nil, err
	}
	all, err := retention.SubjectRequests(ctx, s.tenant(ctx).View())
	if err != nil {
		return nil, err
	}
	if p.After != "" {
		all = slices.DeleteFunc(all, func(q retention.SubjectRequest) bool { return q.ID >= p.After })
	}
	all, next := page(all, pageSize(p.Limit), func(q retention.SubjectRequest) string { return q.ID })
	if len(all) > 0 { // names were shown, and whoever has them answers for it (GDPR Art. 5(2))
		if err := s.audit(ctx, "subject-request.list", "", map[string]string{"requests": strconv.Itoa(len(all))}); err != nil {
			return nil, err
		}
	}
	return ListSubjectRequests200JSONResponse{Items: list(all), Next: next}, nil
}

// CreateSubjectRequest records what a person concerned asks for.
func (s *server) CreateSubjectRequest(ctx context.Context, request CreateSubjectRequestRequestObject) (CreateSubjectRequestResponseObject, error) {
	b := request.Body
	q, err := s.config.Officer.AddSubjectRequest(ctx, s.tenant(ctx), retention.SubjectRequest{Kind: string(b.Kind), Received: b.Received, Reference: b.Reference,
		Records: b.Records, Text: b.Text, Subject: preservation.Subject{Name: b.Subject.Name, Born: b.Subject.Born, ID: b.Subject.ID}}, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	found, err := s.found(ctx, q)
	return CreateSubjectRequest201JSONResponse(found), err
}

// GetSubjectRequest returns a request, its decision and the records found now.
func (s *server) GetSubjectRequest(ctx context.Context, request GetSubjectRequestRequestObject) (GetSubjectRequestResponseObject, error) {
	q, err := s.config.Officer.SubjectRequest(ctx, s.tenant(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "subject-request.read", q.ID, nil); err != nil {
		return nil, err
	}
	found, err := s.found(ctx, q)
	return GetSubjectRequest200JSONResponse(found), err
}

func (s *server) found(ctx context.Context, q retention.SubjectRequest) (FoundSubjectRequest, error) {
	t := s.tenant(ctx)
	all, err := s.config.Officer.Candidates(ctx, t, q.Subject)
	if err != nil {
		return FoundSubjectRequest{}, err
	}
	erasures, err := retention.Erasures(ctx, t.View(), q)
	return FoundSubjectRequest{Request: q, Candidates: list(all), Erasures: erasures}, err
}

// DecideSubjectRequest grants or refuses a request.
func (s *server) DecideSubjectRequest(ctx context.Context, request DecideSubjectRequestRequestObject) (DecideSubjectRequestResponseObject, error) {
	b := request.Body
	d := retention.SubjectDecision{Outcome: string(b.Outcome), Reason: b.Reason, LegalBasis: b.LegalBasis, Records: b.Records}
	q, err := s.config.Officer.DecideSubjectRequest(ctx, s.tenant(ctx), request.ID, d, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return DecideSubjectRequest200JSONResponse(q), nil
}

// EraseLeft begins another disposal run over what is left of a granted erasure.
func (s *server) EraseLeft(ctx context.Context, request EraseLeftRequestObject) (EraseLeftResponseObject, error) {
	r, err := s.config.Officer.EraseLeft(ctx, s.tenant(ctx), request.ID, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return EraseLeft201JSONResponse(v), err
}

// GetAccessStatement tells what is held about a person.
func (s *server) GetAccessStatement(ctx context.Context, request GetAccessStatementRequestObject) (GetAccessStatementResponseObject, error) {
	t := s.tenant(ctx)
	statement, err := s.config.Officer.AccessStatement(ctx, t, request.ID)
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "subject-request.statement", request.ID, nil); err != nil {
		return nil, err
	}
	if request.Params.Format != GetAccessStatementParamsFormatPdf {
		return GetAccessStatement200JSONResponse(statement), nil
	}
	pdf, size, err := s.config.StatementPDF(ctx, t, statement)
	if err != nil {
		return nil, err
	}
	return GetAccessStatement200ApplicationPdfResponse{Body: pdf, ContentLength: size}, nil
}
