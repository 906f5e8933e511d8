package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestKilled ends programs by signals. From outside that is no result of
// the program, from itself it is.
func TestKilled(t *testing.T) {
	s := open(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			started := filepath.Join(dir, "started")
			c := perl(`open F, ">", "started"; close F; sleep 60`)
			c.Dir = dir
			done := make(chan error, 1)
			go func() {
				_, err := s.Run(t.Context(), c)
				done <- err
			}()
			for {
				if _, err := os.Stat(started); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			killIn(t, dir, sig)
			select {
			case err := <-done:
				if !errors.Is(err, ErrKilled) {
					t.Errorf("error %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("it still runs")
			}
		})
	}
	for name, program := range map[string]string{
		"its own fault": `kill SEGV => $$; sleep 5`,
		"exit code":     `exit 9`,
	} {
		t.Run(name, func(t *testing.T) {
			c := perl(program)
			c.Dir = t.TempDir()
			if res, err := s.Run(t.Context(), c); err != nil || res.ExitCode == 0 || res.Limit != "" {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
}

// killIn ends the perl that works in a folder.
func killIn(t *testing.T, dir string, sig syscall.Signal) {
	t.Helper()
	killed := 0
	for _, p := range descendants(os.Getpid(), mostKilled)[1:] {
		proc := "/proc/" + strconv.Itoa(p)
		at, err := os.Readlink(proc + "/cwd")
		name, _ := os.ReadFile(proc + "/comm")
		if err == nil && at == dir && string(name) == "perl\n" && syscall.Kill(p, sig) == nil {
			killed++
		}
	}
	if killed != 1 {
		t.Errorf("%d programs killed", killed)
	}
}
