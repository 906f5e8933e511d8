package search

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"bestand/preservation"
)

// Feed is the catalog's sequence of changes, as a tenant's index follows it.
type Feed interface {
	// Changes returns what changed behind the place after, in order, and the
	// place that this leads to; the empty place is the beginning. A record that
	// changed several times may come once, in its newest state. docs and
	// removed together hold at most limit records; fewer do not mean that the
	// end is reached, only next == after does. The texts of docs together
	// should stay below some 32 MiB.
	//
	// ErrReset when after is not a place of this feed, as after a restore.
	Changes(ctx context.Context, tenant preservation.TenantID, after string, limit int) (
		docs []Document, removed []preservation.RecordID, next string, err error)

	// Behind counts the changes behind a place and tells when the oldest of
	// them was made; zero when there is none.
	Behind(ctx context.Context, tenant preservation.TenantID, after string) (n int64, oldest time.Time, err error)
}

// ErrReset is what a Feed answers for a place that it does not know. The Tail
// then empties the index and begins again.
var ErrReset = errors.New("change feed has begun anew")

// Tail keeps one tenant's index at the end of the change feed.
type Tail struct {
	index  *Index
	feed   Feed
	log    *slog.Logger
	limit  int
	poll   time.Duration
	gather time.Duration
	wake   chan struct{}

	// Of the one goroutine that steps.
	ahead chan stretch // what comes next is being read, or nil
	full  bool         // the last batch was
	purge bool         // removed records may still be in the files

	removed time.Time // since when they may

	mu         sync.Mutex
	place      string // of the index, as last seen
	known      bool   // place is still that of the index
	generation uint64 // of the index when place was read
	fault      error
	applied    time.Time
}

// TailConfig wires a Tail.
type TailConfig struct {
	Index *Index
	Feed  Feed
	Log   *slog.Logger
	Limit int           // records in one batch; 5,000 by default
	Poll  time.Duration // how often to look without being woken; 5 seconds by default
}

// NewTail returns a Tail that is not running yet.
func NewTail(c TailConfig) *Tail {
	t := &Tail{index: c.Index, feed: c.Feed, log: c.Log, limit: c.Limit, poll: c.Poll, gather: gatherTime, wake: make(chan struct{}, 1)}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.log = t.log.With("tenant", c.Index.tenant)
	if t.limit <= 0 {
		t.limit = batchDocs
	}
	if t.poll <= 0 {
		t.poll = 5 * time.Second
	}
	return t
}

// Wake makes a running Tail look at the feed at once. It never blocks.
func (t *Tail) Wake() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Lag is how far an index is behind the catalog.
type Lag struct {
	Changes int64         // not yet in the index
	Age     time.Duration // of the oldest of them
	Applied time.Time     // when the last batch was applied, zero if none was since the start
	Fault   error         // why the last attempt failed, nil when it did not
}

// Lag asks the feed how far the index is behind now. It also works while Run is
// stuck or not running.
func (t *Tail) Lag(ctx context.Context) (Lag, error) {
	t.mu.Lock()
	place, l := t.place, Lag{Applied: t.applied, Fault: t.fault}
	t.mu.Unlock()
	n, oldest, err := t.feed.Behind(ctx, t.index.tenant, place)
	if err != nil {
		return l, err
	}
	l.Changes = n
	if n > 0 && !oldest.IsZero() {
		l.Age = max(t.index.set.o.Now().Sub(oldest), 0)
	}
	return l, nil
}

// purgeWithin is how long what was removed may stay in the files while there are
// changes all the time.
const purgeWithin = 10 * time.Minute

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// Run follows the feed until ctx ends; a batch that is being written is
// finished first. Faults are logged, kept for Lag and tried again with growing
// pauses: Run returns nil only when ctx has ended.
func (t *Tail) Run(ctx context.Context) error {
	defer t.settle()
	backoff := minBackoff
	for ctx.Err() == nil {
		more, err := t.step(ctx)
		pause := t.poll
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			t.log.ErrorContext(ctx, "index changes", "err", err, "retry_in", backoff)
			pause, backoff = backoff, min(2*backoff, maxBackoff)
		default:
			backoff = minBackoff
		}
		t.mu.Lock()
		t.fault = err
		t.mu.Unlock()
		if more && t.full {
			continue
		}
		if err == nil {
			if err := t.index.Warm(ctx); err != nil && ctx.Err() == nil {
				t.log.WarnContext(ctx, "index is not prepared", "err", err)
			}
		}
		if more {
			rest(ctx, pace)
			continue
		}
		wake := t.wake
		if err != nil {
			wake = nil // a fault is not cured by another change
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// rest waits, but not longer than ctx.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// CatchUp applies changes until there are no more, and ends at the first fault.
// It is for rebuilding and must not be called while Run is running.
func (t *Tail) CatchUp(ctx context.Context) error {
	defer t.settle()
	t.gather = rebuildTime
	for {
		more, err := t.step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// settle waits until nothing is read ahead.
func (t *Tail) settle() {
	if t.ahead != nil {
		<-t.ahead
		t.ahead = nil
	}
}

// step applies one batch. It reports whether there may be more.
func (t *Tail) step(ctx context.Context) (more bool, err error) {
	after, err := t.at(ctx)
	if err != nil {
		return false, err
	}
	s := t.next(ctx, after)
	switch {
	case errors.Is(s.err, ErrReset):
		t.log.WarnContext(ctx, "search index begins anew: the catalog does not know its place")
		return true, t.restart(ctx)
	case s.err != nil:
		return false, s.err
	case s.Next == after:
		return false, t.purgeRemoved(ctx)
	}
	if t.full = s.full; s.full {
		t.readAhead(ctx, s.Next)
	}
	err = t.index.Apply(ctx, s.Batch)
	if errors.Is(err, ErrCheckpoint) {
		t.doubt() // the index was reset meanwhile, or a write that seemed to fail succeeded
		return true, nil
	}
	if err != nil {
		t.doubt()
		return false, err
	}
	t.mu.Lock()
	t.place, t.applied = s.Next, t.index.set.o.Now()
	t.mu.Unlock()
	if len(s.Removed) > 0 && !t.purge {
		t.purge, err = t.index.unpurged(ctx)
		t.removed = time.Now()
	}
	if t.purge && time.Since(t.removed) > purgeWithin { // it never catches up
		return true, t.purgeRemoved(ctx)
	}
	return true, err
}

// at returns the place of the index. While nothing changes it is remembered, so
// that an idle index can stay closed.
func (t *Tail) at(ctx context.Context) (string, error) {
	generation := t.index.generation.Load()
	t.mu.Lock()
	place, known := t.place, t.known && t.generation == generation
	t.mu.Unlock()
	if known {
		return place, nil
	}
	place, err := t.index.Checkpoint(ctx)
	if err != nil {
		return "", err
	}
	if t.purge, err = t.index.unpurged(ctx); err != nil {
		return "", err
	}
	t.removed = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.place, t.known, t.generation = place, true, generation
	return place, nil
}

// doubt makes the next step read the place from the index again.
func (t *Tail) doubt() {
	t.mu.Lock()
	t.known = false
	t.mu.Unlock()
}

func (t *Tail) restart(ctx context.Context) error {
	t.doubt()
	return t.index.Reset(ctx)
}

// purgeRemoved takes removed records out of the files too, once the index has
// caught up: whatever removed them, their content must not stay behind.
func (t *Tail) purgeRemoved(ctx context.Context) error {
	if !t.purge {
		return nil
	}
	if err := t.index.Purge(ctx); err != nil {
		return err
	}
	t.purge = false
	return nil
}
