package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"

	"bestand/preservation"
)

// Status of a submission.
type Status string

const (
	Received    Status = "received"    // bytes durably staged, waiting for a worker
	Processing  Status = "processing"  //
	Archived    Status = "archived"    // stored, read back, receipt issued
	Partial     Status = "partial"     // some of its records are archived, others are not
	Rejected    Status = "rejected"    // refused for good; the report is kept
	Quarantined Status = "quarantined" // waits for a person
)

// Submission is one hand-over by a producer.
type Submission struct {
	ID          preservation.SubmissionID
	Metadata    preservation.Metadata
	Fingerprint string // SHA-256 over metadata and digests: tells a repetition from a conflict
	Status      Status
	RecordID    preservation.RecordID // allocated with the submission
	Version     int                   // of the record that it makes
	SubmittedBy string
	Released    bool // a person released it from quarantine
	Frozen      *Frozen
	Problems    []preservation.Finding // of the last end; while it is processed again those that were released
	Receipt     string                 // compact JWS, empty until archived
	Received    time.Time
	Updated     time.Time
	Package     bool                      // of one file, a package of records, each of which becomes a submission of its own
	Parent      preservation.SubmissionID // the package that this one came out of
	Revision    *Revision                 // of a later version that a person made; nil otherwise
	Files       []StagedFile              // filled in by Tenant.Submission only
}

// Revision is what the sender of a later version of a record says of it.
type Revision struct {
	preservation.Revision
	// Source is the sender's name for this delivery, with which it is recognised when it
	// comes again. It is unique like a ProducerRecordID.
	Source string `json:"producer_record_id"`
	// Changes are the metadata that differ from the version before (RFC 7396).
	Changes json.RawMessage `json:"changes,omitempty"`
	// After is the number of the last file before the first new one.
	After int `json:"after"`
}

// Source is the sender's name for the delivery. A version that the archive makes by
// itself has none.
func (s *Submission) Source() string {
	switch {
	case s.Revision != nil:
		return s.Revision.Source
	case s.Version > 1:
		return ""
	}
	return s.Metadata.ProducerRecordID
}

// StagedFile is a file that waits in staging.
type StagedFile struct {
	Name     string // raw bytes
	Title    string
	Document string
	Size     int64
	preservation.Digests
	Key string // in the staging bucket
}

// Fingerprint tells a repeated delivery from another one: SHA-256 over the
// metadata and the name, title, document and digests of every file.
func Fingerprint(m preservation.Metadata, files []StagedFile) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	enc.Encode(m) // a hash takes everything
	return fingerprint(h, enc, files)
}

// Fingerprint tells a repeated delivery of a later version from another one.
func (r *Revision) Fingerprint(record preservation.RecordID, files []StagedFile) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	enc.Encode([]any{record, r.Kind, r.Reason, r.Replaces, r.Changes})
	return fingerprint(h, enc, files)
}

