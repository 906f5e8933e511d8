package search

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bolt "go.etcd.io/bbolt"

	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// checkedFiles remembers which segment files were found whole. Segments never
// change, so each is read once in the life of the process.
type checkedFiles struct {
	mu    sync.Mutex
	files map[string]fileState
}

type fileState struct {
	size     int64
	modified time.Time
}

func (c *checkedFiles) known(path string, s fileState) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[path] == s
}

func (c *checkedFiles) add(path string, s fileState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = map[string]fileState{}
	}
	c.files[path] = s
}

// forget makes the files below dir unknown again.
func (c *checkedFiles) forget(dir string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for path := range c.files {
		if strings.HasPrefix(path, dir+string(os.PathSeparator)) {
			delete(c.files, path)
		}
	}
}

// faultsPanic makes this goroutine panic, where it can be recovered, instead of
// ending the process when it reads a mapped file that has been cut off. It
// returns what undoes this.
func faultsPanic() func() {
	before := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(before) }
}

// verifyRoot walks through the small database that names the segments. Later
// the library does so in goroutines of its own, where a file that has been cut
// off would end the process.
func verifyRoot(path string) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return walk(b) })
	})
}

func walk(b *bolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		crc32.ChecksumIEEE(k) // reads every byte
		crc32.ChecksumIEEE(v)
		if v == nil {
			return walk(b.Bucket(k))
		}
		return nil
	})
}

// verify reads the segments that the index is made of and compares their
// checksums. The library maps them into memory and believes them: a damaged
// one would give wrong answers or end the process.
func (o *openIndex) verify(checked *checkedFiles) error {
	snapshot, err := o.snapshot()
	if err != nil {
		return err
	}
	defer snapshot.Close()
	for _, path := range segmentFiles(snapshot) {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		state := fileState{info.Size(), info.ModTime()}
		if checked.known(path, state) {
			continue
		}
		if err := verifySegment(path); err != nil {
			return err
		}
		checked.add(path, state)
	}
	return nil
}

// snapshot is what the index holds now. The caller closes it.
func (o *openIndex) snapshot() (*scorch.IndexSnapshot, error) {
	r, err := o.scorch.Reader()
	if err != nil {
		return nil, err
	}
	s, ok := r.(*scorch.IndexSnapshot)
	if !ok || s == nil {
		return nil, errors.New("index is closed")
	}
	return s, nil
}

// segmentFiles lists the files of a snapshot's segments; those still in memory
// have none.
func segmentFiles(s *scorch.IndexSnapshot) []string {
	var paths []string
	for _, seg := range s.Segments() {
		if p, ok := seg.Segment().(segment.PersistedSegment); ok {
			paths = append(paths, p.Path())
		}
	}
	return paths
}

// verifySegment checks the CRC-32 that ends every segment file and covers all
// before it.
func verifySegment(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < crc32.Size {
		return fmt.Errorf("damaged: %s is cut off", info.Name())
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(sum, f, info.Size()-crc32.Size); err != nil {
		return err
	}
	var want [crc32.Size]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return err
	}
	if sum.Sum32() != binary.BigEndian.Uint32(want[:]) {
		return fmt.Errorf("damaged: checksum of %s", info.Name())
	}
	return nil
}
