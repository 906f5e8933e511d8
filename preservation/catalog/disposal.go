package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
)

// Disposal is the destruction of one record on its way. It exists from the
// decision in the transaction until the tombstone.
type Disposal struct {
	Record   preservation.RecordID
	ID       string
	Phase    string // intended, purging, blocked
	Permit   string
	Run      string // the disposal run that allows it; empty: the permit does
	Key      string // of the intent object
	Body     json.RawMessage
	Try      time.Time // not before
	Attempts int
	Problem  string
	At       time.Time
}

// Tombstone is what stays of a destroyed record: no title, no names, no content.
type Tombstone struct {
	Record     preservation.RecordID `json:"record_id"`
	Class      string                `json:"class"`
	Rule       string                `json:"rule,omitempty"`
	LegalBasis string                `json:"legal_basis,omitempty"`
	Reason     string                `json:"reason,omitempty"`
	Permit     string                `json:"permit,omitempty"`
	Run        string                `json:"run,omitempty"` // the disposal run that allowed it
	Actor      string                `json:"actor"`
	Opened     preservation.Date     `json:"opened,omitzero"`
	Closed     preservation.Date     `json:"closed,omitzero"`
	End        preservation.Date     `json:"retention_end,omitzero"`
	Received   time.Time             `json:"received"`
	Destroyed  time.Time             `json:"destroyed"`
	Versions   int                   `json:"versions"`
	Leaves     []string              `json:"leaves,omitempty"` // evidence leaf digests, hex
	Intent     string                `json:"intent,omitempty"` // key of the object that announced the destruction
	Key        string                `json:"key"`              // of the tombstone object
}

