package auth

import (
	"net/netip"
	"sync"
	"time"
)

const (
	burst     = 20          // failures that an address may make at once
	recovery  = time.Second // and one more after each of these
	trusted   = time.Hour   // how long an accepted token passes a throttled address
	mapsAtMax = 10_000      // addresses and tokens remembered
)

// throttle counts failures by address. Its zero value is ready.
type throttle struct {
	mu       sync.Mutex
	failures map[netip.Addr]time.Time // when the address will have recovered in full
	passed   map[string]time.Time     // hash of an accepted token → when
}

func (t *throttle) permits(addr netip.Addr, hash string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures[network(addr)].Sub(now) < burst*recovery {
		return true
	}
	return now.Sub(t.passed[hash]) < trusted
}

func (t *throttle) failed(addr netip.Addr, hash string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.passed, hash)
	if t.failures == nil {
		t.failures = map[netip.Addr]time.Time{}
	}
	key := network(addr)
	full := t.failures[key]
	if full.Before(now) {
		full = now
	}
	forget(t.failures, key, func(until time.Time) bool { return until.Before(now) })
	t.failures[key] = full.Add(recovery)
}

func (t *throttle) accepted(hash string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.passed == nil {
		t.passed = map[string]time.Time{}
	}
	forget(t.passed, hash, func(at time.Time) bool { return now.Sub(at) >= trusted })
	t.passed[hash] = now
}

// forget makes room for key: what is stale goes, and when that was not enough
// one entry that happens to come first.
func forget[K comparable](m map[K]time.Time, key K, stale func(time.Time) bool) {
	if _, known := m[key]; known || len(m) < mapsAtMax {
		return
	}
	for k, v := range m {
		if stale(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < mapsAtMax {
			return
		}
		delete(m, k)
	}
}

// network is what one client can easily change addresses within: itself for
// IPv4, its /64 for IPv6.
func network(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// Attempts counts failed logins by address, so that nobody tries out passwords of
// many accounts. Its zero value is ready.
type Attempts struct{ t throttle }

// Permitted reports whether an attempt from an address counts.
func (a *Attempts) Permitted(addr netip.Addr, now time.Time) bool { return a.t.permits(addr, "", now) }

// Failed notes an attempt that did not succeed.
func (a *Attempts) Failed(addr netip.Addr, now time.Time) { a.t.failed(addr, "", now) }
