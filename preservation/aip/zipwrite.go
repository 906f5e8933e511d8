package aip

import (
	"bufio"
	"fmt"
	"io"
)

// zipWriter writes a package's ZIP front to back.
type zipWriter struct {
	w       *bufio.Writer
	root    string // with its slash
	offset  int64
	entries []Entry
}

func newZipWriter(w io.Writer, root string) *zipWriter {
	return &zipWriter{w: bufio.NewWriterSize(w, 64<<10), root: root + "/"}
}

// Write adds bytes of the entry that was begun last.
func (z *zipWriter) Write(p []byte) (int, error) {
	n, err := z.w.Write(p)
	z.offset += int64(n)
	return n, err
}

// begin writes the header of e; exactly e.Size bytes must follow.
func (z *zipWriter) begin(e Entry) error {
	if _, err := z.Write(localHeader(z.root+e.Path, e.Size, e.CRC32)); err != nil {
		return fmt.Errorf("write %s: %w", e.Path, err)
	}
	e.Offset = z.offset
	z.entries = append(z.entries, e)
	return nil
}

// finish writes the central directory and flushes.
func (z *zipWriter) finish() error {
	directory, next := z.offset, int64(0)
	for _, e := range z.entries {
		if _, err := z.Write(centralHeader(z.root+e.Path, e.Size, e.CRC32, next)); err != nil {
			return fmt.Errorf("write directory: %w", err)
		}
		next = e.Offset + e.Size
	}
	if _, err := z.Write(endRecords(len(z.entries), directory, z.offset-directory)); err != nil {
		return fmt.Errorf("write directory: %w", err)
	}
	if err := z.w.Flush(); err != nil {
		return fmt.Errorf("write directory: %w", err)
	}
	return nil
}
