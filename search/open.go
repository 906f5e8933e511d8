package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bestand/preservation"

	"golang.org/x/sync/errgroup"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Values kept inside the index beside the documents.
var (
	keyCheckpoint  = []byte("bestand.checkpoint")
	keyFingerprint = []byte("bestand.schema")
	keyUnpurged    = []byte("bestand.unpurged") // present while removed records may still be in the files
)

const droppedPrefix = "dropped."

// openIndex is the index of a tenant while it is open.
type openIndex struct {
	bleve  bleve.Index
	scorch *scorch.Scorch

	writer  chan struct{} // holds one token: one writer at a time
	columns columnCache
	words   frequentWords
	writing atomic.Int64 // bytes of memory that the batch under way needs

	users  atomic.Int64
	unused chan struct{} // a hint that users has come down to zero
	doomed atomic.Bool   // the last user closes it

	closing sync.Once
}

func wrap(b bleve.Index) (*openIndex, error) {
	inner, err := b.Advanced()
	if err != nil {
		return nil, err
	}
	sc, ok := inner.(*scorch.Scorch)
	if !ok {
		return nil, fmt.Errorf("index type %T", inner)
	}
	return &openIndex{bleve: b, scorch: sc, writer: make(chan struct{}, 1), unused: make(chan struct{}, 1)}, nil
}

// createNew makes an empty index. The mapping has no part in it: Document.fields
// names every field with its analyzer.
func createNew(dir string) (*openIndex, error) {
	m := bleve.NewIndexMapping()
	m.IndexDynamic, m.StoreDynamic, m.DocValuesDynamic = false, false, false
	m.DefaultMapping.Enabled, m.DefaultMapping.Dynamic = false, false
	b, err := bleve.NewUsing(dir, m, scorch.Name, scorch.Name, map[string]any{"bolt_timeout": "1s"})
	if err != nil {
		return nil, err
	}
	if err := b.SetInternal(keyFingerprint, []byte(fingerprint())); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return wrap(b)
}

