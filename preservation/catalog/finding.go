package catalog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
)

// LeastChecked lists records that were last read back before an instant, those
// that wait longest first.
func (t *Tenant) LeastChecked(ctx context.Context, before time.Time, limit int) ([]preservation.RecordID, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT id FROM record WHERE tenant = $1 AND checked_ms < $2 ORDER BY checked_ms, id LIMIT $3`, string(t.id), ms(before), limit)
	return collect(rows, err, func(row scanner) (id preservation.RecordID, err error) { return id, row.Scan(&id) })
}

// CountChecked counts the records that were last read back before an instant.
func (v View) CountChecked(ctx context.Context, before time.Time) (n int64, err error) {
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM record WHERE tenant = $1 AND checked_ms < $2`, string(v.tenant), ms(before)).Scan(&n)
	return n, err
}

// Damaged lists records with findings that were last read back before an instant, or
// not since one of them came up, as by a verification on demand.
func (t *Tenant) Damaged(ctx context.Context, before, now time.Time, limit int) ([]preservation.RecordID, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT id FROM record WHERE tenant = $1 AND id IN (SELECT record_id FROM finding WHERE tenant = $1 AND record_id <> '')
		AND (checked_ms < $2 OR checked_ms < (SELECT MAX(found_ms) FROM finding WHERE finding.tenant = $1 AND record_id = record.id AND found_ms <= $3)) ORDER BY id LIMIT $4`,
		string(t.id), ms(before), ms(now), limit)
	return collect(rows, err, func(row scanner) (id preservation.RecordID, err error) { return id, row.Scan(&id) })
}

// Fixity is what the checks of a holding have come to.
type Fixity struct {
	Records  int64
	Unread   int64     // of them, that were not read back since the catalog was made anew
	Oldest   time.Time // when, of the others, the record was read back that waits longest; zero without any
	Copy     time.Time // the same of the second copies; zero when there are none
	Damaged  int64     // records with findings
	Findings int64     // of all, those about no record included
}

// Fixity sums up the checks of the tenant's holding.
func (v View) Fixity(ctx context.Context) (f Fixity, err error) {
	var oldest, copied int64
	err = v.q.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM record WHERE tenant = $1), (SELECT COUNT(*) FROM record WHERE tenant = $1 AND checked_ms = 0),
		COALESCE((SELECT checked_ms FROM record WHERE tenant = $1 AND checked_ms > 0 ORDER BY checked_ms LIMIT 1), 0),
		COALESCE((SELECT copy_checked_ms FROM record WHERE tenant = $1 AND copy_checked_ms > 0 ORDER BY copy_checked_ms LIMIT 1), 0),
		(SELECT COUNT(DISTINCT record_id) FROM finding WHERE tenant = $1 AND record_id <> ''), (SELECT COUNT(*) FROM finding WHERE tenant = $1)`, string(v.tenant)).
		Scan(&f.Records, &f.Unread, &oldest, &copied, &f.Damaged, &f.Findings)
	f.Oldest, f.Copy = fromMS(oldest), fromMS(copied)
	return f, err
}

// Check is what the last look at a record has found.
type Check struct {
	At       time.Time // when it was read back, or stored; zero: not since the catalog was made anew
	Findings []preservation.Finding
}

// Checked tells of the last look at a record. ErrNotFound when there is none.
func (v View) Checked(ctx context.Context, id preservation.RecordID) (c Check, err error) {
	var at int64
	err = v.q.QueryRowContext(ctx, `SELECT checked_ms FROM record WHERE tenant = $1 AND id = $2`, string(v.tenant), string(id)).Scan(&at)
	if err != nil {
		return c, found(err, "record", string(id))
	}
	c.At = fromMS(at)
	c.Findings, err = v.Findings(ctx, id)
	return c, err
}

// Findings lists what was found wrong with a record and is so still; for the empty
// identifier what was found of the rest of the bucket.
func (v View) Findings(ctx context.Context, id preservation.RecordID) ([]preservation.Finding, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT subject, code, detail FROM finding WHERE tenant = $1 AND record_id = $2 ORDER BY subject, code`, string(v.tenant), string(id))
	return collect(rows, err, func(row scanner) (preservation.Finding, error) {
		f := preservation.Finding{Severity: preservation.Failed}
		return f, row.Scan(&f.Subject, &f.Code, &f.Detail)
	})
}

// CountFindings counts what was found wrong with records and with the rest of the bucket,
// and is so still.
func (v View) CountFindings(ctx context.Context) (n int64, err error) {
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM finding WHERE tenant = $1`, string(v.tenant)).Scan(&n)
	return n, err
}

