package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
)

// TestFitting: a segment ends before it is larger than one may be, and under no key that a
// branch has.
func TestFitting(t *testing.T) {
	at := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	var entries []audit.Entry
	for n := range int64(4) {
		entries = append(entries, audit.Entry{Seq: 7 + n, At: at, Detail: map[string]string{"long": strings.Repeat("x", 1000)}})
	}
	key := func(last int64) string { return audit.Key(at, 7, last) }
	for _, c := range []struct {
		name     string
		branches []string
		most     int
		n        int // entries
		none     bool
		err      error
	}{
		{"all", nil, 1 << 20, 4, false, nil},
		{"half", nil, 2500, 2, false, nil},
		{"one", nil, 1500, 1, false, nil},
		{"too large", nil, 500, 1, true, preservation.ErrUnreadable},
		{"key is taken", []string{key(10), key(9)}, 1 << 20, 2, false, nil},
		{"key is taken, of the half", []string{key(8)}, 2500, 1, false, nil},
		{"all keys are taken", []string{key(7), key(8), key(9), key(10)}, 1 << 20, 1, true, nil},
		{"all that are not too large are taken", []string{key(7), key(8)}, 2500, 1, true, preservation.ErrExists},
	} {
		some, data, err := fitting("musterstadt", entries, c.branches, c.most)
		if len(some) != c.n || (data == nil) != c.none || !errors.Is(err, c.err) || err == nil && len(data) > c.most {
			t.Errorf("%s: %d entries, %d bytes, %v", c.name, len(some), len(data), err)
		}
	}
}
