package preservation

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// TenantID names a municipality (Mandant) on one installation: lower-case
// letters, digits and hyphens, because it is part of bucket names.
type TenantID string

// RecordID identifies a record for ever. It is never reused, not even after
// the record was destroyed.
type RecordID string

// SubmissionID identifies one hand-over by a producer.
type SubmissionID string

// FileID identifies a file within its record and stays the same across the
// record's versions: "f0001", "f0002", …
type FileID string

var (
	tenantPattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$`)
	idPattern     = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{26}$`)
	fileIDPattern = regexp.MustCompile(`^f[0-9]{4,8}$`)
)

// Valid reports whether the identifier has the form of a tenant name.
func (id TenantID) Valid() bool { return tenantPattern.MatchString(string(id)) }

// Valid reports whether the identifier has the form that NewID gives.
func (id RecordID) Valid() bool { return idPattern.MatchString(string(id)) }

// Valid reports whether the identifier has the form that NewID gives.
func (id SubmissionID) Valid() bool { return idPattern.MatchString(string(id)) }

// Valid reports whether the identifier has the form that NewFileID gives.
func (id FileID) Valid() bool { return fileIDPattern.MatchString(string(id)) }

// NewFileID names the n-th file of a record, counted from 1.
func NewFileID(n int) FileID { return FileID(fmt.Sprintf("f%04d", n)) }

// Number is the n of NewFileID, 0 for an identifier of another form.
func (id FileID) Number() int {
	if !id.Valid() {
		return 0
	}
	n, err := strconv.Atoi(string(id[1:]))
	if err != nil {
		return 0
	}
	return n
}

var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NextID returns a new identifier that sorts behind prev, also when both are of
// the same millisecond or the clock went back.
func NextID(prev string, now time.Time) string {
	id := NewID(now)
	if id > prev {
		return id
	}
	b, err := crockford.DecodeString(prev)
	if err != nil || len(b) != 16 {
		return id
	}
	for i := 15; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			break
		}
	}
	return crockford.EncodeToString(b)
}

// NewID returns a new identifier of 26 lower-case characters: the instant in
// milliseconds and 80 random bits, in an alphabet whose order is that of the
// bytes. Identifiers therefore sort by time. The random part makes them
// unguessable enough to name, never enough to authorise.
func NewID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	rand.Read(b[6:]) // never fails: crypto/rand aborts the program instead
	return crockford.EncodeToString(b[:])
}
