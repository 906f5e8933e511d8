package retention

import (
	"context"
	"sync"
	"sync/atomic"
)

// width is how many records are dealt with at a time: each of them waits for the store
// and then for the disk.
const width = 32

// abreast calls fn with the numbers below n, some at a time, until the context ends. It
// returns how many it came to, counted from the first.
func abreast(ctx context.Context, n int, fn func(int)) int {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(width, n) {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				fn(i)
			}
		})
	}
	all.Wait()
	return min(int(next.Load()), n)
}
