package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/proof"
	"bestand/retention"
)

// clockVariable holds in the environment by how much the clock of the machine is
// wrong, as the program sees it. Only the tests' own program knows it.
const clockVariable = "BESTAND_TEST_CLOCK"

// runShifted is serve or clock on a machine whose clock is wrong.
func runShifted(ctx context.Context, by, command string, args []string) error {
	shift, err := time.ParseDuration(by)
	if err != nil {
		return err
	}
	wall := func() time.Time { return time.Now().Add(shift) }
	if command == "clock" {
		return clockAt(ctx, args, wall, os.Stdout, os.Stderr)
	}
	cfg, err := loadConfig(flags("serve", os.Stderr), args)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	a, err := begin(ctx, cfg, newLog(cfg, os.Stderr), wall)
	if err != nil {
		return err
	}
	s, err := a.assemble(ctx)
	if err = errors.Join(err, a.promised(ctx)); err != nil {
		return errors.Join(err, a.close())
	}
	if err := a.firstStart(ctx, os.Stdout); err != nil {
		return err
	}
	err = s.run(ctx, listener, time.Now())
	return errors.Join(err, s.index.Close(), s.pipeline.Close(), a.close())
}

// shifted starts the program on a machine whose clock is wrong by so many hours,
// and returns what readiness says.
func (in *installation) shifted(t *testing.T, hours int) string {
	t.Helper()
	in.env = []string{fmt.Sprintf("%s=%dh", clockVariable, hours)}
	in.start(t)
	in.env = nil
	return in.readiness(t)
}