func fingerprint(h hash.Hash, enc *json.Encoder, files []StagedFile) string {
	for _, f := range files {
		enc.Encode([]string{base64.StdEncoding.EncodeToString([]byte(f.Name)), f.Title, f.Document, f.SHA256, f.SHA512})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Frozen is a finished package that waits in staging to be stored. From here on
// a retry stores these bytes and no others.
type Frozen struct {
	Key    string `json:"key"` // in the staging bucket
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Problems are the findings that the record is archived with.
	Problems []preservation.Finding `json:"problems,omitempty"`
}

// SourceConflict says that a producer's identifier is in use by another
// submission. It is an ErrConflict.
type SourceConflict struct{ Existing Submission }

func (e *SourceConflict) Error() string {
	return fmt.Sprintf("producer_record_id %q is in use by submission %s", e.Existing.Source(), e.Existing.ID)
}

// Unwrap makes a SourceConflict an ErrConflict.
func (e *SourceConflict) Unwrap() error { return ErrConflict }

const submissionColumns = `id, fingerprint, status, metadata, record_id, record_version, released, submitted_by, frozen, problems, receipt, received_ms, updated_ms, parent, package, revision`

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

// SubmissionRow returns a submission without its files, of which there may be
// very many, or ErrNotFound.
func (t *Tenant) SubmissionRow(ctx context.Context, id preservation.SubmissionID) (Submission, error) {
	s, err := scanSubmission(t.db.reader.QueryRowContext(ctx, `SELECT `+submissionColumns+` FROM submission WHERE tenant = $1 AND id = $2`, string(t.id), string(id)))
	return s, found(err, "submission", string(id))
}

// Submission returns a submission with its files, or ErrNotFound.
func (t *Tenant) Submission(ctx context.Context, id preservation.SubmissionID) (Submission, error) {
	s, err := t.SubmissionRow(ctx, id)
	if err != nil {
		return s, err
	}
	rows, err := t.db.reader.QueryContext(ctx, `SELECT name, title, document, size, sha256, sha512, staging_key FROM submission_file WHERE submission = $1 ORDER BY n`, string(id))
	s.Files, err = collect(rows, err, func(row scanner) (f StagedFile, err error) {
		var name []byte
		err = row.Scan(&name, &f.Title, &f.Document, &f.Size, &f.SHA256, &f.SHA512, &f.Key)
		f.Name = string(name)
		return f, err
	})
	return s, err
}

// SubmissionBySource returns the live or archived submission of a producer's
// record, without files, or ErrNotFound.
func (t *Tenant) SubmissionBySource(ctx context.Context, producer, recordID string) (Submission, error) {
	s, err := scanSubmission(t.db.reader.QueryRowContext(ctx, `SELECT `+submissionColumns+` FROM submission
		WHERE tenant = $1 AND producer = $2 AND producer_record_id = $3 AND status <> 'rejected' AND producer_record_id <> ''`, string(t.id), producer, recordID))
	return s, found(err, "submission of", producer+"/"+recordID)
}

// SubmissionFilter selects submissions; an empty field selects all.
type SubmissionFilter struct {
	Status   Status
	Producer string
	Actor    string // who handed it over
}

// Submissions lists submissions, newest first. The cursor is the identifier of
// the last one seen.
func (t *Tenant) Submissions(ctx context.Context, f SubmissionFilter, after preservation.SubmissionID, limit int) ([]Submission, error) {
	q := conditions{cond: "tenant = $1", args: []any{string(t.id)}}
	if after != "" {
		q.and("id < %s", string(after))
	}
	if f.Status != "" {
		q.and("status = %s", string(f.Status))
	}
	if f.Producer != "" {
		q.and("producer = %s", storable(f.Producer))
	}
	if f.Actor != "" {
		q.and("submitted_by = %s", storable(f.Actor))
	}
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+submissionColumns+` FROM submission WHERE `+q.cond+` ORDER BY id DESC LIMIT `+q.mark(limit), q.args...)
	return collect(rows, err, scanSubmission)
}

// CountSubmissions counts the submissions by status.
func (t *Tenant) CountSubmissions(ctx context.Context) (map[Status]int64, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT status, COUNT(*) FROM submission WHERE tenant = $1 GROUP BY status`, string(t.id))
	type count struct {
		s Status
		n int64
	}
	all, err := collect(rows, err, func(row scanner) (c count, err error) { return c, row.Scan(&c.s, &c.n) })
	out := map[Status]int64{}
	for _, c := range all {
		out[c.s] = c.n
	}
	return out, err
}

// BeginProcessing marks a submission as being worked on. ErrConflict when it
// needs no processing.
func (t *Tenant) BeginProcessing(ctx context.Context, id preservation.SubmissionID) error {
	return t.attempt(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE submission SET status = 'processing', updated_ms = $3 WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing')`,
			string(t.id), string(id), ms(t.db.now()))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("process submission %s: %w", id, ErrConflict)
		}
		return nil
	})
}

// AddSteps records what a step did. ErrConflict when the caller works on a job that
// is another attempt's by now.
func (t *Tenant) AddSteps(ctx context.Context, id preservation.SubmissionID, events ...preservation.Event) error {
	return t.attempt(ctx, func(x *tx) error { return x.addEvents(t.id, id, "", events) })
}

