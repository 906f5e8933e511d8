package sandbox

import (
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// processRoom is how many processes there must be room for, or programs are
// expected to fail for want of one: what a larger one starts at once.
const processRoom = 16

// crowded reports whether this machine, or a control group that this process is in,
// has no room for more processes. Programs do not say so: they fail as they would
// on a broken file.
func crowded() bool {
	for dir := range groupsAbove() {
		most := number(filepath.Join(dir, "pids.max"), "")
		if most > 0 && number(filepath.Join(dir, "pids.current"), "")+processRoom > most {
			return true
		}
	}
	b, err := os.ReadFile("/proc/loadavg") // proc_loadavg(5): the fourth field is running/all
	if err != nil {
		return false
	}
	f := strings.Fields(string(b))
	if len(f) < 4 {
		return false
	}
	_, last, _ := strings.Cut(f[3], "/")
	all, _ := strconv.ParseInt(last, 10, 64) // the kernel writes numbers
	for _, limit := range []string{"threads-max", "pid_max"} {
		if most := number("/proc/sys/kernel/"+limit, ""); most > 0 && all+processRoom > most {
			return true
		}
	}
	return false
}

// denials counts the processes that could not be started for a limit of the control
// groups that this process is in, as far as the kernel tells.
func denials() (n int64) {
	for dir := range groupsAbove() {
		events := filepath.Join(dir, "pids.events.local")
		if _, err := os.Stat(events); err != nil {
			events = filepath.Join(dir, "pids.events")
		}
		n += number(events, "max")
	}
	return n
}

// groupsAbove are the folders of the control group of this process and of those above.
func groupsAbove() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, dir := range ownGroups("pids") {
			for ; len(dir) >= len("/sys/fs/cgroup"); dir = filepath.Dir(dir) {
				if !yield(dir) {
					return
				}
			}
		}
	}
}
