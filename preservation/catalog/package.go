package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"bestand/preservation"
)

// Parts returns the submissions that came out of a package, in the order in
// which they did.
func (t *Tenant) Parts(ctx context.Context, id preservation.SubmissionID) ([]Submission, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+submissionColumns+` FROM submission WHERE tenant = $1 AND parent = $2 AND parent <> '' ORDER BY id`, string(t.id), string(id))
	return collect(rows, err, scanSubmission)
}

// SubmissionsOf returns the submissions of a record by version, without their files.
func (t *Tenant) SubmissionsOf(ctx context.Context, id preservation.RecordID) ([]Submission, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+submissionColumns+` FROM submission WHERE tenant = $1 AND record_id = $2 AND record_id <> '' ORDER BY record_version, id`, string(t.id), string(id))
	return collect(rows, err, scanSubmission)
}

// Unpacked notes that all parts of a package have been submitted, with the
// problems of those that could not be.
func (t *Tenant) Unpacked(ctx context.Context, id preservation.SubmissionID, problems []preservation.Finding, event preservation.Event) error {
	return t.attempt(ctx, func(x *tx) error {
		if _, err := x.exec(`UPDATE submission SET problems = $3, updated_ms = $4 WHERE tenant = $1 AND id = $2`,
			string(t.id), string(id), toJSON(problems), ms(t.db.now())); err != nil {
			return err
		}
		return x.addEvents(t.id, id, "", []preservation.Event{event})
	})
}

// FinishPackage ends a package whose parts have ended: archived when all were,
// partial when some were, rejected when none was. The receipt names those that
// were; without one there is none.
func (t *Tenant) FinishPackage(ctx context.Context, id preservation.SubmissionID, status Status, receipt string, event preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE submission SET status = $3, receipt = $4, updated_ms = $5 WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing')`,
			string(t.id), string(id), string(status), receipt, ms(event.At))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("finish package %s: %w", id, ErrConflict)
		}
		if err := x.addEvents(t.id, id, "", []preservation.Event{event}); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: "unstage", Key: string(id)}); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: "system", Action: "submission." + string(status), Object: string(id)})
	})
}

// RestorePackage adds a package that its receipt in the bucket tells of. One
// that is there already stays as it is.
func (t *Tenant) RestorePackage(ctx context.Context, s Submission, events ...preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		_, err := x.exec(`INSERT INTO submission (tenant, producer, producer_record_id, `+submissionColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING`,
			string(t.id), s.Metadata.Producer, s.Metadata.ProducerRecordID,
			string(s.ID), s.Fingerprint, string(s.Status), toJSON(s.Metadata), "", 1, int64(0), s.SubmittedBy, "", toJSON(s.Problems), s.Receipt,
			ms(s.Received), ms(s.Updated), "", int64(1), "")
		if err != nil {
			return err
		}
		return x.addEvents(t.id, s.ID, "", events)
	})
}

// RestorePackageSource gives a restored package the producer's identifier back,
// which the receipts of its records tell. One that has it stays as it is;
// ErrConflict when another submission holds it.
func (t *Tenant) RestorePackageSource(ctx context.Context, id preservation.SubmissionID, source string) error {
	err := t.db.write(ctx, func(x *tx) error {
		var metadata string
		err := x.queryRow(`SELECT metadata FROM submission WHERE tenant = $1 AND id = $2 AND package = 1 AND producer_record_id = ''`, string(t.id), string(id)).Scan(&metadata)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		m, err := fromJSON[preservation.Metadata](metadata)
		if err != nil {
			return err
		}
		m.ProducerRecordID = source
		_, err = x.exec(`UPDATE submission SET producer_record_id = $3, metadata = $4 WHERE tenant = $1 AND id = $2`, string(t.id), string(id), storable(source), toJSON(m))
		return err
	})
	if unique(err) {
		return fmt.Errorf("source of package %s: %w", id, ErrConflict)
	}
	return err
}

// forgetPackages empties the packages of which no record is left but that one,
// and none is on its way.
func (x *tx) forgetPackages(tenant preservation.TenantID, id preservation.RecordID) error {
	rows, err := x.query(`SELECT p.id FROM submission p WHERE p.tenant = $1 AND p.status IN ('archived', 'partial', 'rejected')
		AND p.id IN (SELECT parent FROM submission WHERE tenant = $1 AND record_id = $2 AND parent <> '')
		AND NOT EXISTS (SELECT 1 FROM submission c JOIN record r ON r.id = c.record_id WHERE c.tenant = $1 AND c.parent = p.id AND r.id <> $2)`, string(tenant), string(id))
	ids, err := collect(rows, err, func(row scanner) (id preservation.SubmissionID, err error) { return id, row.Scan(&id) })
	if err != nil {
		return err
	}
	for _, p := range ids {
		for _, q := range []string{
			`DELETE FROM event WHERE tenant = $1 AND submission = $2 AND submission <> '' AND record_id = ''`,
			`DELETE FROM submission_file WHERE submission IN (SELECT id FROM submission WHERE tenant = $1 AND id = $2)`,
			`UPDATE submission SET producer_record_id = '', metadata = '{}', fingerprint = '', problems = '[]' WHERE tenant = $1 AND id = $2`,
		} {
			if _, err := x.exec(q, string(tenant), string(p)); err != nil {
				return err
			}
		}
	}
	return nil
}
