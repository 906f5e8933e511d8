package catalog

import (
	"context"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
)

// AuditEntry is an entry of the audit log.
type AuditEntry = audit.Entry

// Audit appends an entry. Reads of content are audited before they are answered.
func (t *Tenant) Audit(ctx context.Context, e AuditEntry) error {
	return t.db.write(ctx, func(x *tx) error { return x.audit(t.id, e) })
}

func (x *tx) audit(tenant preservation.TenantID, e AuditEntry) error {
	// The update locks the head, so entries of a tenant follow each other.
	err := x.queryRow(`UPDATE audit_head SET seq = seq + 1 WHERE tenant = $1 RETURNING seq, hash`, string(tenant)).Scan(&e.Seq, &e.Prev)
	if err != nil {
		return fmt.Errorf("audit: %w", found(err, "tenant", string(tenant)))
	}
	e.At = time.UnixMilli(ms(x.db.now())).UTC()
	e.Hash = e.Sum(tenant)
	detail := ""
	if len(e.Detail) > 0 {
		detail = toJSON(e.Detail)
	}
	if _, err := x.exec(`INSERT INTO audit (tenant, seq, at_ms, actor, action, object, detail, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		string(tenant), e.Seq, ms(e.At), e.Actor, e.Action, e.Object, detail, e.Prev, e.Hash); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	_, err = x.exec(`UPDATE audit_head SET hash = $2 WHERE tenant = $1`, string(tenant), e.Hash)
	return err
}

// AuditLog returns entries after a sequence number in their order, optionally
// of one object only.
func (t *Tenant) AuditLog(ctx context.Context, after int64, object string, limit int) ([]AuditEntry, error) {
	q := conditions{cond: "tenant = $1 AND seq > $2", args: []any{string(t.id), after}}
	if object != "" {
		q.and("object = %s", object)
	}
	rows, err := t.db.reader.QueryContext(ctx, `SELECT seq, at_ms, actor, action, object, detail, prev, hash FROM audit
		WHERE `+q.cond+` ORDER BY seq LIMIT `+q.mark(limit), q.args...)
	return collect(rows, err, scanAudit)
}

// AuditLatest returns entries before a sequence number, the newest first, optionally of
// one object only. 0 stands for the end of the log.
func (t *Tenant) AuditLatest(ctx context.Context, before int64, object string, limit int) ([]AuditEntry, error) {
	q := conditions{cond: "tenant = $1", args: []any{string(t.id)}}
	if before > 0 {
		q.and("seq < %s", before)
	}
	if object != "" {
		q.and("object = %s", object)
	}
	rows, err := t.db.reader.QueryContext(ctx, `SELECT seq, at_ms, actor, action, object, detail, prev, hash FROM audit
		WHERE `+q.cond+` ORDER BY seq DESC LIMIT `+q.mark(limit), q.args...)
	return collect(rows, err, scanAudit)
}

// Audited lists the entries of one action that are about some objects, in their order.
func (v View) Audited(ctx context.Context, action string, objects ...string) ([]AuditEntry, error) {
	if len(objects) == 0 {
		return nil, nil
	}
	q := conditions{cond: "tenant = $1", args: []any{string(v.tenant)}}
	in(&q, "object", objects)
	q.and("action = %s", action)
	rows, err := v.q.QueryContext(ctx, `SELECT seq, at_ms, actor, action, object, detail, prev, hash FROM audit WHERE `+q.cond+` ORDER BY seq`, q.args...)
	return collect(rows, err, scanAudit)
}

// Acts lists the newest entries about one object, of some actions alone, the newest first.
func (v View) Acts(ctx context.Context, object string, limit int, actions ...string) ([]AuditEntry, error) {
	q := conditions{cond: "tenant = $1", args: []any{string(v.tenant)}}
	q.and("object = %s", object)
	in(&q, "action", actions)
	rows, err := v.q.QueryContext(ctx, `SELECT seq, at_ms, actor, action, object, detail, prev, hash FROM audit WHERE `+q.cond+` ORDER BY seq DESC LIMIT `+q.mark(limit), q.args...)
	return collect(rows, err, scanAudit)
}

func scanAudit(row scanner) (e AuditEntry, err error) {
	var at int64
	var detail string
	if err := row.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.Object, &detail, &e.Prev, &e.Hash); err != nil {
		return e, err
	}
	e.At = time.UnixMilli(at).UTC()
	e.Detail, err = fromJSON[map[string]string](detail)
	return e, err
}

// VerifyAudit recomputes the chain and returns what does not hold; none means
// whole. Entries may be added meanwhile.
func (t *Tenant) VerifyAudit(ctx context.Context) ([]preservation.Finding, error) {
	var out []preservation.Finding
	bad := func(seq int64, code, detail string) {
		out = append(out, preservation.Finding{Code: code, Severity: preservation.Failed, Subject: fmt.Sprintf("audit entry %d", seq), Detail: detail, Clause: audit.Clause})
	}
	known, err := t.auditHead(ctx) // the log must reach up to here at least
	if err != nil {
		return nil, err
	}
	prev, last := "", int64(0)
	for {
		page, err := t.AuditLog(ctx, last, "", 1000)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if e.Seq != last+1 {
				bad(e.Seq, audit.CodeGap, fmt.Sprintf("entries %d to %d are missing", last+1, e.Seq-1))
			}
			if e.Prev != prev {
				bad(e.Seq, audit.CodeChain, "does not follow its predecessor")
			}
			if e.Sum(t.id) != e.Hash {
				bad(e.Seq, audit.CodeChanged, "was changed after it was written")
			}
			if e.Seq == known.Seq && e.Hash != known.Hash {
				bad(e.Seq, audit.CodeChain, "is not the entry that the head of the log names")
			}
			prev, last = e.Hash, e.Seq
		}
		if len(page) < 1000 {
			break
		}
	}
	if last < known.Seq {
		bad(known.Seq, "audit-truncated", fmt.Sprintf("the log ends at entry %d, its head says %d", last, known.Seq))
	}
	if known, err = t.auditHead(ctx); err == nil && known.Seq < last {
		bad(last, "audit-head", fmt.Sprintf("the log goes on to entry %d, its head says %d", last, known.Seq))
	}
	if err != nil {
		return out, err
	}
	var aside, first int64
	err = t.db.reader.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM audit WHERE tenant = $1 AND seq < 0`, string(t.id)).Scan(&aside, &first)
	if aside > 0 {
		bad(-first, "audit-aside", fmt.Sprintf("%d entries from this one on were set aside for those of the bucket by a rebuild that was cut off: run bestand rebuild to its end, which appends them", aside))
	}
	return out, err
}

// auditHead says which entry is the last.
func (t *Tenant) auditHead(ctx context.Context) (e AuditEntry, err error) {
	err = t.db.reader.QueryRowContext(ctx, `SELECT seq, hash FROM audit_head WHERE tenant = $1`, string(t.id)).Scan(&e.Seq, &e.Hash)
	return e, found(err, "tenant", string(t.id))
}
