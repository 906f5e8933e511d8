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

	// life holds one token, which opening, closing and dropping take. Users of
	// an open index never need it, so that one who holds it may wait for them.
	life chan struct{}

	mu   sync.Mutex
	open *openIndex // nil while closed

	used       atomic.Int64  // when it was last used, in nanoseconds
	generation atomic.Uint64 // rises whenever the index begins anew, empty

	erasedMu sync.RWMutex
	erased   map[preservation.RecordID]bool
}

// Batch is one step of the change feed.
type Batch struct {
	After, Next string                  // places in the feed: where the batch begins and where it leads
	Docs        []Document              // of several states of one record the last counts
	Removed     []preservation.RecordID // these win over Docs
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
	b.Docs = ix.wanted(b)
	if err := s.apply(b, ix.set.language, ix.set.o.MaxText); err != nil {
		return ix.failed(s, fmt.Errorf("apply batch: %w", err))
	}
	return nil
}

// wanted returns the last state of each record that is neither removed nor erased.
func (ix *Index) wanted(b Batch) []Document {
	gone := make(map[preservation.RecordID]bool, len(b.Removed))
	for _, id := range b.Removed {
		gone[id] = true
	}
	last := make(map[preservation.RecordID]int, len(b.Docs))
	for i, d := range b.Docs {
		last[d.ID] = i
	}
	ix.erasedMu.RLock()
	defer ix.erasedMu.RUnlock()
	docs := make([]Document, 0, len(last))
	for i, d := range b.Docs {
		if last[d.ID] == i && !gone[d.ID] && !ix.erased[d.ID] {
			docs = append(docs, d)
		}
	}
	return docs
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

// Warm prepares an open index for the searches to come; it leaves a closed one
// closed. It costs little when nothing has changed.
func (ix *Index) Warm(ctx context.Context) (err error) {
	ix.mu.Lock()
	o := ix.open
	if o != nil {
		o.users.Add(1) // which is no use that keeps it open for longer
	}
	ix.mu.Unlock()
	if o == nil {
		return nil
	}
	defer o.leave()
	defer faultsPanic()()
	defer func() { // the library panics on damaged segments
		_, err = ix.unlessPanicked(ctx, o, recover(), Page{}, err)
	}()
	return o.warm(ctx)
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
	if err := ix.takeLife(ctx); err != nil {
		return fmt.Errorf("reset search index: %w", err)
	}
	defer ix.giveLife()
	if err := ix.detach().closeWhenUnused(ctx); err != nil {
		return fmt.Errorf("reset search index: %w", err)
	}
	ix.generation.Add(1)
	if err := ix.drop(); err != nil {
		return fmt.Errorf("reset search index: %w", err)
	}
	return nil
}

func (ix *Index) takeLife(ctx context.Context) error {
	select {
	case ix.life <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (ix *Index) giveLife() { <-ix.life }

// detach makes the open index inaccessible to new users and returns it, or nil.
func (ix *Index) detach() *openIndex {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	o := ix.open
	ix.open = nil
	return o
}

// acquire opens the index if need be and keeps it open until release.
func (ix *Index) acquire(ctx context.Context) (*openIndex, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o := ix.use(); o != nil {
		return o, nil
	}
	if err := ix.takeLife(ctx); err != nil {
		return nil, err
	}
	o, err := ix.openAndUse()
	ix.giveLife()
	if err == nil {
		ix.set.shrink(ix.set.o.MaxOpen, time.Time{})
	}
	return o, err
}

// use counts a user in, if the index is open.
func (ix *Index) use() *openIndex {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.open != nil {
		ix.open.users.Add(1)
		ix.used.Store(ix.set.o.Now().UnixNano())
	}
	return ix.open
}

func (ix *Index) openAndUse() (*openIndex, error) {
	if o := ix.use(); o != nil {
		return o, nil // opened while we waited
	}
	if ix.set.isClosed() {
		return nil, ErrClosed
	}
	o, err := ix.openOrRenew()
	if err != nil {
		return nil, err
	}
	ix.mu.Lock()
	ix.open = o
	ix.mu.Unlock()
	return ix.use(), nil
}

func (ix *Index) release(o *openIndex) {
	ix.used.Store(ix.set.o.Now().UnixNano())
	o.leave()
}

// leave counts a user out.
func (o *openIndex) leave() {
	if o.users.Add(-1) > 0 {
		return
	}
	select {
	case o.unused <- struct{}{}:
	default:
	}
	if o.doomed.Load() {
		o.close()
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
func (ix *Index) failed(o *openIndex, err error) error {
	ix.mu.Lock()
	if ix.open == o {
		ix.open = nil
	}
	ix.mu.Unlock()
	ix.set.checked.forget(ix.dir)
	o.doomed.Store(true) // the caller still holds it; its release closes
	return err
}

// lastUse tells when the index was last used, if it is open.
func (ix *Index) lastUse() (time.Time, bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return time.Unix(0, ix.used.Load()), ix.open != nil
}

// closeUnused closes the index if nobody uses it.
func (ix *Index) closeUnused() error {
	select {
	case ix.life <- struct{}{}:
		defer ix.giveLife()
	default:
		return nil
	}
	ix.mu.Lock()
	o := ix.open
	if o == nil || o.users.Load() > 0 {
		ix.mu.Unlock()
		return nil
	}
	ix.open = nil
	ix.mu.Unlock()
	return o.close()
}

// shut closes the index after its last user.
func (ix *Index) shut() error {
	ix.life <- struct{}{}
	defer ix.giveLife()
	return ix.detach().closeWhenUnused(context.Background())
}
