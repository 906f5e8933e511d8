package api

import (
	"context"
	"strconv"
	"time"

	"bestand/preservation/catalog"
	"bestand/retention"
)

// ListDisposals lists the records whose retention has ended, or what is left of
// those that were destroyed.
func (s *server) ListDisposals(ctx context.Context, request ListDisposalsRequestObject) (ListDisposalsResponseObject, error) {
	p, t := request.Params, s.tenant(ctx)
	limit := pageSize(p.Limit)
	if p.View != ListDisposalsParamsViewDestroyed {
		due, next, err := t.Records(ctx, catalog.RecordFilter{State: string(retention.Due), Status: live}, "closed", p.After, limit)
		if err != nil {
			return nil, err
		}
		return ListDisposals200JSONResponse{Due: summaries(due), Next: next}, nil
	}
	var before time.Time
	if p.After != "" {
		ms, err := strconv.ParseInt(p.After, 10, 64)
		if err != nil {
			return nil, badCursor.because("")
		}
		before = time.UnixMilli(ms)
	}
	stones, err := t.View().Tombstones(ctx, before, limit+1)
	if err != nil {
		return nil, err
	}
	stones, next := page(stones, limit, func(s catalog.Tombstone) string { return strconv.FormatInt(s.Destroyed.UnixMilli(), 10) })
	answer := ListDisposals200JSONResponse{Destroyed: make([]Tombstone, len(stones)), Next: next}
	for i, stone := range stones {
		answer.Destroyed[i] = tombstone(stone)
	}
	return answer, nil
}
