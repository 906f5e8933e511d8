package aip

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"bestand/preservation"
)

// Described reports whether all that a Reader says of a package is proven, without
// looking at the files of the record: the seal stands over METS, by METS record.json and
// premis.xml are what was sealed, and METS names the files in the ZIP and no others, each
// of its size. What is wrong is ErrInvalid; Verify says all of it.
func (p *Reader) Described(seal func(mets io.Reader, seal []byte) []preservation.Finding) error {
	mets, err := p.own(MetsPath)
	if err != nil {
		return err
	}
	signature, err := p.own(SealPath)
	if err != nil {
		return err
	}
	for _, f := range seal(bytes.NewReader(mets), signature) {
		if f.Severity == preservation.Failed {
			return fmt.Errorf("%w: its seal: %s: %s", ErrInvalid, f.Code, f.Detail)
		}
	}
	facts, err := readMets(bytes.NewReader(mets))
	if err != nil {
		return err
	}
	if facts.Record != p.root || facts.Version != strconv.Itoa(p.record.Version) || len(facts.refs) != len(p.zip)-2 { // METS and seal are not in METS
		return fmt.Errorf("%w: METS is of version %s of %s with %d files", ErrInvalid, facts.Version, facts.Record, len(facts.refs))
	}
	proven := map[string]bool{}
	for _, r := range facts.refs {
		i, ok := p.paths[r.Path]
		if !ok || proven[r.Path] || p.zip[i].Size != r.Size {
			return fmt.Errorf("%w: %s is missing, of another size, or named twice", ErrInvalid, r.Path)
		}
		proven[r.Path] = true
		if r.Path != RecordPath && r.Path != PremisPath {
			continue
		}
		data, err := p.own(r.Path)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(data); r.ChecksumType != "SHA-256" || hex.EncodeToString(sum[:]) != r.Checksum {
			return fmt.Errorf("%w: %s is not what METS says", ErrInvalid, r.Path)
		}
	}
	if !proven[RecordPath] || !proven[PremisPath] {
		return fmt.Errorf("%w: METS does not name %s and %s", ErrInvalid, RecordPath, PremisPath)
	}
	return nil
}

// own returns one of the package's own files whole.
func (p *Reader) own(path string) ([]byte, error) {
	s, err := p.Entry(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return io.ReadAll(s)
}
