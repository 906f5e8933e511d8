package catalog

import (
	"context"
	"fmt"
	"time"

	"bestand/preservation"
)

// AgedPackage is the package of a version that a hash-tree renewal has to read.
type AgedPackage struct {
	StampPackage
	Stamp string // the newest that holds the version
}

// A join would have SQLite look at all stamps for every page.
const aged = `SELECT record_id, key, kind, version, version_id, size, sha256, stored_ms, stamp FROM record_object
	WHERE tenant = $1 AND kind = 'package' AND (record_id, version) > ($3, $4)
	AND (SELECT digest FROM stamp s WHERE s.tenant = $1 AND s.id = record_object.stamp AND s.state = 'stamped') = $2
	ORDER BY record_id, version LIMIT $5`

// Aged lists the versions of records whose newest hash tree is of one digest
// algorithm and stamped, in the order of records behind a place.
func (v View) Aged(ctx context.Context, digest string, after preservation.RecordID, version, limit int) ([]AgedPackage, error) {
	rows, err := v.q.QueryContext(ctx, aged, string(v.tenant), digest, string(after), version, limit)
	return collect(rows, err, func(row scanner) (p AgedPackage, err error) {
		var stored int64
		err = row.Scan(&p.Record, &p.Key, &p.Kind, &p.Version, &p.VersionID, &p.Size, &p.SHA256, &stored, &p.Stamp)
		p.Stored = fromMS(stored)
		return p, err
	})
}

