// Package bound lets readers of hostile files run within the service: it bounds
// the memory that archive/zip and encoding/xml take before their callers see
// anything to count, and keeps a panic to the job whose file brought it about.
package bound

import (
	"archive/zip"
	"errors"
	"io"
)

// ErrTooMuch says that a file asks for more memory than is given to it.
var ErrTooMuch = errors.New("more than the reader takes")

// directory is how many bytes of a ZIP are read for its list of entries: some
// 90,000 entries with the shortest of names.
const directory = 4 << 20

// maxZIP bounds what archive/zip allots by the number of entries that the end
// of the file claims.
const maxZIP = 1 << 30

// ZIP opens a ZIP of size bytes whose directory is not too long; else the error
// is ErrTooMuch. archive/zip reads directories of any length into memory.
func ZIP(r io.ReaderAt, size int64) (*zip.Reader, error) {
	if size > maxZIP {
		return nil, ErrTooMuch
	}
	b := &budget{r: r, left: directory}
	z, err := zip.NewReader(b, size)
	if b.passed {
		return nil, ErrTooMuch
	}
	b.free = true
	return z, err
}

type budget struct {
	r            io.ReaderAt
	left         int64
	passed, free bool
}

func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if !b.free {
		if b.left -= int64(len(p)); b.left < 0 {
			b.passed = true
			return 0, ErrTooMuch
		}
	}
	return b.r.ReadAt(p, off)
}

// Tokens reads XML for a decoder that keeps every token in memory as a whole: a
// token of more than Most bytes ends it with ErrTooMuch. Call Next after each.
type Tokens struct {
	R    io.Reader
	Most int

	read int
}

// Next says that the decoder has delivered a token.
func (t *Tokens) Next() { t.read = 0 }

func (t *Tokens) Read(p []byte) (int, error) {
	room := t.Most - t.read
	if room <= 0 {
		return 0, ErrTooMuch
	}
	n, err := t.R.Read(p[:min(len(p), room)])
	t.read += n
	return n, err
}
