package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"bestand/preservation"
)

// controlled makes a control group below that of this process, with a setting, and
// returns its folder. The test is skipped where none can be made.
func controlled(t *testing.T, controller string, settings map[string]string) string {
	t.Helper()
	for _, base := range ownGroups(controller) {
		dir, err := os.MkdirTemp(base, "bestand-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() {
			for range 100 {
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Error("the control group stays")
		})
		for name, v := range settings {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(v), 0))
		}
		if err == nil {
			return dir
		}
	}
	t.Skipf("no control group for %s can be made here", controller)
	return ""
}

// TestStarved runs a program that wants a processor and gets next to none until its
// time is over. That is the machine's fault; hanging beside it is the program's own.
func TestStarved(t *testing.T) {
	quota := controlled(t, "cpu", map[string]string{"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "1000"}) // version 1
	s := open(t)
	move := func(c Command, work string) (Result, error) {
		started := filepath.Join(c.Dir, "started")
		done := make(chan struct{})
		defer close(done)
		go func() { // ends with the run
			for {
				select {
				case <-done:
					return
				case <-time.After(5 * time.Millisecond):
				}
				if _, err := os.Stat(started); err != nil {
					continue
				}
				for _, p := range descendants(os.Getpid(), mostKilled)[1:] {
					at, _ := os.Readlink("/proc/" + strconv.Itoa(p) + "/cwd")
					if at == c.Dir {
						os.WriteFile(filepath.Join(quota, "cgroup.procs"), []byte(strconv.Itoa(p)), 0)
					}
				}
				return
			}
		}()
		c.Name, c.Args = "perl", []string{"-e", `open F, ">", "started"; close F; ` + work}
		return s.Run(t.Context(), c)
	}
	limits := Limits{CPU: time.Minute, Wall: 6 * time.Second, Idle: 3 * time.Second}
	res, err := move(Command{Dir: t.TempDir(), Limits: limits}, `1 while 1`)
	if !errors.Is(err, preservation.ErrUnavailable) {
		t.Errorf("starved: %+v, %v", res, err)
	}
	res, err = move(Command{Dir: t.TempDir(), Limits: limits}, `sleep 60`)
	if err != nil || res.Limit != LimitIdle {
		t.Errorf("hanging: %+v, %v", res, err)
	}
}

// TestAccounted sees what processes used that have ended before anybody looked.
func TestAccounted(t *testing.T) {
	s := open(t)
	if s.groups == nil {
		t.Skip("no control groups can be made here")
	}
	c := Command{Name: "sh", Args: []string{"-c", `for i in 1 2 3 4 5 6 7 8; do (perl -e '$i++ while $i < 2e6' &) ; done; sleep 3`}, Dir: t.TempDir()}
	res, err := s.Run(t.Context(), c)
	if err != nil || res.CPU < 200*time.Millisecond {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestCrowded runs programs where there is no room for one more process. Nobody can
// say what comes of it, but it is no word on the input.
func TestCrowded(t *testing.T) {
	const most = 120
	dir := controlled(t, "pids", map[string]string{"pids.max": strconv.Itoa(most)})
	cmd := exec.Command("/bin/sh", "-c", `echo 0 >"$0" && exec "$@"`, filepath.Join(dir, "cgroup.procs"), os.Args[0], "crowded")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// crowdedMain is TestCrowded in its control group. It leaves less and less room, but
// some for the threads of this program, which ends where it cannot have one.
func crowdedMain(ctx context.Context) error {
	s, err := New(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "crowded-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	run := func(script string) (Result, error) {
		return s.Run(ctx, Command{Name: "sh", Args: []string{"-c", script}, Dir: dir})
	}
	if res, err := run("sh -c true; exit 3"); err != nil || res.ExitCode != 3 {
		return fmt.Errorf("with room: %+v, %w", res, err)
	}
	own := ownGroups("pids")[0]
	most := number(filepath.Join(own, "pids.max"), "")
	for free := int64(12); free >= 4; free-- {
		for most-number(filepath.Join(own, "pids.current"), "") > free {
			c := exec.Command("sleep", "60")
			if err := c.Start(); err != nil {
				return err
			}
			defer c.Wait()
			defer c.Process.Kill()
		}
		res, err := run(`a=$(echo x) || exit 5; for i in 1 2 3 4 5 6; do sleep 0.2 & done; wait; exit 4`)
		fmt.Printf("room for %d: exit code %d, limit %q, %v\n", free, res.ExitCode, res.Limit, err)
		if !errors.Is(err, preservation.ErrUnavailable) {
			return fmt.Errorf("room for %d: %+v, %w", free, res, err)
		}
	}
	return nil
}
