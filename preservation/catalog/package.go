package catalog

import (
	"context"
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
	return t.db.write(ctx, func(x *tx) error {
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
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING`,
			string(t.id), s.Metadata.Producer, s.Metadata.ProducerRecordID,
			string(s.ID), s.Fingerprint, string(s.Status), toJSON(s.Metadata), "", 1, int64(0), s.SubmittedBy, "", toJSON(s.Problems), s.Receipt,
			ms(s.Received), ms(s.Updated), "", int64(1))
		if err != nil {
			return err
		}
		return x.addEvents(t.id, s.ID, "", events)
	})
}
