package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bestand/preservation"
)

// ErrMissing says that a program is not installed: the work can be done once it is.
var ErrMissing = errors.New("program not installed")

// ErrKilled says that somebody else ended the program by a signal: an operator,
// the kernel when the machine ran out of memory, a stop of all processes at once.
// That tells nothing of its input, and whatever it wrote is of no use: run it again.
var ErrKilled = errors.New("program was killed from outside")

// Limits bounds one run. A zero field takes the default, a negative one lifts the limit.
type Limits struct {
	Memory    int64         // bytes of RAM of all processes together; default 1 GiB
	CPU       time.Duration // processor time of all processes together; default 60 s
	Wall      time.Duration // for what the others do not end; default 15 min
	Idle      time.Duration // with noteworthy use of a processor neither made nor waited for; default 1 min
	FileSize  int64         // bytes of the largest file, and four times as much for all of them; default 512 MiB
	Output    int64         // bytes of standard output, and of standard error; default 16 MiB
	Processes int           // processes at a time; default 128
}

// The defaults are taken for the fields of Limits that are zero.
var defaultLimits = Limits{
	Memory: 1 << 30, CPU: time.Minute, Wall: 15 * time.Minute, Idle: time.Minute,
	FileSize: 512 << 20, Output: 16 << 20, Processes: 128,
}

func (l Limits) withDefaults() Limits {
	d := defaultLimits
	return Limits{
		Memory: or(l.Memory, d.Memory), CPU: or(l.CPU, d.CPU), Wall: or(l.Wall, d.Wall),
		Idle: or(l.Idle, d.Idle), FileSize: or(l.FileSize, d.FileSize), Output: or(l.Output, d.Output), Processes: or(l.Processes, d.Processes),
	}
}

