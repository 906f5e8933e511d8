package objectstore

import (
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/versity/versitygw/s3api/middlewares"
)

// folders keeps those who make the folders of a key apart from those who remove
// them. Folders come and go with the objects in them: the backend makes what is
// missing one folder after the other, and a deletion that takes the last object
// away in between fails the writer, whose body is read and cannot be read again.
type folders struct {
	mu      sync.Mutex
	buckets map[string]*sync.RWMutex
}

// of is the lock of a bucket. The name that the backend gives is in the memory of the
// request, which the next one overwrites.
func (f *folders) of(bucket string) *sync.RWMutex {
	f.mu.Lock()
	defer f.mu.Unlock()
	lock := f.buckets[bucket]
	if lock == nil {
		if f.buckets == nil {
			f.buckets = map[string]*sync.RWMutex{}
		}
		lock = new(sync.RWMutex)
		f.buckets[strings.Clone(bucket)] = lock
	}
	return lock
}

// removing returns when nobody is giving a name to an object of the bucket, and
// keeps it so until unlock is called.
func (f *folders) removing(bucket string) (unlock func()) {
	mu := f.of(bucket)
	mu.Lock()
	return mu.Unlock
}

// naming returns the time in which an object of the bucket gets its name, which has
// not begun yet.
func (f *folders) naming(bucket string) *naming { return &naming{mu: f.of(bucket)} }

// naming is the time from the last byte of an object to its name. The folders of
// its bucket stay meanwhile. It is used by one goroutine.
type naming struct {
	mu    *sync.RWMutex
	begun bool
}

// begin does nothing when it has begun.
func (n *naming) begin() {
	if !n.begun {
		n.mu.RLock()
		n.begun = true
	}
}

// end does nothing when it has not begun, or is over: it is called before the wait
// for the disk, and deferred for a backend that panics.
func (n *naming) end() {
	if n.begun {
		n.mu.RUnlock()
		n.begun = false
	}
}

// body is r, with whose end the naming begins: before, a slow client would keep
// every deletion waiting.
func (n *naming) body(r io.Reader) io.Reader {
	b := &lastByte{Reader: r, naming: n}
	if sum, ok := r.(middlewares.ChecksumReader); ok { // the backend asks it for the checksum behind the bytes
		return struct {
			*lastByte
			checksum
		}{b, sum}
	}
	return b
}

type checksum interface {
	Algorithm() string
	Checksum() string
}

type lastByte struct {
	io.Reader
	naming *naming
}

func (b *lastByte) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		b.naming.begin()
	}
	return n, err
}
