package catalog

import (
	"context"
	"errors"
	"fmt"

	"bestand/preservation"
)

// CreateSubmission accepts a submission: the row, its files, the job "process"
// and the audit entry, in one transaction. When the source is in use already it
// answers with a *SourceConflict and nothing is written.
func (t *Tenant) CreateSubmission(ctx context.Context, s Submission, events ...preservation.Event) error {
	for {
		err := t.insertSubmission(ctx, s, events)
		if !unique(err) {
			return err
		}
		have, lookup := t.SubmissionBySource(ctx, s.Metadata.Producer, s.Source())
		switch {
		case lookup == nil:
			return &SourceConflict{Existing: have}
		case !errors.Is(lookup, ErrNotFound):
			return lookup
		}
		if _, lookup = t.SubmissionRow(ctx, s.ID); lookup == nil {
			return fmt.Errorf("submission %s: %w", s.ID, ErrConflict) // the identifier itself is taken
		} else if !errors.Is(lookup, ErrNotFound) {
			return lookup
		}
		// The other one was rejected in between, so the source is free again.
	}
}

func (t *Tenant) insertSubmission(ctx context.Context, s Submission, events []preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		if s.Revision != nil {
			if err := x.admitVersion(t.id, s); err != nil {
				return err
			}
		}
		_, err := x.exec(`INSERT INTO submission (tenant, producer, producer_record_id, `+submissionColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
			string(t.id), s.Metadata.Producer, s.Source(),
			string(s.ID), s.Fingerprint, string(Received), toJSON(s.Metadata), string(s.RecordID), max(s.Version, 1), int64(0), s.SubmittedBy, "", "[]", "",
			ms(s.Received), ms(s.Received), string(s.Parent), bit(s.Package), s.revision())
		if err != nil {
			return err
		}
		for i, f := range s.Files {
			if _, err := x.exec(`INSERT INTO submission_file (submission, n, name, title, document, size, sha256, sha512, staging_key)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
				string(s.ID), i+1, []byte(f.Name), f.Title, f.Document, f.Size, f.SHA256, f.SHA512, f.Key); err != nil {
				return err
			}
		}
		if err := x.addEvents(t.id, s.ID, "", events); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: JobProcess, Key: string(s.ID)}); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: s.SubmittedBy, Action: "submission.create", Object: string(s.ID),
			Detail: map[string]string{"record": string(s.RecordID)}})
	})
}

// revision is the column of that name.
func (s *Submission) revision() string {
	if s.Revision == nil {
		return ""
	}
	return toJSON(s.Revision)
}

// admitVersion refuses a later version of a record that is not what it is based on:
// ErrConflict when it has another version by now, is being destroyed, or another
// version is on its way. ErrNotFound when the record is no more.
func (x *tx) admitVersion(tenant preservation.TenantID, s Submission) error {
	if err := (&Tx{tx: x, tenant: tenant}).Lock(RetentionLock); err != nil {
		return err
	}
	var version int
	var status string
	err := x.queryRow(`SELECT version, status FROM record WHERE tenant = $1 AND id = $2`, string(tenant), string(s.RecordID)).Scan(&version, &status)
	if err != nil {
		return found(err, "record", string(s.RecordID))
	}
	switch {
	case status != "live":
		return fmt.Errorf("record %s is being destroyed: %w", s.RecordID, ErrConflict)
	case version != s.Version-1:
		return fmt.Errorf("record %s got version %d meanwhile, send it again: %w", s.RecordID, version, ErrConflict)
	}
	rows, err := x.query(`SELECT id FROM submission WHERE tenant = $1 AND record_id = $2 AND record_version = $3 AND producer_record_id <> $4
		AND status IN ('received', 'processing', 'quarantined') AND (revision <> '' OR status <> 'quarantined') ORDER BY id`,
		string(tenant), string(s.RecordID), s.Version, s.Source())
	others, err := collect(rows, err, func(row scanner) (id string, err error) { return id, row.Scan(&id) })
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("version %d of record %s is on its way already as submission %s: send it again when that has ended: %w", s.Version, s.RecordID, others[0], ErrConflict)
	}
	return err
}
