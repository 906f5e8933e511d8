package api

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// CreateDisposal begins a disposal run.
func (s *server) CreateDisposal(ctx context.Context, request CreateDisposalRequestObject) (CreateDisposalResponseObject, error) {
	b := request.Body
	r, err := s.config.Officer.ProposeRun(ctx, s.tenant(ctx), b.Title, retention.Selection{Records: b.Records, Classes: b.Classes, DueBy: b.DueBy, Limit: b.Limit}, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return CreateDisposal201JSONResponse(v), err
}

// GetDisposal returns a run with a page of its records.
func (s *server) GetDisposal(ctx context.Context, request GetDisposalRequestObject) (GetDisposalResponseObject, error) {
	p := request.Params
	if err := afterID(p.After); err != nil {
		return nil, err
	}
	r, err := s.config.Officer.Run(ctx, s.tenant(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	if err != nil {
		return nil, err
	}
	f := catalog.ItemFilter{Run: r.ID, States: some(string(p.State)), Classes: some(p.Class), Decisions: some(string(p.Decision))}
	if p.Decision == GetDisposalParamsDecisionNone {
		f.Decisions = []string{"", string(retention.Assess)}
	}
	limit := pageSize(p.Limit)
	items, err := s.tenant(ctx).View().RunItems(ctx, f, preservation.RecordID(p.After), limit+1)
	if err != nil {
		return nil, err
	}
	items, v.Next = page(items, limit, func(i catalog.RunItem) string { return string(i.Record) })
	v.Items, err = s.titled(ctx, items)
	return GetDisposal200JSONResponse(v), err
}

// listedItem is a record of a run with what it is called, as long as it is there.
type listedItem struct {
	catalog.RunItem
	Title     string `json:"title,omitempty"`
	Reference string `json:"reference,omitempty"`
}

func (s *server) titled(ctx context.Context, items []catalog.RunItem) ([]listedItem, error) {
	all, ids := make([]listedItem, len(items)), make([]preservation.RecordID, len(items))
	for n, i := range items {
		all[n], ids[n] = listedItem{RunItem: i}, i.Record
	}
	entries, err := s.tenant(ctx).EntriesByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		n := slices.Index(ids, e.ID)
		all[n].Title, all[n].Reference = e.Title, e.Reference
	}
	return all, nil
}

// some is a list of one value, or none.
func some(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// DecideDisposal assesses records of a run.
func (s *server) DecideDisposal(ctx context.Context, request DecideDisposalRequestObject) (DecideDisposalResponseObject, error) {
	var decisions []retention.Appraisal
	for _, d := range request.Body.Decisions {
		decisions = append(decisions, retention.Appraisal{Scope: d.Scope, Decision: d.Decision, Until: d.Until, Note: d.Note, Seen: request.Body.Revision})
	}
	r, err := s.config.Officer.DecideRun(ctx, s.tenant(ctx), request.ID, decisions, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return DecideDisposal200JSONResponse(v), err
}

// OfferDisposal notes that a run was offered to the archive.
func (s *server) OfferDisposal(ctx context.Context, request OfferDisposalRequestObject) (OfferDisposalResponseObject, error) {
	b := request.Body
	r, err := s.config.Officer.OfferRun(ctx, s.tenant(ctx), request.ID, retention.Offer{Authority: b.Authority, Offered: b.Offered, Reference: b.Reference}, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return OfferDisposal200JSONResponse(v), err
}

// AnswerDisposal notes what the archive answered.
func (s *server) AnswerDisposal(ctx context.Context, request AnswerDisposalRequestObject) (AnswerDisposalResponseObject, error) {
	var answers []retention.Appraisal
	for _, a := range request.Body.Answers {
		answers = append(answers, retention.Appraisal{Scope: a.Scope, Decision: a.Answer, Note: a.Note, Seen: request.Body.Revision})
	}
	r, err := s.config.Officer.AnswerRun(ctx, s.tenant(ctx), request.ID, answers, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return AnswerDisposal200JSONResponse(v), err
}

// ApproveDisposal freezes the list of a run as a second person.
func (s *server) ApproveDisposal(ctx context.Context, request ApproveDisposalRequestObject) (ApproveDisposalResponseObject, error) {
	var b DisposalApproval
	if request.Body != nil {
		b = *request.Body
	}
	r, err := s.config.Officer.ApproveRun(ctx, s.tenant(ctx), request.ID, b.Revision, b.Note, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return ApproveDisposal200JSONResponse(v), err
}

// WithdrawDisposal takes an approval back.
func (s *server) WithdrawDisposal(ctx context.Context, request WithdrawDisposalRequestObject) (WithdrawDisposalResponseObject, error) {
	r, err := s.config.Officer.WithdrawRun(ctx, s.tenant(ctx), request.ID, request.Body.Reason, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return WithdrawDisposal200JSONResponse(v), err
}

// ExecuteDisposal has a run carried out.
func (s *server) ExecuteDisposal(ctx context.Context, request ExecuteDisposalRequestObject) (ExecuteDisposalResponseObject, error) {
	var b DisposalExecution
	if request.Body != nil {
		b = *request.Body
	}
	grace := s.config.Grace
	if b.GraceDays != nil {
		grace = time.Duration(*b.GraceDays) * 24 * time.Hour
	}
	r, err := s.config.Officer.StartRun(ctx, s.tenant(ctx), request.ID, grace, b.Allow, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return ExecuteDisposal202JSONResponse(v), err
}

// StopDisposal stops a run that is being carried out.
func (s *server) StopDisposal(ctx context.Context, request StopDisposalRequestObject) (StopDisposalResponseObject, error) {
	r, err := s.config.Officer.StopRun(ctx, s.tenant(ctx), request.ID, request.Body.Reason, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return StopDisposal200JSONResponse(v), err
}

// CancelDisposal ends a run.
func (s *server) CancelDisposal(ctx context.Context, request CancelDisposalRequestObject) (CancelDisposalResponseObject, error) {
	r, err := s.config.Officer.CancelRun(ctx, s.tenant(ctx), request.ID, request.Body.Reason, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	return CancelDisposal200JSONResponse(v), err
}

// TransferDisposal notes that an archive took records over.
func (s *server) TransferDisposal(ctx context.Context, request TransferDisposalRequestObject) (TransferDisposalResponseObject, error) {
	b := request.Body
	r, left, err := s.config.Officer.HandOver(ctx, s.tenant(ctx), request.ID, b.Scope,
		retention.Handover{Receiver: b.Receiver, Reference: b.Reference, Acknowledged: b.Acknowledged, OwnCopy: b.OwnCopy}, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	v, err := s.disposalRun(ctx, r)
	v.LeftOut = left
	return TransferDisposal200JSONResponse(v), err
}

// certificate is one in JSON, as it comes.
type certificate struct {
	io.ReadCloser
	size int64
}

// VisitGetCertificateResponse writes the answer of GET …/certificate.
func (c *certificate) VisitGetCertificateResponse(w http.ResponseWriter) error {
	defer c.Close()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.FormatInt(c.size, 10))
	w.WriteHeader(http.StatusOK)
	_, err := io.Copy(w, c)
	return err
}

// GetCertificate returns the certificate of a run that has ended.
func (s *server) GetCertificate(ctx context.Context, request GetCertificateRequestObject) (GetCertificateResponseObject, error) {
	if request.Params.Format != GetCertificateParamsFormatPdf {
		text, size, err := s.config.Certificate(ctx, s.tenant(ctx), request.ID)
		if err != nil {
			return nil, err
		}
		return &certificate{text, size}, nil
	}
	pdf, size, err := s.config.CertificatePDF(ctx, s.tenant(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	return GetCertificate200ApplicationPdfResponse{Body: pdf, ContentLength: size}, nil
}

// disposalRun is a run as the interface tells of it.
func (s *server) disposalRun(ctx context.Context, r retention.Run) (DisposalRun, error) {
	t := s.tenant(ctx)
	waits, err := s.config.Officer.CertificateWaits(ctx, t, r)
	if err != nil {
		return DisposalRun{}, err
	}
	resumes, fault, err := s.config.Officer.Resumes(ctx, t, r)
	if err != nil {
		return DisposalRun{}, err
	}
	counts, err := t.View().CountItems(ctx, r.ID)
	return DisposalRun{ID: r.ID, Revision: r.Revision, Title: r.Title, Selection: r.Selection, Collecting: r.Collecting, Status: string(r.Status),
		Proposer: r.Proposer, Proposed: r.Proposed, Deciders: r.Deciders, Offer: r.Offer, Approval: r.Approval, Execution: r.Execution, Resumes: resumes, ResumesAfter: fault, Stop: r.Stop,
		Ended: r.Ended, Certificate: string(r.Certificate), CertificateWaits: waits, Counts: retention.Count(counts), History: r.History, Links: runLinks(r)}, err
}

func runLinks(r retention.Run) Links {
	l := Links{"self": "/v1/disposals/" + r.ID}
	if !r.Open() {
		l["certificate"] = l["self"] + "/certificate"
	}
	if r.Certificate != "" {
		l["record"] = "/v1/records/" + string(r.Certificate)
	}
	return l
}
