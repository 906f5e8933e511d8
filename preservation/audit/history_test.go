package audit

import (
	"strings"
	"testing"
	"time"
)

// TestHistoryAgain: an entry that was appended once more tells of the time and with the
// number that it had first, however often that was.
func TestHistoryAgain(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		e    Entry
		more string
	}{
		{"rebuilt", Rebuilt("musterstadt", 100, false), "made anew"},
		{"resumed", Resumed("musterstadt", 110, 115), "sealed entry 119"},
		{"restored", Restored("musterstadt", at, 90, 100), "restored"},
	} {
		c.e.Seq, c.e.At = 120, at
		for n := range 3 {
			found := History("x", []Entry{c.e})
			if len(found) != 1 || !strings.Contains(found[0].Detail, "2026-03-01T08:00:00Z") || !strings.Contains(found[0].Detail, "120") || !strings.Contains(found[0].Detail, c.more) {
				t.Errorf("%s, %d times: %+v", c.name, n, found)
			}
			c.e = c.e.Again(c.e.Seq)
			c.e.Seq, c.e.At = 300+int64(n), at.AddDate(0, 1, n)
		}
	}
}
