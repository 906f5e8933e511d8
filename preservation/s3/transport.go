package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

const (
	// dialTimeout is short: a store that is not there is reported in seconds.
	dialTimeout = 2 * time.Second
	// stall is how long a connection may stand still. It is long, because the
	// answer to a large upload waits for the disk.
	stall = 5 * time.Minute
	// brief bounds requests that move no content.
	brief = 30 * time.Second
)

// transport connects to the host of the URL, or to a Unix socket whatever the
// URL says.
func transport(socket string, roots *x509.CertPool) *http.Transport {
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
		return &conn{c}, nil
	}
	return t
}

// conn fails a read or write that makes no progress for the time of stall, so
// that a store that hangs in mid-stream cannot hold a job for ever.
type conn struct{ net.Conn }

func (c *conn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
