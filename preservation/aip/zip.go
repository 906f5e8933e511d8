package aip

import (
	"encoding/binary"
	"math"
	"strings"
)

// The ZIP is written by the rules of APPNOTE 6.3 that FORMAT.md names, and
// those only: stored entries one after the other without gaps, sizes and
// CRC-32 in the local header, no comment, and no extra field but zip64 where a
// number does not fit. Every header therefore follows from name, size, CRC-32
// and offset, which is what lets Verify compare headers byte for byte.
const (
	localSignature   = 0x04034b50
	centralSignature = 0x02014b50
	end64Signature   = 0x06064b50
	locatorSignature = 0x07064b50
	endSignature     = 0x06054b50

	localLength   = 30
	centralLength = 46
	end64Length   = 56
	locatorLength = 20
	endLength     = 22

	version10    = 10        // needed: stored entries
	version45    = 45        // needed: zip64
	madeBy       = 3<<8 | 45 // Unix, so that the attributes below are understood
	attributes   = 0o100644 << 16
	dosDate      = 1<<5 | 1 // 1 January 1980: times are in METS and PREMIS
	zip64ExtraID = 1
)

type fields []byte

func (f *fields) u16(v uint16) { *f = binary.LittleEndian.AppendUint16(*f, v) }
func (f *fields) u32(v uint32) { *f = binary.LittleEndian.AppendUint32(*f, v) }
func (f *fields) u64(v uint64) { *f = binary.LittleEndian.AppendUint64(*f, v) }

// clip32 gives the 32-bit form of a number, or the mark that zip64 has it.
func clip32(v int64) uint32 {
	if v >= math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(v)
}

func clip16(v int) uint16 {
	if v >= math.MaxUint16 {
		return math.MaxUint16
	}
	return uint16(v)
}

// localHeader is what precedes the bytes of an entry (APPNOTE 4.3.7).
func localHeader(name string, size int64, crc uint32) []byte {
	big := size >= math.MaxUint32
	f := make(fields, 0, localLength+len(name)+20)
	f.u32(localSignature)
	f.u16(neededVersion(big))
	f.u16(nameFlag(name)) // and no data descriptor
	f.u16(0)              // stored
	f.u16(0)
	f.u16(dosDate)
	f.u32(crc)
	f.u32(clip32(size))
	f.u32(clip32(size))
	f.u16(uint16(len(name)))
	if big {
		f.u16(20)
	} else {
		f.u16(0)
	}
	f = append(f, name...)
	if big {
		f.u16(zip64ExtraID)
		f.u16(16)
		f.u64(uint64(size))
		f.u64(uint64(size))
	}
	return f
}

func localHeaderLength(name string, size int64) int64 {
	n := int64(localLength + len(name))
	if size >= math.MaxUint32 {
		n += 20
	}
	return n
}

// centralHeader is the entry of the central directory (APPNOTE 4.3.12).
func centralHeader(name string, size int64, crc uint32, offset int64) []byte {
	var extra fields
	if size >= math.MaxUint32 {
		extra.u64(uint64(size))
		extra.u64(uint64(size))
	}
	if offset >= math.MaxUint32 {
		extra.u64(uint64(offset))
	}
	f := make(fields, 0, centralLength+len(name)+4+len(extra))
	f.u32(centralSignature)
	f.u16(madeBy)
	f.u16(neededVersion(len(extra) > 0))
	f.u16(nameFlag(name))
	f.u16(0)
	f.u16(0)
	f.u16(dosDate)
	f.u32(crc)
	f.u32(clip32(size))
	f.u32(clip32(size))
	f.u16(uint16(len(name)))
	if len(extra) > 0 {
		f.u16(uint16(4 + len(extra)))
	} else {
		f.u16(0)
	}
	f.u16(0) // comment
	f.u16(0) // disk
	f.u16(0) // internal attributes
	f.u32(attributes)
	f.u32(clip32(offset))
	f = append(f, name...)
	if len(extra) > 0 {
		f.u16(zip64ExtraID)
		f.u16(uint16(len(extra)))
		f = append(f, extra...)
	}
	return f
}

// endRecords closes a ZIP: zip64 records where a number does not fit, then the
// end of the central directory (APPNOTE 4.3.14 to 4.3.16).
func endRecords(entries int, directory, length int64) []byte {
	var f fields
	if entries >= math.MaxUint16 || directory >= math.MaxUint32 || length >= math.MaxUint32 {
		f.u32(end64Signature)
		f.u64(end64Length - 12)
		f.u16(madeBy)
		f.u16(version45)
		f.u32(0)
		f.u32(0)
		f.u64(uint64(entries))
		f.u64(uint64(entries))
		f.u64(uint64(length))
		f.u64(uint64(directory))
		f.u32(locatorSignature)
		f.u32(0)
		f.u64(uint64(directory + length))
		f.u32(1)
	}
	f.u32(endSignature)
	f.u16(0)
	f.u16(0)
	f.u16(clip16(entries))
	f.u16(clip16(entries))
	f.u32(clip32(length))
	f.u32(clip32(directory))
	f.u16(0)
	return f
}

// nameFlag says that a name is UTF-8 where it is not ASCII anyway (APPNOTE 4.4.4, bit
// 11). Names in packages are ASCII.
func nameFlag(name string) uint16 {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return 1 << 11
		}
	}
	return 0
}

func neededVersion(zip64 bool) uint16 {
	if zip64 {
		return version45
	}
	return version10
}

// plainName reports whether a name is one that Write could give: relative,
// without empty, "." or ".." segments, of letters, digits, dot, hyphen and
// underscore.
func plainName(name string) bool {
	if len(name) > 255 {
		return false
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		for i := range len(segment) {
			switch c := segment[i]; {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return true
}
