package catalog

import (
	"context"
	"fmt"

	"bestand/preservation"
)

// RestoreSubmission adds an archived submission that a receipt in the bucket
// tells of. One that is there already stays as it is; ErrConflict when another
// one holds its source.
func (t *Tenant) RestoreSubmission(ctx context.Context, s Submission, obj RecordObject, events ...preservation.Event) error {
	return t.RestoreSubmissions(ctx, Restoration{Submission: s, Object: obj, Events: events})
}

// Restoration is an archived submission as its receipt in the bucket tells of it.
type Restoration struct {
	Submission
	Object RecordObject  // the receipt
	Later  []StoredEvent // what followed, such as a later receipt
	Events []preservation.Event
	// Package is the key of its package, and PackageSHA256 the digest that the receipt
	// proves, where none is known of it; else empty.
	Package, PackageSHA256 string
}

// StoredEvent is an event of a record and its object.
type StoredEvent struct {
	Object RecordObject
	Event  preservation.Event
}

// RestoreSubmissions is RestoreSubmission for many in one transaction: all of them
// or none.
func (t *Tenant) RestoreSubmissions(ctx context.Context, all ...Restoration) error {
	return t.db.write(ctx, func(x *tx) error {
		for _, r := range all {
			r.Status = Archived
			err := x.restoreSubmission(t.id, r.Submission)
			if unique(err) {
				return fmt.Errorf("source of submission %s: %w", r.ID, ErrConflict)
			}
			if err != nil {
				return err
			}
			if err := x.addEvents(t.id, r.ID, r.RecordID, r.Events); err != nil {
				return err
			}
			if err := x.addObject(t.id, r.RecordID, r.Object); err != nil {
				return err
			}
			if err := x.setDigest(t.id, r.RecordID, r.Package, r.PackageSHA256); err != nil {
				return err
			}
			for _, l := range r.Later {
				if err := x.addEvents(t.id, "", r.RecordID, []preservation.Event{l.Event}); err != nil {
					return err
				}
				if err := x.addObject(t.id, r.RecordID, l.Object); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// RestoreRejected adds a rejected submission that its report in the bucket tells
// of. One that is there already stays as it is.
func (t *Tenant) RestoreRejected(ctx context.Context, s Submission, events ...preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		s.Status = Rejected
		if err := x.restoreSubmission(t.id, s); err != nil {
			return err
		}
		return x.addEvents(t.id, s.ID, "", events)
	})
}

func (x *tx) restoreSubmission(tenant preservation.TenantID, s Submission) error {
	_, err := x.exec(`INSERT INTO submission (tenant, producer, producer_record_id, `+submissionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT (id) DO NOTHING`,
		string(tenant), s.Metadata.Producer, s.Source(),
		string(s.ID), s.Fingerprint, string(s.Status), toJSON(s.Metadata), string(s.RecordID), max(s.Version, 1), int64(0), s.SubmittedBy, "", toJSON(s.Problems), s.Receipt,
		ms(s.Received), ms(s.Updated), string(s.Parent), bit(s.Package), s.revision())
	return err
}

// SetDigest notes the digest of a package of which none was known.
func (t *Tenant) SetDigest(ctx context.Context, id preservation.RecordID, key, sha256 string) error {
	return t.db.write(ctx, func(x *tx) error { return x.setDigest(t.id, id, key, sha256) })
}

func (x *tx) setDigest(tenant preservation.TenantID, id preservation.RecordID, key, sha256 string) error {
	if sha256 == "" {
		return nil
	}
	_, err := x.exec(`UPDATE record_object SET sha256 = $4 WHERE tenant = $1 AND record_id = $2 AND key = $3 AND sha256 = ''`, string(tenant), string(id), key, sha256)
	return err
}

// Undigested lists packages of which no digest is known, in the order of their keys
// behind one of them.
func (t *Tenant) Undigested(ctx context.Context, after string, limit int) ([]RecordObject, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+objectColumns+` FROM record_object
		WHERE tenant = $1 AND kind = 'package' AND sha256 = '' AND key > $2 ORDER BY key LIMIT $3`, string(t.id), after, limit)
	return collect(rows, err, scanObject)
}

// Unreceipted lists packages of records whose receipt is not known, in the order
// of their keys behind one of them.
func (t *Tenant) Unreceipted(ctx context.Context, after string, limit int) ([]RecordObject, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+objectColumns+` FROM record_object o
		WHERE o.tenant = $1 AND o.kind = 'package' AND o.key > $2 AND NOT EXISTS (SELECT 1 FROM submission s
			WHERE s.tenant = o.tenant AND s.record_id = o.record_id AND s.record_version = o.version AND s.receipt <> '')
		ORDER BY o.key LIMIT $3`, string(t.id), after, limit)
	return collect(rows, err, scanObject)
}

// ForgetUnfinished removes the submissions that have not come to an end, and what was
// still to be done for them: in a catalog that a backup brings back, whose bytes were
// only staged and are not in it. Those of which the bucket has a receipt a rebuild adds
// again; the others their senders can send once more. It returns how many they were.
func (t *Tenant) ForgetUnfinished(ctx context.Context) (n int64, err error) {
	const unfinished = `SELECT id FROM submission WHERE tenant = $1 AND status IN ('received', 'processing', 'quarantined')`
	err = t.db.write(ctx, func(x *tx) error {
		for _, q := range []string{
			`DELETE FROM job WHERE tenant = $1 AND kind = '` + JobProcess + `' AND key IN (` + unfinished + `)`,
			`DELETE FROM event WHERE tenant = $1 AND record_id = '' AND submission <> '' AND submission IN (` + unfinished + `)`,
			`DELETE FROM submission_file WHERE submission IN (` + unfinished + `)`,
		} {
			if _, err := x.exec(q, string(t.id)); err != nil {
				return err
			}
		}
		n, err = x.exec(`DELETE FROM submission WHERE id IN (`+unfinished+`)`, string(t.id))
		return err
	})
	return n, err
}
