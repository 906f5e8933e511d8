package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
	"bestand/preservation/verdict"
)

// moods are the ways in which a peer is asked to answer; it is in one at a time.
type moods[F any] struct {
	mu   sync.Mutex
	now  string
	all  map[string]F
	used map[string]int
}

func (m *moods[F]) set(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = name
}

func (m *moods[F]) get() F {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used == nil {
		m.used = map[string]int{}
	}
	m.used[m.now]++
	return m.all[m.now]
}

// clamdIn answers on a socket as clamd does, or as no clamd should.
func clamdIn(t *testing.T) (*moods[func(net.Conn, *bufio.Reader)], string) {
	t.Helper()
	say := func(text string) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, _ *bufio.Reader) { io.WriteString(c, text) }
	}
	m := &moods[func(net.Conn, *bufio.Reader)]{now: "well", all: map[string]func(net.Conn, *bufio.Reader){
		"well": func(c net.Conn, r *bufio.Reader) { obey(c, r, false) },
		// It says that all is well before it has seen the file, and hangs up.
		"hasty":    func(c net.Conn, r *bufio.Reader) { obey(c, r, true) },
		"silent":   func(net.Conn, *bufio.Reader) {},
		"garbage":  func(c net.Conn, _ *bufio.Reader) { io.CopyN(c, rand.Reader, 8<<10) },
		"rubbish":  say("HTTP/1.1 200 OK\r\n\r\n\x00"),
		"unknown":  say("UNKNOWN COMMAND\x00"),
		"enormous": func(c net.Conn, _ *bufio.Reader) { io.Copy(c, zeroless{}) },
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answer(t, l, func(c net.Conn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		m.get()(c, bufio.NewReader(c))
	})
	return m, "tcp:" + l.Addr().String()
}

// answer calls f for every connection until the test ends.
func answer(t testing.TB, l net.Listener, f func(net.Conn)) {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f(c)
		}
	}()
}

// obey is what clamd does with the two commands that it gets.
func obey(c net.Conn, r *bufio.Reader, hasty bool) {
	command, err := r.ReadString(0)
	if err != nil {
		return
	}
	if command == "zVERSION\x00" {
		io.WriteString(c, "ClamAV 1.4.6/27800/Mon Nov  2 10:00:00 2026\x00")
		return
	}
	if hasty {
		io.WriteString(c, "stream: OK\x00")
		return
	}
	for {
		var n uint32
		if binary.Read(r, binary.BigEndian, &n) != nil || n == 0 {
			break
		}
		io.CopyN(io.Discard, r, int64(n))
	}
	io.WriteString(c, "stream: OK\x00")
}

// zeroless is text without end.
type zeroless struct{}

func (zeroless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

// tsaIn answers as a time-stamping service does, or as none should.
func tsaIn(t *testing.T) (m *moods[http.HandlerFunc], url, roots string) {
	t.Helper()
	dir := t.TempDir()
	keys, err := pki.Open(dir, time.Now(), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	honest, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := pki.Open(t.TempDir(), time.Now(), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := timestamp.NewAuthority(timestamp.Config{Signer: stranger.TSA.Signer, Chain: stranger.TSA.Chain})
	if err != nil {
		t.Fatal(err)
	}
	m = &moods[http.HandlerFunc]{now: "well", all: map[string]http.HandlerFunc{
		"well":    honest.ServeHTTP,
		"foreign": foreign.ServeHTTP, // a token by an authority that nobody trusts
		"down": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "maintenance", http.StatusServiceUnavailable)
		},
		"page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>please log in</html>")
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			io.CopyN(w, rand.Reader, 4<<10)
		},
		"enormous": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			io.CopyN(w, zeroless{}, 64<<20)
		},
		"empty": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
		},
		"refusal": func(w http.ResponseWriter, r *http.Request) { // RFC 3161, 2.4.2: rejection, system failure
			w.Header().Set("Content-Type", "application/timestamp-reply")
			w.Write(honest.Respond([]byte("no query")))
		},
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // else it would not see the client leave
			<-r.Context().Done()
		},
		"reset": func(w http.ResponseWriter, _ *http.Request) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		},
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.get()(w, r) }))
	t.Cleanup(s.Close)
	return m, s.URL, filepath.Join(dir, "ca.pem")
}

