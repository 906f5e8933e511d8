package pades

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// memoryFactor is the memory that sealing takes for each byte of the document:
// 5 to 6 as measured on 46 MB, rounded up.
const memoryFactor = 7

// Budget bounds the memory that parallel seals take together.
type Budget struct {
	bytes int64
	sem   *semaphore.Weighted
}

// NewBudget returns a budget of so many bytes of memory.
func NewBudget(bytes int64) *Budget {
	return &Budget{bytes: bytes, sem: semaphore.NewWeighted(bytes)}
}

// acquire waits until the memory to seal a document of size bytes is free, and
// returns what gives it back. A document beyond the whole budget waits for all
// of it: it is sealed alone. A nil Budget has no bounds.
func (b *Budget) acquire(ctx context.Context, size int64) (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	n := min(size*memoryFactor, b.bytes)
	if err := b.sem.Acquire(ctx, n); err != nil {
		return nil, fmt.Errorf("wait for memory: %w", err)
	}
	return func() { b.sem.Release(n) }, nil
}
