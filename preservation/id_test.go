package preservation

import (
	"slices"
	"testing"
	"time"
)

// TestNextID moves the clock under a row of identifiers. They stay in order, have
// the form of all others, and none comes twice.
func TestNextID(t *testing.T) {
	start := time.Date(2026, 10, 25, 0, 59, 59, 999e6, time.UTC) // the hour that comes twice in Berlin
	seen := map[string]bool{}
	var ids []string
	last := ""
	for _, at := range []time.Duration{0, 0, time.Millisecond, -time.Hour, -time.Hour, -10 * 365 * 24 * time.Hour, time.Second, -time.Nanosecond, 0} {
		for range 3 {
			last = NextID(last, start.Add(at))
			ids = append(ids, last)
			if seen[last] || !RecordID(last).Valid() {
				t.Errorf("%s comes twice or has another form", last)
			}
			seen[last] = true
		}
	}
	if !slices.IsSorted(ids) {
		t.Errorf("out of order: %q", ids)
	}
	// With the clock right again identifiers tell the time again.
	if id := NextID(last, start.Add(time.Hour)); id[:9] != NewID(start.Add(time.Hour))[:9] {
		t.Errorf("%s an hour later does not begin as %s", id, NewID(start.Add(time.Hour)))
	}
	for _, prev := range []string{"", "x", "zzzzzzzzzzzzzzzzzzzzzzzzzz!"} {
		if id := NextID(prev, start); !RecordID(id).Valid() {
			t.Errorf("after %q: %s", prev, id)
		}
	}
	end := NextID("0000000000zzzzzzzzzzzzzzzw", time.UnixMilli(0)) // all random bits are used up
	if end <= "0000000000zzzzzzzzzzzzzzzw" || !RecordID(end).Valid() {
		t.Errorf("after the last of a millisecond: %s", end)
	}
}

// TestNewID makes identifiers by clocks that stand still or go back: they differ,
// and those of a later millisecond sort behind.
func TestNewID(t *testing.T) {
	now := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	for i := range 3000 {
		id := NewID(now.Add(-time.Duration(i%3) * time.Hour))
		if seen[id] || !SubmissionID(id).Valid() {
			t.Fatalf("%s comes twice or has another form", id)
		}
		seen[id] = true
	}
	if NewID(now) <= NewID(now.Add(-time.Millisecond)) {
		t.Error("identifiers do not sort by time")
	}
}
