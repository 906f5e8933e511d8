package s3

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	// smallBody is what a body of unknown size takes in memory before anything is
	// known of it.
	smallBody = 64 << 10
	// memoryParts is how many parts of such bodies are collected in memory at a time.
	// The parts of further ones are collected in files: senders may be many and
	// slow, and memory has an end.
	memoryParts = 8
)

// buffer collects a part of an upload until it can be sent, in memory or in a
// file without a name.
type buffer struct {
	mem  []byte   // all of its length is used
	file *os.File // in place of mem
	size int      // bytes that it can hold
	n    int      // bytes that it holds
	home chan []byte

	mu       sync.Mutex
	released bool
}

// inMemory makes a buffer of memory.
func inMemory(mem []byte) *buffer { return &buffer{mem: mem, size: len(mem)} }

// buffer returns one of partSize: of memory while there is some left of what the
// client may take.
func (c *Client) buffer() (*buffer, error) {
	select {
	case mem := <-c.memory:
		if mem == nil {
			mem = make([]byte, partSize)
		}
		return &buffer{mem: mem, size: partSize, home: c.memory}, nil
	default:
	}
	f, err := os.CreateTemp(c.config.Spool, "upload-*.part")
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return &buffer{file: f, size: partSize}, nil
}

// release gives the memory back. A request that failed may still be reading its
// body: it finds nothing any more.
func (b *buffer) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	if b.home != nil {
		b.home <- b.mem
	}
	if b.file != nil {
		b.file.Close() // it has no name and nobody reads it again
	}
}

// fill reads until the buffer is full or the source ends.
func (b *buffer) fill(r io.Reader) (end bool, err error) {
	if b.file == nil {
		n, end, err := fill(r, b.mem[b.n:])
		b.n += n
		return end, err
	}
	small := make([]byte, smallBody)
	for b.n < b.size && !end {
		var n int
		if n, end, err = fill(r, small[:min(len(small), b.size-b.n)]); err != nil {
			return false, err
		}
		if _, err := b.file.WriteAt(small[:n], int64(b.n)); err != nil {
			return false, fmt.Errorf("spool: %w", err)
		}
		b.n += n
	}
	return end, nil
}

// content reads what the buffer holds, as often as the caller likes.
func (b *buffer) content() io.ReadSeeker {
	if b.file == nil {
		return &reader{b, bytes.NewReader(b.mem[:b.n])}
	}
	return &reader{b, io.NewSectionReader(b.file, 0, int64(b.n))}
}

// reader reads a buffer until that is released.
type reader struct {
	b *buffer
	io.ReadSeeker
}

func (r *reader) Read(p []byte) (int, error) {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	if r.b.released {
		return 0, os.ErrClosed
	}
	return r.ReadSeeker.Read(p)
}

func (b *buffer) sum() ([]byte, error) {
	h := sha256.New()
	if _, err := io.Copy(h, b.content()); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return h.Sum(nil), nil
}
