package aip

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ZIP writes files one after the other into a ZIP as packages have them: stored,
// sizes and CRC-32 in front, no extra field but zip64 where a number does not fit.
// It is for those who bring a package into another form.
type ZIP struct{ z *zipWriter }

// NewZIP returns a ZIP that writes to w. Nothing of it is valid before Close.
func NewZIP(w io.Writer) *ZIP {
	return &ZIP{&zipWriter{w: bufio.NewWriterSize(w, 64<<10)}}
}

// Add writes a file whose name is relative, UTF-8 and free of what leads elsewhere:
// backslashes, controls, parts that are empty or dots. write must write exactly size
// bytes with that CRC-32.
func (z *ZIP) Add(name string, size int64, crc uint32, write func(io.Writer) error) error {
	if !inside(name) {
		return fmt.Errorf("no name for a file of a ZIP: %q", name)
	}
	if err := z.z.begin(Entry{Path: name, Size: size, CRC32: crc}); err != nil {
		return err
	}
	from := z.z.offset
	err := write(z.z)
	if n := z.z.offset - from; err == nil && n != size {
		err = fmt.Errorf("%d bytes instead of %d", n, size)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Close writes the directory.
func (z *ZIP) Close() error { return z.z.finish() }

// inside reports whether a name means a place below the one where a ZIP is unpacked,
// whatever the system.
func inside(name string) bool {
	if len(name) > math.MaxUint16 || !utf8.ValidString(name) || strings.ContainsRune(name, '\\') {
		return false
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsFunc(segment, unicode.IsControl) {
			return false
		}
	}
	return true
}
