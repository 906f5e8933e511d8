package storetest

import (
	"os/exec"
	"testing"
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
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}
