package storetest

import (
	"os/exec"
	"testing"
	"time"
)

// Mount mounts a file system in a temporary folder for the test, and skips it where
// that is not allowed.
func Mount(t testing.TB, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		t.Skipf("needs the right to mount, and loop devices for an image: %v: %s", err, out)
	}
	t.Cleanup(func() {
		// The loop device of an image on it, and processes that were killed, let go of it
		// a while after they are gone.
		for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			out, err := exec.Command("umount", dir).CombinedOutput()
			if err == nil {
				return
			}
			if time.Now().After(end) {
				t.Errorf("umount: %v: %s", err, out)
				return
			}
		}
	})
	return dir
}
