package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// Receipt is what the archive signs: the payload of the JWS that the producer
// gets. Its promise holds from Time on.
type Receipt struct {
	Format           string                    `json:"format"` // "bestand-receipt/1"
	Tenant           preservation.TenantID     `json:"tenant"`
	Submission       preservation.SubmissionID `json:"submission_id"`
	Producer         string                    `json:"producer"`
	ProducerRecordID string                    `json:"producer_record_id,omitempty"` // not in the receipt of a package
	Received         time.Time                 `json:"received"`
	Time             time.Time                 `json:"time"`
	Records          []ReceiptRecord           `json:"records"`
	Lock             ReceiptLock               `json:"lock"`
	Copies           int                       `json:"copies"`          // verified by reading back
	SourceDeletion   string                    `json:"source_deletion"` // allowed | not_yet
	Problems         []preservation.Finding    `json:"problems,omitempty"`
	Follows          string                    `json:"follows,omitempty"` // of a later receipt: SHA-256 of the compact JWS of the first
}

// ReceiptRecord names a record, its package and its original files.
type ReceiptRecord struct {
	ID      preservation.RecordID `json:"record_id"`
	Version int                   `json:"version"`
	Package ReceiptPackage        `json:"package"`
	Files   []ReceiptFile         `json:"files,omitempty"`     // in the receipt of the record's own submission
	List    *ReceiptList          `json:"file_list,omitempty"` // in place of files, where they are many
	Receipt *PartReceipt          `json:"receipt,omitempty"`
}

// ReceiptList stands for the original files of a record that has too many to name
// each: a receipt is held in memory whole by whoever checks it. SHA256 is that of
// what "sha256sum --zero" prints for them in the order in which they were sent:
// for each its SHA-256, two spaces, the bytes of its name and a NUL. Each of their
// digests stands in the package, whose own is in the receipt.
type ReceiptList struct {
	Count  int    `json:"count"`
	Size   int64  `json:"size"` // bytes of all
	SHA256 string `json:"sha256"`
}

// PartReceipt names, in the receipt of a package of records, the receipt of one
// of them. That one tells of its files and is destroyed with it; the receipt of
// the package stays, and so it holds identifiers and digests only.
type PartReceipt struct {
	Submission preservation.SubmissionID `json:"submission_id"`
	SHA256     string                    `json:"sha256"` // of the compact JWS
}

