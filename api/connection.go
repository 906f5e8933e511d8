package api

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// maxConnections is how many connections may be open at a time, if the system
// lets this process have twice as many files.
const maxConnections = 4096

// connections keeps their number below a limit. Behind it the connection ends
// that has had no request of somebody known for the longest time: who only holds
// connections open cannot keep those out who have a token.
type connections struct {
	max int

	mu   sync.Mutex
	open map[net.Conn]*connection
}

// connection is one that is open.
type connection struct {
	all   *connections
	since time.Time // of the last request of somebody known, or of the beginning
	known bool      // there was such a request
	busy  int       // such requests under way
}

func newConnections() *connections {
	c := &connections{max: maxConnections, open: map[net.Conn]*connection{}}
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil && files.Cur/2 < uint64(c.max) {
		c.max = int(files.Cur / 2)
	}
	return c
}

type connectionKey struct{}

// begin is the ConnContext of a server.
func (c *connections) begin(ctx context.Context, conn net.Conn) context.Context {
	fresh := &connection{all: c, since: time.Now()}
	c.mu.Lock()
	c.open[conn] = fresh
	victim := c.surplus()
	c.mu.Unlock()
	if victim != nil {
		victim.Close()
	}
	return context.WithValue(ctx, connectionKey{}, fresh)
}

// changed is the ConnState of a server.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		c.mu.Lock()
		delete(c.open, conn)
		c.mu.Unlock()
	}
}

// surplus returns the connection to end, nil when there is room. One that is
// chosen counts no longer.
func (c *connections) surplus() (victim net.Conn) {
	if len(c.open) <= c.max {
		return nil
	}
	var worst *connection
	for conn, x := range c.open {
		if worst == nil || x.before(worst) {
			victim, worst = conn, x
		}
	}
	delete(c.open, victim)
	return victim
}

// before reports whether c is to end rather than other.
func (c *connection) before(other *connection) bool {
	switch {
	case (c.busy > 0) != (other.busy > 0):
		return other.busy > 0
	case c.known != other.known:
		return other.known
	case c.busy > 0: // then the newest: those that came earlier go on
		return c.since.After(other.since)
	}
	return c.since.Before(other.since)
}

// use notes a request of somebody known on the connection that it came on, until
// the function that it returns is called.
func use(ctx context.Context) (done func()) {
	x, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return func() {}
	}
	add := func(n int) {
		x.all.mu.Lock()
		defer x.all.mu.Unlock()
		x.busy += n
		x.known, x.since = true, time.Now()
	}
	add(1)
	return func() { add(-1) }
}
