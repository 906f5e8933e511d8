package aip

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"bestand/preservation"
)

// Write writes the package of p to w and says where everything lies.
//
// It reads every file once more and compares size and both digests with the
// record, then writes the metadata, has METS sealed, and adds the seal. Memory
// is bounded by the metadata, not by the content. After an error the bytes
// written so far are no package and must be thrown away; ErrInvalid and
// ErrChanged stay on another try. Empty and nil slices and maps of a record are
// the same here, times are kept in UTC.
func Write(ctx context.Context, w io.Writer, p Package) (Manifest, error) {
	rec := p.Record
	rec.Received = rec.Received.UTC().Round(0)
	rec.Files = placed(rec.Files)
	if err := checkRecord(&rec); err != nil {
		return Manifest{}, fmt.Errorf("package %s: %w", rec.ID, err)
	}
	if err := checkEvents(p.Events, &rec); err != nil {
		return Manifest{}, fmt.Errorf("package %s: %w", rec.ID, err)
	}
	if p.Seal == nil || p.Creator.Name == "" || p.Creator.Version == "" {
		return Manifest{}, fmt.Errorf("package %s: %w: no seal or no creator with version", rec.ID, ErrInvalid)
	}
	b := &builder{
		Package: p, zip: newZipWriter(w, string(rec.ID)), history: newHistory(&rec, p.Events),
		sha256: sha256.New(), sha512: sha512.New(), crc: crc32.NewIEEE(), buf: make([]byte, chunk),
		refs: make([]reference, 0, len(rec.Files)+len(ownPaths)),
	}
	b.zip.entries = make([]Entry, 0, len(rec.Files)+len(ownPaths))
	if err := b.write(ctx); err != nil {
		return Manifest{}, fmt.Errorf("package %s version %d: %w", rec.ID, rec.Version, err)
	}
	return Manifest{Record: rec.ID, Version: rec.Version, Size: b.zip.offset, Entries: b.zip.entries}, nil
}

// placed returns the files with the paths that they get here. They are copied
// only where a path is missing: of a large record that is much.
func placed(files []preservation.File) []preservation.File {
	copied := false
	for i := range files {
		if f := &files[i]; f.HeldIn == 0 && f.Path != DataPath(*f) {
			if !copied {
				files, copied = slices.Clone(files), true
			}
			files[i].Path = DataPath(files[i])
		}
	}
	return files
}

// chunk is the length of a read, and of the longest file that is read only once.
const chunk = 256 << 10

type builder struct {
	Package
	zip            *zipWriter
	history        *history
	refs           []reference
	sha256, sha512 hash.Hash
	crc            hash.Hash32
	buf            []byte
}

func (b *builder) write(ctx context.Context) error {
	rec := b.history.record
	for _, f := range rec.Files {
		if f.HeldIn != 0 {
			continue
		}
		if err := b.file(ctx, f); err != nil {
			return fmt.Errorf("file %s: %w", f.ID, err)
		}
	}
	at := b.history.latest()
	for _, d := range []struct {
		ref   reference
		write func(io.Writer) error
	}{
		{reference{id: "readme", group: "Documentation", media: "text/plain", entry: Entry{Path: ReadmePath}},
			func(w io.Writer) error { _, err := w.Write(readme); return err }},
		{reference{id: "csip-schema", group: "Schemas", media: "application/xml", entry: Entry{Path: SchemaPath}},
			func(w io.Writer) error { _, err := w.Write(csipSchema); return err }},
		{reference{media: "application/xml", entry: Entry{Path: DCPath}},
			func(w io.Writer) error { return writeDC(w, rec) }},
		{reference{media: "application/json", entry: Entry{Path: RecordPath}},
			func(w io.Writer) error { return writeRecord(w, rec) }},
		{reference{media: "application/xml", entry: Entry{Path: PremisPath}},
			func(w io.Writer) error { return writePremis(w, b.history) }},
	} {
		d.ref.created = at
		if err := b.document(ctx, d.ref, d.write); err != nil {
			return err
		}
	}
	mets, err := metsBytes(metsWriter{record: rec, creator: b.Creator, at: at, refs: b.refs})
	if err != nil {
		return fmt.Errorf("write %s: %w", MetsPath, err)
	}
	seal, err := b.Seal(ctx, mets)
	if err != nil {
		return fmt.Errorf("seal %s: %w", MetsPath, err)
	}
	if len(seal) == 0 || len(seal) > maxSmall {
		return fmt.Errorf("seal %s: %w: %d bytes", MetsPath, ErrInvalid, len(seal))
	}
	if err := b.bytes(MetsPath, mets); err != nil {
		return err
	}
	if err := b.bytes(SealPath, seal); err != nil {
		return err
	}
	if len(b.zip.entries) > MaxEntries {
		return fmt.Errorf("%w: %d files, at most %d", ErrInvalid, len(b.zip.entries), MaxEntries)
	}
	return b.zip.finish()
}

// metsBytes writes METS twice, first to know how much room it takes: for a
// large record it is the largest piece of memory.
func metsBytes(m metsWriter) ([]byte, error) {
	room := &limited{w: io.Discard, left: maxMets}
	if err := writeMets(room, m); err != nil {
		return nil, err
	}
	mets := bytes.NewBuffer(make([]byte, 0, maxMets-room.left))
	err := writeMets(mets, m)
	return mets.Bytes(), err
}

