package aip

import (
	"bufio"
	"fmt"
	"io"
)

// ZIP writes files one after the other into a ZIP as packages have them: stored,
// sizes and CRC-32 in front, no extra field but zip64 where a number does not fit.
// It is for those who bring a package into another form.
type ZIP struct{ z *zipWriter }

// NewZIP returns a ZIP that writes to w. Nothing of it is valid before Close.
func NewZIP(w io.Writer) *ZIP {
	return &ZIP{&zipWriter{w: bufio.NewWriterSize(w, 64<<10)}}
}

// Add writes a file whose name is relative and plain: letters, digits, dot, hyphen,
// underscore, slash. content must give exactly size bytes with that CRC-32.
func (z *ZIP) Add(name string, size int64, crc uint32, content io.Reader) error {
	if !plainName(name) {
		return fmt.Errorf("no name for a file of a ZIP: %q", name)
	}
	if err := z.z.begin(Entry{Path: name, Size: size, CRC32: crc}); err != nil {
		return err
	}
	n, err := io.Copy(z.z, content)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes instead of %d", n, size)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Close writes the directory.
func (z *ZIP) Close() error { return z.z.finish() }
