package api

import (
	"context"
	"strconv"

	"bestand/preservation/catalog"
)

// ListAudit lists the audit log in its order.
func (s *server) ListAudit(ctx context.Context, request ListAuditRequestObject) (ListAuditResponseObject, error) {
	p := request.Params
	limit := pageSize(p.Limit)
	var after int64
	if p.After != "" {
		var err error
		if after, err = strconv.ParseInt(p.After, 10, 64); err != nil || after < 0 {
			return nil, catalog.ErrCursor
		}
	}
	entries, err := s.tenant(ctx).AuditLog(ctx, after, p.Object, limit+1)
	if err != nil {
		return nil, err
	}
	entries, next := page(entries, limit, func(e catalog.AuditEntry) string { return strconv.FormatInt(e.Seq, 10) })
	answer := ListAudit200JSONResponse{Items: make([]AuditEntry, len(entries)), Next: next}
	for i, e := range entries {
		answer.Items[i] = AuditEntry{Seq: e.Seq, At: e.At, Actor: e.Actor, Action: e.Action, Object: e.Object, Detail: e.Detail, Prev: e.Prev, Hash: e.Hash}
	}
	return answer, nil
}

// audit notes a read of content before it is answered. What changes something
// is noted by the catalog in the transaction of the change.
func (s *server) audit(ctx context.Context, action, object string, detail map[string]string) error {
	return s.tenant(ctx).Audit(ctx, catalog.AuditEntry{Actor: principal(ctx).Actor, Action: action, Object: object, Detail: detail})
}