// file copies a file of the record, comparing it with the record on the way.
func (b *builder) file(ctx context.Context, f preservation.File) error {
	e := Entry{Path: f.Path, File: f.ID, Size: f.Size, Digests: f.Digests}
	small := f.Size <= int64(len(b.buf))
	known := false
	if !small && b.CRC32 != nil {
		e.CRC32, known = b.CRC32(f.ID)
	}
	if !known {
		sum, err := b.scan(ctx, f, b.crc)
		if err != nil {
			return err
		}
		e.CRC32 = sum
	}
	if err := b.zip.begin(e); err != nil {
		return err
	}
	b.sha256.Reset()
	b.sha512.Reset()
	if small {
		both := io.MultiWriter(b.sha256, b.sha512, b.zip)
		if _, err := both.Write(b.buf[:f.Size]); err != nil {
			return fmt.Errorf("copy: %w", err)
		}
	} else if sum, err := b.scan(ctx, f, io.MultiWriter(b.crc, b.sha256, b.sha512, b.zip)); err != nil {
		return err
	} else if sum != e.CRC32 {
		return fmt.Errorf("%w: CRC-32 is %08x, was %08x", ErrChanged, sum, e.CRC32)
	}
	if got := b.digests(); got != f.Digests {
		return fmt.Errorf("%w: SHA-256 is %s, the record says %s", ErrChanged, got.SHA256, f.SHA256)
	}
	b.refs = append(b.refs, reference{id: string(f.ID), group: dataGroups[f.Representation],
		media: mediaType(f), created: b.history.created(f.ID), entry: e})
	return nil
}

// scan reads the whole file into w, which feeds b.crc, and returns the CRC-32.
// A file that fits into b.buf is there afterwards.
func (b *builder) scan(ctx context.Context, f preservation.File, w io.Writer) (uint32, error) {
	r, err := b.Content(f.ID)
	if err != nil {
		return 0, fmt.Errorf("open: %w", err)
	}
	defer r.Close()
	b.crc.Reset()
	var done int64
	for done < f.Size {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := io.ReadFull(r, b.buf[:min(int64(len(b.buf)), f.Size-done)])
		if _, err := w.Write(b.buf[:n]); err != nil {
			return 0, fmt.Errorf("copy: %w", err)
		}
		done += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return 0, fmt.Errorf("%w: %d bytes, the record says %d", ErrChanged, done, f.Size)
		}
		if err != nil {
			return 0, fmt.Errorf("read: %w", err)
		}
	}
	var more [1]byte
	if n, err := io.ReadFull(r, more[:]); n > 0 {
		return 0, fmt.Errorf("%w: more than the %d bytes of the record", ErrChanged, f.Size)
	} else if err != io.EOF {
		return 0, fmt.Errorf("read: %w", err)
	}
	return b.crc.Sum32(), nil
}

// document adds a metadata file. The header needs its length and CRC-32 first:
// what does not fit into a small buffer is written twice.
func (b *builder) document(ctx context.Context, ref reference, write func(io.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := ref.entry.Path
	b.sha256.Reset()
	b.sha512.Reset()
	b.crc.Reset()
	first := &spool{}
	if err := write(limitWriter(io.MultiWriter(b.sha256, b.sha512, b.crc, first), ownLimit(path))); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	ref.entry.Size, ref.entry.CRC32, ref.entry.Digests = first.length, b.crc.Sum32(), b.digests()
	if err := b.zip.begin(ref.entry); err != nil {
		return err
	}
	if first.kept != nil {
		write = func(w io.Writer) error { _, err := w.Write(first.kept); return err }
	}
	start := b.zip.offset
	b.crc.Reset()
	if err := write(io.MultiWriter(b.zip, b.crc)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if b.zip.offset-start != ref.entry.Size || b.crc.Sum32() != ref.entry.CRC32 {
		return fmt.Errorf("write %s: %w: the record changed under way", path, ErrChanged)
	}
	b.refs = append(b.refs, ref)
	return nil
}

// bytes adds METS or its seal, which METS does not name.
func (b *builder) bytes(path string, content []byte) error {
	b.sha256.Reset()
	b.sha512.Reset()
	b.sha256.Write(content)
	b.sha512.Write(content)
	e := Entry{Path: path, Size: int64(len(content)), CRC32: crc32.ChecksumIEEE(content), Digests: b.digests()}
	if err := b.zip.begin(e); err != nil {
		return err
	}
	if _, err := b.zip.Write(content); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (b *builder) digests() preservation.Digests {
	return preservation.Digests{SHA256: hex.EncodeToString(b.sha256.Sum(nil)), SHA512: hex.EncodeToString(b.sha512.Sum(nil))}
}

// mediaType is what METS must say (CSIP68), known or not.
func mediaType(f preservation.File) string {
	if f.Format.MIME == "" {
		return "application/octet-stream"
	}
	return f.Format.MIME
}

// spool counts what is written and keeps it while it is short.
type spool struct {
	length int64
	kept   []byte
}

const spoolLimit = 1 << 20

func (s *spool) Write(p []byte) (int, error) {
	s.length += int64(len(p))
	if s.length <= spoolLimit {
		s.kept = append(s.kept, p...)
	} else {
		s.kept = nil
	}
	return len(p), nil
}

// limitWriter fails with ErrInvalid once more than limit bytes are written.
func limitWriter(w io.Writer, limit int64) io.Writer { return &limited{w, limit} }

type limited struct {
	w    io.Writer
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, fmt.Errorf("%w: metadata exceed the limits of the format", ErrInvalid)
	}
	return l.w.Write(p)
}
