package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Times of a connection.
const (
	// dialTimeout is short: a store that is not there is reported in seconds.
	dialTimeout = 2 * time.Second
	// stall is how long a connection may stand still. It is long, because the
	// answer to a large upload waits for the disk.
	stall = 5 * time.Minute
	// brief bounds requests that move no content, and the wait for the first byte
	// of what is read.
	brief = 30 * time.Second
	// least is how many bytes a connection has to move within the time of stall: a
	// store that hands over a byte now and then is none.
	least = 1 << 20
)

// transport connects to the host of the URL, or to a Unix socket whatever the
// URL says.
func transport(socket string, roots *x509.CertPool, stall time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   2 * dialTimeout,
		ResponseHeaderTimeout: stall,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // objects are delivered as they are stored
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
	}
	if socket != "" {
		t.Proxy = nil
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if socket != "" {
			network, address = "unix", socket
		}
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c, stall: stall}, nil
	}
	return t
}

// conn fails a read or write that makes no progress worth the name for the time
// of stall, so that a store that hangs in mid-stream, or lets bytes drip, cannot
// hold a job for ever. Reads and writes come from one goroutine each.
type conn struct {
	net.Conn
	stall   time.Duration
	in, out patience
	asked   atomic.Bool // something was sent since the last read: an answer begins
}

// patience counts how long a connection was waited for. What its user does in
// between does not count.
type patience struct {
	waited time.Duration
	moved  int // bytes meanwhile
}

// wait begins a read or write: it returns by when it has to end.
func (p *patience) wait(stall time.Duration, anew bool) (deadline time.Time) {
	if anew || p.moved >= least {
		*p = patience{}
	}
	return time.Now().Add(stall - p.waited)
}

func (p *patience) done(begin time.Time, n int) {
	p.waited += time.Since(begin)
	p.moved += n
}

func (c *conn) Read(b []byte) (int, error) {
	begin := time.Now()
	if err := c.SetReadDeadline(c.in.wait(c.stall, c.asked.Swap(false))); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	c.in.done(begin, n)
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	begin := time.Now()
	if err := c.SetWriteDeadline(c.out.wait(c.stall, !c.asked.Swap(true))); err != nil {
		return 0, err
	}
	// A read may have begun long before this request, while the connection was idle.
	if err := c.SetReadDeadline(begin.Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	c.out.done(begin, n)
	return n, err
}
