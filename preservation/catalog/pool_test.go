package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bestand/preservation/catalog"
)

// run starts a pool and returns what stops it and waits for its end.
func run(t *testing.T, p *catalog.Pool) (stop func()) {
	t.Helper()
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Error("the pool does not stop")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

func gone(t *testing.T, f *fixture, kind, key string) func() bool {
	return func() bool {
		_, err := f.tenant.JobOf(t.Context(), kind, key)
		return errors.Is(err, catalog.ErrNotFound)
	}
}

func TestPoolWorks(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var done atomic.Int64
		var busy, most atomic.Int64
		run(t, &catalog.Pool{DB: f.DB, Workers: 3, Handlers: map[string]catalog.Handler{
			"a": func(ctx context.Context, tn *catalog.Tenant, j catalog.Job) error {
				n := busy.Add(1)
				defer busy.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(2 * time.Millisecond)
				if tn.ID() != "musterstadt" || j.Kind != "a" {
					t.Errorf("job %+v of %s", j, tn.ID())
				}
				done.Add(1)
				return nil
			}}})
		for i := range 60 {
			must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: fmt.Sprint(i)}))
		}
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "b", Key: "1"}))
		eventually(t, "60 jobs", func() bool { return done.Load() == 60 })
		if n := most.Load(); n > 3 {
			t.Errorf("%d at a time", n)
		}
		if gone(t, f, "b", "1")() {
			t.Error("a job of another kind is gone")
		}
	})
}

func TestPoolSettles(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		until := f.Now().Add(time.Hour)
		run(t, &catalog.Pool{DB: f.DB, Workers: 2, Handlers: map[string]catalog.Handler{
			"a": func(ctx context.Context, tn *catalog.Tenant, j catalog.Job) error {
				switch j.Key {
				case "panic":
					panic("bug")
				case "later":
					return fmt.Errorf("wrapped: %w", &catalog.Later{Until: until, Reason: "locked"})
				case "final":
					return fmt.Errorf("wrapped: %w", &catalog.Final{Err: errors.New("hopeless")})
				case "error":
					return errors.New("broken")
				}
				return nil
			}}})
		for _, key := range []string{"panic", "later", "final", "error", "good"} {
			must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: key}))
		}
		eventually(t, "the good job", gone(t, f, "a", "good"))
		for key, want := range map[string]struct {
			text    string
			dead    bool
			attempt int
			at      time.Time
		}{
			"panic": {"panic: bug", false, 1, f.Now().Add(time.Second)},
			"later": {"locked", false, 0, until},
			"final": {"wrapped: hopeless", true, 1, f.Now()},
			"error": {"broken", false, 1, f.Now().Add(time.Second)},
		} {
			var j catalog.Job
			eventually(t, key, func() bool {
				var err error
				j, err = f.tenant.JobOf(t.Context(), "a", key)
				return err == nil && j.Error != ""
			})
			if j.Error != want.text || j.Dead != want.dead || j.Attempt != want.attempt || !j.RunAt.Equal(want.at) {
				t.Errorf("%s: %+v", key, j)
			}
		}
	})
}

// A stop interrupts handlers and gives their jobs back at once, uncounted.
func TestPoolStops(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		started := make(chan struct{}, 2)
		stop := run(t, &catalog.Pool{DB: f.DB, Workers: 2, Handlers: map[string]catalog.Handler{
			"a": func(ctx context.Context, tn *catalog.Tenant, j catalog.Job) error {
				started <- struct{}{}
				<-ctx.Done()
				if j.Key == "done" {
					return nil
				}
				return ctx.Err()
			}}})
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "done"}))
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "interrupted"}))
		<-started
		<-started
		stop()
		if !gone(t, f, "a", "done")() {
			t.Error("what was done while stopping is done")
		}
		j, ok := claim(t, f, "other", "a")
		if !ok || j.Key != "interrupted" || j.Attempt != 1 {
			t.Errorf("%+v %v", j, ok)
		}
	})
}

