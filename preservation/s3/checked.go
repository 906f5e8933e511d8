package s3

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"bestand/preservation"
)

// checked passes exactly size bytes with the given digest through. It holds
// the last bytes back until they are known to be right, so that a request
// whose body is wrong never becomes complete. It hides Seek and Close of the
// source, which the HTTP client would use, and leaves the source alone once
// stopped: the client may answer while it is still reading.
type checked struct {
	mu     sync.Mutex
	src    io.Reader
	left   int64
	digest []byte // nil when not known
	hash   hash.Hash
	err    error // why the body is not to be stored
	ended  bool
}

func newChecked(r io.Reader, size int64, digest []byte) *checked {
	c := &checked{src: r, left: size, digest: digest, hash: sha256.New()}
	if size == 0 { // nobody reads an empty body
		c.err = c.finish()
	}
	return c
}

// stop ends the use of the source and says what was wrong with it.
func (c *checked) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	return c.err
}

func (c *checked) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return 0, c.err
	case c.ended:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n, err := c.src.Read(p[:min(int64(len(p)), c.left)])
	c.hash.Write(p[:n])
	c.left -= int64(n)
	if c.left == 0 {
		if c.err = c.finish(); c.err != nil {
			return 0, c.err
		}
		return n, io.EOF
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: source ends %d bytes early", io.ErrUnexpectedEOF, c.left)
	}
	if err != nil {
		c.err = fmt.Errorf("read source: %w", err)
		return n, c.err
	}
	return n, nil
}

// finish checks, when all bytes were read, that there are no more and that
// they have the digest.
func (c *checked) finish() error {
	c.ended = true
	switch n, err := io.ReadFull(c.src, make([]byte, 1)); {
	case n > 0:
		return errors.New("source has more bytes than its size")
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("read source: %w", err)
	}
	if got := c.hash.Sum(nil); c.digest != nil && !bytes.Equal(got, c.digest) {
		return fmt.Errorf("%w: source has SHA-256 %x, want %x", preservation.ErrCorrupt, got, c.digest)
	}
	return nil
}
