package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"bestand/preservation"
)

// Isolation names what separates programs from the machine, strongest first.
type Isolation string

const (
	// Bubblewrap: own file system, network, processes and users.
	Bubblewrap Isolation = "bubblewrap"
	// Unshare: no network and own processes, but the machine's files are readable as far as their modes allow.
	Unshare Isolation = "unshare (files are not hidden)"
	// RlimitsOnly: nothing but limits. Enough to try things out, not for production.
	RlimitsOnly Isolation = "resource limits only (no isolation)"
)

// home is the private HOME and TMPDIR of one run.
type home struct {
	path  string
	files []*os.File // descriptors 3, 4, … of the wrapper
	close func()
}

// New finds out what the machine allows, by trying it.
func New(ctx context.Context) (*Sandbox, error) {
	prlimit, err := LookPath("prlimit")
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if err := keepDescriptors(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	groups := newGroups()
	s := &Sandbox{groups: groups, isolation: RlimitsOnly, prlimit: prlimit, wrap: func(Command, Limits, home) []string { return nil }}
	if bwrap, err := LookPath("bwrap"); err == nil {
		calls, err := callFilter()
		if err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		for _, strict := range []bool{true, false} { // older kernels and bubblewraps lack --disable-userns
			b := bubblewrap{program: bwrap, strict: strict, binds: systemBinds()}
			t := &Sandbox{isolation: Bubblewrap, prlimit: prlimit, wrap: b.args, calls: calls, groups: groups}
			if ok, err := t.works(ctx); ok || err != nil {
				return t, err
			}
		}
	}
	if unshare, err := LookPath("unshare"); err == nil {
		base := []string{unshare, "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"}
		for _, users := range [][]string{{"--user", "--map-root-user"}, nil} {
			args := append(base[:len(base):len(base)], users...)
			args = append(args, "--")
			t := &Sandbox{groups: groups, isolation: Unshare, prlimit: prlimit, wrap: func(Command, Limits, home) []string { return args[:len(args):len(args)] }}
			if ok, err := t.works(ctx); ok || err != nil {
				return t, err
			}
		}
	}
	return s, nil
}

// keepDescriptors keeps what this process was started with from its children.
// Files that Go opens do not pass on, but those that it inherited do.
func keepDescriptors() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, d := range open {
		if n, err := strconv.Atoi(d.Name()); err == nil && n > 2 {
			syscall.CloseOnExec(n)
		}
	}
	return nil
}

// works tries the isolation on a program that does nothing. The error says that the
// machine is in no state to tell: a weaker isolation must not come of that.
func (s *Sandbox) works(ctx context.Context) (bool, error) {
	dir, err := os.MkdirTemp("", "sandbox-probe-")
	if err != nil {
		return false, fmt.Errorf("sandbox: %w", err)
	}
	defer os.RemoveAll(dir)
	res, err := s.Run(ctx, Command{Name: "true", Dir: dir})
	if errors.Is(err, preservation.ErrUnavailable) || ctx.Err() != nil {
		return false, fmt.Errorf("sandbox: %w", err)
	}
	return err == nil && res.OK(), nil
}

// home makes a place for a program's own files. With bubblewrap it is on a
// private file system that vanishes with the process; without, in the job's
// folder, removed at the end.
func (s *Sandbox) home(dir string) (home, error) {
	if s.isolation != Bubblewrap {
		p, err := os.MkdirTemp(dir, ".home-")
		if err != nil {
			return home{}, err
		}
		return home{path: p, close: func() { os.RemoveAll(p) }}, nil
	}
	// Some programs refuse to run without a name for their user. The names of the
	// machine's users are none of their business.
	users, err := pipeOf(fmt.Appendf(nil, "job:x:%d:%d::%s:/bin/sh\n", insideID, insideID, insideHome))
	if err != nil {
		return home{}, err
	}
	calls, err := pipeOf(s.calls)
	if err != nil {
		users.Close()
		return home{}, err
	}
	return home{path: insideHome, files: []*os.File{users, calls}, close: func() { users.Close(); calls.Close() }}, nil
}

const (
	insideID   = 1000
	insideHome = "/tmp/home"
	tmpSize    = 512 << 20 // bytes of /tmp, which is memory
)

type bubblewrap struct {
	program string
	strict  bool // no further user namespaces inside
	binds   []string
}

// systemBinds lists what programs see of the machine: the system's software
// and its settings, nothing that belongs to anybody.
func systemBinds() []string {
	args := []string{"--ro-bind", "/usr", "/usr"}
	for _, p := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		if to, err := os.Readlink(p); err == nil {
			args = append(args, "--symlink", to, p)
		} else if _, err := os.Stat(p); err == nil {
			args = append(args, "--ro-bind", p, p)
		}
	}
	settings := []string{
		"/etc/alternatives", "/etc/fonts", "/etc/ghostscript", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
		"/etc/libreoffice", "/etc/localtime", "/etc/mime.types", "/etc/papersize", "/etc/paperspecs", "/etc/perl",
		"/var/cache/fontconfig", "/var/lib/ghostscript",
	}
	java, _ := filepath.Glob("/etc/java-*") // the pattern is well-formed
	for _, p := range append(settings, java...) {
		args = append(args, "--ro-bind-try", p, p)
	}
	return args
}

// args isolates everything that bubblewrap can. Order matters: later mounts cover earlier ones.
func (b bubblewrap) args(c Command, l Limits, h home) []string {
	id := strconv.Itoa(insideID)
	tmp := tmpSize
	if l.Memory > 0 {
		tmp = int(min(tmpSize, l.Memory))
	}
	args := []string{b.program,
		"--unshare-all", "--unshare-user", "--die-with-parent",
		"--uid", id, "--gid", id, "--hostname", "job", "--cap-drop", "ALL", "--seccomp", "4",
	}
	if b.strict {
		args = append(args, "--disable-userns")
	}
	args = append(args, b.binds...)
	args = append(args, "--ro-bind-data", "3", "/etc/passwd",
		"--proc", "/proc",
		"--dev", "/dev", "--size", strconv.Itoa(tmp), "--tmpfs", "/dev/shm",
		"--size", strconv.Itoa(tmp), "--tmpfs", "/tmp", "--dir", insideHome)
	for _, p := range c.Read {
		args = append(args, "--ro-bind", p, p)
	}
	// To root's service, the settings of the kernel belong in there as well: read-only.
	args = append(args, "--bind", c.Dir, c.Dir, "--chdir", c.Dir,
		"--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--")
	return args
}

// Version says which program isolates, for the doctor: its name and version.
func (s *Sandbox) Version(ctx context.Context) string {
	if s.isolation != Bubblewrap {
		return string(s.isolation)
	}
	bwrap, err := LookPath("bwrap")
	if err != nil {
		return string(s.isolation)
	}
	out, err := exec.CommandContext(ctx, bwrap, "--version").Output()
	if err != nil {
		return string(s.isolation)
	}
	return string(bytes.TrimSpace(out))
}