// try has a job done and returns the error that it ended with, if any.
func (in *installation) try(t *testing.T, kind string) string {
	t.Helper()
	in.change(t, `DELETE FROM job WHERE kind = $1`, kind)
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(in.dir, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tenant := db.Tenant(firstTenant)
	if err := tenant.Enqueue(t.Context(), catalog.Job{Kind: kind, Key: "test"}); err != nil {
		t.Fatal(err)
	}
	in.change(t, `UPDATE job SET run_at_ms = 1 WHERE kind = $1 AND state = 'queued'`, kind)
	var said string
	eventually(t, "job "+kind, func() bool {
		j, err := tenant.JobOf(t.Context(), kind, "test")
		said = j.Error
		return errors.Is(err, catalog.ErrNotFound) || err == nil && (j.Dead || j.Error != "")
	})
	return said
}

const year = 365 * 24

// TestClock runs the service by clocks that are wrong. Nothing is destroyed or
// locked for years by them, nothing is acknowledged under a wrong date, reading
// goes on, and with the clock right again everything does. The mode is GOVERNANCE,
// in which the store would let go of everything that the service wants gone.
func TestClock(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	c := in.admin(t)
	// A time-stamp by a wrong clock proves nothing until the true one gets there.
	in.change(t, `UPDATE schedule SET paused = 1 WHERE kind = $1`, proof.JobStamp)
	o := newOffice(c)
	o.permit(t, true, parentContacts)
	last := time.Now().AddDate(-1, 0, 0).Format(time.DateOnly)
	_, young := c.archive(about("jung", parentContacts, "Titelwort", "closed", last), file("a.bin", blob("jung")))
	eventually(t, "it is evaluated", func() bool { return in.count(t, `SELECT COUNT(*) FROM record WHERE stale = 1`) == 0 })
	if said := in.try(t, retention.JobDispose); said != "" {
		t.Fatalf("destruction by a right clock: %s", said)
	}
	in.stop(t)
	horizon := time.Now().AddDate(0, 0, 100)

	for _, wrong := range []struct {
		name   string
		hours  int
		doubt  bool   // nothing is taken in
		reason string // for which nothing is destroyed
	}{
		{"a decade ahead", 10 * year, true, "should show about"},
		{"sixty days ahead", 60 * 24, true, "should show about"},
		{"ten days ahead", 10 * 24, false, "is it really"},
		{"hours back", -3, false, "earlier than"},
		{"ten days back", -10 * 24, true, "should show about"},
	} {
		before, entries := time.Now().UnixMilli(), in.count(t, `SELECT MAX(seq) FROM audit`)
		ready := in.shifted(t, wrong.hours)
		if doubted := strings.HasPrefix(ready, "503"); doubted != wrong.doubt {
			t.Errorf("%s: readyz %s", wrong.name, ready)
		}
		c := in.admin(t)
		id := fmt.Sprint("wrong", wrong.hours)
		r := c.send(about(id, "63.10", "Eingang"), file("a.bin", blob(id)))
		if wrong.doubt {
			r.refused(t, 503, "unavailable", "")
			if !strings.Contains(string(r.body), "clock") {
				t.Errorf("%s: the answer does not name the clock: %s", wrong.name, r.body)
			}
		} else if s := c.await(r.accepted(t)); s.Status != "archived" {
			t.Errorf("%s: %+v", wrong.name, s)
		}
		if got := c.record(young.ID); got.Retention.State == retention.Due && wrong.doubt {
			t.Errorf("%s: the record is due", wrong.name)
		}
		in.try(t, retention.JobDispose)
		said := in.text(t, `SELECT value FROM cursor WHERE name = 'dispose.stopped'`)
		if !strings.Contains(said, wrong.reason) || !strings.Contains(said, "bestand clock --confirm") {
			t.Errorf("%s: destruction says %q, want %q and what to do", wrong.name, said, wrong.reason)
		}
		if said := in.try(t, retention.JobLocks); said != "" {
			t.Errorf("%s: locks are not extended: %s", wrong.name, said)
		}
		c.get("/v1/records/"+young.ID).want(t, 200)
		if wrong.doubt {
			for what, query := range map[string]string{
				"schedules":    `SELECT COUNT(*) FROM schedule WHERE next_ms > $1`,
				"jobs":         `SELECT COUNT(*) FROM job WHERE run_at_ms > $1`,
				"leases":       `SELECT COUNT(*) FROM job WHERE lease_ms > $1`,
				"audit log":    `SELECT COUNT(*) FROM audit WHERE at_ms > $1`,
				"locks":        `SELECT COUNT(*) FROM record WHERE lock_until_ms > $1`,
				"record's age": `SELECT COUNT(*) FROM record WHERE received_ms > $1`,
			} {
				if n := in.count(t, query, horizon.UnixMilli()); n > 0 {
					t.Errorf("%s: %d %s lie beyond %s", wrong.name, n, what, horizon.Format(time.DateOnly))
				}
			}
			if n := in.count(t, `SELECT COUNT(*) FROM audit WHERE at_ms < $1 AND seq > $2`, before-int64(time.Minute/time.Millisecond), entries); n > 0 {
				t.Errorf("%s: the audit log goes back", wrong.name)
			}
		}
		in.stop(t)
		// What this clock was believed for is as nothing for the next one.
		in.change(t, `UPDATE cursor SET value = $1 WHERE tenant = '' AND name = 'clock.seen'`, fmt.Sprint(time.Now().UnixMilli()))
		in.change(t, `UPDATE cursor SET value = '' WHERE name = 'dispose.stopped'`)
	}

	in.change(t, `UPDATE schedule SET next_ms = $1 WHERE kind = 'evaluate'`, time.Now().AddDate(9, 0, 0).UnixMilli()) // as a clock ahead would have left it
	in.serve(t)
	eventually(t, "no schedule waits for years", func() bool {
		return in.count(t, `SELECT COUNT(*) FROM schedule WHERE next_ms > $1`, time.Now().AddDate(0, 0, 2).UnixMilli()) == 0
	})
	c = in.admin(t)
	c.archive(about("richtig", "63.10", "Eingang"), file("a.bin", blob("richtig")))
	if said := in.try(t, retention.JobDispose); strings.Contains(said, "should show") {
		t.Errorf("destruction by a right clock: %s", said)
	}
	c.verified(young.ID)
	in.audit(t)
}

// TestClockConfirmed lets a person say that the archive was off for two months.
func TestClockConfirmed(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	in.stop(t)
	in.change(t, `UPDATE cursor SET value = $1 WHERE tenant = '' AND name = 'clock.seen'`, fmt.Sprint(time.Now().AddDate(0, -2, 0).UnixMilli()))
	if ready := in.shifted(t, 0); !strings.HasPrefix(ready, "503") {
		t.Errorf("readyz %s after two months", ready)
	}
	out, complaint, code := program(t, "clock", "--data", in.dir)
	if code != 0 || !strings.Contains(out, "last believed") {
		t.Errorf("clock: %d %s %s", code, out, complaint)
	}
	if out, complaint, code = program(t, "clock", "--data", in.dir, "--confirm"); code != 0 || !strings.Contains(out, "confirmed") {
		t.Errorf("clock --confirm: %d %s %s", code, out, complaint)
	}
	in.stop(t)
	in.serve(t)
	c := in.admin(t)
	c.archive(about("1", "63.10", "Eingang"), file("a.bin", blob("1")))
	var log struct{ Items []struct{ Action string } }
	c.get("/v1/audit?limit=200").want(t, 200).decode(t, &log)
	confirmed := 0
	for _, e := range log.Items {
		if e.Action == "clock.confirm" {
			confirmed++
		}
	}
	if confirmed != 1 {
		t.Errorf("%d entries of the audit log tell of the confirmation", confirmed)
	}
}

// TestClockBeforeBuild refuses to begin in 1970, with keys of that year.
func TestClockBeforeBuild(t *testing.T) {
	t.Parallel()
	in := install(t)
	in.env = []string{fmt.Sprintf("%s=%dh", clockVariable, -40*year)}
	in.start(t)
	if code := in.wait(t, 30*time.Second); code != 1 || in.log.count("before this program was made: set it") != 1 {
		t.Errorf("exit code %d:\n%s", code, in.log.tail(10))
	}
	if _, err := os.Stat(filepath.Join(in.dir, "keys")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("keys were made: %v", err)
	}
}

// newClockwork makes a service that does nothing but look at the clock and fire schedules.
func newClockwork(t *testing.T, wall *time.Time) *service {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	a := &archive{log: log, clock: &guard{wall: func() time.Time { return *wall }, log: log}}
	a.now = a.clock.now
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "catalog.db"), Now: a.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	a.catalog, a.clock.db = db, db
	if err := db.CreateTenant(t.Context(), catalog.TenantInfo{ID: firstTenant, Name: "Musterstadt"}, "test"); err != nil {
		t.Fatal(err)
	}
	s := &service{archive: a, live: t.Context()}
	s.fire()
	if err := s.schedule(t.Context(), firstTenant); err != nil {
		t.Fatal(err)
	}
	return s
}

