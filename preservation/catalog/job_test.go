package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

const lease = time.Minute

// enqueue promises a job and moves the clock, so that the next one is younger.
func enqueue(t *testing.T, f *fixture, kind, key string) {
	t.Helper()
	must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: kind, Key: key}))
	f.clock.advance(time.Millisecond)
}

// claim takes one job or none.
func claim(t *testing.T, f *fixture, owner string, kinds ...string) (catalog.Job, bool) {
	t.Helper()
	jobs, err := f.Claim(t.Context(), owner, kinds, 1, lease)
	must(t, err)
	if len(jobs) == 0 {
		return catalog.Job{}, false
	}
	return jobs[0], true
}

func TestNoJobIsClaimedTwice(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		const total = 300
		for i := range total {
			must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: []string{"a", "b", "c"}[i%3], Key: fmt.Sprint(i)}))
		}
		var mu sync.Mutex
		claimed := map[string]int{}
		var wg sync.WaitGroup
		for w := range 12 {
			wg.Go(func() {
				for misses := 0; misses < 20; {
					jobs, err := f.Claim(t.Context(), fmt.Sprint(w), []string{"a", "b"}, 1+w%3, lease)
					if err != nil {
						t.Error(err)
						return
					}
					if len(jobs) == 0 {
						misses++ // rows may be locked by another worker at this moment
						time.Sleep(time.Millisecond)
					}
					mu.Lock()
					for _, j := range jobs {
						claimed[j.Key]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(claimed) != total*2/3 {
			t.Errorf("%d jobs were claimed of %d", len(claimed), total*2/3)
		}
		for key, n := range claimed {
			if n != 1 {
				t.Errorf("job %s was claimed %d times", key, n)
			}
		}
	})
}

func TestClaimTakesTheOldest(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for _, j := range []struct{ kind, key string }{{"b", "1"}, {"a", "2"}, {"c", "3"}, {"a", "4"}, {"b", "5"}} {
			enqueue(t, f, j.kind, j.key)
		}
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "later", RunAt: f.Now().Add(time.Hour)}))
		var got []string
		for {
			j, ok := claim(t, f, "o", "a", "b")
			if !ok {
				break
			}
			if got = append(got, j.Key); j.Attempt != 1 || j.Tenant != "musterstadt" || j.Dead {
				t.Errorf("%+v", j)
			}
			must(t, f.Finish(t.Context(), j))
		}
		if strings.Join(got, " ") != "1 2 4 5" {
			t.Errorf("claimed %v", got)
		}
		if _, ok := claim(t, f, "o"); ok {
			t.Error("claimed a job of no kind")
		}
		f.clock.advance(time.Hour)
		if j, ok := claim(t, f, "o", "a"); !ok || j.Key != "later" {
			t.Error(j, ok)
		}
	})
}

func TestLeaseIsTakenOver(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		mine, _ := claim(t, f, "first", "a")
		f.clock.advance(lease - time.Second)
		if _, ok := claim(t, f, "second", "a"); ok {
			t.Fatal("claimed while leased")
		}
		must(t, f.Heartbeat(t.Context(), mine, lease))
		f.clock.advance(lease - time.Second)
		if _, ok := claim(t, f, "second", "a"); ok {
			t.Fatal("claimed although the lease was renewed")
		}
		f.clock.advance(2 * time.Second)
		theirs, ok := claim(t, f, "second", "a")
		if !ok || theirs.ID != mine.ID || theirs.Attempt != 2 {
			t.Fatalf("%+v %v", theirs, ok)
		}
		// The same owner may lose a job and get it again: the attempt tells them apart.
		f.clock.advance(2 * lease)
		again, ok := claim(t, f, "first", "a")
		if !ok || again.Attempt != 3 {
			t.Fatalf("%+v %v", again, ok)
		}
		for name, stale := range map[string]catalog.Job{"another owner": theirs, "an earlier attempt": mine} {
			for what, err := range map[string]error{
				"heartbeat": f.Heartbeat(t.Context(), stale, lease),
				"finish":    f.Finish(t.Context(), stale),
				"fail":      f.Fail(t.Context(), stale, errors.New("x"), false),
				"give up":   f.Fail(t.Context(), stale, errors.New("x"), true),
				"postpone":  f.Postpone(t.Context(), stale, f.Now(), "x"),
			} {
				if !errors.Is(err, catalog.ErrConflict) {
					t.Errorf("%s of %s: %v", what, name, err)
				}
			}
		}
		must(t, f.Finish(t.Context(), again))
		if err := f.Finish(t.Context(), again); !errors.Is(err, catalog.ErrConflict) {
			t.Error(err)
		}
		if _, err := f.tenant.JobOf(t.Context(), "a", "1"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
	})
}

