package scan_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/ingest/scan"
)

// The EICAR test string, in two halves so that scanners leave this file alone.
var eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// daemon starts a real clamd with a database of one signature.
func daemon(t *testing.T, more string) *scan.Scanner {
	t.Helper()
	clamd, err := exec.LookPath("clamd")
	if err != nil {
		clamd = "/usr/sbin/clamd"
	}
	if _, err := os.Stat(clamd); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal("clamd is not installed")
		}
		t.Skip("clamd is not installed")
	}
	dir, err := os.MkdirTemp("/tmp", "scan") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	db := filepath.Join(dir, "db")
	if err := os.Mkdir(db, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("db/test.ndb", "Eicar-Test:0:*:"+hex.EncodeToString([]byte(eicar))+"\n")
	write("clamd.conf", fmt.Sprintf("Foreground yes\nLocalSocket %s\nDatabaseDirectory %s\nStreamMaxLength 1M\nMaxThreads 2\nConcurrentDatabaseReload no\nLogFile %s/log\nTemporaryDirectory %s\n%s\n", socket, db, dir, dir, more))
	cmd := exec.Command(clamd, "--config-file="+filepath.Join(dir, "clamd.conf"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	s, err := scan.New(scan.Config{Address: "unix:" + socket, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if _, err = s.Version(context.Background()); err == nil {
			return s
		}
		time.Sleep(100 * time.Millisecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	t.Fatalf("clamd does not answer: %v\n%s", err, out.String())
	return nil
}

// TestLimits: a daemon that keeps its limits for itself is known as one.
func TestLimits(t *testing.T) {
	for more, want := range map[string]bool{"AlertExceedsMax yes": true, "": false} {
		if tells, err := daemon(t, more).TellsLimits(t.Context()); err != nil || tells != want {
			t.Errorf("%q: %v %v", more, tells, err)
		}
	}
}

func TestDaemon(t *testing.T) {
	s := daemon(t, "MaxFileSize 500K\nAlertExceedsMax yes")
	for _, c := range []struct {
		name string
		r    io.Reader
		want scan.Result
	}{
		{"clean", strings.NewReader("hallo"), scan.Result{Outcome: scan.Clean}},
		{"empty", strings.NewReader(""), scan.Result{Outcome: scan.Clean}},
		{"several chunks", io.LimitReader(zeros{}, 300<<10), scan.Result{Outcome: scan.Clean}},
		{"more than it reads", strings.NewReader(strings.Repeat("x", 600<<10) + eicar), scan.Result{Outcome: scan.NotScanned, Reason: scan.Limits, Signature: "Heuristics.Limits.Exceeded.MaxFileSize"}},
		{"infected", strings.NewReader(eicar), scan.Result{Outcome: scan.Infected, Signature: "Eicar-Test.UNOFFICIAL"}},
		{"too large", io.LimitReader(zeros{}, 3<<20), scan.Result{Outcome: scan.NotScanned, Reason: scan.TooLarge}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := s.Scan(context.Background(), c.r)
			if err != nil {
				t.Fatal(err)
			}
			if got.Agent.Name != "ClamAV" || got.Agent.Version == "" {
				t.Errorf("agent %+v", got.Agent)
			}
			if got.Outcome != c.want.Outcome || got.Signature != c.want.Signature || got.Reason != c.want.Reason {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if (len(got.Findings()) == 0) != (got.Outcome == scan.Clean) {
				t.Errorf("findings %v", got.Findings())
			}
		})
	}
	t.Run("source fails", func(t *testing.T) {
		broken := errors.New("disk gone")
		if _, err := s.Scan(context.Background(), io.MultiReader(strings.NewReader("x"), failing{broken})); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestNotConfigured(t *testing.T) {
	s, err := scan.New(scan.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Scan(context.Background(), strings.NewReader(eicar))
	if err != nil || r.Outcome != scan.NotScanned || r.Reason != scan.NotConfigured || len(r.Findings()) != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestAddress(t *testing.T) {
	for _, a := range []string{"localhost:3310", "/run/clamd", "unix:", "udp:h:1"} {
		if _, err := scan.New(scan.Config{Address: a}); err == nil {
			t.Errorf("%q taken", a)
		}
	}
}

// A daemon that is down, silent or talks nonsense is an error, never "clean".
func TestNoVerdict(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"hangs up": func(c net.Conn) { c.Close() },
		"silent":   func(c net.Conn) { io.Copy(io.Discard, c) },
		"nonsense": func(c net.Conn) { io.WriteString(c, "stream: maybe OK\x00"); io.Copy(io.Discard, c) },
		"endless":  func(c net.Conn) { go io.Copy(io.Discard, c); io.Copy(c, zerosButNoNUL{}) },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go answer(c)
				}
			}()
			s, err := scan.New(scan.Config{Address: "tcp:" + l.Addr().String(), Timeout: 300 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if r, err := s.Scan(context.Background(), strings.NewReader("x")); err == nil {
				t.Errorf("got %+v", r)
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := s.Scan(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type zerosButNoNUL struct{}

func (zerosButNoNUL) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