// ResetSteps forgets the steps of an attempt that starts anew, but for those of
// the reception.
func (t *Tenant) ResetSteps(ctx context.Context, id preservation.SubmissionID) error {
	return t.attempt(ctx, func(x *tx) error {
		_, err := x.exec(`DELETE FROM event WHERE tenant = $1 AND submission = $2 AND submission <> '' AND record_id = '' AND type NOT IN ($3, $4, $5)`,
			string(t.id), string(id), string(preservation.EventReceive), string(preservation.EventQuarantine), string(preservation.EventRelease))
		return err
	})
}

// Freeze records the package that waits in staging. ErrConflict when another
// one was frozen before, which is the one to use, or when the submission is not
// being processed.
func (t *Tenant) Freeze(ctx context.Context, id preservation.SubmissionID, f Frozen) error {
	return t.attempt(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE submission SET frozen = $3, updated_ms = $4 WHERE tenant = $1 AND id = $2 AND frozen = '' AND status = 'processing'`,
			string(t.id), string(id), toJSON(f), ms(t.db.now()))
		if err == nil && n == 0 {
			return fmt.Errorf("freeze submission %s: %w", id, ErrConflict)
		}
		return err
	})
}

// Settle ends the processing of a submission without a record: rejected, or
// quarantined until a person decides. Its problems and the events stay.
// ErrConflict when it has ended or its package is frozen: then another attempt
// has come further than the caller.
func (t *Tenant) Settle(ctx context.Context, id preservation.SubmissionID, status Status, problems []preservation.Finding, events ...preservation.Event) error {
	if status != Rejected && status != Quarantined {
		return fmt.Errorf("settle submission as %q: not an end", status)
	}
	return t.attempt(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE submission SET status = $3, problems = $4, updated_ms = $5 WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing') AND frozen = ''`,
			string(t.id), string(id), string(status), toJSON(problems), ms(t.db.now()))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("settle submission %s: %w", id, ErrConflict)
		}
		if err := x.addEvents(t.id, id, "", events); err != nil {
			return err
		}
		if status == Rejected {
			if err := x.enqueue(t.id, Job{Kind: "report", Key: string(id)}); err != nil {
				return err
			}
		}
		if err := x.wakeParent(t.id, id); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: "system", Action: "submission." + string(status), Object: string(id)})
	})
}

// JobProcess is the kind of the job that processes a submission.
const JobProcess = "process"

// giveUp hands a submission whose processing failed for good to a person.
func (x *tx) giveUp(tenant preservation.TenantID, id preservation.SubmissionID, cause error) error {
	problems := []preservation.Finding{{Code: "processing-failed", Severity: preservation.Failed,
		Detail: "the archive could not process it and keeps what it received; an operator has to look: " + short(cause)}}
	n, err := x.exec(`UPDATE submission SET status = 'quarantined', problems = $3, updated_ms = $4 WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing')`,
		string(tenant), string(id), toJSON(problems), ms(x.db.now()))
	if err != nil || n == 0 {
		return err
	}
	return x.wakeParent(tenant, id)
}

// wakeParent has the package looked at that a submission came out of, because
// that has ended or waits for a person.
func (x *tx) wakeParent(tenant preservation.TenantID, id preservation.SubmissionID) error {
	var parent string
	if err := x.queryRow(`SELECT parent FROM submission WHERE tenant = $1 AND id = $2`, string(tenant), string(id)).Scan(&parent); err != nil || parent == "" {
		return err
	}
	return x.enqueue(tenant, Job{Kind: JobProcess, Key: parent})
}

