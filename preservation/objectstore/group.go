package objectstore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// group commits the writes of many requests with one syncfs(2).
//
// A request that calls sync when its data are written returns after a syncfs
// that began later, so its data are on disk. Whoever arrives while one runs
// shares the next. syncfs rather than fsync: an object is a file, its
// attributes, its name and new folders, and they are all covered at once.
type group struct {
	fds  []int // one per file system that the folder spans
	wait chan chan error

	fail   func(error)
	failed error // of run alone
}

// newGroup commits the file systems of the given folders. fail is called once,
// with the first error.
func newGroup(fail func(error), dirs ...string) (*group, error) {
	g := &group{wait: make(chan chan error, 1024), fail: fail}
	seen := map[uint64]bool{}
	for _, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", dir, err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, fmt.Errorf("stat %s: %w", dir, err)
		}
		if seen[st.Dev] {
			unix.Close(fd)
			continue
		}
		seen[st.Dev] = true
		g.fds = append(g.fds, fd)
	}
	go g.run()
	return g, nil
}

func (g *group) run() {
	for first := range g.wait {
		batch := []chan error{first}
		for more := true; more; {
			select {
			case c := <-g.wait:
				batch = append(batch, c)
			default:
				more = false
			}
		}
		err := g.commit()
		for _, c := range batch {
			c <- err
		}
	}
}

// commit runs one syncfs per file system. Its first failure is final: the
// kernel reports a failed write-back once, perhaps to another request than the
// one whose bytes were lost, so nothing may be acknowledged after it.
func (g *group) commit() error {
	if g.failed != nil {
		return g.failed
	}
	for _, fd := range g.fds {
		if err := unix.Syncfs(fd); err != nil {
			g.failed = fmt.Errorf("syncfs: %w", err)
			g.fail(g.failed)
			return g.failed
		}
	}
	return nil
}

// sync returns when everything written before the call is on disk.
func (g *group) sync() error {
	c := make(chan error, 1)
	g.wait <- c
	return <-c
}

// close ends the group; no sync may be called afterwards.
func (g *group) close() {
	close(g.wait)
	for _, fd := range g.fds {
		unix.Close(fd)
	}
}
