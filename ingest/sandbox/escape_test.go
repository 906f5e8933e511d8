package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
)

const secret = "wunderkammerschluessel"

// surroundings are what a program must not reach: a secret file, one in the
// environment, sockets that count their visitors, and a process.
type surroundings struct {
	file, socket, abstract, port string
	parent                       int
	visited                      chan string
}

func surround(t *testing.T) surroundings {
	t.Helper()
	w := surroundings{file: filepath.Join(t.TempDir(), "catalog.sqlite"), parent: os.Getpid(), visited: make(chan string, 100)}
	if err := os.WriteFile(w.file, []byte(secret), 0o644); err != nil {
		t.Fatal(err)
	}
	w.socket = filepath.Join(filepath.Dir(w.file), "s3.sock")
	w.abstract = fmt.Sprintf("bestand-%d", w.parent)
	for network, address := range map[string]string{"unix": w.socket, "unix ": "@" + w.abstract, "tcp": "127.0.0.1:0"} {
		l, err := net.Listen(strings.TrimSpace(network), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if network == "tcp" {
			_, w.port, _ = net.SplitHostPort(l.Addr().String())
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				w.visited <- address
				c.Close()
			}
		}()
	}
	return w
}

// A program that was taken over tries to get out. Each script ends with 0 when
// it found a way.
func TestEscape(t *testing.T) {
	t.Setenv("BESTAND_SECRET", secret)
	s := isolated(t)
	w := surround(t)
	sleeper := exec.Command("sleep", "60") // a process of ours to be killed
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sleeper.Process.Kill(); err != nil {
			t.Errorf("another process was killed: %v", err)
		}
		sleeper.Wait()
	})
	connect := func(family, address string) string {
		return `perl -MSocket -e 'socket(S,` + family + `,SOCK_STREAM,0) && connect(S,` + address + `) or exit 1'`
	}
	call := func(names ...string) string { // by number, as perl's syscall wants it; 0 when it works
		return "perl -e '" + strings.Join(names, ";") + "'"
	}
	for _, tt := range []struct{ name, script string }{
		{"secret file", "cat " + w.file},
		{"secret file by a link", "ln -s " + w.file + " l && cat l"},
		{"secret file by a hard link", "ln " + w.file + " h"},
		{"secret file by the root of another process", "cat /proc/*/root" + w.file + " 2>/dev/null | grep ."},
		{"secret file by an open descriptor", "timeout 2 cat /proc/[0-9]*/fd/[3-9] 2>/dev/null </dev/null | grep " + secret},
		{"descriptors of ours", "ls /proc/self/fd | grep -v '^[0-3]$'"}, // 3: the listing itself
		{"folder of the secret", "ls " + filepath.Dir(w.file)},
		{"environment", "env | grep -i -e " + secret + " -e BESTAND"},
		{"environment of every process", "cat /proc/*/environ | tr '\\0' '\\n' | grep -e " + secret + " -e BESTAND"},
		{"command lines", "cat /proc/*/cmdline | tr '\\0' ' ' | grep -e '[s]leep.60' -e '[t]est.run'"},
		{"TCP", connect("AF_INET", "sockaddr_in("+w.port+",inet_aton(\"127.0.0.1\"))")},
		{"socket of the store", connect("AF_UNIX", `sockaddr_un("`+w.socket+`")`)},
		{"abstract socket", connect("AF_UNIX", `pack("S a*",1,"\0`+w.abstract+`")`)},
		{"raw packets", `perl -MSocket -e 'socket(S,17,SOCK_RAW,0) or exit 1'`},
		{"crypto sockets", `perl -MSocket -e 'socket(S,38,5,0) or exit 1'`},
		{"a link to the network", "ls /sys/class/net 2>/dev/null | grep -v '^lo$'"},
		{"kill the parent", fmt.Sprintf("kill -9 %d %d; exit 1", w.parent, sleeper.Process.Pid)},
		{"kill the first process", "kill -9 1; sleep 0.2; kill -0 1 && exit 1"},
		{"trace the first process", "strace -p 1 -e none 2>/dev/null & sleep 0.3; grep -q 'TracerPid:\t[1-9]' /proc/1/status"},
		{"memory of the first process", "dd if=/proc/1/mem of=m bs=1 count=1 skip=4194304 2>/dev/null && test -s m"},
		{"device node", "mknod m c 1 1 && cat m"},
		{"disks", "ls /dev | grep -e '^sd' -e '^vd' -e '^nvme' -e '^loop' -e '^mem$' -e '^kmsg$' -e '^kvm$' -e '^fuse$'"},
		{"kernel log", "dmesg | grep ."},
		{"kernel settings", ": >> /proc/sys/kernel/core_pattern || : >> /proc/sysrq-trigger || find /proc/sys -writable -type f 2>/dev/null | grep ."},
		{"priority", "nice -n -5 true 2>&1 | grep -v . && test $(nice -n -5 nice) -lt 0"},
		{"rights of files", "cp /bin/sh s && chmod u+s s && ./s -c 'cat /etc/shadow'"},
		{"mount", "mount -t tmpfs none /tmp"},
		{"new user", "unshare -U true"},
		{"file without a name", call("exit(syscall(319, my $n = \"x\", 0) < 0)")},
		{"ring of I/O", call("exit(syscall(425, 1, my $p = \"\\0\" x 200) < 0)")},
		{"keys of the kernel", call("exit(syscall(250, 0, -3, 1) < 0)")},
		{"write outside", "echo x > /usr/x || echo x > /etc/x || echo x > /x || echo x > /proc/x || echo x > /dev/x || echo x > " + filepath.Dir(w.file) + "/x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			res, err := s.Run(t.Context(), Command{Name: "bash", Args: []string{"-c", tt.script}, Dir: t.TempDir(), Stdout: &out, Limits: Limits{Wall: 20 * time.Second}})
			if err != nil {
				t.Fatal(err)
			}
			if res.ExitCode == 0 || strings.Contains(out.String()+res.Stderr, secret) {
				t.Errorf("it worked: %+v\n%s", res, out.String())
			}
		})
	}
	t.Cleanup(func() {
		select {
		case who := <-w.visited:
			t.Errorf("somebody came to %s", who)
		default:
		}
		if b, err := os.ReadFile(w.file); err != nil || string(b) != secret {
			t.Errorf("the secret is now %q, %v", b, err)
		}
	})
}

