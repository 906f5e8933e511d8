package image

import (
	"bufio"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

// A pdf writes numbered objects one after the other and remembers where they
// stand. Errors of the writer below stay and show in finish.
type pdf struct {
	w       *bufio.Writer
	n       int64
	sum     hash.Hash
	offsets []int64 // of object i+1; 0 while it is not written
	err     error
}

func newPDF(w io.Writer) *pdf {
	p := &pdf{w: bufio.NewWriterSize(w, 64<<10), sum: sha256.New()}
	p.printf("%%PDF-1.7\n%%\xE2\xE3\xCF\xD3\n")
	return p
}

// Write implements io.Writer for the bytes of streams.
func (p *pdf) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.w.Write(b)
	p.n += int64(n)
	p.sum.Write(b[:n])
	p.err = err
	return n, err
}

func (p *pdf) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// reserve takes the number of an object that is written later.
func (p *pdf) reserve() int {
	p.offsets = append(p.offsets, 0)
	return len(p.offsets)
}

// object writes a whole object under a reserved number.
func (p *pdf) object(id int, format string, args ...any) {
	p.offsets[id-1] = p.n
	p.printf("%d 0 obj\n", id)
	p.printf(format, args...)
	p.printf("\nendobj\n")
}

// stream writes an object with the bytes that fill produces, as they are. dict
// holds the entries beside Length, which becomes known only afterwards.
func (p *pdf) stream(id int, dict string, fill func(io.Writer) error) error {
	length := p.reserve()
	p.offsets[id-1] = p.n
	p.printf("%d 0 obj\n<<%s/Length %d 0 R>>\nstream\n", id, dict, length)
	start := p.n
	if err := fill(p); err != nil {
		return err
	}
	n := p.n - start
	p.printf("\nendstream\nendobj\n")
	p.object(length, "%d", n)
	return p.err
}

// deflate writes a stream through FlateDecode.
func (p *pdf) deflate(id int, dict string, fill func(io.Writer) error) error {
	return p.stream(id, dict+"/Filter/FlateDecode", func(w io.Writer) error {
		z := zlib.NewWriter(w)
		if err := fill(z); err != nil {
			return err
		}
		return z.Close()
	})
}

// finish writes the cross-reference table and the trailer. The identifier in
// it is the digest of all that stands before, which keeps the file
// reproducible (ISO 19005-2, 6.1.3 asks for one).
func (p *pdf) finish(root int) error {
	at := p.n
	p.printf("xref\n0 %d\n0000000000 65535 f \n", len(p.offsets)+1)
	for _, o := range p.offsets {
		p.printf("%010d 00000 n \n", o)
	}
	id := p.sum.Sum(nil)[:16]
	p.printf("trailer\n<</Size %d/Root %d 0 R/ID[<%X><%X>]>>\nstartxref\n%d\n%%%%EOF\n", len(p.offsets)+1, root, id, id, at)
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}