// openExisting opens an index and checks it. Any error but ErrUnavailable
// means that it is of no use.
func openExisting(dir string, checked *checkedFiles) (o *openIndex, err error) {
	defer faultsPanic()()
	defer func() {
		if r := recover(); r != nil { // the library trusts its files
			o, err = nil, fmt.Errorf("damaged: %v", r)
		}
	}()
	if err := verifyRoot(filepath.Join(dir, "store", "root.bolt")); err != nil {
		if isPassing(err) {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil, fmt.Errorf("damaged: %w", err)
	}
	b, err := bleve.OpenUsing(dir, map[string]any{"bolt_timeout": "1s"})
	if err != nil {
		if isPassing(err) {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil, fmt.Errorf("damaged: %w", err)
	}
	have, err := b.GetInternal(keyFingerprint)
	if err == nil && string(have) != fingerprint() {
		err = errors.New("written with another schema")
	}
	if err == nil {
		o, err = wrap(b)
	}
	if err == nil {
		err = o.verify(checked)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return o, nil
}

// isPassing tells faults of the machine from faults of the index.
func isPassing(err error) bool {
	for _, e := range []error{bolterrors.ErrTimeout, os.ErrPermission, syscall.EMFILE, syscall.ENFILE,
		syscall.ENOMEM, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// drop removes the index. A kill in the middle leaves a folder that the next
// Open of the set removes.
func (ix *Index) drop() error {
	gone := filepath.Join(filepath.Dir(ix.dir), droppedPrefix+string(ix.tenant)+"."+preservation.NewID(time.Now()))
	if err := os.Rename(ix.dir, gone); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	return os.RemoveAll(gone)
}

func (o *openIndex) lock(ctx context.Context) error {
	select {
	case o.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *openIndex) unlock() { <-o.writer }

func (o *openIndex) checkpoint() (string, error) {
	v, err := o.bleve.GetInternal(keyCheckpoint)
	return string(v), err
}

func (o *openIndex) close() (err error) {
	o.closing.Do(func() { err = o.bleve.Close() })
	return err
}

// closeWhenUnused closes the index after its last user. When ctx ends first,
// the last user closes it.
func (o *openIndex) closeWhenUnused(ctx context.Context) error {
	if o == nil {
		return nil
	}
	for o.users.Load() > 0 {
		select {
		case <-o.unused:
		case <-ctx.Done():
			o.doomed.Store(true)
			return ctx.Err()
		}
	}
	return o.close()
}

// Bounds of a batch. Documents are analysed as a whole in memory.
const (
	batchDocs  = 5000
	batchBytes = 32 << 20
	pieceDocs  = 1000 // a batch of more documents is written in pieces at the same time
)

// apply writes the batch. The library builds the file of one write on one
// processor, so large batches are written in pieces beside each other; the
// checkpoint follows when all of them are durable.
func (o *openIndex) apply(b Batch, l *language, maxText int) error {
	last := o.bleve.NewBatch()
	last.SetInternal(keyCheckpoint, []byte(b.Next))
	present, err := o.anyOf(b.Removed)
	if err != nil {
		return err
	}
	if present {
		last.SetInternal(keyUnpurged, []byte("1"))
	}
	for _, id := range b.Removed {
		last.Delete(string(id))
	}
	memory := needs(b.Docs, maxText)
	o.writing.Add(memory)
	defer o.writing.Add(-memory)
	pieces := pieces(b.Docs, maxText)
	if len(pieces) == 1 {
		if err := fill(last, pieces[0], l, maxText); err != nil {
			return err
		}
		return o.write(last)
	}
	var g errgroup.Group
	g.SetLimit(min(runtime.GOMAXPROCS(0), 4))
	for _, docs := range pieces {
		g.Go(func() error {
			batch := o.bleve.NewBatch()
			if err := fill(batch, docs, l, maxText); err != nil {
				return err
			}
			return o.write(batch)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return o.write(last)
}

// anyOf reports whether one of the records is in the index.
func (o *openIndex) anyOf(ids []preservation.RecordID) (bool, error) {
	if len(ids) == 0 {
		return false, nil
	}
	s, err := o.snapshot()
	if err != nil {
		return false, err
	}
	defer s.Close()
	terms := make([]string, len(ids))
	for i, id := range ids {
		terms[i] = string(id)
	}
	set, err := withTerms(context.Background(), s, fieldID, terms...)
	return set.count() > 0, err
}

func fill(batch *bleve.Batch, docs []Document, l *language, maxText int) error {
	known := exactTerms{}
	for i := range docs {
		if err := batch.IndexAdvanced(docs[i].fields(l, known, maxText)); err != nil {
			return fmt.Errorf("record %s: %w", docs[i].ID, err)
		}
	}
	return nil
}

// pieces divides documents by number and size.
func pieces(docs []Document, maxText int) [][]Document {
	n := batchDocs
	if len(docs) > pieceDocs {
		n = min(batchDocs, max(pieceDocs, (len(docs)+1)/2))
	}
	var out [][]Document
	from, size := 0, 0
	for i := range docs {
		if i-from == n || size >= batchBytes/4 {
			out, from, size = append(out, docs[from:i]), i, 0
		}
		size += min(len(docs[i].Text), maxText)
	}
	return append(out, docs[from:])
}

// stallTimeout is how long a write may make no progress after a background
// fault before it is given up.
const stallTimeout = 20 * time.Second

// write waits until the batch is durable. The library's background writers
// report faults in a counter only, and one that died leaves the batch waiting
// for ever; the wait is then given up, and the index with it.
func (o *openIndex) write(batch *bleve.Batch) error {
	result := make(chan error, 1)
	faults := o.faults()
	go func() {
		faultsPanic()
		defer func() {
			if r := recover(); r != nil {
				result <- fmt.Errorf("damaged: %v", r)
			}
		}()
		result <- o.bleve.Batch(batch)
	}()
	tick := time.NewTicker(stallTimeout)
	defer tick.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-tick.C:
			if o.faults() > faults {
				// The batch holds the library's lock, so Close would wait with it.
				o.closing.Do(func() { o.scorch.Close() })
				return errors.New("background writer of the index has died")
			}
		}
	}
}

func (o *openIndex) faults() uint64 {
	n, _ := o.scorch.StatsMap()["TotOnErrors"].(uint64)
	return n
}
