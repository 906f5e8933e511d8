package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"bestand/preservation"
)

// Handler does the work of one job. It must be safe to repeat: after a crash
// the same job comes again. Its context ends when the lease is lost or the
// program stops; an error is tried again later, unless it is a Final or a Later.
// One that is preservation.ErrUnavailable is tried for as long as it takes, any
// other MaxAttempts times.
// What it says of the processing of a submission through its tenant is
// ErrConflict once the job is another attempt's.
type Handler func(ctx context.Context, t *Tenant, j Job) error

// Later is returned by a handler to be called again at a given time, without
// counting the attempt.
type Later struct {
	Until  time.Time
	Reason string
}

func (e *Later) Error() string { return "later: " + e.Reason }

// Final wraps an error that no repetition can mend.
type Final struct{ Err error }

func (e *Final) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Final) Unwrap() error { return e.Err }

// Pool works on jobs of some kinds with a number of workers.
type Pool struct {
	DB       *DB
	Handlers map[string]Handler // by kind
	Workers  int
	Lease    time.Duration // 60 s when zero
	Log      *slog.Logger
}

// Run works until the context ends, then gives back what is not finished and
// returns when every worker has stopped.
func (p *Pool) Run(ctx context.Context) {
	lease := p.Lease
	if lease == 0 {
		lease = time.Minute
	}
	kinds := make([]string, 0, len(p.Handlers))
	for k := range p.Handlers {
		kinds = append(kinds, k)
	}
	owner := preservation.NewID(p.DB.now())
	var wg sync.WaitGroup
	free := make(chan struct{}, p.Workers)
	for range p.Workers {
		free <- struct{}{}
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	defer wg.Wait()
	bell, leave := p.DB.jobs.join(kinds)
	defer leave()
	for {
		select {
		case <-ctx.Done():
			return
		case <-free:
		}
		job, ok := p.next(ctx, owner, kinds, lease)
		if !ok {
			free <- struct{}{}
			select {
			case <-ctx.Done():
				return
			case <-bell:
			case <-tick.C:
			}
			continue
		}
		wg.Go(func() {
			defer func() { free <- struct{}{} }()
			p.do(ctx, job, lease)
		})
	}
}

func (p *Pool) next(ctx context.Context, owner string, kinds []string, lease time.Duration) (Job, bool) {
	ready, err := p.DB.anyReady(ctx, kinds)
	if err == nil && ready {
		var jobs []Job
		if jobs, err = p.DB.Claim(context.WithoutCancel(ctx), owner, kinds, 1, lease); err == nil && len(jobs) == 1 {
			return jobs[0], true
		}
	}
	if err != nil && ctx.Err() == nil {
		p.Log.ErrorContext(ctx, "claim jobs", "err", err)
	}
	return Job{}, false
}

func (p *Pool) do(ctx context.Context, j Job, lease time.Duration) {
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var beat sync.WaitGroup
	done := make(chan struct{})
	beat.Go(func() {
		if err := p.heartbeats(context.WithoutCancel(ctx), j, lease, done); err != nil {
			cancel(fmt.Errorf("lease lost: %w", err))
		}
	})
	err := p.call(run, j)
	close(done)
	beat.Wait()
	p.settle(ctx, j, err)
}

// heartbeats renews the lease until done. An error says that the lease is
// somebody else's, or may be: it could not be renewed in time.
func (p *Pool) heartbeats(ctx context.Context, j Job, lease time.Duration, done <-chan struct{}) error {
	t := time.NewTicker(lease / 3)
	defer t.Stop()
	renewed := time.Now()
	for {
		select {
		case <-done:
			return nil
		case <-t.C:
		}
		now := time.Now()
		beat, cancel := context.WithTimeout(ctx, lease/3)
		err := p.DB.Heartbeat(beat, j, lease)
		cancel()
		switch {
		case err == nil:
			renewed = now
		case errors.Is(err, ErrConflict) || time.Since(renewed) > lease/2:
			return err
		}
	}
}

// call turns a panic of a handler into an error: one bad document must not end the service.
func (p *Pool) call(ctx context.Context, j Job) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p.Log.ErrorContext(ctx, "job panicked", "job", j.Kind, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return p.Handlers[j.Kind](ctx, p.DB.Tenant(j.Tenant).during(j), j)
}

func (p *Pool) settle(ctx context.Context, j Job, err error) {
	log := p.Log.With("tenant", string(j.Tenant), "job", j.Kind, "key", j.Key)
	stopping := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	var later *Later
	var final *Final
	var set error
	switch {
	case err == nil:
		set = p.DB.Finish(ctx, j)
	case errors.As(err, &later):
		set = p.DB.Postpone(ctx, j, later.Until, later.Reason)
	case stopping:
		set = p.DB.giveBack(ctx, j, "interrupted by a stop")
	case errors.Is(err, preservation.ErrUnavailable) && !errors.As(err, &final):
		log.WarnContext(ctx, "job waits", "err", err)
		set = p.DB.putOff(ctx, j, err)
	default:
		log.ErrorContext(ctx, "job failed", "attempt", j.Attempt, "err", err)
		set = p.DB.Fail(ctx, j, err, errors.As(err, &final))
	}
	if set != nil && !errors.Is(set, ErrConflict) {
		log.ErrorContext(ctx, "settle job", "err", set) // its lease ends and it comes again
	}
}
