package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const mostKilled = 10_000 // processes that are killed one by one

// descendants lists a process and everything below it, the parent first, up to
// a number.
func descendants(pid, most int) []int {
	tree := []int{pid}
	for i := 0; i < len(tree) && len(tree) < most; i++ {
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

// usage is what processes have of the machine together.
type usage struct {
	own, shared int64 // bytes of RAM: not the pages of programs that all of them map
	threads     int
}

func (u *usage) add(pid int) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return
	}
	for line := range bytes.Lines(b) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		f := bytes.Fields(rest)
		if len(f) == 0 {
			continue
		}
		switch n, _ := strconv.ParseInt(string(f[0]), 10, 64); string(name) { // the kernel writes numbers
		case "RssAnon":
			u.own += n << 10
		case "RssShmem":
			u.shared += n << 10
		case "Threads":
			u.threads += int(n)
		}
	}
}

// scratch returns the bytes of the private file systems of a tree of processes
// in bubblewrap, which are RAM too. There are none in a weaker isolation.
func scratch(tree []int) (sum int64) {
	if len(tree) < 2 {
		return 0
	}
	root := "/proc/" + strconv.Itoa(tree[1]) + "/root"
	for _, p := range []string{"/tmp", "/dev/shm"} {
		var inside, outside unix.Statfs_t
		if unix.Statfs(root+p, &inside) != nil || inside.Type != unix.TMPFS_MAGIC {
			continue
		}
		if unix.Statfs(p, &outside) == nil && outside.Fsid == inside.Fsid {
			continue // the machine's own
		}
		sum += int64(inside.Blocks-inside.Bfree) * int64(inside.Bsize)
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

// niceness of what runs in a sandbox (setpriority(2)).
const niceness = 10

// giveWay puts a new session behind everything else that wants the processors:
// those who deliver and search wait for an answer, conversions do not. Where
// sessions are weighed against each other (sched(7), autogroup) it takes a second
// word. Without either it is as slow for all as before.
func giveWay(pid int) {
	_ = unix.Setpriority(unix.PRIO_PGRP, pid, niceness)
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/autogroup", []byte(strconv.Itoa(niceness)), 0)
}
