package ui

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"bestand/preservation"
)

const (
	refusalPause = time.Minute
	refusalKinds = 1000 // that are told apart at a time
)

// refused is what makes one refused login like another. Without user and subject it
// stands for those of people whom nobody knows.
type refused struct {
	tenant                preservation.TenantID
	user, subject, reason string
}

// refusals keeps refused logins from filling the audit log: the first of a kind is an
// entry at once, those of the minute after it are counted into one more. Nobody is kept
// from logging in by the attempts of others at the same address.
type refusals struct {
	mu      sync.Mutex
	counted map[refused]*counted
	stopped bool
}

// counted are the refusals since an entry.
type counted struct {
	times int
	last  func(context.Context, int) error // writes the entry on the newest of them
	timer *time.Timer
}

// note has a refusal written: now, or counted with others.
func (r *refusals) note(ctx context.Context, k refused, log *slog.Logger, write func(ctx context.Context, times int) error) error {
	r.mu.Lock()
	if _, known := r.counted[k]; !known && len(r.counted) >= refusalKinds {
		k.user, k.subject = "", ""
	}
	if c := r.counted[k]; c != nil {
		c.times, c.last = c.times+1, write
		r.mu.Unlock()
		return nil
	}
	if r.counted == nil {
		r.counted = map[refused]*counted{}
	}
	if !r.stopped {
		r.counted[k] = &counted{timer: time.AfterFunc(refusalPause, func() { r.settle(k, log) })}
	}
	r.mu.Unlock()
	return write(ctx, 1)
}

// settle writes the entry on those that were counted.
func (r *refusals) settle(k refused, log *slog.Logger) {
	r.mu.Lock()
	c := r.counted[k]
	delete(r.counted, k)
	r.mu.Unlock()
	if c == nil || c.times == 0 {
		return
	}
	if err := c.last(context.Background(), c.times); err != nil {
		log.Error("refused logins are not in the audit log", slog.Int("times", c.times), slog.Any("err", err))
	}
}

// stop settles all of them.
func (r *refusals) stop(log *slog.Logger) {
	r.mu.Lock()
	r.stopped = true
	var all []refused
	for k, c := range r.counted {
		c.timer.Stop()
		all = append(all, k)
	}
	r.mu.Unlock()
	for _, k := range all {
		r.settle(k, log)
	}
}
