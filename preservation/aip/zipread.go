package aip

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

const maxDirectory = 512 << 20 // bytes of the central directory

// directory is the central directory of a package.
type directory struct {
	root    string  // the one root folder, without its slash
	entries []Entry // paths below the root; without digests and file ids
}

// readDirectory reads the directory of a ZIP of exactly size bytes. It accepts
// what zipWriter writes and nothing else: every byte of headers and directory
// follows from the names, sizes and CRC-32s that it finds, entries follow one
// another without gap, and the directory follows the last entry. That rules out
// overlaps, bytes between entries or before the first, comments, compressed or
// encrypted entries, and a second directory.
//
// Local headers are not read: Verify does.
func readDirectory(r io.ReaderAt, size int64) (directory, error) {
	count, offset, length, err := readEnd(r, size)
	if err != nil {
		return directory{}, err
	}
	raw := make([]byte, length)
	if _, err := r.ReadAt(raw, offset); err != nil && err != io.EOF {
		return directory{}, fmt.Errorf("read directory: %w", err)
	}
	var d directory
	seen := make(map[string]bool, count)
	next := int64(0) // where the next local header must be
	for range count {
		name, e, rest, err := cutCentral(raw)
		if err != nil {
			return directory{}, err
		}
		root, path, inFolder := strings.Cut(name, "/")
		switch {
		case !plainName(name) || !inFolder:
			return directory{}, fmt.Errorf("%w: name %q", ErrInvalid, name)
		case d.root == "":
			d.root = root
		case d.root != root:
			return directory{}, fmt.Errorf("%w: two root folders, %q and %q", ErrInvalid, d.root, root)
		}
		folded := strings.ToLower(name)
		if seen[folded] {
			return directory{}, fmt.Errorf("%w: name %q twice", ErrInvalid, name)
		}
		seen[folded] = true
		if e.Size < 0 || e.Size > offset {
			return directory{}, fmt.Errorf("%w: %s is longer than the ZIP", ErrInvalid, name)
		}
		if want := centralHeader(name, e.Size, e.CRC32, next); !bytes.Equal(raw[:len(raw)-len(rest)], want) {
			return directory{}, fmt.Errorf("%w: directory entry of %s is not as this format wants it: "+
				"stored, without gap after the entry before, no comment, no other extra field", ErrInvalid, name)
		}
		raw = rest
		e.Path = path
		e.Offset = next + localHeaderLength(name, e.Size)
		next = e.Offset + e.Size
		if next > offset {
			return directory{}, fmt.Errorf("%w: %s reaches into the directory", ErrInvalid, name)
		}
		d.entries = append(d.entries, e)
	}
	if len(raw) != 0 || next != offset {
		return directory{}, fmt.Errorf("%w: bytes that belong to no entry", ErrInvalid)
	}
	return d, nil
}

// readEnd finds the central directory: its entries, offset and length.
func readEnd(r io.ReaderAt, size int64) (count int, offset, length int64, err error) {
	tail := make([]byte, min(size, end64Length+locatorLength+endLength))
	if len(tail) < endLength {
		return 0, 0, 0, fmt.Errorf("%w: %d bytes are no ZIP", ErrInvalid, size)
	}
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return 0, 0, 0, fmt.Errorf("read end of ZIP: %w", err)
	}
	le := binary.LittleEndian
	end := tail[len(tail)-endLength:]
	entries, length64, offset64 := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	zip64 := entries == math.MaxUint16 || length64 == math.MaxUint32 || offset64 == math.MaxUint32
	if zip64 {
		if len(tail) < end64Length+locatorLength+endLength {
			return 0, 0, 0, fmt.Errorf("%w: zip64 record is missing", ErrInvalid)
		}
		entries, length64, offset64 = le.Uint64(tail[32:]), le.Uint64(tail[40:]), le.Uint64(tail[48:])
	} else {
		tail = end
	}
	if entries == 0 || entries > MaxEntries || entries*centralLength > length64 || length64 > maxDirectory || offset64 > uint64(size) {
		return 0, 0, 0, fmt.Errorf("%w: no directory at the end, or one beyond the limits", ErrInvalid)
	}
	count, offset, length = int(entries), int64(offset64), int64(length64)
	if offset+length+int64(len(tail)) != size || !bytes.Equal(tail, endRecords(count, offset, length)) {
		return 0, 0, 0, fmt.Errorf("%w: the end of the ZIP is not as this format wants it: cut off, appended to, or with a comment", ErrInvalid)
	}
	return count, offset, length, nil
}

// cutCentral takes the first entry off a central directory.
func cutCentral(raw []byte) (name string, e Entry, rest []byte, err error) {
	le := binary.LittleEndian
	if len(raw) < centralLength || le.Uint32(raw) != centralSignature {
		return "", Entry{}, nil, fmt.Errorf("%w: the directory is broken", ErrInvalid)
	}
	e.CRC32, e.Size = le.Uint32(raw[16:]), int64(le.Uint32(raw[24:]))
	names, extras := int(le.Uint16(raw[28:])), int(le.Uint16(raw[30:]))
	if len(raw) < centralLength+names+extras {
		return "", Entry{}, nil, fmt.Errorf("%w: the directory is broken", ErrInvalid)
	}
	name = string(raw[centralLength : centralLength+names])
	extra := raw[centralLength+names : centralLength+names+extras]
	if e.Size == math.MaxUint32 {
		if len(extra) < 12 {
			return "", Entry{}, nil, fmt.Errorf("%w: %q has no zip64 size", ErrInvalid, name)
		}
		e.Size = int64(le.Uint64(extra[4:]))
	}
	return name, e, raw[centralLength+names+extras:], nil
}