// A job that takes its program down every time must not do so for ever.
func TestPoisonJobDies(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		n := 0
		for ; n < catalog.MaxAttempts+5; n++ {
			if _, ok := claim(t, f, "o", "a"); !ok {
				break
			}
			f.clock.advance(2 * lease)
		}
		if n != catalog.MaxAttempts {
			t.Errorf("%d attempts", n)
		}
		if dead, err := f.tenant.DeadJobs(t.Context(), 10); err != nil || len(dead) != 1 || !dead[0].Dead || dead[0].Error == "" {
			t.Error(dead, err)
		}
	})
}

func TestEnqueueAgain(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		enqueue(t, f, "a", "1")
		j, _ := claim(t, f, "o", "a")
		if _, ok := claim(t, f, "o", "a"); ok {
			t.Fatal("two jobs of one key")
		}
		enqueue(t, f, "a", "1") // while it runs: once more afterwards
		enqueue(t, f, "a", "1")
		must(t, f.Finish(t.Context(), j))
		j, ok := claim(t, f, "o", "a")
		if !ok || j.Attempt != 1 {
			t.Fatalf("%+v %v", j, ok)
		}
		must(t, f.Finish(t.Context(), j))
		if _, ok := claim(t, f, "o", "a"); ok {
			t.Error("it ran a third time")
		}

		// What is asked for before a repeated attempt is done by that attempt.
		enqueue(t, f, "a", "1")
		j, _ = claim(t, f, "o", "a")
		enqueue(t, f, "a", "1")
		must(t, f.Fail(t.Context(), j, errors.New("x"), false))
		f.clock.advance(time.Hour)
		j, _ = claim(t, f, "o", "a")
		must(t, f.Finish(t.Context(), j))
		if _, ok := claim(t, f, "o", "a"); ok {
			t.Error("it ran once more than needed")
		}

		// An earlier time counts, a later one does not.
		now := f.Now()
		for _, d := range []time.Duration{2 * time.Hour, time.Hour, 3 * time.Hour} {
			must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "2", RunAt: now.Add(d)}))
		}
		if j, err := f.tenant.JobOf(t.Context(), "a", "2"); err != nil || !j.RunAt.Equal(now.Add(time.Hour)) {
			t.Error(j.RunAt, err)
		}
		must(t, f.other.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "2"}))
		if j, ok := claim(t, f, "o", "a"); !ok || j.Tenant != "beispielhausen" {
			t.Error("another tenant's job of the same key", j, ok)
		}
	})
}

// TestKilledJobThatGetsAhead: a program that is ended again and again in the middle of a
// long work does not have it given up as long as it gets ahead.
func TestKilledJobThatGetsAhead(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		ahead := func(j catalog.Job) {
			t.Helper()
			must(t, f.tenant.During(j).Update(t.Context(), func(x *catalog.Tx) error { return x.Progressed() }))
		}
		var stale catalog.Job
		for n := range 2 * catalog.MaxAttempts {
			j, ok := claim(t, f, "o", "a")
			if !ok {
				t.Fatalf("given up after %d attempts", n)
			}
			if n%(catalog.MaxAttempts-1) == 0 {
				ahead(j)
				stale = j
			}
			f.clock.advance(2 * lease)
		}
		ahead(stale) // another attempt's by now: it does not count
		n := 0
		for ; n < catalog.MaxAttempts; n++ {
			j, ok := claim(t, f, "o", "a")
			if !ok {
				break
			}
			must(t, f.Fail(t.Context(), j, errors.New("no"), false))
			f.clock.advance(time.Hour)
		}
		if n != catalog.MaxAttempts-1 {
			t.Errorf("given up after %d further attempts", n)
		}
	})
}

