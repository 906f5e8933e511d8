package pades

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Form says what a seal shows and how large its signature may be.
type Form struct {
	Name, Reason, Location string    // empty ones are left out
	Now                    time.Time // the claimed time of signing
	Room                   int       // bytes for the signature
}

// Drafter does what Draft does. Its errors are those of Draft, or worth another try.
type Drafter func(ctx context.Context, in io.ReaderAt, size int64, f Form) ([]byte, error)

// MaxDraft bounds the bytes of an update without the room for its signature.
const MaxDraft = 8 << 20

// Draft returns the incremental update that gives a document a seal, with room in
// the place of the signature. The document with the update behind it says what the
// document says, as a reader finds it. The error is an ErrUnsupported.
//
// This is the one part of sealing that reads the structure of a document, with a
// parser that a hostile one can keep busy for ever, make take all memory of the
// machine, or overflow its stack, which ends the process. So it belongs into one
// that is limited.
func Draft(in io.ReaderAt, size int64, f Form) ([]byte, error) {
	doc, err := open(in, size)
	if err != nil {
		return nil, err
	}
	u, err := doc.build(f)
	if err != nil {
		return nil, err
	}
	if len(u.bytes) > MaxDraft+2*f.Room {
		return nil, fmt.Errorf("%w: the seal would take %d bytes", ErrUnsupported, len(u.bytes))
	}
	return u.bytes, unchanged(doc, joined{in, size, u.bytes}, size+int64(len(u.bytes)))
}

// joined is a document with its update.
type joined struct {
	document io.ReaderAt
	size     int64
	update   []byte
}

func (j joined) ReadAt(p []byte, at int64) (n int, err error) {
	if at < j.size {
		n, err = j.document.ReadAt(p[:min(int64(len(p)), j.size-at)], at)
		if at+int64(n) < j.size || n == len(p) {
			return n, err
		}
	}
	if at+int64(n) < 0 || at+int64(n)-j.size >= int64(len(j.update)) {
		return n, io.EOF
	}
	m := copy(p[n:], j.update[at+int64(n)-j.size:])
	if n += m; n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
