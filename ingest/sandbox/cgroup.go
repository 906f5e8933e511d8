package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groups makes control groups in which a run may have so many processes and no
// more. The kernel holds RLIMIT_NPROC against nobody whom root has started, and a
// fork bomb takes all processes of the machine before a watch has looked twice.
//
// They also know the processor time of a run with that of its processes which have
// ended unseen.
type groups struct {
	base    string // group below which runs have theirs
	account string // the same for processor time where that is another hierarchy; or empty
}

// group is the control group of one run; nil where there is none.
type group struct {
	dir, account string
	tasks        int // its limit
}

const groupPrefix = "bestand-job-"

// newGroups returns nil where no groups can be made: without root, unless the
// service manager has delegated them (systemd: Delegate=pids).
func newGroups() *groups {
	for _, base := range ownGroups("pids") {
		g := &groups{base: base}
		_ = os.WriteFile(filepath.Join(base, "cgroup.subtree_control"), []byte("+pids"), 0) // version 2; done already, or tried below
		one, err := g.open(1)
		if err != nil {
			continue
		}
		one.close()
		if _, err := os.Stat(filepath.Join(base, "cgroup.controllers")); err != nil { // version 1
			for _, account := range ownGroups("cpuacct") {
				g.account = account
				if one, err := g.open(1); err == nil {
					one.close()
					break
				}
				g.account = ""
			}
		}
		g.tidy()
		return g
	}
	return nil
}

// ownGroups lists the folders of the group of this process: that of the
// controller of version 1, then that of version 2 (cgroups(7)).
func ownGroups(controller string) (dirs []string) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(f) != 3:
		case slices.Contains(strings.Split(f[1], ","), controller):
			dirs = append([]string{filepath.Join("/sys/fs/cgroup", f[1], f[2])}, dirs...)
		case f[0] == "0":
			dirs = append(dirs, filepath.Join("/sys/fs/cgroup", f[2]))
		}
	}
	return dirs
}

// open makes the group of a run with a limit of tasks, which are threads.
func (g *groups) open(tasks int) (*group, error) {
	// Other sandboxes of this process have theirs in the same place.
	dir, err := os.MkdirTemp(g.base, fmt.Sprintf("%s%d-", groupPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	one := &group{dir: dir, tasks: tasks}
	limit := filepath.Join(dir, "pids.max")
	if _, err = os.Stat(limit); err == nil { // the kernel's file: it cannot be made
		err = os.WriteFile(limit, []byte(strconv.Itoa(tasks)), 0)
	}
	if err == nil && g.account != "" {
		one.account = filepath.Join(g.account, filepath.Base(dir))
		err = os.Mkdir(one.account, 0o755)
	}
	if err != nil {
		_ = os.Remove(dir)
		return nil, err
	}
	return one, nil
}

// close removes a group. Its processes are dead; the kernel may need a moment to
// notice. What stays is removed at the next start.
func (g *group) close() {
	for _, dir := range []string{g.dir, g.account} {
		for range 50 {
			if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// used is the processor time of all processes that have been in the group, zero
// where that is not counted.
func (g *group) used() time.Duration {
	if g == nil {
		return 0
	}
	if g.account != "" {
		return time.Duration(number(filepath.Join(g.account, "cpuacct.usage"), ""))
	}
	return time.Duration(number(filepath.Join(g.dir, "cpu.stat"), "usage_usec")) * time.Microsecond
}

// denied reports whether a process in the group could not be started.
func (g *group) denied() bool {
	return g != nil && number(filepath.Join(g.dir, "pids.events"), "max") > 0
}

// number reads a number from a file of the kernel: all of it, or what follows a word
// at the begin of a line. It is zero where there is none.
func number(file, word string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64) // "max": no number
			return n
		}
	}
	return 0
}

// tidy removes the groups of processes that are gone.
func (g *groups) tidy() {
	left, _ := filepath.Glob(filepath.Join(g.base, groupPrefix+"*")) // the pattern is well-formed
	more, _ := filepath.Glob(filepath.Join(g.account, groupPrefix+"*"))
	for _, dir := range append(left, more...) {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			end(dir)
			_ = os.Remove(dir)
		}
	}
}

// end kills what is left in a group: bubblewrap, killed together with its parent
// before it has asked to be, leaves a process that waits for a word from it for ever.
func end(dir string) {
	for range 50 {
		b, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		left := strings.Fields(string(b))
		if len(left) == 0 {
			return
		}
		for _, p := range left {
			if pid, err := strconv.Atoi(p); err == nil && pid > 1 { // 0 is one that is not seen from here
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// enter is how a program gets into a group before it is anything: a shell that
// puts itself there and becomes the program.
func (g *group) enter(args []string) []string {
	account := g.account
	if account == "" {
		account = g.dir
	}
	return append([]string{"/bin/sh", "-c", `echo 0 >"$0" && echo 0 >"$1" && shift && exec "$@"`,
		filepath.Join(g.dir, "cgroup.procs"), filepath.Join(account, "cgroup.procs")}, args...)
}
