package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"bestand/preservation"
)

// Index is the index of one tenant. All methods may be called concurrently.
type Index struct {
	set    *Set
	tenant preservation.TenantID
	dir    string

	mu   sync.Mutex // of the fields below, and of opening and dropping
	open *openIndex
	used time.Time

	generation atomic.Uint64 // rises whenever the index begins anew, empty

	erasedMu sync.RWMutex
	erased   map[preservation.RecordID]bool
}

// Batch is one step of the change feed.
type Batch struct {
	After, Next string // places in the feed: where the batch begins and where it leads
	Docs        []Document
	Removed     []preservation.RecordID
}

// Apply brings the documents in, replacing those of the same records, takes
// the removed ones out, and moves the checkpoint from After to Next.
//
// When it returns nil, all of this is durable. When it fails or the process
// dies, the checkpoint tells whether it happened; a batch may be applied
// again, wholly or in part. ErrCheckpoint when the checkpoint is not at After:
// nothing was changed then.
func (ix *Index) Apply(ctx context.Context, b Batch) error {
	s, err := ix.acquire(ctx)
	if err != nil {
		return err
	}
	defer ix.release(s)
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	at, err := s.checkpoint()
	if err != nil {
		return ix.failed(s, fmt.Errorf("read checkpoint: %w", err))
	}
	if at != b.After {
		return fmt.Errorf("%w: at %q, batch follows %q", ErrCheckpoint, at, b.After)
	}
	b.Docs = ix.withoutErased(b.Docs)
	if err := s.apply(b, ix.set.language, ix.set.o.MaxText); err != nil {
		return ix.failed(s, fmt.Errorf("apply batch: %w", err))
	}
	return nil
}

// Checkpoint returns the place in the feed that the index has reached. It is
// empty for a new index.
func (ix *Index) Checkpoint(ctx context.Context) (string, error) {
	s, err := ix.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer ix.release(s)
	return s.checkpoint()
}

// Count returns the number of records in the index.
func (ix *Index) Count(ctx context.Context) (uint64, error) {
	s, err := ix.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer ix.release(s)
	return s.bleve.DocCount()
}

// Reset empties the index, so that it comes back from the feed. It waits for
// calls under way.
func (ix *Index) Reset(ctx context.Context) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if s := ix.open; s != nil {
		ix.open = nil
		if err := s.closeWhenUnused(ctx); err != nil {
			return fmt.Errorf("reset search index: %w", err)
		}
	}
	ix.generation.Add(1)
	if err := ix.drop(); err != nil {
		return fmt.Errorf("reset search index: %w", err)
	}
	return nil
}

// acquire opens the index if need be and keeps it open until release.
func (ix *Index) acquire(ctx context.Context) (*openIndex, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ix.set.mu.Lock()
	closed := ix.set.closed
	ix.set.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	s, opened, err := ix.use()
	if opened {
		ix.set.shrink(ix.set.o.MaxOpen, time.Time{})
	}
	return s, err
}

func (ix *Index) use() (s *openIndex, opened bool, err error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.open == nil {
		if ix.open, err = ix.openOrRenew(); err != nil {
			return nil, false, err
		}
		opened = true
	}
	ix.used = ix.set.o.Now()
	ix.open.users.Add(1)
	return ix.open, opened, nil
}

func (ix *Index) release(s *openIndex) {
	ix.mu.Lock()
	ix.used = ix.set.o.Now()
	ix.mu.Unlock()
	if s.users.Add(-1) > 0 {
		return
	}
	select {
	case s.unused <- struct{}{}:
	default:
	}
	if s.doomed.Load() {
		s.close()
	}
}

// openOrRenew opens the index, or makes a new one in place of one that is
// missing, damaged or of another schema.
func (ix *Index) openOrRenew() (*openIndex, error) {
	log := ix.set.o.Log.With("tenant", ix.tenant)
	if _, err := os.Stat(ix.dir); err == nil {
		s, err := openExisting(ix.dir, &ix.set.checked)
		if err == nil {
			return s, nil
		}
		if errors.Is(err, ErrUnavailable) {
			return nil, err
		}
		log.Warn("search index is dropped and comes back from the catalog", "reason", err)
		if err := ix.drop(); err != nil {
			return nil, fmt.Errorf("drop search index: %w", err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s, err := createNew(ix.dir)
	if err != nil {
		return nil, fmt.Errorf("create search index: %w", err)
	}
	ix.generation.Add(1)
	return s, nil
}

// failed takes an index that failed out of use: it is closed, and checked
// before it opens again. It returns err.
func (ix *Index) failed(s *openIndex, err error) error {
	ix.mu.Lock()
	if ix.open == s {
		ix.open = nil
	}
	ix.mu.Unlock()
	ix.set.checked.forget(ix.dir)
	s.doomed.Store(true) // the caller still holds it; its release closes
	return err
}

func (ix *Index) lastUse() (time.Time, bool) {
	if !ix.mu.TryLock() {
		return time.Time{}, false // being opened or dropped: in use
	}
	defer ix.mu.Unlock()
	return ix.used, ix.open != nil
}

func (ix *Index) closeUnused() error {
	if !ix.mu.TryLock() {
		return nil
	}
	defer ix.mu.Unlock()
	s := ix.open
	if s == nil || s.users.Load() > 0 {
		return nil
	}
	ix.open = nil
	return s.close()
}

func (ix *Index) shut() error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	s := ix.open
	if s == nil {
		return nil
	}
	ix.open = nil
	return s.closeWhenUnused(context.Background())
}
