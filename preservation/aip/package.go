package aip

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"bestand/preservation"
)

// Format names the stored format in record.json. The number rises when a
// reader of the former one could misread a package.
const Format = "bestand-aip/1"

// MediaType is the content type of a package.
const MediaType = "application/zip"

// Paths of the files that every package holds, below its root folder.
const (
	MetsPath   = "METS.xml"
	SealPath   = "METS.xml.p7s"
	PremisPath = "metadata/preservation/premis.xml"
	RecordPath = "metadata/descriptive/record.json"
	DCPath     = "metadata/descriptive/dc.xml"
	ReadmePath = "documentation/README.txt"
	SchemaPath = "schemas/DILCISExtensionMETS.xsd"
)

// Limits of a package. Write refuses what Open would refuse.
const (
	MaxEntries = 1 << 20   // files in the ZIP
	maxMets    = 512 << 20 // bytes; METS is held in memory to be sealed
	maxRecord  = 1 << 30   // bytes of record.json, decoded as a stream
	maxPremis  = 8 << 30   // bytes, read as a stream
	maxSmall   = 16 << 20  // bytes of any other metadata file and of the seal
)

var (
	// ErrChanged: a file is not the one that the record describes. Stop and
	// alarm; what was written so far is no package.
	ErrChanged = errors.New("content differs from the record")
	// ErrInvalid: the record cannot be packaged, or the bytes are no package.
	// Another try gives the same answer.
	ErrInvalid = errors.New("invalid package")
	// ErrNoFile: the record has no such file.
	ErrNoFile = errors.New("no such file in the record")
	// ErrHeldElsewhere: the bytes of the file are in the package of an earlier
	// version; File.HeldIn and File.Path name the place.
	ErrHeldElsewhere = errors.New("file is held by an earlier version")
)

// Package is what Write turns into an AIP.
type Package struct {
	// Record is the version to store. Paths are given by Write, save for files
	// that an earlier version holds (File.HeldIn): they keep their path, and
	// no content is asked for.
	Record preservation.Record
	Events []preservation.Event
	// Creator is the software that makes the package, with its version (CSIP10).
	Creator preservation.Agent
	// Content opens a file. It is called once for a small file and twice for a
	// large one whose CRC-32 is not known.
	Content func(preservation.FileID) (io.ReadCloser, error)
	// CRC32 gives the CRC-32 (IEEE) of a file where it is known, which saves
	// reading a large file twice: the ZIP needs it before the bytes. Optional.
	CRC32 func(preservation.FileID) (sum uint32, known bool)
	// Seal returns a detached signature over METS.xml (CAdES, DER). It is
	// called once, after every file was read and found as the record says.
	Seal func(ctx context.Context, mets []byte) ([]byte, error)
}

// Manifest says where each file lies in a package.
type Manifest struct {
	Record  preservation.RecordID
	Version int
	Size    int64   // bytes of the ZIP
	Entries []Entry // in the order of the ZIP
}

// Group returns the digests of all files in the package under SHA-256 or
// SHA-512, in the order of the ZIP: the data group that an evidence record is about.
func (m Manifest) Group(h crypto.Hash) ([][]byte, error) {
	group := make([][]byte, 0, len(m.Entries))
	for _, e := range m.Entries {
		text := ""
		switch h {
		case crypto.SHA256:
			text = e.Digests.SHA256
		case crypto.SHA512:
			text = e.Digests.SHA512
		}
		d, err := hex.DecodeString(text)
		if err != nil || len(d) != h.Size() {
			return nil, fmt.Errorf("%w: %s has no digest under %s", ErrInvalid, e.Path, h)
		}
		group = append(group, d)
	}
	return group, nil
}

// Entry is one file in a package. Its bytes are those of the ZIP from Offset
// on, Size of them, as they are.
type Entry struct {
	Path   string              // relative to the root folder
	File   preservation.FileID // of the record; empty for the package's own files
	Offset int64
	Size   int64
	CRC32  uint32
	preservation.Digests
}

// Entry returns the entry with the given path.
func (m Manifest) Entry(path string) (Entry, bool) {
	for _, e := range m.Entries {
		if e.Path == path {
			return e, true
		}
	}
	return Entry{}, false
}

// File returns the entry of a file of the record.
func (m Manifest) File(id preservation.FileID) (Entry, bool) {
	for _, e := range m.Entries {
		if e.File == id && id != "" {
			return e, true
		}
	}
	return Entry{}, false
}

// DataPath is the place of a file in the package of the version that brought
// it: neutral, with the extension of the sender's name where that is plain.
func DataPath(f preservation.File) string {
	return "representations/" + string(f.Representation) + "/data/" + string(f.ID) + extension(f.Name)
}

// extension returns the last extension of a name in lower case with its dot,
// if it is one to eight ASCII letters and digits, and nothing otherwise.
func extension(name string) string {
	for i := len(name) - 1; i >= 0 && len(name)-i <= 9; i-- {
		if name[i] != '.' {
			continue
		}
		ext := []byte(name[i:])
		for j, c := range ext[1:] {
			switch {
			case 'A' <= c && c <= 'Z':
				ext[j+1] = c + 'a' - 'A'
			case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			default:
				return ""
			}
		}
		if len(ext) > 1 {
			return string(ext)
		}
		return ""
	}
	return ""
}
