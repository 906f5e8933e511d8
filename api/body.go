package api

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// A client has to deliver at least bodyFloor bytes in each bodyWindow that the
// archive spends waiting for it: a thousand bits a second. Slow lines pass,
// connections that are merely held open do not.
const (
	bodyWindow = 30 * time.Second
	bodyFloor  = 4 << 10
)

// paced is a request body that fails with os.ErrDeadlineExceeded when it comes
// too slowly. Only the time spent waiting counts, so that a busy disk on our
// side is not the client's fault.
type paced struct {
	io.ReadCloser
	control *http.ResponseController
	window  time.Duration
	left    time.Duration
	got     int
}

func (p *paced) Read(b []byte) (int, error) {
	begin := time.Now()
	p.control.SetReadDeadline(begin.Add(p.left)) // not every connection can: then there is no deadline
	n, err := p.ReadCloser.Read(b)
	p.left -= time.Since(begin)
	if p.got += n; p.got >= bodyFloor {
		p.left, p.got = p.window, 0
	}
	var network *net.OpError
	switch {
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network):
	case err != io.EOF: // broken chunks, a stream that was reset: no fault of ours
		return n, malformed.because("the body cannot be read: %v", err)
	default:
		// The server goes on reading to see the connection close: without a deadline.
		p.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// pace puts the clock on every body.
func (s *server) pace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			window := s.config.bodyWindow
			r.Body = &paced{ReadCloser: r.Body, control: http.NewResponseController(w), window: window, left: window}
		}
		next.ServeHTTP(w, r)
	})
}
