package api

import (
	"context"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// ListDisposals lists the records whose retention has ended, what is left of
// those that were destroyed, or disposal runs.
func (s *server) ListDisposals(ctx context.Context, request ListDisposalsRequestObject) (ListDisposalsResponseObject, error) {
	p, t := request.Params, s.tenant(ctx)
	limit := pageSize(p.Limit)
	answer := ListDisposals200JSONResponse{Items: []Disposal{}}
	if p.View == ListDisposalsParamsViewDestroyed {
		stones, next, err := t.View().Destroyed(ctx, p.After, limit)
		if err != nil {
			return nil, err
		}
		for _, stone := range stones {
			answer.Items = append(answer.Items, Disposal{ID: stone.Record, Status: "destroyed", Class: stone.Class, End: stone.End,
				Destroyed: stone.Destroyed, Rule: stone.Rule, LegalBasis: stone.LegalBasis, Permit: stone.Permit, Run: stone.Run})
		}
		answer.Next = next
		return answer, nil
	}
	if p.View == ListDisposalsParamsViewRuns {
		if err := afterID(p.After); err != nil {
			return nil, err
		}
		runs, err := s.config.Officer.Runs(ctx, t, p.After, limit+1)
		if err != nil {
			return nil, err
		}
		runs, answer.Next = page(runs, limit, func(r retention.Run) string { return r.ID })
		for _, r := range runs {
			answer.Items = append(answer.Items, Disposal{ID: preservation.RecordID(r.ID), Status: string(r.Status), Title: r.Title, Proposer: r.Proposer, Proposed: r.Proposed,
				Approver: r.Approval.By, Links: runLinks(r)})
		}
		return answer, nil
	}
	due, next, err := t.Records(ctx, catalog.RecordFilter{State: string(retention.Due), Status: live}, "closed", p.After, limit)
	if err != nil {
		return nil, err
	}
	for _, e := range due {
		answer.Items = append(answer.Items, Disposal{ID: e.ID, Status: "due", Class: e.Class, Title: e.Title, Reference: e.Reference,
			End: e.Retention.End, Links: recordLinks(e.ID)})
	}
	answer.Next = next
	return answer, nil
}