// AgedAudit does the same for segments of the audit log, behind a key.
func (v View) AgedAudit(ctx context.Context, digest, after string, limit int) ([]AuditSegment, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT a.key, a.first_seq, a.last_seq, a.sha256, a.seal, a.stamp, a.stored_ms
		FROM audit_segment a JOIN stamp s ON s.tenant = a.tenant AND s.id = a.stamp
		WHERE a.tenant = $1 AND s.digest = $2 AND s.state = 'stamped' AND a.key > $3 ORDER BY a.key LIMIT $4`, string(v.tenant), digest, after, limit)
	return collect(rows, err, scanSegment)
}

// AgedCount is how much rests on hash trees of one digest algorithm.
type AgedCount struct {
	Versions int   // of records
	Bytes    int64 // of their packages
	Segments int   // of the audit log
}

// AgedCount says how much Aged and AgedAudit would list in all, with what a
// hash-tree renewal holds that has no token yet.
func (v View) AgedCount(ctx context.Context, digest string) (c AgedCount, err error) {
	const old = ` AND (s.digest = $2 AND s.state = 'stamped' OR s.kind = 'renewed' AND s.state <> 'stamped')`
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*), CAST(COALESCE(SUM(o.size), 0) AS BIGINT) FROM record_object o JOIN stamp s ON s.tenant = o.tenant AND s.id = o.stamp
		WHERE o.tenant = $1 AND o.kind = 'package'`+old, string(v.tenant), digest).Scan(&c.Versions, &c.Bytes)
	if err == nil {
		err = v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM audit_segment a JOIN stamp s ON s.tenant = a.tenant AND s.id = a.stamp
			WHERE a.tenant = $1`+old, string(v.tenant), digest).Scan(&c.Segments)
	}
	return c, err
}

// OpenRenewal adds an empty stamp for a hash-tree renewal, and returns it with
// Since. ErrConflict while a time-stamp renewal is open, whose token could
// become part of the chains or not: end that first.
func (x *Tx) OpenRenewal(s Stamp) (Stamp, error) {
	if err := x.OpenStamp(s); err != nil {
		return s, err
	}
	var open int
	var since int64
	err := x.tx.queryRow(`SELECT COUNT(CASE WHEN state <> 'stamped' AND kind = 'tokens' THEN 1 END), COALESCE(MAX(stamped_ms), 0) FROM stamp WHERE tenant = $1`,
		string(x.tenant)).Scan(&open, &since)
	if err == nil && open > 0 {
		err = fmt.Errorf("a time-stamp renewal is under way: %w", ErrConflict)
	}
	if err != nil {
		return s, err
	}
	s.Since = fromMS(since)
	_, err = x.tx.exec(`UPDATE stamp SET since_ms = $3 WHERE tenant = $1 AND id = $2`, string(x.tenant), s.ID, since)
	return s, err
}

// Retire ends the care for the tokens of one digest algorithm, once nothing rests
// on them any more: hash-tree renewals hold it all, or it was destroyed. It reports
// how many tokens that are.
func (x *Tx) Retire(digest string) (int64, error) {
	return x.tx.exec(`UPDATE stamp SET covered_by = COALESCE((SELECT n.id FROM stamp n WHERE n.tenant = $1 AND n.kind = 'renewed' AND n.state = 'stamped' ORDER BY n.stamped_ms DESC LIMIT 1), id)
		WHERE tenant = $1 AND digest = $2 AND covered_by = '' AND state = 'stamped'
		AND NOT EXISTS (SELECT 1 FROM stamp n WHERE n.tenant = $1 AND n.state <> 'stamped' AND (n.kind = 'renewed' OR n.digest = $2))
		AND NOT EXISTS (SELECT 1 FROM record_object o JOIN stamp s ON s.tenant = o.tenant AND s.id = o.stamp
			WHERE o.tenant = $1 AND o.kind = 'package' AND s.digest = $2)
		AND NOT EXISTS (SELECT 1 FROM audit_segment a JOIN stamp s ON s.tenant = a.tenant AND s.id = a.stamp WHERE a.tenant = $1 AND s.digest = $2)`, string(x.tenant), digest)
}

// EndsBy says when the first of those tokens ends that a hash-tree renewal under
// digest covers, which knows none after since; zero when none is in sight.
func (v View) EndsBy(ctx context.Context, digest string, since time.Time) (time.Time, error) {
	var ends int64
	err := v.q.QueryRowContext(ctx, `SELECT COALESCE(MIN(expires_ms), 0) FROM stamp s
		WHERE tenant = $1 AND digest <> $2 AND state = 'stamped' AND stamped_ms <= $3 AND expires_ms > 0
		AND (covered_by = '' OR (SELECT stamped_ms FROM stamp c WHERE c.tenant = $1 AND c.id = s.covered_by) > $3)`,
		string(v.tenant), digest, ms(since)).Scan(&ends)
	return fromMS(ends), err
}

// DropStamp takes a stamp away that has no token, and gives what it holds back to
// the stamp that held it before, if any did.
func (x *Tx) DropStamp(id string) error {
	var open int
	err := x.tx.queryRow(`SELECT COUNT(*) FROM stamp WHERE tenant = $1 AND id = $2 AND state <> 'stamped'`, string(x.tenant), id).Scan(&open)
	if err != nil || open == 0 {
		return err
	}
	const before = `COALESCE((SELECT l.stamp FROM stamp_leaf l JOIN stamp s ON s.tenant = l.tenant AND s.id = l.stamp
		WHERE l.tenant = $1 AND l.stamp <> $2 AND s.kind <> 'tokens' AND s.state = 'stamped' AND `
	for _, query := range []string{
		`UPDATE record_object SET stamp = ` + before + `l.subject = record_object.record_id AND l.version = record_object.version ORDER BY s.since_ms DESC, s.stamped_ms LIMIT 1), '')
			WHERE tenant = $1 AND stamp = $2`,
		`UPDATE audit_segment SET stamp = ` + before + `l.subject = audit_segment.key AND l.version = 0 ORDER BY s.since_ms DESC, s.stamped_ms LIMIT 1), '')
			WHERE tenant = $1 AND stamp = $2`,
		`DELETE FROM stamp_leaf WHERE tenant = $1 AND stamp = $2`,
		`DELETE FROM stamp WHERE tenant = $1 AND id = $2`,
	} {
		if _, err := x.tx.exec(query, string(x.tenant), id); err != nil {
			return err
		}
	}
	return nil
}

// hold gives what a leaf stands for to a stamp: a version of a record, or with
// version 0 a segment of the audit log. It reports false when another stamp has it
// by now, or it is gone.
func (x *Tx) hold(stamp string, l StampLeaf) (bool, error) {
	if l.Version == 0 {
		n, err := x.tx.exec(`UPDATE audit_segment SET stamp = $3 WHERE tenant = $1 AND key = $2 AND stamp = $4`, string(x.tenant), l.Subject, stamp, l.Before)
		return n > 0, err
	}
	n, err := x.tx.exec(`UPDATE record_object SET stamp = $4 WHERE tenant = $1 AND record_id = $2 AND version = $3 AND kind = 'package' AND stamp = $5`,
		string(x.tenant), l.Subject, l.Version, stamp, l.Before)
	return n > 0, err
}

// holdAgain does that for a leaf that the bucket tells of: the newest hash-tree
// renewal has it, or else its batch.
func (x *Tx) holdAgain(s Stamp, l StampLeaf) error {
	if l.Version == 0 {
		_, err := x.tx.exec(`UPDATE audit_segment SET stamp = $3 WHERE tenant = $1 AND key = $2
			AND (stamp = '' OR (SELECT since_ms FROM stamp WHERE stamp.tenant = $1 AND stamp.id = audit_segment.stamp) < $4)`,
			string(x.tenant), l.Subject, s.ID, ms(s.Since))
		return err
	}
	_, err := x.tx.exec(`UPDATE record_object SET stamp = $4 WHERE tenant = $1 AND record_id = $2 AND version = $3 AND kind = 'package'
		AND (stamp = '' OR (SELECT since_ms FROM stamp WHERE stamp.tenant = $1 AND stamp.id = record_object.stamp) < $5)`,
		string(x.tenant), l.Subject, l.Version, s.ID, ms(s.Since))
	return err
}