// BeginDisposal notes that the destruction of a record begins: it can no longer
// be found. ErrConflict when one has begun already.
func (x *Tx) BeginDisposal(d Disposal) error {
	n, err := x.tx.exec(`UPDATE record SET status = 'releasing' WHERE tenant = $1 AND id = $2 AND status = 'live'`, string(x.tenant), string(d.Record))
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("begin disposal of record %s: %w", d.Record, ErrConflict)
	}
	if _, err := x.tx.exec(`INSERT INTO disposal (record_id, tenant, id, phase, permit, run, key, body, try_ms, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		string(d.Record), string(x.tenant), d.ID, d.Phase, d.Permit, d.Run, d.Key, string(d.Body), ms(d.Try), ms(d.At)); err != nil {
		return err
	}
	return x.tx.change(x.tenant, d.Record)
}

// SetDisposal updates phase, next try, attempts and problem.
func (x *Tx) SetDisposal(d Disposal) error {
	n, err := x.tx.exec(`UPDATE disposal SET phase = $3, try_ms = $4, attempts = $5, problem = $6 WHERE tenant = $1 AND record_id = $2`,
		string(x.tenant), string(d.Record), d.Phase, ms(d.Try), d.Attempts, d.Problem)
	if err == nil && n == 0 {
		return fmt.Errorf("disposal of record %s: %w", d.Record, ErrNotFound)
	}
	return err
}

// CancelDisposal calls a destruction off before any byte was purged.
func (x *Tx) CancelDisposal(id preservation.RecordID) error {
	if _, err := x.tx.exec(`DELETE FROM disposal WHERE tenant = $1 AND record_id = $2`, string(x.tenant), string(id)); err != nil {
		return err
	}
	if _, err := x.tx.exec(`UPDATE record SET status = 'live', stale = 1 WHERE tenant = $1 AND id = $2`, string(x.tenant), string(id)); err != nil {
		return err
	}
	return x.tx.change(x.tenant, id)
}

const disposalColumns = `record_id, id, phase, permit, run, key, body, try_ms, attempts, problem, at_ms`

func scanDisposal(row scanner) (d Disposal, err error) {
	var body string
	var try, at int64
	err = row.Scan(&d.Record, &d.ID, &d.Phase, &d.Permit, &d.Run, &d.Key, &body, &try, &d.Attempts, &d.Problem, &at)
	d.Body, d.Try, d.At = json.RawMessage(body), fromMS(try), fromMS(at)
	return d, err
}

// Disposal returns the destruction of a record that is under way, or ErrNotFound.
func (v View) Disposal(ctx context.Context, id preservation.RecordID) (Disposal, error) {
	d, err := scanDisposal(v.q.QueryRowContext(ctx, `SELECT `+disposalColumns+` FROM disposal WHERE tenant = $1 AND record_id = $2`, string(v.tenant), string(id)))
	return d, found(err, "disposal of record", string(id))
}

// Disposals lists destructions under way that may be tried before an instant
// (the zero time: all), by record.
func (v View) Disposals(ctx context.Context, tryBefore time.Time, after preservation.RecordID, limit int) ([]Disposal, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+disposalColumns+` FROM disposal WHERE tenant = $1 AND record_id > $2 AND (try_ms < $3 OR $3 = 0) ORDER BY record_id LIMIT $4`,
		string(v.tenant), string(after), ms(tryBefore), limit)
	return collect(rows, err, scanDisposal)
}

const claimedDisposals = `SELECT ` + disposalColumns + ` FROM disposal WHERE tenant = $1 AND phase <> 'intended' AND record_id > $2 ORDER BY record_id LIMIT $3`

// Claimed lists destructions under way of which bytes may be gone, by record. It costs
// those, however many were only decided.
func (v View) Claimed(ctx context.Context, after preservation.RecordID, limit int) ([]Disposal, error) {
	rows, err := v.q.QueryContext(ctx, claimedDisposals, string(v.tenant), string(after), limit)
	return collect(rows, err, scanDisposal)
}

// Destroy ends a disposal after every object was purged and that was read
// back: the tombstone takes the place of the record and everything that hung on
// it, and the producer's identifier is free again. What was still to become a
// version of it ends as rejected; rejected deliveries of the same source and a
// package of which it was the last record lose what they say of it, too. The same tombstone again changes nothing.
func (x *Tx) Destroy(s Tombstone) error {
	if err := x.forgetRejected(s.Record); err != nil {
		return err
	}
	n, err := x.tx.exec(`INSERT INTO tombstone (record_id, tenant, class, destroyed_ms, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (record_id) DO NOTHING`,
		string(s.Record), string(x.tenant), s.Class, ms(s.Destroyed), toJSON(s))
	if err != nil || n == 0 {
		return err
	}
	if err := x.tx.forgetPackages(x.tenant, s.Record); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM record WHERE tenant = $1 AND id = $2`, // takes files, triggers and the disposal with it
		`DELETE FROM record_object WHERE tenant = $1 AND record_id = $2`,
		`DELETE FROM finding WHERE tenant = $1 AND record_id = $2`,
		`DELETE FROM event WHERE tenant = $1 AND record_id = $2 AND record_id <> ''`,
		`DELETE FROM event WHERE tenant = $1 AND submission <> '' AND submission IN (SELECT id FROM submission WHERE tenant = $1 AND record_id = $2)`,
		`DELETE FROM submission_file WHERE submission IN (SELECT id FROM submission WHERE tenant = $1 AND record_id = $2)`,
		// A job under way keeps its row: nothing in it speaks of the content.
		`DELETE FROM job WHERE tenant = $1 AND state = 'dead' AND (key = $2 OR key IN (SELECT id FROM submission WHERE tenant = $1 AND record_id = $2))`,
		`UPDATE run_item SET state = 'destroyed' WHERE tenant = $1 AND record_id = $2 AND state = 'open'`,
		`UPDATE submission SET producer_record_id = '', metadata = '{}', fingerprint = '', problems = '[]', receipt = '', frozen = '', revision = '',
			status = CASE WHEN status IN ('received', 'processing', 'quarantined') THEN 'rejected' ELSE status END WHERE tenant = $1 AND record_id = $2`,
	} {
		if _, err := x.tx.exec(q, string(x.tenant), string(s.Record)); err != nil {
			return err
		}
	}
	return x.tx.change(x.tenant, s.Record)
}

