package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pollEvery = 50 * time.Millisecond
	diskEvery = 4                      // polls between two looks at the disk
	restEvery = 8                      // polls between two looks at a program that has nothing to do
	mostFiles = 10_000                 // files and folders that a program may leave in its folder
	threads   = 16                     // for each process that a program may have
	leastWork = 100 * time.Millisecond // of processor time: less is waiting
	asleep    = 2 * time.Second        // between two looks: this program did not run itself
)

// watch looks at a tree of processes and kills it when a limit is passed. It
// is the one that sees all processes together; the kernel's limits are per process.
type watch struct {
	dir     string
	l       Limits
	group   *group
	denials int64            // at the start
	found   map[string]int64 // sizes of the files in dir before the start
	entries int              // of dir before the start
	laps    <-chan bool      // nil: the run is one lap
	done    chan struct{}
	over    chan string // the first limit that another goroutine saw passed

	mu      sync.Mutex
	limit   string
	gone    bool // the context ended it
	full    bool // the disk had no room while it ran
	maxRSS  int64
	cpu     time.Duration
	resting bool          // between two laps
	before  time.Duration // the part of cpu that was used before this lap
	looked  time.Time     // when cpu and maxRSS were seen last
	worked  time.Duration // cpu when the tree was last seen to get on
	busy    time.Time     // when that was
	crowded bool          // there was no room for more processes while it ran
	tasks   int           // the most threads that were seen
	starved bool          // it was ended for time in which it had no processor

	waits    waits         // used by watch alone
	patience time.Duration // of waits, when the tree was last seen to get on
}

func newWatch(dir string, l Limits, laps <-chan bool, own *group) *watch {
	w := &watch{dir: dir, l: l, laps: laps, group: own, denials: denials(), resting: laps != nil, done: make(chan struct{}), over: make(chan string, 1)}
	w.waits.begin(nil)
	found := map[string]int64{}
	w.entries = w.files(func(p string, size int64) { found[p] = size })
	w.found = found
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
	wall := time.NewTimer(max(w.l.Wall, 0))
	defer wall.Stop()
	if w.l.Wall <= 0 || w.laps != nil {
		wall.Stop()
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
		case <-wall.C:
			limit = LimitWall
		case begins := <-w.laps:
			w.look(pid, false)
			w.mu.Lock()
			w.before, w.busy, w.resting = w.cpu, w.looked, !begins
			w.mu.Unlock()
			w.waits.begin(descendants(pid, mostKilled))
			w.patience = 0
			wall.Stop()
			if begins && w.l.Wall > 0 {
				wall.Reset(w.l.Wall)
			}
			continue
		case limit = <-w.over:
		case <-poll.C:
			if n%restEvery != 0 && w.rests() {
				continue
			}
			if limit = w.look(pid, n%diskEvery == 0); limit == "" {
				continue
			}
		}
		w.mu.Lock()
		if limit == LimitWall {
			w.starved = w.waits.starved()
		}
		w.limit, w.gone = limit, cancelled
		w.mu.Unlock()
		w.kill(pid)
		return
	}
}

// rests reports whether the program waits for its next lap.
func (w *watch) rests() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.resting
}

// look takes stock of the tree and returns the limit that it has passed.
func (w *watch) look(pid int, disk bool) string {
	var all usage
	var cpu time.Duration
	most := 10_000
	if w.l.Processes > 0 {
		most = w.l.Processes + 2 // bubblewrap's own two
	}
	tree := descendants(pid, most+1)
	for _, p := range tree {
		all.add(p)
		cpu += processorTime(p)
	}
	cpu = max(cpu, w.group.used())
	rss := all.own + max(all.shared, scratch(tree))
	full := noRoom(w.dir)
	packed := disk && crowded()
	if disk {
		w.waits.look(tree)
	}
	w.mu.Lock()
	now := time.Now()
	if gap := now.Sub(w.looked); !w.looked.IsZero() && gap > asleep { // so was the program, or it had no chance to tell
		w.waits.sum += gap
	}
	w.crowded, w.tasks = w.crowded || packed, max(w.tasks, all.threads)
	w.maxRSS, w.cpu = max(w.maxRSS, rss), max(w.cpu, cpu)
	w.looked = now
	if w.busy.IsZero() || w.resting || w.cpu-w.worked >= leastWork {
		w.worked, w.busy, w.patience = w.cpu, w.looked, w.waits.sum
	}
	idle := w.looked.Sub(w.busy) - (w.waits.sum - w.patience)
	w.full = w.full || full
	lap := w.cpu - w.before
	w.mu.Unlock()
	switch {
	case w.l.Memory > 0 && rss > w.l.Memory:
		return LimitMemory
	case w.l.CPU > 0 && lap > w.l.CPU:
		return LimitCPU
	case w.l.Idle > 0 && idle > w.l.Idle:
		return LimitIdle
	case w.l.Processes > 0 && (len(tree) > most || all.threads > most*threads):
		return LimitProcesses
	case disk && w.l.FileSize > 0:
		if _, bytes, files := w.written(); bytes > 4*w.l.FileSize || files > mostFiles {
			return LimitFileSize
		}
	}
	return ""
}