func or[T int | int64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// Names of limits in Result.Limit.
const (
	LimitMemory    = "memory"
	LimitCPU       = "cpu"
	LimitWall      = "wall"
	LimitIdle      = "idle"
	LimitFileSize  = "filesize"
	LimitOutput    = "output"
	LimitProcesses = "processes"
)

// Command is one run of a program. No name that a sender chose may stand in
// it: callers copy inputs into Dir under neutral names.
type Command struct {
	Name   string   // program, looked up in the system's folders only; or Self
	Args   []string //
	Dir    string   // absolute: the job's folder, the only writable place, seen at the same path
	Read   []string // absolute: further files and folders it may read, seen at the same path
	Env    []string // added to PATH, HOME, TMPDIR, LANG=C.UTF-8 and TZ
	Stdin  io.Reader
	Stdout io.Writer // ends after Limits.Output bytes, and the program with it
	Stderr io.Writer // cut silently after Limits.Output bytes
	Limits Limits
	// Laps is for a program that works on one thing after the other: true begins a
	// lap, false ends it. Limits.CPU, Wall and Idle then hold for each lap; without
	// one only processor time is limited. Nobody receives after the end of the program.
	Laps <-chan bool
}

// lifetime is how many times Limits.CPU a process may use that works in laps.
const lifetime = 10

// Self is the Name of the running executable: for libraries of our own that
// had better read hostile input in a process apart.
const Self = "(self)"

// Result says how a run ended. A program that fails is a Result, not an error.
type Result struct {
	ExitCode int           // 128+n when signal n ended it
	Limit    string        // the limit that ended it, or empty
	CPU      time.Duration // of all processes, as last seen: the final 50 ms may be missing
	MaxRSS   int64         // bytes: the most that was seen of all processes together, without what they map of programs
	Stderr   string        // its last 4 KiB
}

// OK reports whether the program ended by itself with exit code 0.
func (r Result) OK() bool { return r.ExitCode == 0 && r.Limit == "" }

// killed reports whether it was ended by a signal that programs do not raise
// themselves, and not by the watch.
func (r Result) killed() bool {
	if r.Limit != "" || r.ExitCode <= 128 {
		return false
	}
	switch syscall.Signal(r.ExitCode - 128) {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP:
		return true
	}
	return false
}

// The folders where programs are looked up.
var path = []string{"/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"}

// LookPath finds a program where Run will, or returns ErrMissing.
func LookPath(name string) (string, error) {
	if name == "" || strings.ContainsRune(name, '/') {
		return "", fmt.Errorf("program %q: want a bare name", name)
	}
	for _, dir := range path {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, ErrMissing)
}

func lookup(name string) (string, error) {
	if name == Self {
		return os.Executable()
	}
	return LookPath(name)
}

// Sandbox runs programs. It has no state of its own; Run may be called concurrently.
type Sandbox struct {
	isolation Isolation
	wrap      func(Command, Limits, home) []string
	prlimit   string
	calls     []byte  // the filter of system calls
	groups    *groups // nil where none can be made
}

// Isolation says what separates programs from the machine; see the constants.
func (s *Sandbox) Isolation() Isolation { return s.isolation }

// Run runs the program and waits for its end and that of all its descendants.
// What it leaves in Dir are files and folders that can be read and removed:
// links, pipes, sockets and devices are taken away.
//
// The error is nil when the program ran, however it ended by itself or by a limit;
// it wraps ErrMissing when there is no such program, ErrKilled when somebody else
// ended it, the context's error when that ended first, syscall.ENOSPC when the
// disk of its folder was full meanwhile, and is a preservation.Outage when the
// machine had too little processor time for it or no room for its processes: what it
// left then says nothing of its input.
func (s *Sandbox) Run(ctx context.Context, c Command) (Result, error) {
	res, err := s.run(ctx, c)
	account(ctx, res)
	if err != nil {
		return res, fmt.Errorf("run %s: %w", c.Name, err)
	}
	return res, nil
}

func (s *Sandbox) run(ctx context.Context, c Command) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	program, err := lookup(c.Name)
	if err != nil {
		return Result{}, err
	}
	if c.Name == Self {
		c.Read = append(c.Read[:len(c.Read):len(c.Read)], program)
	}
	for _, p := range append([]string{c.Dir}, c.Read...) {
		if !filepath.IsAbs(p) || filepath.Clean(p) != p || p == "/" {
			return Result{}, fmt.Errorf("folder %q: want a clean absolute path", p)
		}
		if _, err := os.Stat(p); err != nil {
			return Result{}, err
		}
	}
	l := c.Limits.withDefaults()
	var left bool
	if l.CPU, left = afford(ctx, l.CPU); !left {
		return Result{Limit: LimitCPU}, nil
	}
	h, err := s.home(c.Dir)
	if err != nil {
		return Result{}, err
	}
	defer h.close()

	args := s.wrap(c, l, h)
	kernel := l
	if c.Laps != nil {
		kernel.CPU *= lifetime
	}
	args = append(args, limitArgs(s.prlimit, kernel)...)
	args = append(args, program)
	args = append(args, c.Args...)
	var own *group
	if s.groups != nil && l.Processes > 0 {
		if own, err = s.groups.open((l.Processes + 2) * threads); err != nil {
			return Result{}, fmt.Errorf("control group: %w", err)
		}
		defer own.close()
		args = own.enter(args)
	}

	w := newWatch(c.Dir, l, c.Laps, own)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, environment(h.path, c.Env)
	cmd.Stdin = c.Stdin
	var last tail
	cmd.Stdout = &cut{w: c.Stdout, left: l.Output, full: func() { w.hit(LimitOutput) }}
	cmd.Stderr = io.MultiWriter(&last, &cut{w: c.Stderr, left: l.Output})
	cmd.ExtraFiles = h.files
	// bubblewrap asks for the same, but not before it runs: a parent that is killed at that
	// moment would leave it without limits.
	// A session of its own has no terminal to type into, and is weighed as one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second // a descendant that outlived the tree must not hold the pipes
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) {
			err = preservation.Down(preservation.PartMachine, err)
		}
		return Result{}, err
	}
	giveWay(cmd.Process.Pid)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.watch(ctx, cmd.Process.Pid)
	}()
	err = cmd.Wait()
	w.end()
	<-stopped
	killGroup(cmd.Process.Pid)
	tidied := tidy(c.Dir)

	res := Result{ExitCode: exitCode(cmd.ProcessState), Stderr: last.String()}
	w.verdict(&res, cmd.ProcessState)
	var exit *exec.ExitError
	switch {
	case w.cancelled():
		return res, ctx.Err()
	case w.roomless():
		return res, fmt.Errorf("its folder: %w", syscall.ENOSPC)
	case res.Limit == "" && w.crowdedOut(res.ExitCode != 0):
		return res, preservation.Down(preservation.PartMachine, errors.New("no room for more processes while it ran"))
	case w.wasStarved():
		return res, preservation.Down(preservation.PartMachine, fmt.Errorf("too little processor time: %s in %s", res.CPU.Round(time.Second), l.Wall))
	case res.killed():
		return res, fmt.Errorf("%w (exit code %d)", ErrKilled, res.ExitCode)
	case tidied != nil:
		return res, fmt.Errorf("tidy the job's folder: %w", tidied)
	case err == nil, errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay), res.Limit != "":
		return res, nil
	case errors.Is(err, syscall.EPIPE):
		return res, nil // it did not want all of its input
	}
	return res, err
}

// environment is the whole environment of a program: nothing of ours passes on.
func environment(home string, more []string) []string {
	return append([]string{
		"PATH=" + strings.Join(path, ":"), "HOME=" + home, "TMPDIR=" + home,
		"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=Europe/Berlin",
	}, more...)
}

// limitArgs sets the limits that the kernel keeps for each process. The watch
// adds those over the whole tree. RLIMIT_AS would end every JVM and browser,
// which reserve far more than they use; RLIMIT_DATA counts what is writable.
// It and RLIMIT_CPU, which counts by ticks and not by what was used, stand well
// above the watch's limits so that the watch names them first.
func limitArgs(prlimit string, l Limits) []string {
	args := []string{prlimit, "--core=0", "--nofile=4096:4096"}
	if l.Processes > 0 { // threads count; root's are held by a control group
		args = append(args, fmt.Sprintf("--nproc=%d", (l.Processes+2)*threads))
	}
	if l.Memory > 0 {
		args = append(args, fmt.Sprintf("--data=%d", l.Memory+1<<30))
	}
	if l.CPU > 0 {
		s := int64((l.CPU+l.CPU/4)/time.Second) + 1
		args = append(args, fmt.Sprintf("--cpu=%d:%d", s, s+2))
	}
	if l.FileSize > 0 {
		args = append(args, fmt.Sprintf("--fsize=%d", l.FileSize))
	}
	return args
}

func exitCode(ps *os.ProcessState) int {
	if st, ok := ps.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return 128 + int(st.Signal())
	}
	return ps.ExitCode()
}
