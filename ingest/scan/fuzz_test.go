package scan_test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/ingest/scan"
)

// FuzzAnswer has a daemon answer anything. Only one answer means clean.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"stream: OK", "stream: X FOUND", "stream: OK FOUND", "INSTREAM size limit exceeded. ERROR", "stream: Heuristics.Limits.Exceeded.MaxFiles FOUND", "", "\x00", "stream: OK\x00stream: X FOUND"} {
		f.Add(s)
	}
	socket := filepath.Join(f.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	answers := make(chan string, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 64)
			n, _ := c.Read(b)
			answer := "ClamAV 1.4"
			if !strings.HasPrefix(string(b[:n]), "zVERSION") {
				answer = <-answers
			}
			io.WriteString(c, answer+"\x00")
			c.(*net.UnixConn).CloseWrite()
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	s, err := scan.New(scan.Config{Address: "unix:" + socket, Timeout: time.Second})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		answers <- answer
		r, err := s.Scan(t.Context(), strings.NewReader("x"))
		select {
		case <-answers: // nobody asked
		default:
		}
		first, _, _ := strings.Cut(answer, "\x00")
		if clean := err == nil && r.Outcome == scan.Clean; clean != (strings.TrimSpace(first) == "stream: OK") {
			t.Errorf("%q: %+v %v", answer, r, err)
		}
	})
}
