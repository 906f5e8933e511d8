package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bestand/ingest/verapdf"
)

// The tests start the program itself: this test binary, called with the name of
// a command where go test would pass flags, is bestand. So are the children
// that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		os.Exit(m.Run())
	}
	switch step := os.Getenv(killVariable); {
	case os.Getenv(clockVariable) != "" && (os.Args[1] == "serve" || os.Args[1] == "clock"):
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if err := runShifted(ctx, os.Getenv(clockVariable), os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Args[1] == "serve" && step != "":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if err := serveUntil(ctx, step, os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		profiled(main)
	}
}

// profileVariable names in the environment a folder in which the service leaves
// what it spent processor time on.
const profileVariable = "BESTAND_TEST_PROFILE"

func profiled(run func()) {
	dir := os.Getenv(profileVariable)
	if dir == "" || os.Args[1] != "serve" {
		run()
		return
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("cpu-%d.pprof", os.Getpid())))
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		panic(err)
	}
	defer pprof.StopCPUProfile()
	run()
}

// tool returns the path of a foreign program. Without it the test is skipped,
// or fails where the environment promises all of them.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is missing", name)
		}
		t.Skipf("%s is missing: what it would check is unchecked", name)
	}
	return path
}

// converters skips a test that needs every converter and the validator.
func converters(t testing.TB) {
	t.Helper()
	for _, p := range programs {
		tool(t, p.command)
	}
	if err := verapdf.New(verapdf.Config{}).Installed(); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// installation is a data folder and the program that serves it.
type installation struct {
	dir   string
	flags []string // of serve, besides folder and address
	env   []string
	via   []string // command that starts the program, if not by itself

	cmd   *exec.Cmd
	url   string
	log   *logText
	ended chan struct{} // closed when the program has ended

	proof map[string]bool // keys of what stays of destroyed records
}

// install makes an empty data folder. What serves it in the end is stopped.
func install(t testing.TB, flags ...string) *installation {
	t.Helper()
	in := &installation{dir: t.TempDir(), flags: flags, log: &logText{}}
	t.Cleanup(func() {
		if in.cmd != nil {
			in.stop(t)
		}
		if t.Failed() {
			t.Logf("log of the service:\n%s", in.log.tail(60))
		}
	})
	return in
}

// serve starts the program and returns when it is ready.
func (in *installation) serve(t testing.TB) *installation {
	t.Helper()
	in.start(t)
	if status := in.readiness(t); status != "200 OK" {
		t.Fatalf("readyz: %s", status)
	}
	return in
}

// readiness waits until the program listens and returns the status of /readyz.
func (in *installation) readiness(t testing.TB) string {
	t.Helper()
	select {
	case in.url = <-in.log.ready:
	case <-in.ended:
		t.Fatalf("the service ended before it was ready:\n%s", in.log.tail(30))
	case <-time.After(time.Minute):
		t.Fatal("the service is not ready after a minute")
	}
	resp, err := http.Get(in.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Status
}

func (in *installation) start(t testing.TB) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(in.via[:len(in.via):len(in.via)], self, "serve", "--data", in.dir, "--listen", "127.0.0.1:0", "--log-json")
	args = append(args, in.flags...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), in.env...)
	in.log.ready = make(chan string, 1)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = in.log, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, read := make(chan struct{}), make(chan struct{})
	go func() {
		in.log.read(r)
		close(read)
	}()
	go func() {
		cmd.Wait()
		w.Close()
		<-read
		close(ended)
	}()
	in.cmd, in.ended = cmd, ended
}

// stop asks the program to end, and wants it to end well.
func (in *installation) stop(t testing.TB) {
	t.Helper()
	in.cmd.Process.Signal(syscall.SIGTERM)
	if code := in.wait(t, 45*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, in.log.tail(15))
	}
}

// kill ends the program without a warning.
func (in *installation) kill(t testing.TB) {
	t.Helper()
	in.cmd.Process.Kill()
	in.wait(t, 10*time.Second)
}

// lose removes from the data folder of an installation that is stopped what fits patterns,
// of which the first fits something.
func (in *installation) lose(t testing.TB, patterns ...string) {
	t.Helper()
	for n, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(in.dir, pattern))
		if err != nil || n == 0 && len(found) == 0 {
			t.Fatal(pattern, found, err)
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wait returns the exit code of the program, -1 after a signal.
func (in *installation) wait(t testing.TB, atMost time.Duration) int {
	t.Helper()
	cmd := in.cmd
	select {
	case <-in.ended:
	case <-time.After(atMost):
		cmd.Process.Signal(syscall.SIGQUIT)
		time.Sleep(time.Second)
		cmd.Process.Kill()
		<-in.ended
		t.Errorf("the service did not end within %s:\n%s", atMost, in.log.tail(80))
	}
	in.cmd = nil
	return cmd.ProcessState.ExitCode()
}

// admin acts with the first administrator's token.
func (in *installation) admin(t *testing.T) *caller {
	t.Helper()
	token, err := readSecret(filepath.Join(in.dir, tokenFile))
	if err != nil {
		t.Fatal(err)
	}
	return &caller{T: t, url: in.url, token: token}
}

// program runs another command of the program and returns what it printed.
func program(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), complaint.String(), cmd.ProcessState.ExitCode()
}

// logText is what the service said, to be read while it goes on.
type logText struct {
	ready chan string  // its address, when it is ready
	store atomic.Int64 // process of its object store

	mu    sync.Mutex
	lines []string
}

func (l *logText) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var e struct {
			Msg, Address string
			PID          int
		}
		if json.Unmarshal(s.Bytes(), &e) == nil && e.Msg == "ready" {
			l.ready <- "http://" + e.Address
		}
		if e.Msg == "object store listens" {
			l.store.Store(int64(e.PID))
		}
		l.Write(s.Bytes())
	}
	io.Copy(io.Discard, r)
}

// Write implements io.Writer.
func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

// count tells how many lines hold a text.
func (l *logText) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// tail returns the last lines but those of requests that went well.
func (l *logText) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, line := range l.lines {
		if !strings.Contains(line, `"msg":"request"`) || strings.Contains(line, `"status":5`) {
			out = append(out, line)
		}
	}
	return strings.Join(out[max(0, len(out)-n):], "\n")
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