// What a program leaves behind can be read, copied and removed, whoever we are.
func TestLeftBehind(t *testing.T) {
	s := isolated(t)
	for _, tt := range []struct{ name, script, left string }{
		{"link", "ln -s /etc/passwd out.pdf; ln -s / d", ""},
		{"pipe", "mkfifo out.pdf", ""},
		{"socket", `perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un("s")) or die'`, ""},
		{"two names", "echo x > a; ln a b", "a"}, // the other one goes
		{"no rights", "echo x > out.pdf; chmod 0 out.pdf; mkdir -p d/e; echo y > d/e/f; chmod 0 d/e d; chmod 0 .", "d d/e d/e/f out.pdf"},
		{"rights of its own", "echo x > out.pdf; chmod 6777 out.pdf", "out.pdf"},
		{"link in a closed folder", "mkdir d; ln -s / d/l; chmod 0 d", "d"},
		{"odd names", `touch -- '-rf' $'a\nb' $'\xff' ' '`, "  -rf a\nb \xff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if res, err := s.Run(t.Context(), Command{Name: "bash", Args: []string{"-c", tt.script}, Dir: dir}); err != nil {
				t.Fatalf("%+v, %v", res, err)
			}
			var left []string
			err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
				if err != nil || p == dir {
					return err
				}
				st, err := d.Info()
				if err != nil {
					return err
				}
				if want := fs.FileMode(0o600); st.Mode()&want != want || !st.IsDir() && !st.Mode().IsRegular() || st.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
					t.Errorf("%s is %s", p, st.Mode())
				}
				rel, err := filepath.Rel(dir, p)
				left = append(left, rel)
				return err
			})
			if got := strings.Join(left, " "); err != nil || got != tt.left {
				t.Errorf("left %q, want %q, %v", got, tt.left, err)
			}
		})
	}
	t.Run("deep folders", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		res, err := s.Run(t.Context(), perlIn(dir, `mkdir "kept"; for (1..3000) { mkdir "d" x 50; chdir "d" x 50 or die } symlink "/", "l"; chmod 0, "."`))
		if err != nil {
			t.Fatalf("%+v, %v", res, err)
		}
		deepest, kept := 0, false
		err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			deepest, kept = max(deepest, strings.Count(p[len(dir):], "/")), kept || d.Name() == "kept"
			return err
		})
		if err != nil || deepest > tidyDepth || !kept {
			t.Errorf("%d levels, %v, the others kept: %t", deepest, err, kept)
		}
	})
}

