package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// What a clock may do without being doubted.
const (
	// leap is how far the clock may be from where it must be by the time that has
	// passed: a day and what summer time or a wrong zone can make of it.
	leap = 26 * time.Hour
	// slumber is how long the archive may have been off.
	slumber = 45 * 24 * time.Hour
	// agreement is how far the clock of an external object store may be away.
	agreement = 5 * time.Minute
)

// oldest is a time that had passed when this program was made.
var oldest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// guard is the clock of the program. It is the clock of the machine as long as
// that can be believed: it agrees with an external object store or, without one,
// with the time that the catalog saw last and with the time that has passed since.
//
// A clock in doubt is not followed. The guard then goes on from the last time that
// was believed, or by the store's clock: leases, schedules and locks neither leap
// nor stand still. Nothing is destroyed and nothing that states its time for good
// is made, until the clock agrees again or a person confirms it with
// bestand clock --confirm.
type guard struct {
	wall  func() time.Time         // of this machine
	log   *slog.Logger             //
	db    *catalog.DB              // nil until it is open
	peer  func() (time.Time, bool) // clock of an external store; nil without one
	saved time.Time                // what this program noted last

	mu     sync.Mutex
	anchor time.Time // a time that was believed, without monotonic reading
	since  time.Time // when, by the monotonic clock
	reason string    // for doubt; empty: none
}

// now is the time by which the program acts.
func (g *guard) now() time.Time {
	wall := g.wall()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.anchor.IsZero() {
		return wall
	}
	expected := g.expected()
	if off := wall.Sub(expected); g.reason == "" && off < leap && off > -leap {
		return wall
	}
	return expected
}

// expected is where the clock must be by the time that has passed.
func (g *guard) expected() time.Time { return g.anchor.Add(time.Since(g.since)) }

// doubt is why the clock is not believed, nil when it is.
func (g *guard) doubt(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.reason == "" {
		return nil
	}
	return fmt.Errorf("%w: %s; set the clock of the machine or, if it is right, run bestand clock --confirm", preservation.ErrClock, g.reason)
}

// born refuses a clock that shows a time before this program was made.
func (g *guard) born() error {
	if wall := g.wall(); wall.Before(oldest) {
		return fmt.Errorf("%w: the clock of this machine shows %s, which is before this program was made: set it", preservation.ErrClock, wall.UTC().Format(time.RFC3339))
	}
	return nil
}

// look compares the clock with all that is known of the time, once at the start
// and then every minute.
func (g *guard) look(ctx context.Context) error {
	seen, err := g.db.ClockSeen(ctx)
	if err != nil {
		return err
	}
	var there time.Time
	var reachable bool
	if g.peer != nil {
		there, reachable = g.peer()
	}
	g.mu.Lock()
	first := g.anchor.IsZero()
	if first || !seen.Equal(g.saved) { // at the start; another program or a person noted a time
		if g.anchor, g.since = seen, time.Now(); first && seen.IsZero() {
			g.anchor = g.wall().Round(0)
		}
		g.reason = ""
	}
	wall, before := g.wall().Round(0), g.reason
	g.reason = ""
	switch away := wall.Sub(g.expected()); {
	case reachable && within(wall.Sub(there), agreement): // two clocks that know nothing of each other
	case reachable && !within(wall.Sub(there), leap):
		g.reason = fmt.Sprintf("this machine shows %s, the object store %s", stamp(wall), stamp(there))
		g.anchor, g.since = there.Round(0), time.Now()
	case first && away > leap && away < slumber: // the archive was off
	case !within(away, leap):
		g.reason = fmt.Sprintf("it shows %s and should show about %s, as it was last believed", stamp(wall), stamp(g.expected()))
	}
	if g.reason == "" {
		g.anchor, g.since = wall, time.Now()
	}
	after := g.reason
	g.saved = seen
	g.mu.Unlock()
	if after != "" {
		if before == "" {
			g.log.ErrorContext(ctx, "the clock is not believed: nothing is taken in, sealed or destroyed; set it or confirm it with bestand clock --confirm", "reason", after)
		}
		return nil
	}
	if before != "" {
		g.log.WarnContext(ctx, "the clock is believed again", "now", wall)
	}
	at := wall.Truncate(time.Millisecond)
	if err := g.db.SetClockSeen(ctx, at); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.saved = at
	return nil
}

// toDestroy is why the clock is not good enough to destroy by. A few minutes away
// from the store's are too much for that.
func (g *guard) toDestroy(ctx context.Context) error {
	if err := g.doubt(ctx); err != nil {
		return err
	}
	if g.peer == nil {
		return nil
	}
	if there, ok := g.peer(); ok && !within(g.wall().Sub(there), agreement) {
		return fmt.Errorf("%w: this machine shows %s, the object store %s: set both by NTP", preservation.ErrClock, stamp(g.wall()), stamp(there))
	}
	return nil
}

func within(d, limit time.Duration) bool { return d < limit && d > -limit }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
