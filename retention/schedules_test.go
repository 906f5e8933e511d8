package retention

import (
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	loc := berlin(t)
	for _, c := range []struct{ spec, after, want string }{
		{"5 0 * * *", "2026-03-28T12:00:00+01:00", "2026-03-29T00:05:00+01:00"},
		{"30 3 * * *", "2026-03-28T12:00:00+01:00", "2026-03-29T03:30:00+02:00"}, // the night summer time begins
		{"30 3 * * *", "2026-10-24T12:00:00+02:00", "2026-10-25T03:30:00+01:00"}, // and when it ends
		{"30 3 * * *", "2026-11-21T23:00:00Z", "2026-11-22T03:30:00+01:00"},
		{"@monthly", "2026-11-21T23:00:00Z", "2026-12-01T00:00:00+01:00"},
		{"15 * * * *", "2026-11-21T00:20:00Z", "2026-11-21T02:15:00+01:00"}, // every hour is fine
		{"30 2 * * *", "2026-11-21T00:20:00Z", ""},
		{"30 1-4 * * *", "2026-11-21T00:20:00Z", ""},
		{"0 0 31 2 *", "2026-11-21T00:20:00Z", ""},
		{"nonsense", "2026-11-21T00:20:00Z", ""},
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Next(c.spec, loc, after)
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%s: %s, want an error", c.spec, got)
		case c.want != "" && (err != nil || got.Format(time.RFC3339) != c.want):
			t.Errorf("%s: %s, %v; want %s", c.spec, got.Format(time.RFC3339), err, c.want)
		}
	}
	for kind, spec := range Schedules() {
		if _, err := Next(spec, loc, time.Now()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