// forgetRejected empties the submissions that were rejected before the one that
// made the record.
func (x *Tx) forgetRejected(id preservation.RecordID) error {
	var producer, source string
	err := x.tx.queryRow(`SELECT producer, producer_record_id FROM record WHERE tenant = $1 AND id = $2`, string(x.tenant), string(id)).Scan(&producer, &source)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM event WHERE tenant = $1 AND submission <> '' AND submission IN (SELECT id FROM submission WHERE `,
		`DELETE FROM submission_file WHERE submission IN (SELECT id FROM submission WHERE `,
		`UPDATE submission SET producer_record_id = '', metadata = '{}', fingerprint = '', problems = '[]' WHERE id IN (SELECT id FROM submission WHERE `,
	} {
		if _, err := x.tx.exec(q+`tenant = $1 AND producer = $2 AND producer_record_id = $3 AND status = 'rejected')`, string(x.tenant), producer, source); err != nil {
			return err
		}
	}
	return nil
}

// Arriving counts the submissions of a record that are on their way into it: also
// what somebody sent and a person has yet to decide about.
func (v View) Arriving(ctx context.Context, id preservation.RecordID) (n int, err error) {
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM submission WHERE tenant = $1 AND record_id = $2
		AND (status IN ('received', 'processing') OR status = 'quarantined' AND revision <> '')`,
		string(v.tenant), string(id)).Scan(&n)
	return n, err
}

// Tombstone returns what stays of a destroyed record, or ErrNotFound.
func (v View) Tombstone(ctx context.Context, id preservation.RecordID) (Tombstone, error) {
	s, err := scanTombstone(v.q.QueryRowContext(ctx, `SELECT body FROM tombstone WHERE tenant = $1 AND record_id = $2`, string(v.tenant), string(id)))
	return s, found(err, "tombstone of record", string(id))
}

// Tombstone returns what stays of a destroyed record, or ErrNotFound.
func (t *Tenant) Tombstone(ctx context.Context, id preservation.RecordID) (Tombstone, error) {
	return t.View().Tombstone(ctx, id)
}

// Destroyed lists what stays of destroyed records, newest destruction first. The
// cursor is empty at the start and again behind the last page.
func (v View) Destroyed(ctx context.Context, after string, limit int) ([]Tombstone, string, error) {
	limit = max(limit, 1)
	q := conditions{cond: "tenant = $1", args: []any{string(v.tenant)}}
	if after != "" {
		c, err := decodeCursor(after, "-destroyed")
		if err != nil {
			return nil, "", err
		}
		q.and("(destroyed_ms, record_id) < (%s, %s)", c.Number, c.ID)
	}
	rows, err := v.q.QueryContext(ctx, `SELECT body FROM tombstone WHERE `+q.cond+` ORDER BY destroyed_ms DESC, record_id DESC LIMIT `+q.mark(limit+1), q.args...)
	list, err := collect(rows, err, scanTombstone)
	if err != nil || len(list) <= limit {
		return list, "", err
	}
	last := list[limit-1]
	return list[:limit], cursor{Order: "-destroyed", Number: ms(last.Destroyed), ID: string(last.Record)}.encode(), nil
}

func scanTombstone(row scanner) (s Tombstone, err error) {
	var body string
	if err := row.Scan(&body); err != nil {
		return s, err
	}
	return fromJSON[Tombstone](body)
}

// Tombstones lists what stays of destroyed records, newest destruction first.
// Several of one instant may lie on both sides of a page: Destroyed parts them.
func (v View) Tombstones(ctx context.Context, before time.Time, limit int) ([]Tombstone, error) {
	at := int64(1) << 62
	if !before.IsZero() {
		at = ms(before)
	}
	rows, err := v.q.QueryContext(ctx, `SELECT body FROM tombstone WHERE tenant = $1 AND destroyed_ms < $2 ORDER BY destroyed_ms DESC, record_id LIMIT $3`, string(v.tenant), at, limit)
	return collect(rows, err, scanTombstone)
}
