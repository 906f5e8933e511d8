package s3

import (
	"net/http"
	"sync"
	"time"
)

// seen notes the clock of the store, which stands in each of its answers.
type seen struct {
	next http.RoundTripper

	mu   sync.Mutex
	date time.Time // without monotonic reading
	at   time.Time // when it was read, by the monotonic clock
}

// RoundTrip implements http.RoundTripper.
func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		s.mu.Lock()
		s.date, s.at = date, time.Now()
		s.mu.Unlock()
	}
	return resp, nil
}

// Clock is the time by the clock of the store, to the second: locks end by it. ok
// is false while the store has not said it.
func (c *Client) Clock() (now time.Time, ok bool) {
	c.seen.mu.Lock()
	defer c.seen.mu.Unlock()
	if c.seen.date.IsZero() {
		return time.Time{}, false
	}
	return c.seen.date.Add(time.Since(c.seen.at)), true
}
