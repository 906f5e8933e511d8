package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// starving is the share of its time from which on a program is said to have waited
// for a processor rather than for something that never comes.
const starving = 0.5

// waits adds up how long the threads of a tree of processes were ready to run and
// had no processor. A program that hangs does not wait for one, on the busiest machine.
type waits struct {
	seen  map[int]time.Duration // by thread, when looked at last
	sum   time.Duration
	since time.Time
}

// begin forgets what was.
func (w *waits) begin(tree []int) {
	w.seen = map[int]time.Duration{}
	w.look(tree)
	w.sum, w.since = 0, time.Now()
}

// look takes stock. What threads waited that have ended since is not known.
func (w *waits) look(tree []int) {
	for _, p := range tree {
		dir := "/proc/" + strconv.Itoa(p) + "/task"
		tasks, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, t := range tasks {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			b, err := os.ReadFile(dir + "/" + t.Name() + "/schedstat") // run, waited, turns (sched-stats.rst)
			if f := bytes.Fields(b); err == nil && len(f) == 3 {
				n, _ := strconv.ParseInt(string(f[1]), 10, 64) // the kernel writes numbers
				w.sum += time.Duration(n) - w.seen[id]
				w.seen[id] = time.Duration(n)
			}
		}
	}
}

// starved reports whether that was most of the time since the begin.
func (w *waits) starved() bool {
	return float64(w.sum) > starving*float64(time.Since(w.since))
}
