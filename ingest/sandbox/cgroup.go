package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// groups makes control groups in which a run may have so many processes and no
// more. The kernel holds RLIMIT_NPROC against nobody whom root has started, and a
// fork bomb takes all processes of the machine before a watch has looked twice.
type groups struct {
	base string // group below which runs have theirs
}

const groupPrefix = "bestand-job-"

// newGroups returns nil where no groups can be made: without root, unless the
// service manager has delegated them (systemd: Delegate=pids).
func newGroups() *groups {
	for _, base := range ownGroups() {
		g := &groups{base: base}
		_ = os.WriteFile(filepath.Join(base, "cgroup.subtree_control"), []byte("+pids"), 0) // version 2; done already, or tried below
		dir, err := g.open(1)
		if err != nil {
			continue
		}
		g.close(dir)
		g.tidy()
		return g
	}
	return nil
}

// ownGroups lists the folders of the group of this process: that of the
// controller of version 1, then that of version 2 (cgroups(7)).
func ownGroups() (dirs []string) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(f) != 3:
		case f[1] == "pids":
			dirs = append([]string{filepath.Join("/sys/fs/cgroup/pids", f[2])}, dirs...)
		case f[0] == "0":
			dirs = append(dirs, filepath.Join("/sys/fs/cgroup", f[2]))
		}
	}
	return dirs
}

// open makes the group of a run with a limit of tasks, which are threads.
func (g *groups) open(tasks int) (dir string, err error) {
	// Other sandboxes of this process have theirs in the same place.
	if dir, err = os.MkdirTemp(g.base, fmt.Sprintf("%s%d-", groupPrefix, os.Getpid())); err != nil {
		return "", err
	}
	limit := filepath.Join(dir, "pids.max")
	if _, err = os.Stat(limit); err == nil { // the kernel's file: it cannot be made
		err = os.WriteFile(limit, []byte(strconv.Itoa(tasks)), 0)
	}
	if err != nil {
		_ = os.Remove(dir)
	}
	return dir, err
}

// close removes a group. Its processes are dead; the kernel may need a moment to
// notice. What stays is removed at the next start.
func (g *groups) close(dir string) {
	for range 50 {
		if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// tidy removes the groups of processes that are gone.
func (g *groups) tidy() {
	left, _ := filepath.Glob(filepath.Join(g.base, groupPrefix+"*")) // the pattern is well-formed
	for _, dir := range left {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			_ = os.Remove(dir)
		}
	}
}

// enter is how a program gets into a group before it is anything: a shell that
// puts itself there and becomes the program.
func enter(dir string, args []string) []string {
	return append([]string{"/bin/sh", "-c", `echo 0 >"$0" && exec "$@"`, filepath.Join(dir, "cgroup.procs")}, args...)
}
