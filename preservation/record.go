package preservation

import "time"

// Metadata describes a record as its producer handed it over. It is what a
// simple submission carries in its part "metadata"; the archive never changes
// it, a correction is a new version of the record.
type Metadata struct {
	// Producer and ProducerRecordID together name the record at its source
	// and are unique within a tenant while the record lives.
	Producer         string            `json:"producer"`
	ProducerRecordID string            `json:"producer_record_id"`
	Kind             string            `json:"kind,omitempty"` // file, case or document
	Class            string            `json:"class"`          // code in the classification scheme
	Title            string            `json:"title"`
	Reference        string            `json:"reference,omitempty"` // Aktenzeichen
	Creator          string            `json:"creator,omitempty"`   // responsible office
	Opened           Date              `json:"opened,omitzero"`
	Closed           Date              `json:"closed,omitzero"` // z.d.A.: the usual retention trigger
	Confidentiality  string            `json:"confidentiality,omitempty"`
	PersonalData     bool              `json:"personal_data,omitempty"`
	Subjects         []Subject         `json:"subjects,omitempty"`
	Keywords         []string          `json:"keywords,omitempty"`
	Extra            map[string]string `json:"extra,omitempty"`
	Parent           RecordID          `json:"parent,omitempty"`
}

// Subject is a person whom a record concerns (data subject, GDPR Art. 4).
type Subject struct {
	Name string `json:"name"`
	Born Date   `json:"born,omitzero"`
	Died Date   `json:"died,omitzero"`
	ID   string `json:"id,omitempty"`
}

// Representation names the set of files a file belongs to (PREMIS
// representation; CSIP folder below representations/).
type Representation string

const (
	Original     Representation = "original"     // the bytes as received
	Preservation Representation = "preservation" // renditions made here, and files taken out of others
	Text         Representation = "text"         // plain text of the documents, for search and for rebuilding it
)

// Digests holds the two digests that every file carries, as lower-case hex.
// Two families of the same function keep a break of one from being a break of
// the evidence.
type Digests struct {
	SHA256 string `json:"sha256"`
	SHA512 string `json:"sha512"`
}

// Format is what identification found out about a file.
type Format struct {
	PUID     string `json:"puid,omitempty"` // PRONOM identifier, empty when unknown
	Name     string `json:"name,omitempty"`
	Version  string `json:"version,omitempty"`
	MIME     string `json:"mime,omitempty"`
	Registry string `json:"registry,omitempty"` // signature release that identified it
	Basis    string `json:"basis,omitempty"`    // signature, container, extension, sniffed
}

// File is one bit stream of a record (PREMIS file object).
type File struct {
	ID             FileID         `json:"id"`
	Representation Representation `json:"representation"`
	Name           string         `json:"name"` // as the sender wrote it: raw bytes, never a path
	Title          string         `json:"title,omitempty"`
	Document       string         `json:"document,omitempty"` // groups the files of one document
	Size           int64          `json:"size"`
	Digests
	Format      Format `json:"format"`
	DerivedFrom FileID `json:"derived_from,omitempty"`    // the file this was converted or extracted from
	Path        string `json:"path,omitempty"`            // within the package, relative to its root folder
	HeldIn      int    `json:"held_in_version,omitempty"` // earlier version whose package holds the bytes; 0: the record's own
	Verdict     string `json:"verdict,omitempty"`         // one of the Verdict constants
	Flavour     string `json:"flavour,omitempty"`         // PDF/A flavour that was validated, such as "2b"
}

// Verdicts on a file as a preservation rendition.
const (
	VerdictValid        = "valid"         // validated against its standard by the tool the events name
	VerdictInvalid      = "invalid"       // validated and found wanting
	VerdictNotValidated = "not validated" // the validator was missing: a later job completes it
	VerdictNoRendition  = "no rendition"  // an original that could not be converted, with the reason in an event
	VerdictPending      = "pending"       // the converter was missing: a later job completes it
)

// Record is one version of an archived record: what one AIP package holds.
type Record struct {
	ID         RecordID     `json:"id"`
	Tenant     TenantID     `json:"tenant"`
	Version    int          `json:"version"` // counted from 1
	Submission SubmissionID `json:"submission"`
	Received   time.Time    `json:"received"` // when the bytes were durably staged
	Metadata
	Revision *Revision `json:"revision,omitempty"`
	Files    []File    `json:"files"`
}

// Revision says why a person made a later version of a record. One that only
// completes what a converter or the validator could not do at first has none.
type Revision struct {
	Kind   string `json:"kind"` // Addition or Correction
	Reason string `json:"reason"`
	Actor  string `json:"actor"`
	// Replaces names files of the version before that this one has no more. They and
	// what was made of them stay in the package of that version.
	Replaces []FileID `json:"replaces,omitempty"`
}

// Kinds of a Revision.
const (
	Addition   = "addition"
	Correction = "correction"
)

// File returns the file with the given identifier.
func (r *Record) File(id FileID) (File, bool) {
	for _, f := range r.Files {
		if f.ID == id {
			return f, true
		}
	}
	return File{}, false
}