// AddFinding notes something wrong with a record, or with no record. It reports
// whether that was not known.
func (x *Tx) AddFinding(id preservation.RecordID, f preservation.Finding) (bool, error) {
	now := ms(x.tx.db.now())
	n, err := x.tx.exec(`UPDATE finding SET seen_ms = $5 WHERE tenant = $1 AND record_id = $2 AND subject = $3 AND code = $4`,
		string(x.tenant), string(id), f.Subject, f.Code, now)
	if err != nil || n > 0 {
		return false, err
	}
	_, err = x.tx.exec(`INSERT INTO finding (tenant, record_id, subject, code, detail, found_ms, seen_ms) VALUES ($1, $2, $3, $4, $5, $6, $6)`,
		string(x.tenant), string(id), f.Subject, f.Code, f.Detail, now)
	return err == nil, err
}

// FoundAgain has what is known to be wrong with a record count as found now: Damaged
// lists it at once, however short a while ago it was read back.
func (x *Tx) FoundAgain(id preservation.RecordID) error {
	_, err := x.tx.exec(`UPDATE finding SET found_ms = $3 WHERE tenant = $1 AND record_id = $2`, string(x.tenant), string(id), ms(x.tx.db.now()))
	return err
}

// DropFindings forgets what was found in the bucket of no record and was last seen
// before an instant.
func (x *Tx) DropFindings(before time.Time) error {
	_, err := x.tx.exec(`DELETE FROM finding WHERE tenant = $1 AND record_id = '' AND seen_ms < $2 AND code NOT LIKE 'copy-%'`, string(x.tenant), ms(before))
	return err
}

// DropCopyFindings does that for what was found in the second copy: the codes of it
// begin with "copy-".
func (x *Tx) DropCopyFindings(before time.Time) error {
	_, err := x.tx.exec(`DELETE FROM finding WHERE tenant = $1 AND record_id = '' AND seen_ms < $2 AND code LIKE 'copy-%'`, string(x.tenant), ms(before))
	return err
}

// SetChecked notes that a record was read back at an instant. ErrNotFound when it
// was destroyed meanwhile.
func (x *Tx) SetChecked(id preservation.RecordID, at time.Time) error {
	n, err := x.tx.exec(`UPDATE record SET checked_ms = $3 WHERE tenant = $1 AND id = $2`, string(x.tenant), string(id), ms(at))
	if err == nil && n == 0 {
		err = fmt.Errorf("record %s: %w", id, ErrNotFound)
	}
	return err
}

// UncheckAhead has records and second copies that a clock that was ahead says were read
// back after an instant count as read just before it.
func (x *Tx) UncheckAhead(now time.Time) error {
	for _, column := range []string{"checked_ms", "copy_checked_ms"} {
		if _, err := x.tx.exec(`UPDATE record SET `+column+` = $3 WHERE tenant = $1 AND `+column+` > $2`, string(x.tenant), ms(now), ms(now)-1); err != nil {
			return err
		}
	}
	return nil
}

// SetFindings replaces what is known to be wrong with a record, and returns what of
// it was not known.
func (x *Tx) SetFindings(id preservation.RecordID, failed []preservation.Finding) (fresh []preservation.Finding, err error) {
	rows, err := x.tx.query(`SELECT subject, code FROM finding WHERE tenant = $1 AND record_id = $2`, string(x.tenant), string(id))
	known, err := collect(rows, err, func(row scanner) (f preservation.Finding, err error) { return f, row.Scan(&f.Subject, &f.Code) })
	if err != nil {
		return nil, err
	}
	for _, k := range known {
		if slices.ContainsFunc(failed, func(f preservation.Finding) bool { return f.Subject == k.Subject && f.Code == k.Code }) {
			continue
		}
		if _, err := x.tx.exec(`DELETE FROM finding WHERE tenant = $1 AND record_id = $2 AND subject = $3 AND code = $4`, string(x.tenant), string(id), k.Subject, k.Code); err != nil {
			return nil, err
		}
	}
	for _, f := range failed {
		added, err := x.AddFinding(id, f)
		if err != nil {
			return nil, err
		}
		if added {
			fresh = append(fresh, f)
		}
	}
	return fresh, nil
}
