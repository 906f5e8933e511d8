package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bestand/preservation"
)

// Errors of this package. Whatever is none of them is a fault worth another
// try later.
var (
	// ErrQuery: the query cannot be answered as it stands. Its text says why;
	// show it to whoever asked.
	ErrQuery = errors.New("query not understood")
	// ErrCursor: the cursor is not one of this query. Begin again at the first page.
	ErrCursor = errors.New("cursor does not fit the query")
	// ErrCheckpoint: the index is not where the batch begins. Read the
	// checkpoint anew and go on from there.
	ErrCheckpoint = errors.New("batch does not follow the checkpoint")
	// ErrUnavailable: the index cannot be used now, such as while it is dropped
	// or held by another process. Try again later.
	ErrUnavailable = errors.New("search index not available")
	// ErrClosed: the set was closed.
	ErrClosed = errors.New("search closed")
)

// Options of a Set. The zero value is a good choice.
type Options struct {
	Log     *slog.Logger
	MaxText int           // bytes of full text indexed per record; 256 KiB by default
	MaxOpen int           // indexes kept open at the same time; 32 by default
	Idle    time.Duration // after which an unused index is closed; 10 minutes by default
	Timeout time.Duration // of one search; 10 seconds by default
	Now     func() time.Time
}

// Set is the folder of all tenants' indexes. Indexes open when they are first
// used and close when idle, so that one installation serves many tenants.
// All methods may be called concurrently.
type Set struct {
	dir      string
	o        Options
	language *language

	mu      sync.Mutex
	indexes map[preservation.TenantID]*Index
	closed  bool

	checked checkedFiles
	stop    context.CancelFunc
	done    chan struct{}
}

// Open prepares the folder; it opens no index yet. One process at a time may
// use a tenant's index.
func Open(dir string, o Options) (*Set, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxText <= 0 {
		o.MaxText = 256 << 10
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = 32
	}
	if o.Idle <= 0 {
		o.Idle = 10 * time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open search folder: %w", err)
	}
	if err := removeDropped(dir); err != nil {
		return nil, fmt.Errorf("open search folder: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Set{dir: dir, o: o, language: newLanguage(), stop: stop, done: make(chan struct{}),
		indexes: map[preservation.TenantID]*Index{}}
	go s.closeIdle(ctx)
	return s, nil
}

// removeDropped ends removals that a kill interrupted.
func removeDropped(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), droppedPrefix) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Tenant returns the index of a tenant. It is made empty on first use.
func (s *Set) Tenant(id preservation.TenantID) (*Index, error) {
	if !id.Valid() {
		return nil, fmt.Errorf("search index of tenant %q: no valid name", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	ix := s.indexes[id]
	if ix == nil {
		ix = &Index{set: s, tenant: id, dir: filepath.Join(s.dir, string(id)), life: make(chan struct{}, 1)}
		s.indexes[id] = ix
	}
	return ix, nil
}

// Close waits for calls under way and closes all indexes. End the Tails first.
func (s *Set) Close() error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	all := s.all()
	s.mu.Unlock()
	if already {
		return nil
	}
	s.stop()
	<-s.done
	var errs []error
	for _, ix := range all {
		errs = append(errs, ix.shut())
	}
	return errors.Join(errs...)
}

func (s *Set) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// all lists the indexes. The caller holds mu.
func (s *Set) all() []*Index {
	var all []*Index
	for _, ix := range s.indexes {
		all = append(all, ix)
	}
	return all
}

// closeIdle closes what nobody has used for a while, until ctx ends.
func (s *Set) closeIdle(ctx context.Context) {
	defer close(s.done)
	tick := time.NewTicker(max(s.o.Idle/10, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.shrink(s.o.MaxOpen, s.o.Now().Add(-s.o.Idle))
		}
	}
}

// shrink closes indexes not used since idle and, longest unused first, those
// beyond n. Indexes in use stay open.
func (s *Set) shrink(n int, idle time.Time) {
	s.mu.Lock()
	all := s.all()
	s.mu.Unlock()
	type open struct {
		ix   *Index
		used time.Time
	}
	var opened []open
	for _, ix := range all {
		if used, ok := ix.lastUse(); ok {
			opened = append(opened, open{ix, used})
		}
	}
	slices.SortFunc(opened, func(a, b open) int { return b.used.Compare(a.used) })
	for i, o := range opened {
		if i >= n || o.used.Before(idle) {
			if err := o.ix.closeUnused(); err != nil {
				s.o.Log.Error("close idle search index", "tenant", o.ix.tenant, "err", err)
			}
		}
	}
}
