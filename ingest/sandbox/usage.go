package sandbox

import (
	"context"
	"sync"
	"time"
)

// Usage adds up what all programs took that ran with one context.
type Usage struct {
	above *Usage        // of the context that its own was made of
	most  time.Duration // of processor time; 0 for no limit

	mu   sync.Mutex
	runs int
	cpu  time.Duration
	peak int64
}

type usageKey struct{}

// Measured returns a context whose runs are added up in the Usage.
func Measured(ctx context.Context) (context.Context, *Usage) { return Budgeted(ctx, 0) }

// Budgeted returns a context whose runs together get so much processor time: the
// one that would take more ends by LimitCPU.
func Budgeted(ctx context.Context, most time.Duration) (context.Context, *Usage) {
	above, _ := ctx.Value(usageKey{}).(*Usage) // nil when there is none
	u := &Usage{above: above, most: most}
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

// Spent reports whether nothing is left of the budget.
func (u *Usage) Spent() bool {
	_, cpu, _ := u.Total()
	return u.most > 0 && cpu >= u.most
}

func account(ctx context.Context, res Result) {
	for u, _ := ctx.Value(usageKey{}).(*Usage); u != nil; u = u.above {
		u.mu.Lock()
		u.runs, u.cpu, u.peak = u.runs+1, u.cpu+res.CPU, max(u.peak, res.MaxRSS)
		u.mu.Unlock()
	}
}

// afford returns the limit on processor time that the budgets of the context leave,
// and false when they leave nothing.
func afford(ctx context.Context, limit time.Duration) (time.Duration, bool) {
	for u, _ := ctx.Value(usageKey{}).(*Usage); u != nil; u = u.above {
		if u.most == 0 {
			continue
		}
		_, cpu, _ := u.Total()
		left := u.most - cpu
		if left <= 0 {
			return 0, false
		}
		if limit <= 0 || left < limit {
			limit = left
		}
	}
	return limit, true
}
