package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestGroups runs programs of two sandboxes of one process at a time: neither
// takes the other's control groups for its own.
func TestGroups(t *testing.T) {
	var wg sync.WaitGroup
	for range 2 {
		s, err := New(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			dir := t.TempDir()
			wg.Go(func() {
				if res, err := s.Run(t.Context(), Command{Name: "sleep", Args: []string{"0.3"}, Dir: dir}); err != nil || !res.OK() {
					t.Errorf("%+v %v", res, err)
				}
			})
		}
	}
	wg.Wait()
}

// TestLeftInGroup: what a killed service left running in a group ends with the next start.
func TestLeftInGroup(t *testing.T) {
	g := newGroups()
	if g == nil {
		t.Skip("no control groups can be made here")
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(g.base, fmt.Sprintf("%s%d-left", groupPrefix, gone.Process.Pid))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	left := exec.Command("/bin/sh", "-c", `echo 0 >"$0" && echo in && exec sleep 100`, filepath.Join(dir, "cgroup.procs"))
	out, err := left.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- left.Wait() }()
	g.tidy()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("it still runs")
		_ = left.Process.Kill()
	}
	g.tidy()
	if _, err := os.Stat(dir); err == nil {
		t.Error("the group is still there")
	}
}
