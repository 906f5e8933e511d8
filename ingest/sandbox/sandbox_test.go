package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
)

// open returns a sandbox, isolated as this machine allows.
func open(t *testing.T) *Sandbox {
	t.Helper()
	s, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("isolation: %s", s.Isolation())
	return s
}

// isolated is open, but only where programs are really shut in.
func isolated(t *testing.T) *Sandbox {
	t.Helper()
	s := open(t)
	if s.Isolation() != Bubblewrap {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatalf("want bubblewrap, have %q", s.Isolation())
		}
		t.Skipf("needs bubblewrap, have %q", s.Isolation())
	}
	return s
}

func perl(program string, args ...string) Command {
	return Command{Name: "perl", Args: append([]string{"-e", program}, args...)}
}

func TestRun(t *testing.T) {
	s := open(t)
	dir := t.TempDir()
	var out, errs bytes.Buffer
	c := Command{
		Name: "sh", Args: []string{"-c", `cat; echo "$LANG $TZ $EXTRA" >&2; echo hello > out.txt; pwd; echo x > "$HOME/x" && echo y > "$TMPDIR/y" && exit 3`},
		Dir: dir, Env: []string{"EXTRA=1"}, Stdin: strings.NewReader("in\n"), Stdout: &out, Stderr: &errs,
	}
	res, err := s.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if res.ExitCode != 3 || res.Limit != "" || res.OK() {
		t.Errorf("result %+v", res)
	}
	if want := "in\n" + dir + "\n"; out.String() != want {
		t.Errorf("stdout %q, want %q", out.String(), want)
	}
	if want := "C.UTF-8 Europe/Berlin 1\n"; errs.String() != want || res.Stderr != want {
		t.Errorf("stderr %q, tail %q, want %q", errs.String(), res.Stderr, want)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "out.txt")); err != nil || string(b) != "hello\n" {
		t.Errorf("file in the job's folder: %q, %v", b, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left in the job's folder: %v, %v", left, err)
	}
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "crowded" {
		if err := crowdedMain(context.Background()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "child" {
		_, err := os.Stat("/root/.") // hidden from the child, or not there at all
		fmt.Print("child ", err != nil)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestSelf(t *testing.T) {
	s := isolated(t)
	var out bytes.Buffer
	res, err := s.Run(t.Context(), Command{Name: Self, Args: []string{"child"}, Dir: t.TempDir(), Stdout: &out})
	if err != nil || !res.OK() || out.String() != "child true" {
		t.Errorf("%+v, %v, output %q", res, err, out.String())
	}
}

func TestMissing(t *testing.T) {
	s := open(t)
	_, err := s.Run(t.Context(), Command{Name: "no-such-program-here", Dir: t.TempDir()})
	if !errors.Is(err, ErrMissing) {
		t.Errorf("error %v, want ErrMissing", err)
	}
	for _, name := range []string{"", "/bin/true", "../true"} {
		if _, err := s.Run(t.Context(), Command{Name: name, Dir: t.TempDir()}); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
	for _, dir := range []string{"", "relative", "/", t.TempDir() + "/x/.."} {
		if _, err := s.Run(t.Context(), Command{Name: "true", Dir: dir}); err == nil {
			t.Errorf("folder %q was accepted", dir)
		}
	}
}

func TestNoNetwork(t *testing.T) {
	s := isolated(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := make(chan struct{}, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			seen <- struct{}{}
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	connect := fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", port)
	res, err := s.Run(t.Context(), Command{Name: "bash", Args: []string{"-c", connect}, Dir: t.TempDir()})
	if err != nil || res.ExitCode == 0 {
		t.Errorf("connecting: %+v, %v", res, err)
	}
	select {
	case <-seen:
		t.Error("the listener saw a connection")
	case <-time.After(100 * time.Millisecond):
	}
}

func TestFilesHidden(t *testing.T) {
	s := isolated(t)
	dir, secret, lent := t.TempDir(), filepath.Join(t.TempDir(), "secret"), filepath.Join(t.TempDir(), "lent")
	for _, p := range []string{secret, lent} {
		if err := os.WriteFile(p, []byte("Geheimnis"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, script string
		ok           bool
	}{
		{"secret", "cat " + secret, false},
		{"secret by link", "cat link", false},
		{"secret by parent's root", "cat /proc/1/root" + secret, false},
		{"lent file", "cat " + lent, true},
		{"write lent file", "echo x > " + lent, false},
		{"write /usr", "echo x > /usr/x", false},
		{"write /etc", "echo x > /etc/x", false},
		{"write /", "echo x > /x", false},
		{"write /dev", "echo x > /dev/x", false},
		{"shadow", "cat /etc/shadow", false},
		{"home folders", "ls /root /home | grep .", false},
		{"other processes", "test $(ls -d /proc/[0-9]* | wc -l) -gt 8", false},
		{"own folder", "echo x > mine && cat mine", true},
		{"new user namespace", "unshare --user true", false},
		{"mount", "mount -t tmpfs none /tmp", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			res, err := s.Run(t.Context(), Command{Name: "sh", Args: []string{"-c", tt.script}, Dir: dir, Read: []string{lent}, Stdout: &out})
			if err != nil {
				t.Fatal(err)
			}
			if (res.ExitCode == 0) != tt.ok {
				t.Errorf("exit code %d, output %q, %s", res.ExitCode, out.String(), res.Stderr)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	s := open(t)
	touch := `my @a; while (1) { push @a, "x" x (1<<20) }`
	spin := `while (1) {}`
	tests := []struct {
		name   string
		c      Command
		limits Limits
		want   string
	}{
		{"memory", perl(touch), Limits{Memory: 100 << 20}, LimitMemory},
		{"memory of children together", perl(`for (1..4) { if (!fork) { my $x = "x" x (60<<20); sleep 90; exit } } sleep 90`), Limits{Memory: 150 << 20}, LimitMemory},
		{"cpu", perl(spin), Limits{CPU: time.Second}, LimitCPU},
		{"cpu of a child", perl(`if (!fork) { while (1) {} } wait; exit 7`), Limits{CPU: time.Second}, LimitCPU},
		{"cpu of children together", perl(`for (1..4) { if (!fork) { while (1) {} } } sleep 90`), Limits{CPU: time.Second}, LimitCPU},
		{"wall", perl(`sleep 90`), Limits{Wall: 200 * time.Millisecond}, LimitWall},
		{"filesize", perl(`open F, ">", "big"; print F "x" x (1<<20) while 1`), Limits{FileSize: 5 << 20}, LimitFileSize},
		{"filesize of a child", perl(`system "perl", "-e", 'open F, ">", "big"; print F "x" x (1<<20) while 1'; exit 1`), Limits{FileSize: 5 << 20}, LimitFileSize},
		{"filesize, signal ignored", perl(`$SIG{XFSZ} = "IGNORE"; open F, ">", "big"; print F "x" x (1<<20) for 1..20; close F; exit 0`), Limits{FileSize: 5 << 20}, LimitFileSize},
		{"many files", perl(`for my $i (1..100) { open F, ">", "f$i"; print F "x" x (1<<20); close F } sleep 90`), Limits{FileSize: 5 << 20}, LimitFileSize},
		{"output", perl(`print "x" x 4096 while 1`), Limits{Output: 1 << 20}, LimitOutput},
		{"processes", perl(`for (1..30) { fork or do { sleep 90; exit } } sleep 90`), Limits{Processes: 10}, LimitProcesses},
		{"none", perl(`print "x" x 4096; my $x = "x" x (10<<20)`), Limits{Memory: 100 << 20, Output: 4096, FileSize: 1 << 20}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tt.c.Dir, tt.c.Limits, tt.c.Stdout = t.TempDir(), tt.limits, &out
			if tt.limits.Wall == 0 {
				tt.c.Limits.Wall = time.Minute
			}
			start := time.Now()
			res, err := s.Run(t.Context(), tt.c)
			if errors.Is(err, preservation.ErrUnavailable) {
				t.Skipf("the machine is too busy to tell: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if res.Limit != tt.want || res.OK() != (tt.want == "") {
				t.Errorf("result %+v, want limit %q", res, tt.want)
			}
			if d := time.Since(start); d > 55*time.Second {
				t.Errorf("took %s", d)
			}
			if l := tt.limits.Output; l > 0 && int64(out.Len()) > l {
				t.Errorf("%d bytes of output, limit %d", out.Len(), l)
			}
			if tt.want == LimitMemory && res.MaxRSS > 4*tt.limits.Memory {
				t.Errorf("used %d bytes before it was stopped, limit %d", res.MaxRSS, tt.limits.Memory)
			}
		})
	}
}

// A program's descendants must not outlive it, however they try.
func TestTreeKilled(t *testing.T) {
	s := isolated(t)
	daemon := `if (!fork) { require POSIX; POSIX::setsid(); if (!fork) { while (1) { open F, ">>", "beat"; print F "x"; close F; select undef, undef, undef, 0.02 } } exit } wait;`
	tests := []struct {
		name    string
		program string
		cancel  bool
	}{
		{"it ends itself", daemon + `select undef, undef, undef, 0.02 until -s "beat"`, false},
		{"time-out", daemon + `sleep 20`, false},
		{"cancelled", daemon + `sleep 60`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := perl(tt.program)
			c.Dir, c.Limits.Wall = dir, 3*time.Second
			if tt.cancel {
				c.Limits.Wall = time.Minute
				go func() { // ends with the test
					for ctx.Err() == nil {
						if _, err := os.Stat(filepath.Join(dir, "beat")); err == nil {
							cancel()
						}
						time.Sleep(10 * time.Millisecond)
					}
				}()
			}
			_, err := s.Run(ctx, c)
			if tt.cancel != errors.Is(err, context.Canceled) {
				t.Fatalf("error %v", err)
			}
			size := func() int64 {
				st, err := os.Stat(filepath.Join(dir, "beat"))
				if err != nil {
					t.Fatal("the descendant never ran: ", err)
				}
				return st.Size()
			}
			before := size()
			time.Sleep(200 * time.Millisecond)
			if after := size(); after != before {
				t.Error("a descendant still runs")
			}
		})
	}
}

// The weaker kinds of isolation keep the limits too.
func TestFallback(t *testing.T) {
	strong := open(t)
	s := &Sandbox{isolation: RlimitsOnly, prlimit: strong.prlimit, wrap: func(Command, Limits, home) []string { return nil }}
	dir := t.TempDir()
	c := perl(`my @a; while (1) { push @a, "x" x (1<<20) }`)
	c.Dir, c.Limits = dir, Limits{Memory: 100 << 20, Wall: 10 * time.Second}
	res, err := s.Run(t.Context(), c)
	if err != nil || res.Limit != LimitMemory {
		t.Errorf("%+v, %v", res, err)
	}
	c = Command{Name: "sh", Args: []string{"-c", `sleep 20 & sleep 20`}, Dir: dir, Limits: Limits{Wall: 200 * time.Millisecond}}
	start := time.Now()
	if res, err = s.Run(t.Context(), c); err != nil || res.Limit != LimitWall {
		t.Errorf("%+v, %v", res, err)
	}
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("took %s: the background process was not killed", d)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What the programs of one piece of work take is added up, and is not what the
// program that starts them takes.
func TestUsage(t *testing.T) {
	s := open(t)
	ballast := bytes.Repeat([]byte("x"), 200<<20)
	ctx, used := Measured(t.Context())
	for range 2 {
		c := perl(`my $x = "x" x 40_000_000; select undef, undef, undef, 0.3`)
		c.Dir = t.TempDir()
		if _, err := s.Run(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if runs, _, peak := used.Total(); runs != 2 || peak < 40_000_000 || peak > int64(len(ballast)) {
		t.Errorf("%d runs, %d bytes", runs, peak)
	}
}
