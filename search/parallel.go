package search

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// workersFor tells how many processors n segments with so many documents to look
// at are worth.
func workersFor(n, docs int) int {
	const many = 20000
	if docs < many {
		return 1
	}
	return max(1, min(runtime.GOMAXPROCS(0), 4, n))
}

// inParallel calls f for 0 to n-1, each by one of the workers, up to the first
// error. A panic in f comes back as an error of type panicked.
func inParallel(ctx context.Context, n, workers int, f func(worker, i int) error) error {
	next := atomic.Int64{}
	work := func(ctx context.Context, worker int) (err error) {
		defer faultsPanic()()
		defer func() {
			if r := recover(); r != nil {
				err = panicked{r, debug.Stack()}
			}
		}()
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f(worker, i); err != nil {
				return err
			}
		}
		return nil
	}
	if workers == 1 {
		return work(ctx, 0)
	}
	g, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error { return work(ctx, w) })
	}
	return g.Wait()
}

// panicked carries a panic to the goroutine that waits.
type panicked struct {
	value any
	stack []byte
}

func (p panicked) Error() string { return fmt.Sprint("panic: ", p.value) }
