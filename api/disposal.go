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
	answer.Next = next
	answer.Items, err = s.due(ctx, t, due)
	return answer, err
}

// due tells of records that are due, and why a new run would leave some of them out.
func (s *server) due(ctx context.Context, t *catalog.Tenant, entries []catalog.Entry) ([]Disposal, error) {
	ids := make([]preservation.RecordID, len(entries))
	for n, e := range entries {
		ids[n] = e.ID
	}
	taken, err := t.View().OpenItems(ctx, ids...)
	if err != nil {
		return nil, err
	}
	kept, err := t.View().Kept(ctx, ids...)
	if err != nil {
		return nil, err
	}
	today, err := s.config.Officer.Today(ctx, t)
	if err != nil {
		return nil, err
	}
	items := make([]Disposal, len(entries))
	for n, e := range entries {
		items[n] = Disposal{ID: e.ID, Status: "due", Class: e.Class, Title: e.Title, Reference: e.Reference, End: e.Retention.End, Run: taken[e.ID].Run, Links: recordLinks(e.ID)}
		if until := kept[e.ID]; !until.Before(today) {
			items[n].KeptUntil = until
		}
	}
	return items, nil
}
