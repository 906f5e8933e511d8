package container

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Lengths and signatures of APPNOTE 6.3.10, sections 4.3.12 to 4.3.16.
const (
	endLength     = 22
	locatorLength = 20
	end64Length   = 56
	centralLength = 46
)

var (
	endSignature     = []byte("PK\x05\x06")
	locatorSignature = []byte("PK\x06\x07")
	end64Signature   = []byte("PK\x06\x06")
)

type refused struct{ code, detail string }

func (r *refused) Error() string { return r.code + ": " + r.detail }

func unreadable(format string, args ...any) error {
	return &refused{NotZIP, fmt.Sprintf(format, args...)}
}

// checkEnd bounds the directory before it is read, and makes sure that there is
// only one way to read it: the last end record closes the file, and the
// directory lies right before it. Bytes before the first entry are refused by
// the offsets, which count from the beginning of the file.
func checkEnd(r io.ReaderAt, size int64, l Limits) error {
	tail := make([]byte, min(size, end64Length+locatorLength+endLength+math.MaxUint16))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return err
	}
	at := bytes.LastIndex(tail, endSignature)
	if at < 0 || len(tail)-at < endLength {
		return unreadable("it is no ZIP file, or its end is missing; send it again")
	}
	le := binary.LittleEndian
	end := tail[at:]
	if comment := int(le.Uint16(end[20:])); len(end) != endLength+comment {
		return unreadable("bytes follow the end of the ZIP, or its comment is cut off")
	}
	if le.Uint32(end[4:]) != 0 || le.Uint16(end[8:]) != le.Uint16(end[10:]) {
		return unreadable("it is one part of a divided ZIP; send it in one piece")
	}
	entries, length, offset := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	stop := uint64(size) - uint64(len(end)) // where the directory must end
	if at >= locatorLength && bytes.HasPrefix(tail[at-locatorLength:], locatorSignature) {
		if at < locatorLength+end64Length || !bytes.HasPrefix(tail[at-locatorLength-end64Length:], end64Signature) {
			return unreadable("the zip64 record is missing")
		}
		end64 := tail[at-locatorLength-end64Length:]
		stop -= locatorLength + end64Length
		if le.Uint64(end64[4:]) != end64Length-12 || le.Uint64(tail[at-locatorLength+8:]) != stop {
			return unreadable("the zip64 record is not where it should be")
		}
		if le.Uint64(end64[24:]) != le.Uint64(end64[32:]) ||
			!widens(entries, math.MaxUint16, le.Uint64(end64[32:])) || !widens(length, math.MaxUint32, le.Uint64(end64[40:])) ||
			!widens(offset, math.MaxUint32, le.Uint64(end64[48:])) {
			return unreadable("the two end records contradict each other")
		}
		entries, length, offset = le.Uint64(end64[32:]), le.Uint64(end64[40:]), le.Uint64(end64[48:])
	}
	switch {
	case length > stop || offset != stop-length:
		return unreadable("bytes stand before the ZIP or between its parts")
	case entries > uint64(l.Entries):
		return &refused{TooLarge, fmt.Sprintf("%d entries; at most %d are taken", entries, l.Entries)}
	case length > uint64(l.Directory):
		return &refused{TooLarge, fmt.Sprintf("a directory of %d bytes; at most %d are taken", length, l.Directory)}
	case entries == 0:
		return unreadable("the ZIP is empty")
	}
	return checkDirectory(bufio.NewReaderSize(io.NewSectionReader(r, int64(offset), int64(length)), 64<<10), entries)
}

// widens reports whether a zip64 value agrees with that of the short record,
// which is the same or the mark of a missing one.
func widens(short, mark, long uint64) bool { return short == long || short == mark }

// checkDirectory counts the entries, so that their number is the announced one
// and the directory has no other bytes.
func checkDirectory(r *bufio.Reader, entries uint64) error {
	var head [centralLength]byte
	for range entries {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return broken(err)
		}
		le := binary.LittleEndian
		if le.Uint32(head[:]) != 0x02014b50 {
			return unreadable("the directory of the ZIP is broken")
		}
		rest := int(le.Uint16(head[28:])) + int(le.Uint16(head[30:])) + int(le.Uint16(head[32:]))
		if _, err := r.Discard(rest); err != nil {
			return broken(err)
		}
	}
	switch _, err := r.ReadByte(); err {
	case nil:
		return unreadable("the directory of the ZIP has more entries than it says")
	case io.EOF:
		return nil
	default:
		return err
	}
}

func broken(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return unreadable("the directory of the ZIP is cut off")
	}
	return err
}