// Requeue sends a submission through the pipeline again: a quarantined one
// (release or retry) or one whose job gave up. The problems that a release was
// decided on stay until the next end. ErrConflict in any other state.
func (t *Tenant) Requeue(ctx context.Context, id preservation.SubmissionID, release bool, actor, reason string, events ...preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		var status Status
		err := x.queryRow(`SELECT status FROM submission WHERE tenant = $1 AND id = $2`, string(t.id), string(id)).Scan(&status)
		if err != nil {
			return found(err, "submission", string(id))
		}
		if status == Archived || status == Partial || status == Rejected {
			return fmt.Errorf("submission %s is %s: %w", id, status, ErrConflict)
		}
		dead, err := x.exec(`DELETE FROM job WHERE tenant = $1 AND kind = 'process' AND key = $2 AND state = 'dead'`, string(t.id), string(id))
		if err != nil {
			return err
		}
		if status != Quarantined && (release || dead == 0) {
			return fmt.Errorf("submission %s is %s: %w", id, status, ErrConflict)
		}
		n, err := x.exec(`UPDATE submission SET status = 'received', released = CASE WHEN $3 = 1 THEN 1 ELSE released END, updated_ms = $4,
			problems = CASE WHEN $3 = 1 OR status <> 'quarantined' THEN problems ELSE '[]' END WHERE tenant = $1 AND id = $2 AND status = $5`,
			string(t.id), string(id), bit(release), ms(t.db.now()), string(status))
		if err != nil {
			return err
		}
		if n == 0 { // PostgreSQL lets two look at once
			return fmt.Errorf("somebody else decided on submission %s: %w", id, ErrConflict)
		}
		if err := x.addEvents(t.id, id, "", events); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: JobProcess, Key: string(id)}); err != nil {
			return err
		}
		action := "submission.retry"
		if release {
			action = "submission.release"
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: action, Object: string(id), Detail: map[string]string{"reason": reason}})
	})
}

// FinishSubmission records the receipt, which makes the submission archived.
// problems are the findings that the record was archived with, stored is the
// storage event. One that is archived already stays as it is; ErrConflict when
// it ended otherwise.
func (t *Tenant) FinishSubmission(ctx context.Context, id preservation.SubmissionID, receipt string, obj RecordObject, problems []preservation.Finding, stored preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		var rec preservation.RecordID
		var status Status
		err := x.queryRow(`SELECT record_id, status FROM submission WHERE tenant = $1 AND id = $2`, string(t.id), string(id)).Scan(&rec, &status)
		if err != nil {
			return found(err, "submission", string(id))
		}
		if status == Archived {
			return nil
		}
		n, err := x.exec(`UPDATE submission SET status = 'archived', receipt = $3, problems = $4, frozen = '', updated_ms = $5
			WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing')`, string(t.id), string(id), receipt, toJSON(problems), ms(stored.At))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("finish submission %s: %w", id, ErrConflict)
		}
		if err := x.addEvents(t.id, id, rec, []preservation.Event{stored}); err != nil {
			return err
		}
		if err := x.addObject(t.id, rec, obj); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: "unstage", Key: string(id)}); err != nil {
			return err
		}
		if err := x.wakeParent(t.id, id); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: "system", Action: "submission.archived", Object: string(id), Detail: map[string]string{"record": string(rec)}})
	})
}

// StagingInUse reports whether the staged files of a submission are still
// needed: it exists and has not ended.
func (t *Tenant) StagingInUse(ctx context.Context, id preservation.SubmissionID) (bool, error) {
	s, err := t.SubmissionRow(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && s.Status != Archived && s.Status != Rejected && s.Status != Partial, err
}

func scanSubmission(row scanner) (s Submission, err error) {
	var metadata, frozen, problems, revision string
	var released, received, updated, pkg int64
	if err := row.Scan(&s.ID, &s.Fingerprint, &s.Status, &metadata, &s.RecordID, &s.Version, &released, &s.SubmittedBy, &frozen, &problems, &s.Receipt, &received, &updated, &s.Parent, &pkg, &revision); err != nil {
		return s, err
	}
	s.Released, s.Received, s.Updated, s.Package = released == 1, fromMS(received), fromMS(updated), pkg == 1
	if s.Metadata, err = fromJSON[preservation.Metadata](metadata); err != nil {
		return s, err
	}
	if s.Problems, err = fromJSON[[]preservation.Finding](problems); err != nil {
		return s, err
	}
	if revision != "" {
		r, err := fromJSON[Revision](revision)
		if err != nil {
			return s, err
		}
		s.Revision = &r
	}
	if frozen != "" {
		f, err := fromJSON[Frozen](frozen)
		s.Frozen = &f
		return s, err
	}
	return s, nil
}
