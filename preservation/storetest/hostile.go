package storetest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Hostile stands on a socket of its own between a client and a real S3 service,
// and goes wrong as it is told. Requests keep the name of the host that was
// signed, so that the service behind accepts them.
type Hostile struct {
	Address string // host:port

	proxy *httputil.ReverseProxy

	mu     sync.Mutex
	wrongs map[string]Wrong // by name
	met    map[string]int   // how often each was done
}

// Wrong is what goes wrong with the requests that it is for.
type Wrong struct {
	For func(r *http.Request) bool
	Do  func(w http.ResponseWriter, r *http.Request, honest http.Handler)
}

// NewHostile puts a proxy before a service at host:port that speaks plain HTTP.
func NewHostile(t testing.TB, endpoint string) *Hostile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &Hostile{Address: l.Addr().String(), wrongs: map[string]Wrong{}, met: map[string]int{}}
	target := &url.URL{Scheme: "http", Host: endpoint}
	h.proxy = &httputil.ReverseProxy{
		Rewrite:      func(p *httputil.ProxyRequest) { p.Out.URL.Scheme, p.Out.URL.Host = target.Scheme, target.Host },
		Transport:    &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := &http.Server{Handler: h}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return h
}

// Plan makes something go wrong until Heal is called with the same name.
func (h *Hostile) Plan(name string, w Wrong) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrongs[name] = w
}

// Heal ends what was planned under a name.
func (h *Hostile) Heal(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.wrongs, name)
}

// Met tells how many requests went wrong by a plan.
func (h *Hostile) Met(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.met[name]
}

// ServeHTTP implements http.Handler.
func (h *Hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	var do func(http.ResponseWriter, *http.Request, http.Handler)
	for name, wrong := range h.wrongs {
		if wrong.For(r) {
			do = wrong.Do
			h.met[name]++
			break
		}
	}
	h.mu.Unlock()
	if do == nil {
		h.proxy.ServeHTTP(w, r)
		return
	}
	do(w, r, h.proxy)
}

// Refuse answers with an error of S3.
func Refuse(status int, code string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>planned</Message></Error>`, code)
	}
}

// Reset breaks the connection off when some of the body has come.
func Reset(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	io.CopyN(io.Discard, r.Body, 100)
	reset(w)
}

func reset(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
}

// Hang answers nothing for as long as the client waits.
func Hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// Drip gives the answer a byte at a time.
func Drip(every time.Duration) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		a := answerOf(honest, r)
		a.head(w)
		for i := range a.body.Len() {
			if _, err := w.Write(a.body.Bytes()[i : i+1]); err != nil {
				return
			}
			http.NewResponseController(w).Flush()
			time.Sleep(every)
		}
	}
}

// Lose says that all is well and does nothing.
func Lose(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("ETag", `"d41d8cd98f00b204e9800998ecf8427e"`)
	w.Header().Set("X-Amz-Version-Id", "01JQ2M9CFP2Y8R0V6K3C5T7N4E")
	w.WriteHeader(http.StatusOK)
}

// Deny does what was asked and says that it failed.
func Deny(w http.ResponseWriter, r *http.Request, honest http.Handler) {
	answerOf(honest, r)
	Refuse(http.StatusInternalServerError, "InternalError")(w, r, honest)
}

// Vanish does what was asked and breaks the connection off before it says so.
func Vanish(w http.ResponseWriter, r *http.Request, honest http.Handler) {
	answerOf(honest, r)
	reset(w)
}

// Break does what was asked and breaks the connection off in the middle of the answer.
func Break(w http.ResponseWriter, r *http.Request, honest http.Handler) {
	a := answerOf(honest, r)
	a.head(w)
	w.Write(a.body.Bytes()[:a.body.Len()/2])
	http.NewResponseController(w).Flush()
	reset(w)
}

// Change gives the answer after something was done to it.
func Change(f func(h http.Header, body []byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		a := answerOf(honest, r)
		body := f(a.header, a.body.Bytes())
		if r.Method != http.MethodHead {
			a.header.Set("Content-Length", strconv.Itoa(len(body)))
		}
		a.head(w)
		w.Write(body)
	}
}

// answer is what the honest service said.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func answerOf(honest http.Handler, r *http.Request) *answer {
	a := &answer{header: http.Header{}, status: http.StatusOK}
	honest.ServeHTTP(a, r)
	return a
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) head(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
}

// Request helps to say what a Wrong is for: the method, a part of the path, and
// a parameter of the query, or none of them where it is "-".
func Request(method, path, query string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if method != "" && r.Method != method || !strings.Contains(r.URL.Path, path) {
			return false
		}
		switch query {
		case "":
			return true
		case "-":
			q := r.URL.Query()
			q.Del("versionId")
			return len(q) == 0 || len(q) == 1 && q.Has("x-id")
		}
		return r.URL.Query().Has(query)
	}
}
