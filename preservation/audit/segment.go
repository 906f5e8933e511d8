package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"bestand/preservation"
)

const (
	// Prefix is the common prefix of the keys of all segments.
	Prefix = "audit/"
	// SealSuffix follows the key of a segment in that of its seal.
	SealSuffix = ".p7s"
	// EvidenceSuffix follows it in the name of the evidence record of an export.
	EvidenceSuffix = ".er"
	// FaultSuffix follows it in the name of what an export says of a segment with which
	// something is wrong.
	FaultSuffix = ".fault.txt"

	// MaxEntries is how many entries a segment has at most, MaxSegment how many bytes.
	MaxEntries = 5000
	MaxSegment = 64 << 20
)

// Key is the key of the segment from one entry to another, of which the first was
// made at an instant.
func Key(at time.Time, first, last int64) string {
	return fmt.Sprintf("%s%012d.jsonl", KeysFrom(at, first), last)
}

// KeysFrom is what the keys of all segments that begin with an entry have in common.
func KeysFrom(at time.Time, first int64) string {
	return fmt.Sprintf("%s%04d/%012d-", Prefix, at.UTC().Year(), first)
}

// ParseName reads which entries a segment has from the last part of its key.
func ParseName(name string) (first, last int64, ok bool) {
	if _, err := fmt.Sscanf(name, "%d-%d.jsonl", &first, &last); err != nil {
		return 0, 0, false
	}
	return first, last, first > 0 && last >= first && name == fmt.Sprintf("%012d-%012d.jsonl", first, last)
}

// line is an entry in a segment. Those of former releases do not name the tenant.
type line struct {
	Tenant preservation.TenantID `json:"tenant,omitempty"`
	Entry
}

// Encode returns the bytes of a segment.
func Encode(tenant preservation.TenantID, entries []Entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range entries {
		if err := enc.Encode(line{tenant, e}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// Decode reads a segment of anybody; tenant is empty where it does not name one.
// With an error it returns what could be read before.
func Decode(data []byte) (tenant preservation.TenantID, entries []Entry, err error) {
	if len(data) > 0 && data[len(data)-1] != '\n' {
		err = errors.New("the last line is cut off")
	}
	for n, text := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		var l line
		if n == 10*MaxEntries {
			return tenant, entries, fmt.Errorf("more than %d entries", n)
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		if fault := dec.Decode(&l); fault != nil {
			return tenant, entries, errors.Join(err, fmt.Errorf("line %d is no entry: %w", n+1, fault))
		}
		if _, fault := dec.Token(); fault != io.EOF {
			return tenant, entries, errors.Join(err, fmt.Errorf("line %d has more than one entry", n+1))
		}
		if n > 0 && l.Tenant != tenant {
			return tenant, entries, errors.Join(err, fmt.Errorf("line %d is of tenant %q, those before of %q", n+1, l.Tenant, tenant))
		}
		tenant = l.Tenant
		entries = append(entries, l.Entry)
	}
	return tenant, entries, err
}

// File is one of the files that a segment is handed out as.
type File struct {
	Name    string
	Content []byte
}

// Files returns the segment, its seal and its evidence record under their names, as far
// as they are there, and what its archive found wrong with it.
func (s Segment) Files() []File {
	var files []File
	if s.Content != nil {
		files = append(files, File{s.Name, s.Content})
	}
	if s.Fault != "" {
		files = append(files, File{s.Name + FaultSuffix, []byte(s.Fault + "\n")})
	}
	if s.Seal != nil {
		files = append(files, File{s.Name + SealSuffix, s.Seal})
	}
	if s.Evidence != nil {
		files = append(files, File{s.Name + EvidenceSuffix, s.Evidence.Encode()})
	}
	return files
}
