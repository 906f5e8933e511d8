package sandbox

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	pollEvery = 50 * time.Millisecond
	diskEvery = 20 // polls between two looks at the disk
)

// watch looks at a tree of processes and kills it when a limit is passed. It
// is the one that sees all processes together; the kernel's limits are per process.
type watch struct {
	dir   string
	l     Limits
	found map[string]int64 // sizes of the files in dir before the start
	done  chan struct{}
	over  chan string // the first limit that another goroutine saw passed

	mu     sync.Mutex
	limit  string
	gone   bool // the context ended it
	maxRSS int64
	cpu    time.Duration
	looked time.Time // when cpu and maxRSS were seen last
}

func newWatch(dir string, l Limits) *watch {
	w := &watch{dir: dir, l: l, found: map[string]int64{}, done: make(chan struct{}), over: make(chan string, 1)}
	w.files(func(p string, size int64) { w.found[p] = size })
	return w
}

// hit reports a limit that was seen elsewhere. It never blocks.
func (w *watch) hit(limit string) {
	select {
	case w.over <- limit:
	default:
	}
}

func (w *watch) end() { close(w.done) }

// watch returns when the process has ended, and kills it before that if need be.
func (w *watch) watch(ctx context.Context, pid int) {
	var wall <-chan time.Time
	if w.l.Wall > 0 {
		t := time.NewTimer(w.l.Wall)
		defer t.Stop()
		wall = t.C
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for n := 1; ; n++ {
		limit, cancelled := "", false
		select {
		case <-w.done:
			return
		case <-ctx.Done():
			cancelled = true
		case <-wall:
			limit = LimitWall
		case limit = <-w.over:
		case <-poll.C:
			if limit = w.look(pid, n%diskEvery == 0); limit == "" {
				continue
			}
		}
		w.mu.Lock()
		w.limit, w.gone = limit, cancelled
		w.mu.Unlock()
		w.kill(pid)
		return
	}
}

// look takes stock of the tree and returns the limit that it has passed.
func (w *watch) look(pid int, disk bool) string {
	var rss int64
	var cpu time.Duration
	tree := descendants(pid)
	for _, p := range tree {
		rss += resident(p)
		cpu += processorTime(p)
	}
	w.mu.Lock()
	w.maxRSS, w.cpu = max(w.maxRSS, rss), max(w.cpu, cpu)
	w.looked = time.Now()
	w.mu.Unlock()
	switch {
	case w.l.Memory > 0 && rss > w.l.Memory:
		return LimitMemory
	case w.l.CPU > 0 && cpu > w.l.CPU:
		return LimitCPU
	case w.l.Processes > 0 && len(tree) > w.l.Processes+2: // bubblewrap's own two
		return LimitProcesses
	case disk && w.l.FileSize > 0:
		if _, all := w.written(); all > 4*w.l.FileSize {
			return LimitFileSize
		}
	}
	return ""
}

// kill ends the tree. The innermost first: when the first process of a PID
// namespace dies the kernel ends all others in it and waits for them, and only
// then does its parent see it end.
func (w *watch) kill(pid int) {
	for i, tree := 0, descendants(pid); i < 3 && len(tree) > 0; i, tree = i+1, descendants(pid) {
		for _, p := range tree[1:] {
			_ = syscall.Kill(p, syscall.SIGKILL) // gone already is fine
		}
		select {
		case <-w.done:
			return
		case <-time.After(time.Duration(i) * 200 * time.Millisecond):
		}
	}
	killGroup(pid)
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // ESRCH: nobody left

func (w *watch) cancelled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

// verdict completes the result: what the program used, and the limit that ended
// it, which is the one that the watch saw or the one whose traces the kernel left.
func (w *watch) verdict(res *Result, ps *os.ProcessState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// bubblewrap does not wait for its first process, so that what the kernel
	// says of the descendants is mostly missing: the watch saw more.
	res.MaxRSS = w.maxRSS
	if ru, ok := ps.SysUsage().(*syscall.Rusage); ok {
		res.MaxRSS = max(res.MaxRSS, ru.Maxrss<<10)
	}
	res.CPU = max(w.cpu, ps.UserTime()+ps.SystemTime())
	if w.limit != "" || w.gone {
		res.Limit = w.limit
		return
	}
	select {
	case res.Limit = <-w.over: // passed in the last moment
		return
	default:
	}
	failed := res.ExitCode != 0
	unseen := time.Since(w.looked) // what it used since is not known
	largest, _ := w.written()
	switch {
	case w.l.FileSize > 0 && (largest >= w.l.FileSize || res.ExitCode == 128+int(syscall.SIGXFSZ)):
		res.Limit = LimitFileSize
	case w.l.CPU > 0 && failed && (res.CPU >= max(w.l.CPU/2, w.l.CPU-pollEvery-max(pollEvery, unseen)) || res.ExitCode == 128+int(syscall.SIGXCPU)):
		res.Limit = LimitCPU
	case w.l.Memory > 0 && failed && w.maxRSS > w.l.Memory:
		res.Limit = LimitMemory
	}
}

// written returns the bytes of the largest file in the job's folder that is new
// or has another size than before the start, and of all of them.
func (w *watch) written() (largest, all int64) {
	w.files(func(p string, size int64) {
		if before, ok := w.found[p]; !ok || before != size {
			largest, all = max(largest, size), all+size
		}
	})
	return largest, all
}

func (w *watch) files(visit func(path string, size int64)) {
	_ = filepath.WalkDir(w.dir, func(p string, d fs.DirEntry, err error) error { // files come and go meanwhile
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if st, err := d.Info(); err == nil {
			visit(p, st.Size())
		}
		return nil
	})
}

// descendants lists a process and everything below it, the parent first.
func descendants(pid int) []int {
	tree := []int{pid}
	for i := 0; i < len(tree) && len(tree) < 10000; i++ {
		tasks, err := os.ReadDir("/proc/" + strconv.Itoa(tree[i]) + "/task")
		if err != nil {
			continue
		}
		for _, t := range tasks {
			b, err := os.ReadFile("/proc/" + strconv.Itoa(tree[i]) + "/task/" + t.Name() + "/children")
			if err != nil {
				continue
			}
			for _, f := range bytes.Fields(b) {
				if child, err := strconv.Atoi(string(f)); err == nil {
					tree = append(tree, child)
				}
			}
		}
	}
	return tree
}

// resident returns the bytes of RAM that are a process's own: anonymous and
// shared memory, not the pages of programs that all of them map.
func resident(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	var sum int64
	for line := range bytes.Lines(b) {
		if bytes.HasPrefix(line, []byte("RssAnon:")) || bytes.HasPrefix(line, []byte("RssShmem:")) {
			if f := bytes.Fields(line); len(f) >= 2 {
				kb, _ := strconv.ParseInt(string(f[1]), 10, 64) // the kernel writes a number
				sum += kb << 10
			}
		}
	}
	return sum
}

// processorTime returns what a process and its children that have ended used.
func processorTime(pid int) time.Duration {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// proc(5): the second field is a name in parentheses that may hold anything.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 15 {
		return 0
	}
	var ticks int64
	for _, v := range f[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(string(v), 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100) // USER_HZ is 100 on every Linux that runs Go
}
