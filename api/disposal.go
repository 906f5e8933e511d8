package api

import (
	"context"

	"bestand/preservation/catalog"
	"bestand/retention"
)

// ListDisposals lists the records whose retention has ended, or what is left of
// those that were destroyed.
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
				Destroyed: stone.Destroyed, Rule: stone.Rule, LegalBasis: stone.LegalBasis, Permit: stone.Permit})
		}
		answer.Next = next
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