// fired takes the jobs that are waiting, as workers would, and counts them by kind.
func (s *service) fired(t *testing.T, count map[string]int) {
	t.Helper()
	kinds := []string{}
	for kind := range schedules() {
		kinds = append(kinds, kind)
	}
	jobs, err := s.catalog.Claim(t.Context(), "test", kinds, 100, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		count[j.Kind]++
		if err := s.catalog.Finish(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScheduleNights goes through the nights in which summer time begins and ends,
// a leap day and the end of a year. What runs daily runs once in each of them.
func TestScheduleNights(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, night := range []struct {
		name  string
		noon  time.Time // before
		hours int       // to the next noon
	}{
		{"summer time begins", time.Date(2026, 3, 28, 12, 1, 0, 0, berlin), 23},
		{"summer time ends", time.Date(2026, 10, 24, 12, 1, 0, 0, berlin), 25},
		{"leap day", time.Date(2028, 2, 28, 12, 1, 0, 0, berlin), 24},
		{"day after the leap day", time.Date(2028, 2, 29, 12, 1, 0, 0, berlin), 24},
		{"end of the year", time.Date(2026, 12, 31, 12, 1, 0, 0, berlin), 24},
	} {
		t.Run(night.name, func(t *testing.T) {
			t.Parallel()
			wall := night.noon
			s := newClockwork(t, &wall)
			count := map[string]int{}
			for end := night.noon.Add(time.Duration(night.hours) * time.Hour); wall.Before(end); {
				wall = wall.Add(5 * time.Minute)
				s.fire()
				s.fired(t, count)
			}
			if err := s.clock.doubt(t.Context()); err != nil {
				t.Error(err)
			}
			for kind, want := range map[string]int{retention.JobEvaluate: 1, retention.JobLocks: 1, retention.JobDispose: 1, "expire-uploads": 1,
				"complete": night.hours, "sweep": night.hours, "store-audit": night.hours * 6} {
				if count[kind] != want {
					t.Errorf("%s ran %d times, want %d", kind, count[kind], want)
				}
			}
		})
	}
}

// TestGuard moves the clock under a running program.
func TestGuard(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	var store time.Time // of an external store
	for _, c := range []struct {
		name     string
		move     func(time.Time) (wall, store time.Time)
		doubt    bool
		destroy  bool // even though it is not doubted
		followed bool
	}{
		{"as it should be", func(n time.Time) (time.Time, time.Time) { return n, time.Time{} }, false, true, true},
		{"minutes back", func(n time.Time) (time.Time, time.Time) { return n.Add(-20 * time.Minute), time.Time{} }, false, true, true},
		{"a month ahead", func(n time.Time) (time.Time, time.Time) { return n.AddDate(0, 1, 0), time.Time{} }, true, false, false},
		{"a decade ahead", func(n time.Time) (time.Time, time.Time) { return n.AddDate(10, 0, 0), time.Time{} }, true, false, false},
		{"1970", func(time.Time) (time.Time, time.Time) { return time.Unix(0, 0), time.Time{} }, true, false, false},
		{"a decade ahead, and the store too", func(n time.Time) (time.Time, time.Time) { return n.AddDate(10, 0, 0), n.AddDate(10, 0, 0) }, false, true, true},
		{"a decade ahead of the store", func(n time.Time) (time.Time, time.Time) { return n.AddDate(10, 0, 0), n }, true, false, false},
		{"ten minutes ahead of the store", func(n time.Time) (time.Time, time.Time) { return n.Add(10 * time.Minute), n }, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			wall := start
			s := newClockwork(t, &wall)
			if wall, store = c.move(start); !store.IsZero() {
				at := store
				s.clock.peer = func() (time.Time, bool) { return at, true }
			}
			s.fire()
			if err := s.clock.doubt(t.Context()); (err != nil) != c.doubt || err != nil && !errors.Is(err, preservation.ErrClock) {
				t.Errorf("doubt: %v", err)
			}
			if err := s.clock.toDestroy(t.Context()); (err == nil) != c.destroy {
				t.Errorf("to destroy by it: %v", err)
			}
			if away := s.now().Sub(wall); (within(away, time.Second)) != c.followed {
				t.Errorf("the program acts by %s, the clock shows %s", s.now(), wall)
			}
			if !c.followed && !within(s.now().Sub(start), time.Minute) {
				t.Errorf("the program acts by %s instead of about %s", s.now(), start)
			}
			wall, s.clock.peer = start.Add(time.Minute), nil
			if c.doubt {
				s.fire()
				if err := s.clock.doubt(t.Context()); err != nil {
					t.Errorf("with the clock right again: %v", err)
				}
			}
		})
	}
}