// A handler whose lease went to somebody else is told, and its result counts
// for nothing.
func TestPoolLosesLease(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		started, ended := make(chan struct{}), make(chan error, 1)
		run(t, &catalog.Pool{DB: f.DB, Workers: 1, Lease: 300 * time.Millisecond, Handlers: map[string]catalog.Handler{
			"a": func(ctx context.Context, tn *catalog.Tenant, j catalog.Job) error {
				close(started)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return nil
			}}})
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "1"}))
		<-started
		var j catalog.Job
		eventually(t, "a takeover between two heartbeats", func() (ok bool) {
			f.clock.advance(time.Hour) // of the catalog's time, at which the lease has ended
			j, ok = claim(t, f, "thief", "a")
			return ok
		})
		select {
		case err := <-ended:
			if !errors.Is(err, catalog.ErrConflict) {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the handler is not told")
		}
		must(t, f.Finish(t.Context(), j))
	})
}

// Without the database no lease can be renewed: the handler must stop before
// another worker may begin.
func TestPoolStopsWhenTheDatabaseIsAway(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		db := reopen(t, f)
		started, ended := make(chan struct{}), make(chan error, 1)
		run(t, &catalog.Pool{DB: db, Workers: 1, Lease: 600 * time.Millisecond, Handlers: map[string]catalog.Handler{
			"a": func(ctx context.Context, tn *catalog.Tenant, j catalog.Job) error {
				close(started)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return nil
			}}})
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "1"}))
		<-started
		must(t, db.Close())
		select {
		case err := <-ended:
			t.Log(err)
		case <-time.After(20 * time.Second):
			t.Fatal("it goes on without a lease")
		}
	})
}

func TestSchedules(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		due := f.Now().Add(time.Hour)
		must(t, f.tenant.EnsureSchedule(t.Context(), "evaluate", "0 1 * * *", due))
		must(t, f.tenant.EnsureSchedule(t.Context(), "evaluate", "0 1 * * *", due.Add(24*time.Hour))) // unchanged: keeps its time
		if fired, err := f.tenant.Fire(t.Context(), "evaluate", due.Add(24*time.Hour)); err != nil || fired {
			t.Error("fired early:", fired, err)
		}
		f.clock.advance(5 * 24 * time.Hour) // five runs were missed
		next := f.Now().Add(time.Hour)
		second := reopen(t, f)
		var fires atomic.Int64
		var wg sync.WaitGroup
		for n := range 20 {
			tn := f.tenant
			if n%2 == 1 {
				tn = second.Tenant("musterstadt")
			}
			wg.Go(func() {
				fired, err := tn.Fire(t.Context(), "evaluate", next)
				if err != nil {
					t.Error(err)
				}
				if fired {
					fires.Add(1)
				}
			})
		}
		wg.Wait()
		if fires.Load() != 1 {
			t.Errorf("fired %d times", fires.Load())
		}
		if j, ok := claim(t, f, "o", "evaluate"); !ok || j.Key != "scheduled" {
			t.Error(j, ok)
		}
		if _, ok := claim(t, f, "o", "evaluate"); ok {
			t.Error("missed runs are caught up once")
		}
		list, err := f.tenant.Schedules(t.Context())
		if err != nil || len(list) != 1 || !list[0].Next.Equal(next) || !list[0].Last.Equal(f.Now()) || list[0].Tenant != "musterstadt" {
			t.Error(list, err)
		}
		must(t, f.tenant.EnsureSchedule(t.Context(), "evaluate", "0 2 * * *", due))
		if list, err = f.tenant.Schedules(t.Context()); err != nil || list[0].Spec != "0 2 * * *" || !list[0].Next.Equal(due) {
			t.Error(list, err)
		}
		if fired, err := f.other.Fire(t.Context(), "evaluate", next); err != nil || fired {
			t.Error(fired, err)
		}
	})
}
