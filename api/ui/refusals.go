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
	pending sync.WaitGroup // those counted, until their entry is written
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
	r.count(k, log)
	r.mu.Unlock()
	err := write(ctx, 1)
	if err == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counted[k]
	if c == nil {
		c = r.count(k, log)
	}
	if c != nil {
		c.times, c.last = c.times+1, write
	}
	return err
}

// count begins to count a kind; nil once all is settled. The caller holds the lock.
func (r *refusals) count(k refused, log *slog.Logger) *counted {
	if r.stopped {
		return nil
	}
	if r.counted == nil {
		r.counted = map[refused]*counted{}
	}
	r.pending.Add(1)
	c := &counted{timer: time.AfterFunc(refusalPause, func() {
		defer r.pending.Done()
		r.settle(k, log)
	})}
	r.counted[k] = c
	return c
}

// settle writes the entry on those that were counted.
func (r *refusals) settle(k refused, log *slog.Logger) {
	r.mu.Lock()
	c := r.counted[k]
	delete(r.counted, k)
	r.mu.Unlock()
	if c == nil {
		return
	}
	if c.timer.Stop() {
		defer r.pending.Done()
	}
	if c.times == 0 {
		return
	}
	if err := c.last(context.Background(), c.times); err != nil {
		log.Error("refused logins are not in the audit log", slog.Int("times", c.times), slog.Any("err", err))
	}
}

// stop settles all of them, and waits for those that are being settled.
func (r *refusals) stop(log *slog.Logger) {
	r.mu.Lock()
	r.stopped = true
	var all []refused
	for k := range r.counted {
		all = append(all, k)
	}
	r.mu.Unlock()
	for _, k := range all {
		r.settle(k, log)
	}
	r.pending.Wait()
}