// TestFailedJobThatGotAhead: what an attempt did before it failed counts for it, also when
// it is the last one.
func TestFailedJobThatGotAhead(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		for n := range catalog.MaxAttempts {
			j, ok := claim(t, f, "o", "a")
			if !ok {
				t.Fatalf("given up after %d attempts", n)
			}
			if n == catalog.MaxAttempts-1 {
				must(t, f.tenant.During(j).Update(t.Context(), func(x *catalog.Tx) error { return x.Progressed() }))
			}
			must(t, f.Fail(t.Context(), j, errors.New("no"), false))
			f.clock.advance(time.Hour)
		}
		if _, ok := claim(t, f, "o", "a"); !ok {
			t.Error("given up although it got ahead")
		}
	})
}

// TestHasten: whether a job waits already, or is about to say until when, it runs now.
func TestHasten(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		hasten := func() {
			t.Helper()
			must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.Hasten("a") }))
		}
		tomorrow := f.Now().Add(24 * time.Hour)
		enqueue(t, f, "a", "1")
		j, _ := claim(t, f, "o", "a")
		hasten()
		must(t, f.Postpone(t.Context(), j, tomorrow, "no class"))
		j, ok := claim(t, f, "o", "a")
		if !ok {
			t.Fatal("what was running when it was hastened waits")
		}
		must(t, f.Postpone(t.Context(), j, tomorrow, "no class"))
		if _, ok := claim(t, f, "o", "a"); ok {
			t.Fatal("it does not wait")
		}
		hasten()
		if _, ok := claim(t, f, "o", "a"); !ok {
			t.Error("what waited when it was hastened still does")
		}
	})
}

func TestBackOff(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		last := time.Duration(0)
		for n := 1; n <= catalog.MaxAttempts; n++ {
			j, ok := claim(t, f, "o", "a")
			if !ok || j.Attempt != n {
				t.Fatalf("attempt %d: %+v %v", n, j, ok)
			}
			must(t, f.Fail(t.Context(), j, fmt.Errorf("broken \x00\xff %s", strings.Repeat("ä", 2000)), false))
			if n == catalog.MaxAttempts {
				break
			}
			j, err := f.tenant.JobOf(t.Context(), "a", "1")
			must(t, err)
			pause := j.RunAt.Sub(f.Now())
			if pause < last || pause < time.Second || pause > 10*time.Minute {
				t.Errorf("pause %s after %s", pause, last)
			}
			last = pause
			if !strings.HasPrefix(j.Error, "broken") || len(j.Error) > 2100 {
				t.Errorf("error of %d bytes: %.40q", len(j.Error), j.Error)
			}
			enqueue(t, f, "a", "1") // does not shorten the pause of a failing job
			if _, ok := claim(t, f, "o", "a"); ok {
				t.Fatal("tried without a pause")
			}
			f.clock.advance(pause)
		}
		f.clock.advance(24 * time.Hour)
		if _, ok := claim(t, f, "o", "a"); ok {
			t.Error("tried after the last attempt")
		}
		dead, err := f.tenant.DeadJobs(t.Context(), 10)
		if err != nil || len(dead) != 1 {
			t.Fatal(dead, err)
		}
		if other, err := f.other.DeadJobs(t.Context(), 10); err != nil || len(other) != 0 {
			t.Error(other, err)
		}
	})
}

// Being killed is no failure of the job: it does not lengthen the pauses.
func TestInterruptionsAreNoFailures(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		for range 8 {
			if _, ok := claim(t, f, "o", "a"); !ok {
				t.Fatal("no job")
			}
			f.clock.advance(2 * lease)
		}
		j, _ := claim(t, f, "o", "a")
		must(t, f.Fail(t.Context(), j, errors.New("the store was away"), false))
		if j, err := f.tenant.JobOf(t.Context(), "a", "1"); err != nil || j.RunAt.Sub(f.Now()) != time.Second {
			t.Errorf("pause %s (%v)", j.RunAt.Sub(f.Now()), err)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		die := func() {
			t.Helper()
			j, ok := claim(t, f, "o", "a")
			if !ok {
				t.Fatal("no job")
			}
			must(t, f.Fail(t.Context(), j, errors.New("hopeless"), true))
		}
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "1", Payload: []byte(`{"x":1}`)}))
		die()
		dead, err := f.tenant.DeadJobs(t.Context(), 10)
		if err != nil || len(dead) != 1 {
			t.Fatal(dead, err)
		}
		if err := f.other.RetryJob(t.Context(), dead[0].ID, "x"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		must(t, f.tenant.RetryJob(t.Context(), dead[0].ID, "operator"))
		if err := f.tenant.RetryJob(t.Context(), dead[0].ID, "operator"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		j, _ := claim(t, f, "o", "a")
		if j.Attempt != 1 || string(j.Payload) != `{"x":1}` {
			t.Errorf("%+v", j)
		}

		// What was asked for during the last attempt is not lost with it.
		enqueue(t, f, "a", "1")
		must(t, f.Fail(t.Context(), j, errors.New("hopeless"), true))
		if j, err := f.tenant.JobOf(t.Context(), "a", "1"); err != nil || j.Dead || j.Attempt != 0 {
			t.Error(j, err)
		}
		// When it is done after all, its dead letters are settled.
		j, _ = claim(t, f, "o", "a")
		must(t, f.Finish(t.Context(), j))
		if dead, err := f.tenant.DeadJobs(t.Context(), 10); err != nil || len(dead) != 0 {
			t.Error(dead, err)
		}
	})
}

