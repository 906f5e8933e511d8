package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"bestand/preservation"
)

// entry is what is noted of a request while it passes, for the access log.
type entry struct {
	id     string
	method string
	accept string
	route  string
	tenant preservation.TenantID
}

type entryKey struct{}

func note(ctx context.Context) *entry {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok {
		return e
	}
	return &entry{}
}

// requestID returns the identifier under which the log has this request.
func requestID(ctx context.Context) string { return note(ctx).id }

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// identify gives the request an identifier, or keeps the one a proxy gave it.
func (s *server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !requestIDPattern.MatchString(id) {
			id = preservation.NewID(s.now())
		}
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), entryKey{}, &entry{id: id, method: r.Method, accept: r.Header.Get("Accept")})))
	})
}

// observe logs and counts each request by its route. Paths, queries, addresses
// and actors stay out of the log: the audit log has who did what.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		seen := &response{ResponseWriter: w, control: http.NewResponseController(w), idle: s.config.writeIdle}
		defer func() {
			seen.extend() // for what net/http still writes; the deadline would be that of the request before
			e := note(r.Context())
			took := time.Since(begin)
			s.requests.WithLabelValues(e.route, fmt.Sprint(seen.status)).Observe(took.Seconds())
			s.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
				slog.String("request", e.id), slog.String("method", r.Method), slog.String("route", e.route), slog.String("tenant", string(e.tenant)),
				slog.Int("status", seen.status), slog.Int64("bytes", seen.bytes), slog.Duration("took", took))
		}()
		next.ServeHTTP(seen, r)
	})
}

// writeIdle is how long a client may take to accept the next piece of an answer.
const writeIdle = time.Minute

// response notes status and size, and does not wait for ever for a client that
// stopped reading.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
	status  int
	bytes   int64
}

// extend gives the client time for what is written next. Not every connection
// can: then there is no deadline.
func (w *response) extend() { w.control.SetWriteDeadline(time.Now().Add(w.idle)) }

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.extend()
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// started reports whether an answer is under way already.
func started(w http.ResponseWriter) bool {
	seen, ok := w.(*response)
	return ok && seen.status != 0
}

// recover turns a panic into a problem and a log entry: one bad request must
// not end the service.
func (s *server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				s.log.ErrorContext(r.Context(), "panic", slog.String("request", requestID(r.Context())),
					slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
				s.fail(w, r, errors.New("panic"))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// harden sets the headers that let no browser make more of an answer than it is.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=63072000")
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what a page of another site made a browser send.
func (s *server) sameOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, crossOrigin.because(""))
	}))
	return p.Handler(next)
}

// clientAddr is the address that failures are counted by: the peer, or what a
// trusted proxy says it is.
func (s *server) clientAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a Unix socket
	}
	peer, _ := netip.ParseAddr(host)
	if !s.trusts(peer) {
		return peer
	}
	// Each proxy appends whom it heard; the last one that is not ours counts.
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if peer = addr; !s.trusts(addr) {
			break
		}
	}
	return peer
}

func (s *server) trusts(a netip.Addr) bool {
	for _, p := range s.config.TrustedProxies {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}
