package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bestand/preservation"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// Erase takes records out for good: out of the results at once, and out of the
// index files before it returns. It is meant for the deletion gateway, after
// the catalog has marked the records as destroyed; they are not indexed again
// even if a step of the feed that is older still brings them.
//
// The index files are rewritten, which takes time in proportion to the whole
// index (about a minute per gigabyte): call it once for a whole disposal run.
// Searches go on, changes wait. Calling it again is safe.
func (ix *Index) Erase(ctx context.Context, ids []preservation.RecordID) error {
	ix.erasedMu.Lock()
	if ix.erased == nil {
		ix.erased = map[preservation.RecordID]bool{}
	}
	for _, id := range ids {
		ix.erased[id] = true
	}
	ix.erasedMu.Unlock()
	return ix.purge(ctx, ids)
}

// Purge rewrites the index files without what was deleted or replaced before.
func (ix *Index) Purge(ctx context.Context) error { return ix.purge(ctx, nil) }

func (ix *Index) purge(ctx context.Context, ids []preservation.RecordID) error {
	o, err := ix.acquire(ctx)
	if err != nil {
		return err
	}
	defer ix.release(o)
	if err := o.lock(ctx); err != nil {
		return err
	}
	defer o.unlock()
	if len(ids) > 0 {
		batch := o.bleve.NewBatch()
		batch.SetInternal(keyUnpurged, []byte("1"))
		for _, id := range ids {
			batch.Delete(string(id))
		}
		if err := o.write(batch); err != nil {
			return ix.failed(o, fmt.Errorf("erase from search index: %w", err))
		}
	}
	if err := o.purge(ctx); err != nil {
		if ctx.Err() == nil {
			return ix.failed(o, fmt.Errorf("purge search index: %w", err))
		}
		return fmt.Errorf("purge search index: %w", err)
	}
	return nil
}

// unpurged reports whether removed records may still be in the files.
func (ix *Index) unpurged(ctx context.Context) (bool, error) {
	o, err := ix.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer ix.release(o)
	v, err := o.bleve.GetInternal(keyUnpurged)
	return len(v) > 0, err
}

// placeholder is a document without content that makes the library merge: it
// leaves an index of one segment as it is, deletions and all.
const placeholder = "placeholder"

// purge merges all segments into one, without what is deleted, and waits until
// the files that held it are gone. The caller holds the writer's token.
func (o *openIndex) purge(ctx context.Context) error {
	batch := o.bleve.NewBatch()
	batch.DeleteInternal(keyUnpurged)
	clean, err := o.isPurged()
	if err != nil {
		return err
	}
	if clean {
		return o.write(batch)
	}
	batch = o.bleve.NewBatch()
	doc := document.NewDocument(placeholder)
	doc.AddField(document.NewTextFieldCustom("placeholder", nil, []byte("x"), index.IndexField|index.SkipFreqNorm, nil))
	if err := batch.IndexAdvanced(doc); err != nil {
		return err
	}
	if err := o.write(batch); err != nil {
		return err
	}
	err = o.merge(ctx)
	if err == nil {
		err = o.waitUntil(ctx, o.isPurged)
	}
	batch = o.bleve.NewBatch()
	batch.Delete(placeholder)
	if err == nil {
		batch.DeleteInternal(keyUnpurged)
	}
	return errors.Join(err, o.write(batch))
}

// merge asks for one segment and lets the writers notice ctx.
func (o *openIndex) merge(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- o.scorch.ForceMerge(ctx, nil) }()
	select {
	case err := <-done:
		return errors.Join(err, ctx.Err())
	case <-ctx.Done():
		return errors.Join(<-done, ctx.Err())
	}
}

func (o *openIndex) waitUntil(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		if n%10 == 0 { // the library removes old files only after another write
			batch := o.bleve.NewBatch()
			batch.SetInternal([]byte("bestand.purge"), []byte(fmt.Sprint(n)))
			if err := o.write(batch); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isPurged reports whether no segment holds deleted content, other than the
// placeholder's, and no file holds an old segment.
func (o *openIndex) isPurged() (bool, error) {
	s, err := o.snapshot()
	if err != nil {
		return false, err
	}
	defer s.Close()
	for _, seg := range s.Segments() {
		deleted := seg.Deleted()
		if deleted == nil || deleted.IsEmpty() {
			continue
		}
		for it := deleted.Iterator(); it.HasNext(); {
			id, err := seg.DocID(uint64(it.Next()))
			if err != nil {
				return false, err
			}
			if string(id) != placeholder {
				return false, nil
			}
		}
	}
	current := map[string]bool{}
	for _, path := range segmentFiles(s) {
		current[filepath.Base(path)] = true
	}
	if len(current) < len(s.Segments()) {
		return false, nil // the last write is on its way to disk
	}
	files, err := os.ReadDir(o.folder())
	if err != nil {
		return false, err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".zap") && !current[f.Name()] {
			return false, nil
		}
	}
	return true, nil
}

// folder is where the library keeps the segments.
func (o *openIndex) folder() string { return filepath.Join(o.bleve.Name(), "store") }

// Gone reports whether nothing of a record is left: neither in the results nor
// in the index files. After a removal from the feed that becomes true once the
// Tail has followed.
func (ix *Index) Gone(ctx context.Context, id preservation.RecordID) (bool, error) {
	o, err := ix.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer ix.release(o)
	doc, err := o.bleve.Document(string(id))
	if err != nil || doc != nil {
		return false, err
	}
	v, err := o.bleve.GetInternal(keyUnpurged)
	return len(v) == 0, err
}
