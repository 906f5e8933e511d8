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

// StagedNames are the names of the first files of a submission, n at most.
func (t *Tenant) StagedNames(ctx context.Context, id preservation.SubmissionID, n int) ([]string, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT f.name FROM submission_file f JOIN submission s ON s.id = f.submission WHERE s.tenant = $1 AND s.id = $2 ORDER BY f.n LIMIT $3`, string(t.id), string(id), n)
	return collect(rows, err, func(row scanner) (string, error) {
		var name []byte
		err := row.Scan(&name)
		return string(name), err
	})
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
	q := f.where(t.id)
	if after != "" {
		q.and("id < %s", string(after))
	}
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+submissionColumns+` FROM submission WHERE `+q.cond+` ORDER BY id DESC LIMIT `+q.mark(limit), q.args...)
	return collect(rows, err, scanSubmission)
}

func (f SubmissionFilter) where(tenant preservation.TenantID) conditions {
	q := conditions{cond: "tenant = $1", args: []any{string(tenant)}}
	if f.Status != "" {
		q.and("status = %s", string(f.Status))
	}
	if f.Producer != "" {
		q.and("producer = %s", storable(f.Producer))
	}
	if f.Actor != "" {
		q.and("submitted_by = %s", storable(f.Actor))
	}
	return q
}

// CountSubmissions counts submissions by status.
func (t *Tenant) CountSubmissions(ctx context.Context, f SubmissionFilter) (map[Status]int64, error) {
	q := f.where(t.id)
	rows, err := t.db.reader.QueryContext(ctx, `SELECT status, COUNT(*) FROM submission WHERE `+q.cond+` GROUP BY status`, q.args...)
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