// ReceiptPackage names the stored object.
type ReceiptPackage struct {
	Key       string `json:"key"`
	VersionID string `json:"version_id"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
}

// ReceiptFile names a file that the producer sent.
type ReceiptFile struct {
	ID         preservation.FileID `json:"id"`
	Name       string              `json:"name"`
	NameBase64 string              `json:"name_base64,omitempty"` // of the raw bytes, where the name is not UTF-8
	Size       int64               `json:"size"`
	preservation.Digests
	HeldIn int `json:"held_in_version,omitempty"` // earlier version whose package holds the bytes; 0: the one named here
}

// ReceiptLock says what protects the objects.
type ReceiptLock struct {
	Mode       preservation.LockMode `json:"mode"`
	Until      time.Time             `json:"until"`       // extended while the record is kept
	EnforcedBy string                `json:"enforced_by"` // software on one host, or a storage system
}

// ReceiptFormat names the form of a receipt.
const ReceiptFormat = "bestand-receipt/1"

// receipt signs the receipt, stores it as the record's storage event and ends
// the submission as archived. The object in the bucket is the truth: when an
// earlier attempt wrote it, its receipt is the receipt.
func receipt(ctx context.Context, w *work) error {
	s, err := w.p.Store(ctx, w.t)
	if err != nil {
		return err
	}
	now := w.p.Now().UTC().Truncate(time.Millisecond)
	payload, err := json.Marshal(w.compose(now))
	if err != nil {
		return err
	}
	jws, err := w.p.Sealer.JWS(payload)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	event := preservation.Event{
		ID: string(w.sub.ID), Type: preservation.EventStore, At: now, Outcome: preservation.Success, Agent: agent,
		Detail: fmt.Sprintf("stored as %s, read back with the same SHA-256, locked until %s", w.object.Key, w.lock.Until.UTC().Format(time.RFC3339)),
	}
	parent := catalog.Submission{}
	if w.sub.Parent != "" {
		if parent, err = w.t.SubmissionRow(ctx, w.sub.Parent); err != nil {
			return err
		}
	}
	body, err := json.Marshal(ledger.Receipt{
		JWS: jws, Submission: w.sub.ID, Parent: w.sub.Parent, ParentSource: parent.Metadata.ProducerRecordID, Version: w.record.Version, Revision: w.sub.Revision, Fingerprint: w.sub.Fingerprint, SubmittedBy: w.sub.SubmittedBy,
		Received: w.sub.Received, Problems: w.problems.list, Package: w.object.Key, PackageSHA256: w.pkg.sha256,
	})
	if err != nil {
		return err
	}
	key := preservation.EventKey(w.record.ID, event.ID)
	data, sum, err := preservation.EventObject{Record: w.record.ID, Event: event, Body: body}.Encode()
	if err != nil {
		return err
	}
	o, err := s.Put(ctx, key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: sum, Lock: w.lock, ContentType: "application/json"})
	if errors.Is(err, preservation.ErrExists) {
		var e preservation.EventObject
		if e, o, sum, err = ledger.ReadEvent(ctx, s, key); err == nil {
			event = e.Event
			jws, err = storedReceipt(e)
		}
	}
	if err != nil {
		return err
	}
	return w.t.FinishSubmission(ctx, w.sub.ID, jws, catalog.RecordObject{
		Key: key, Kind: "event", Version: w.record.Version, VersionID: o.VersionID, Size: o.Size, SHA256: sum, Stored: o.Modified,
	}, w.problems.list, event)
}

func (w *work) compose(now time.Time) Receipt {
	r := Receipt{
		Format: ReceiptFormat, Tenant: w.t.ID(), Submission: w.sub.ID, Producer: w.record.Producer, ProducerRecordID: w.record.ProducerRecordID,
		Received: w.record.Received.UTC(), Time: now, Copies: 1, SourceDeletion: "allowed", Problems: w.problems.list,
		Lock: ReceiptLock{Mode: w.lock.Mode, Until: w.lock.Until.UTC(), EnforcedBy: w.p.EnforcedBy},
	}
	if w.p.after(w.settings) != afterStored || unusable(w.problems.list) {
		r.SourceDeletion = "not_yet"
	}
	rec := ReceiptRecord{ID: w.record.ID, Version: w.record.Version,
		Package: ReceiptPackage{Key: w.object.Key, VersionID: w.object.VersionID, Size: w.object.Size, SHA256: w.pkg.sha256}}
	rec.name(w.record.Files)
	r.Records = []ReceiptRecord{rec}
	return r
}

// A receipt names files one by one up to so many and so many bytes of names.
const (
	maxNamed     = 1000
	maxNameBytes = 256 << 10
)

// name names the original files among those of the record.
func (r *ReceiptRecord) name(files []preservation.File) {
	var list ReceiptList
	names := 0
	h := sha256.New()
	sent := func(yield func(preservation.File) bool) {
		for _, f := range files {
			if f.Representation == preservation.Original && f.DerivedFrom == "" && !yield(f) {
				return
			}
		}
	}
	for f := range sent {
		list.Count++
		list.Size += f.Size
		names += len(f.Name)
		fmt.Fprintf(h, "%s  %s\x00", f.SHA256, f.Name)
	}
	if list.Count > maxNamed || names > maxNameBytes {
		list.SHA256 = hex.EncodeToString(h.Sum(nil))
		r.List = &list
		return
	}
	for f := range sent {
		rf := ReceiptFile{ID: f.ID, Name: f.Name, Size: f.Size, Digests: f.Digests, HeldIn: f.HeldIn}
		if !utf8.ValidString(f.Name) {
			rf.NameBase64 = base64.StdEncoding.EncodeToString([]byte(f.Name))
		}
		r.Files = append(r.Files, rf)
	}
}

// unusable reports whether something arrived that cannot be read or trusted: the
// sender's own copy may be the only good one.
func unusable(problems []preservation.Finding) bool {
	for _, p := range problems {
		if p.Severity == preservation.Failed {
			return true
		}
	}
	return false
}

// storedReceipt takes the JWS out of a storage event.
func storedReceipt(e preservation.EventObject) (string, error) {
	var body ledger.Receipt
	if err := json.Unmarshal(e.Body, &body); err != nil || body.JWS == "" {
		return "", fmt.Errorf("event %s holds no receipt", e.Event.ID)
	}
	return body.JWS, nil
}