func perlIn(dir, program string) Command {
	c := perl(program)
	c.Dir = dir
	return c
}

// Ways to use up a machine, beyond those of TestLimits. Each ends soon, by the
// name of its limit, and takes little more than it.
func TestExhaustion(t *testing.T) {
	s := isolated(t)
	const most = 64 << 20
	wide := Limits{Memory: most, FileSize: 8 << 20, Output: 1 << 20, Processes: 20, CPU: time.Second, Wall: 2 * time.Second}
	for _, tt := range []struct {
		name string
		c    Command
		want string // "" when the attempt comes to nothing
	}{
		{"fork bomb", Command{Name: "bash", Args: []string{"-c", ":(){ :|:& };:; exec sleep 9"}}, LimitProcesses},
		{"daemons", perl(`while (1) { if (!fork) { setpgrp; exec "sh", "-c", "sleep 9 & exit" } }`), LimitProcesses},
		{"memory in /tmp", perl(`for (1..20) { open F, ">", "/tmp/f$_"; print F "x" x (7<<20); close F } sleep 20`), LimitMemory},
		{"memory in /dev/shm", perl(`for (1..20) { open F, ">", "/dev/shm/f$_"; print F "x" x (7<<20); close F } sleep 20`), LimitMemory},
		{"empty files", perl(`$i = 0; while (1) { $i++; open F, ">", "f$i" or next; close F }`), LimitFileSize},
		{"folders", perl(`$i = 0; while (1) { mkdir "d".$i++ }`), LimitFileSize},
		{"folders in folders", perl(`while (1) { mkdir "d" x 200; chdir "d" x 200 }`), LimitFileSize},
		{"sparse file", perl(`open F, ">", "f"; seek F, 1<<40, 0; print F "x"; close F; exit 1`), LimitFileSize},
		{"sleeping for ever", perl(`sleep 1000`), LimitWall},
		{"deaf", perl(`$SIG{$_} = "IGNORE" for keys %SIG; while (1) { sleep 1 }`), LimitWall},
		{"stopped", perl(`kill "STOP", $$`), LimitWall},
		{"spinning", perl(`fork; while (1) {}`), LimitCPU},
		{"sleeping while children spin", perl(`for (1..3) { if (!fork) { $SIG{XCPU} = "IGNORE"; while (1) {} } } sleep 100`), LimitCPU},
		{"endless output", perl(`print "x" x 65536 while 1`), LimitOutput},
		{"endless complaints", perl(`print STDERR "x" x 65536 while 1`), LimitCPU},
		{"does not read", perl(`close STDIN; sleep 1000`), LimitWall},
		{"many descriptors", perl(`my @f; while (1) { open my $f, "<", "/dev/null" or exit 3; push @f, $f }`), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.Dir, tt.c.Limits = t.TempDir(), wide
			if tt.want == LimitFileSize { // to make so many takes some machines more than a second
				tt.c.Limits.CPU, tt.c.Limits.Wall = 20*time.Second, 20*time.Second
			}
			tt.c.Stdin = strings.NewReader(strings.Repeat("x", 1<<20))
			start := time.Now()
			res, err := s.Run(t.Context(), tt.c)
			if errors.Is(err, preservation.ErrUnavailable) && res.Limit == LimitWall {
				t.Skipf("the machine is too busy to tell: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			first := res.Limit == LimitWall || res.Limit == LimitMemory && tt.want == LimitProcesses // on a busy machine
			if res.Limit != tt.want && (tt.want == "" || !first) {
				t.Errorf("%+v, want limit %q", res, tt.want)
			}
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("took %s", d)
			}
			if res.MaxRSS > 3*most {
				t.Errorf("%d MiB, limit %d", res.MaxRSS>>20, most>>20)
			}
			if err := os.RemoveAll(tt.c.Dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// The end of the context ends the most stubborn program too.
func TestCancelled(t *testing.T) {
	s := isolated(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := s.Run(ctx, perlIn(t.TempDir(), `$SIG{$_} = "IGNORE" for keys %SIG; fork; fork; require POSIX; POSIX::setsid(); while (1) { sleep 1 }`))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}