// TestPeersAway has the malware scanner and the time-stamping service answer with
// everything but what they should. Deliveries are taken in and wait, visibly; no
// file gets past the scanner unscanned, no package is sealed without its stamp,
// and all of it goes on by itself.
func TestPeersAway(t *testing.T) {
	t.Parallel()
	clamd, scanner := clamdIn(t)
	tsa, url, roots := tsaIn(t)
	in := install(t, "--clamd", scanner, "--tsa-url", url, "--trust-file", roots).serve(t)
	c := in.admin(t)
	var subs []string
	// try sends something while a peer is in a mood, and wants it to wait for the part.
	try := func(mood, part string, size int) {
		t.Helper()
		id := fmt.Sprintf("%s %s", strings.Fields(part)[1], mood)
		sub := c.send(about(id, "63.10", "Vermerk "+id), file("daten.bin", strings.Repeat(blob(id), size/len(blob(id))+1))).accepted(t)
		c.waits(sub, part)
		var s status
		c.get("/v1/submissions/"+sub).decode(t, &s)
		t.Logf("%-9s %s", mood, s.Waiting.Reason)
		subs = append(subs, sub)
	}
	for _, mood := range []string{"hasty", "silent", "garbage", "rubbish", "unknown", "enormous"} {
		clamd.set(mood)
		try(mood, string(preservation.PartScanner), 8<<20) // more than the sockets hold
	}
	clamd.set("well")
	for _, sub := range subs {
		if s := c.await(sub); s.Status != "archived" || !scanned(s) {
			t.Errorf("%+v", s)
		}
	}
	done := len(subs)
	tsa.set("down")
	try("down", string(preservation.PartTSA), 1000)
	const away = `bestand_jobs_away{part="tsa"} `
	c.get("/readyz").want(t, 200).holds(t, `"ready":true`, `"tsa":"away; 1 jobs wait for it"`)
	c.get("/v1/operation").want(t, 200).holds(t, `"away":[{"jobs":1,"part":"tsa","why":"the time-stamping service is not available: `)
	c.get("/metrics").want(t, 200).holds(t, away+"1", `bestand_jobs_away{part="store"} 0`)
	tsa.set("well")
	for _, sub := range subs[done:] {
		s := c.await(sub)
		if s.Status != "archived" {
			t.Errorf("%+v", s)
			continue
		}
		c.verified(s.RecordID)
	}
	c.get("/metrics").want(t, 200).holds(t, away+"0")
	if in.log.count("job waits") == 0 {
		t.Error("the log says nothing")
	}
	if records := in.audit(t); len(records) != len(subs) {
		t.Errorf("%d records, want %d", len(records), len(subs))
	}
}

// TestStampRefused asks a service for a time-stamp that answers with everything but
// one. Each is an outage, known soon, and after it there are time-stamps again.
func TestStampRefused(t *testing.T) {
	t.Parallel()
	tsa, url, roots := tsaIn(t)
	pool, err := verdict.Anchors(roots)
	if err != nil {
		t.Fatal(err)
	}
	client := &timestamp.Client{URL: url, Roots: pool, Timeout: 2 * time.Second}
	digest := make([]byte, crypto.SHA256.Size())
	for mood := range tsa.all {
		tsa.set(mood)
		_, err := client.Stamp(t.Context(), crypto.SHA256, digest)
		var o *preservation.Outage
		if (mood == "well") != (err == nil) || err != nil && (!errors.As(err, &o) || o.Part != preservation.PartTSA) {
			t.Errorf("%s: %v", mood, err)
		}
		t.Log(mood, err)
	}
}

// scanned reports whether a scanner has seen every file of a submission.
func scanned(s status) (seen bool) {
	for _, e := range s.Steps {
		if e.Event == string(preservation.EventScan) {
			if e.Outcome != string(preservation.Success) {
				return false
			}
			seen = true
		}
	}
	return seen
}
