package sandbox

import (
	"context"
	"sync"
	"time"
)

// Usage adds up what all programs took that ran with one context.
type Usage struct {
	mu   sync.Mutex
	runs int
	cpu  time.Duration
	peak int64
}

type usageKey struct{}

// Measured returns a context whose runs are added up in the Usage.
func Measured(ctx context.Context) (context.Context, *Usage) {
	u := &Usage{}
	return context.WithValue(ctx, usageKey{}, u), u
}

// Total returns the number of runs, their processor time together and the
// bytes of RAM that the largest of them took. Processes that serve many runs,
// such as veraPDF and the LibreOffice of a submission, are not in it.
func (u *Usage) Total() (runs int, cpu time.Duration, peak int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.runs, u.cpu, u.peak
}

func account(ctx context.Context, res Result) {
	u, ok := ctx.Value(usageKey{}).(*Usage)
	if !ok {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.runs, u.cpu, u.peak = u.runs+1, u.cpu+res.CPU, max(u.peak, res.MaxRSS)
}
