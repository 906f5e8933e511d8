package catalog

import (
	"context"
	"strconv"
	"time"
)

// AuditSegment is a part of the audit log that stands in the bucket. It is stored,
// then sealed, then stamped.
type AuditSegment struct {
	Key         string
	First, Last int64
	SHA256      string
	Seal        string // SHA-256 of the seal; empty while there is none
	Stamp       string // the one that holds it; empty while none does
	Stored      time.Time
}

const segmentColumns = `key, first_seq, last_seq, sha256, seal, stamp, stored_ms`

func scanSegment(row scanner) (s AuditSegment, err error) {
	var stored int64
	err = row.Scan(&s.Key, &s.First, &s.Last, &s.SHA256, &s.Seal, &s.Stamp, &stored)
	s.Stored = fromMS(stored)
	return s, err
}

// AuditSegments lists segments in the order of their keys, which is that of their
// entries unless a clock went back over a new year, behind one of them.
func (v View) AuditSegments(ctx context.Context, after string, limit int) ([]AuditSegment, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+segmentColumns+` FROM audit_segment WHERE tenant = $1 AND key > $2 ORDER BY key LIMIT $3`,
		string(v.tenant), after, limit)
	return collect(rows, err, scanSegment)
}

// WaitingAudit lists the segments that no stamp holds, sealed ones or those that
// are not, in the order of keys, behind one of them.
func (v View) WaitingAudit(ctx context.Context, sealed bool, after string, limit int) ([]AuditSegment, error) {
	is := map[bool]string{true: `seal <> ''`, false: `seal = ''`}[sealed]
	rows, err := v.q.QueryContext(ctx, `SELECT `+segmentColumns+` FROM audit_segment
		WHERE tenant = $1 AND stamp = '' AND `+is+` AND key > $2 ORDER BY key LIMIT $3`, string(v.tenant), after, limit)
	return collect(rows, err, scanSegment)
}

// NewestAuditSegment returns the segment that holds the last entry that is stored.
func (v View) NewestAuditSegment(ctx context.Context) (AuditSegment, error) {
	s, err := scanSegment(v.q.QueryRowContext(ctx, `SELECT `+segmentColumns+` FROM audit_segment WHERE tenant = $1 ORDER BY last_seq DESC LIMIT 1`, string(v.tenant)))
	return s, found(err, "audit segment of", string(v.tenant))
}

// AuditSegment returns the segment of a key.
func (v View) AuditSegment(ctx context.Context, key string) (AuditSegment, error) {
	s, err := scanSegment(v.q.QueryRowContext(ctx, `SELECT `+segmentColumns+` FROM audit_segment WHERE tenant = $1 AND key = $2`, string(v.tenant), key))
	return s, found(err, "audit segment", key)
}

// AuditSegmentOf returns a segment that holds an entry, one that has a seal before others.
func (v View) AuditSegmentOf(ctx context.Context, seq int64) (AuditSegment, error) {
	s, err := scanSegment(v.q.QueryRowContext(ctx, `SELECT `+segmentColumns+` FROM audit_segment WHERE tenant = $1 AND first_seq <= $2 AND last_seq >= $2
		ORDER BY CASE WHEN seal = '' THEN 1 ELSE 0 END, key LIMIT 1`, string(v.tenant), seq))
	return s, found(err, "segment of audit entry", strconv.FormatInt(seq, 10))
}

// AuditKnown returns up to which entry the segments are known.
func (v View) AuditKnown(ctx context.Context) (last int64, err error) {
	err = v.q.QueryRowContext(ctx, `SELECT COALESCE(MAX(last_seq), 0) FROM audit_segment WHERE tenant = $1`, string(v.tenant)).Scan(&last)
	return last, err
}

// AddAuditSegment notes a segment that stands in the bucket. One that is known
// stays as it is.
func (x *Tx) AddAuditSegment(s AuditSegment) error {
	_, err := x.tx.exec(`INSERT INTO audit_segment (tenant, key, first_seq, last_seq, sha256, stored_ms) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		string(x.tenant), s.Key, s.First, s.Last, s.SHA256, ms(s.Stored))
	if err != nil {
		return err
	}
	_, err = x.tx.exec(`UPDATE audit_head SET stored = $2 WHERE tenant = $1 AND stored < $2`, string(x.tenant), s.Last)
	return err
}

// SealAudit notes the seal of a segment that stands in the bucket.
func (x *Tx) SealAudit(key, sha256 string) error {
	_, err := x.tx.exec(`UPDATE audit_segment SET seal = $3 WHERE tenant = $1 AND key = $2 AND seal = ''`, string(x.tenant), key, sha256)
	return err
}

// StampVersions counts the leaves of a stamp that are versions of records.
func (v View) StampVersions(ctx context.Context, id string) (n int, err error) {
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM stamp_leaf WHERE tenant = $1 AND stamp = $2 AND version > 0`, string(v.tenant), id).Scan(&n)
	return n, err
}
