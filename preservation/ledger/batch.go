package ledger

import (
	"context"
	"errors"
	"sync"

	"bestand/preservation"
)

// Rows, about: as many are restored in one transaction, which costs a small part of
// what as many transactions cost. Commits that are under way at the same time help
// PostgreSQL only.
const (
	batchRows    = 5000
	batchCommits = 4
)

// batch gathers what is restored together.
type batch[T any] struct {
	weigh  func(T) int // in rows
	commit func(context.Context, []T) error

	mu     sync.Mutex
	held   []T
	weight int
	free   chan struct{} // holds a token for each commit under way
}

func newBatch[T any](weigh func(T) int, commit func(context.Context, []T) error) *batch[T] {
	return &batch[T]{weigh: weigh, commit: commit, free: make(chan struct{}, batchCommits)}
}

// add takes an item, and commits when that makes a batch: one that is a batch of its
// own is not joined with others. All wait while commits lag behind.
func (b *batch[T]) add(ctx context.Context, item T) error {
	weight := b.weigh(item)
	if weight >= batchRows {
		select {
		case b.free <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-b.free }()
		return b.commit(ctx, []T{item})
	}
	return b.put(ctx, func() bool {
		b.held = append(b.held, item)
		b.weight += weight
		return b.weight >= batchRows
	})
}

// flush commits what is left.
func (b *batch[T]) flush(ctx context.Context) error {
	return b.put(ctx, func() bool { return len(b.held) > 0 })
}

func (b *batch[T]) put(ctx context.Context, full func() bool) error {
	b.mu.Lock()
	if !full() {
		b.mu.Unlock()
		return nil
	}
	select {
	case b.free <- struct{}{}:
	case <-ctx.Done():
		b.mu.Unlock()
		return ctx.Err()
	}
	defer func() { <-b.free }()
	items := b.held
	b.held, b.weight = nil, 0
	b.mu.Unlock()
	return b.commit(ctx, items)
}

// halved commits items together, and each half of them by itself when the catalog
// did not get done with all: its transactions have a limit of time, which a slow
// database may need for less than a batch. One item is tried once.
func halved[T any](ctx context.Context, items []T, commit func(context.Context, []T) error) error {
	err := commit(ctx, items)
	if len(items) < 2 || ctx.Err() != nil || !errors.Is(err, preservation.ErrUnavailable) {
		return err
	}
	half := len(items) / 2
	if err := halved(ctx, items[:half], commit); err != nil {
		return err
	}
	return halved(ctx, items[half:], commit)
}