func TestPostpone(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		j, _ := claim(t, f, "o", "a")
		must(t, f.Fail(t.Context(), j, errors.New("x"), false))
		f.clock.advance(time.Hour)
		j, _ = claim(t, f, "o", "a")
		must(t, f.Postpone(t.Context(), j, f.Now().Add(48*time.Hour), "waits for a lock"))
		if _, ok := claim(t, f, "o", "a"); ok {
			t.Error("too early")
		}
		if j, err := f.tenant.JobOf(t.Context(), "a", "1"); err != nil || j.Attempt != 0 || j.Error != "waits for a lock" {
			t.Error(j, err)
		}
		enqueue(t, f, "a", "1") // something happened: look again now
		j, ok := claim(t, f, "o", "a")
		if !ok || j.Attempt != 1 {
			t.Fatal(j, ok)
		}
		enqueue(t, f, "a", "1") // even while it runs
		must(t, f.Postpone(t.Context(), j, f.Now().Add(48*time.Hour), "waits for a lock"))
		if _, ok := claim(t, f, "o", "a"); !ok {
			t.Error("it was asked for and does not come")
		}
	})
}

func TestQueueIsDescribed(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		enqueue(t, f, "a", "1")
		enqueue(t, f, "a", "2")
		enqueue(t, f, "b", "1")
		claim(t, f, "o", "b")
		f.clock.advance(time.Minute)
		q, err := f.Queue(t.Context())
		must(t, err)
		if len(q) != 2 || q[0].Kind != "a" || q[0].Count != 2 || q[0].Held != 0 || q[0].Overdue < time.Minute || q[1].State != "running" || q[1].Overdue != 0 {
			t.Errorf("%+v", q)
		}
		j, _ := claim(t, f, "o", "a")
		must(t, f.Fail(t.Context(), j, errors.New("x"), false))
		q, err = f.Queue(t.Context())
		must(t, err)
		if len(q) != 2 || q[0].Count != 2 || q[0].Held != 1 {
			t.Errorf("%+v", q)
		}
		j, _ = claim(t, f, "o", "a")
		must(t, f.Fail(t.Context(), j, preservation.Down(preservation.PartTSA, errors.New(strings.Repeat("ü", 100))), false))
		asks := map[string]func(context.Context) (map[preservation.Part]catalog.Away, error){"all": f.Away, "tenant": f.tenant.Away}
		waits := func(when string) {
			t.Helper()
			for of, ask := range asks {
				if away, err := ask(t.Context()); err != nil || len(away) != 1 || away[preservation.PartTSA].Jobs != 1 || !strings.HasSuffix(away[preservation.PartTSA].Why, "ü") {
					t.Errorf("%s, %s: %+v, %v", when, of, away, err)
				}
			}
		}
		waits("in its pause")
		f.clock.advance(24 * time.Hour)
		again, err := f.Claim(t.Context(), "o", []string{"a"}, 2, lease)
		must(t, err)
		if len(again) != 2 {
			t.Fatalf("%+v", again)
		}
		waits("tried again")
		for _, j := range again {
			must(t, f.Finish(t.Context(), j))
		}
		for of, ask := range asks {
			if away, err := ask(t.Context()); err != nil || len(away) != 0 {
				t.Errorf("%s: %+v, %v", of, away, err)
			}
		}
	})
}