// roomless reports whether the disk was full at any time since the start.
func (w *watch) roomless() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.full || noRoom(w.dir)
}

// crowdedOut reports whether the program may have ended as it did because there was
// no room for its processes.
func (w *watch) crowdedOut(failed bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	// A bomb that hits its own limit is seen as it grows.
	if w.group.denied() && 2*w.tasks < w.group.tasks {
		return true
	}
	return failed && (w.crowded || crowded() || denials() > w.denials)
}

func (w *watch) wasStarved() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starved
}

// noRoom reports whether a program that writes into the folder can be expected
// to fail for that.
func noRoom(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	return st.Blocks > 0 && int64(st.Bavail)*st.Bsize < 1<<20 || st.Files > 0 && st.Ffree == 0
}

// kill ends the tree. When the first process of a PID namespace dies the kernel
// ends all others in it at once, and only then does its parent see it end: in
// bubblewrap that is the only child, and killing it comes before any look at the
// rest, which a fork bomb would let grow meanwhile. Elsewhere everything is
// stopped first, so that nothing new comes while it is killed.
func (w *watch) kill(pid int) {
	for _, p := range descendants(pid, 2)[1:] {
		_ = syscall.Kill(p, syscall.SIGKILL) // gone already is fine
	}
	for i := range 3 {
		select {
		case <-w.done:
			return
		case <-time.After(time.Duration(i) * 200 * time.Millisecond):
		}
		tree := descendants(pid, mostKilled)
		for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
			for _, p := range tree[1:] {
				_ = syscall.Kill(p, signal)
			}
		}
		if len(tree) == 1 {
			break
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
	// What the kernel says of the memory is of no use: a process begins with the
	// peak of the one that started it, which is this program, and bubblewrap does
	// not wait for its first process.
	res.MaxRSS = w.maxRSS
	res.CPU = max(w.cpu, w.group.used(), ps.UserTime()+ps.SystemTime())
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
	largest, _, files := w.written()
	switch {
	case w.l.FileSize > 0 && (files > mostFiles || largest >= w.l.FileSize || res.ExitCode == 128+int(syscall.SIGXFSZ)):
		res.Limit = LimitFileSize
	case w.l.CPU > 0 && failed && (res.CPU-w.before >= max(w.l.CPU/2, w.l.CPU-3*pollEvery-unseen) || res.ExitCode == 128+int(syscall.SIGXCPU)):
		res.Limit = LimitCPU
	case w.l.Memory > 0 && failed && w.maxRSS > w.l.Memory:
		res.Limit = LimitMemory
	}
}

// written returns the bytes of the largest file in the job's folder that is new
// or has another size than before the start, of all of them, and how many files
// and folders there are more than before.
func (w *watch) written() (largest, all int64, more int) {
	n := w.files(func(p string, size int64) {
		if before, ok := w.found[p]; !ok || before != size {
			largest, all = max(largest, size), all+size
		}
	})
	return largest, all, n - w.entries
}

// files visits the files and returns how many entries there are of any kind.
func (w *watch) files(visit func(path string, size int64)) (entries int) {
	_ = filepath.WalkDir(w.dir, func(p string, d fs.DirEntry, err error) error { // files come and go meanwhile
		if errors.Is(err, syscall.ENAMETOOLONG) { // folders in folders, which nobody can count by their paths
			entries += 2 * mostFiles
		}
		if entries++; entries > w.entries+mostFiles && w.found != nil {
			return fs.SkipAll // enough to pass the limit
		}
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if st, err := d.Info(); err == nil {
			visit(p, st.Size())
		}
		return nil
	})
	return entries
}
