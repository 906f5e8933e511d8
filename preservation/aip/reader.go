package aip

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"

	"bestand/preservation"
)

// Reader reads a package. Its methods may be called concurrently if the
// underlying ReaderAt allows it.
type Reader struct {
	at     io.ReaderAt
	size   int64
	root   string
	record *preservation.Record
	zip    []Entry        // in the order of the ZIP, with file ids and their digests from the record
	paths  map[string]int // index into zip
}

// Open reads the directory and record.json of a package of exactly size bytes:
// three reads near the end, wherever the bytes are. It returns ErrInvalid for
// anything that Write would not have written, and does not look at the content:
// Verify does. The seal is not checked either, so what the record says is as
// trustworthy as the place that r reads from.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	p, err := openZip(r, size)
	if err == nil {
		err = p.load()
	}
	if err == nil && p.root != string(p.record.ID) {
		err = fmt.Errorf("%w: root folder %q, record %q", ErrInvalid, p.root, p.record.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	return p, nil
}

// openZip reads the directory only: the record is not known yet.
func openZip(r io.ReaderAt, size int64) (*Reader, error) {
	d, err := readDirectory(r, size)
	if err != nil {
		return nil, err
	}
	p := &Reader{at: r, size: size, root: d.root, zip: d.entries, paths: make(map[string]int, len(d.entries))}
	for i, e := range d.entries {
		p.paths[e.Path] = i
	}
	for _, path := range ownPaths {
		if i, ok := p.paths[path]; ok && p.zip[i].Size > ownLimit(path) {
			return nil, fmt.Errorf("%w: %s has %d bytes", ErrInvalid, path, p.zip[i].Size)
		}
	}
	return p, nil
}

// load reads record.json.
func (p *Reader) load() error {
	s, err := p.Entry(RecordPath)
	if err != nil {
		return fmt.Errorf("%w: no %s", ErrInvalid, RecordPath)
	}
	rec, err := readRecord(s)
	if err != nil {
		return err
	}
	p.record = rec
	for _, f := range rec.Files {
		if i, ok := p.paths[f.Path]; ok && f.HeldIn == 0 {
			p.zip[i].File, p.zip[i].Digests = f.ID, f.Digests
		}
	}
	return nil
}

// Record returns the record as it was packaged, paths included. The caller
// must not change its slices and maps.
func (p *Reader) Record() preservation.Record { return *p.record }

// File returns the bytes of a file, read from the package as they are asked
// for: ErrNoFile if the record has no such file, ErrHeldElsewhere if an earlier
// version holds it, ErrInvalid if the package lacks it or has it in another
// length.
func (p *Reader) File(id preservation.FileID) (*io.SectionReader, error) {
	f, ok := p.record.File(id)
	switch {
	case !ok:
		return nil, fmt.Errorf("file %s: %w", id, ErrNoFile)
	case f.HeldIn != 0:
		return nil, fmt.Errorf("file %s in version %d: %w", id, f.HeldIn, ErrHeldElsewhere)
	}
	s, err := p.Entry(f.Path)
	if err != nil || s.Size() != f.Size {
		return nil, fmt.Errorf("file %s: %w: %s is missing or of another length", id, ErrInvalid, f.Path)
	}
	return s, nil
}

// Entry returns the bytes of any file in the package by its path, such as
// MetsPath, or ErrNoFile.
func (p *Reader) Entry(path string) (*io.SectionReader, error) {
	i, ok := p.paths[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, ErrNoFile)
	}
	return io.NewSectionReader(p.at, p.zip[i].Offset, p.zip[i].Size), nil
}

// Events returns the events from PREMIS, as they were packaged.
func (p *Reader) Events() ([]preservation.Event, error) {
	if s, err := p.Entry(PremisPath); err == nil && s.Size() <= maxOwn {
		data := make([]byte, s.Size())
		if _, err := io.ReadFull(s, data); err == nil {
			if facts, ok := readOwnPremis(data, p.record.ID); ok {
				return facts.events, nil
			}
		}
	}
	facts, err := p.premis(nil)
	if err != nil {
		return nil, err
	}
	return facts.events, nil
}

// Offsets says where in the package the bytes of each of its files begin.
func (p *Reader) Offsets() map[preservation.FileID]int64 {
	at := make(map[preservation.FileID]int64, len(p.record.Files))
	for _, e := range p.zip {
		if e.File != "" {
			at[e.File] = e.Offset
		}
	}
	return at
}

// Manifest says where everything lies. It reads and hashes the package's own
// files, METS and seal included; the digests of the record's files are those of
// the record. For a package that passes Verify, it is the manifest of Write.
func (p *Reader) Manifest() (Manifest, error) {
	m := Manifest{Record: p.record.ID, Version: p.record.Version, Size: p.size, Entries: make([]Entry, len(p.zip))}
	copy(m.Entries, p.zip)
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.File != "" {
			continue
		}
		short, long := sha256.New(), sha512.New()
		if _, err := io.Copy(io.MultiWriter(short, long), io.NewSectionReader(p.at, e.Offset, e.Size)); err != nil {
			return Manifest{}, fmt.Errorf("read %s: %w", e.Path, err)
		}
		e.Digests = preservation.Digests{SHA256: hex.EncodeToString(short.Sum(nil)), SHA512: hex.EncodeToString(long.Sum(nil))}
	}
	return m, nil
}

func (p *Reader) premis(file func(premisFile)) (*premisFacts, error) {
	s, err := p.Entry(PremisPath)
	if err != nil {
		return nil, fmt.Errorf("%w: no %s", ErrInvalid, PremisPath)
	}
	return readPremis(s, p.record.ID, file)
}
