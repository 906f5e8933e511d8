package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRestoreFull restores onto a disk that is too small: for the keys, for the catalog,
// for the objects. Each time it says so, and goes on when there is room.
func TestRestoreFull(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	s := saving(t, in)
	d := mounted(t, t.TempDir(), "160")
	var ids []string
	for _, id := range []string{"1", "2", "3", "4"} {
		_, r := in.admin(t).archive(about(id, "63.10", "Titel"), file("a.bin", strings.Repeat("\x01\x9bInhalt"+id, 400_000)))
		ids = append(ids, r.ID)
	}
	in.stop(t)
	s.backup(t)
	to := install(t)
	to.dir = filepath.Join(d.path, "daten")
	if err := os.Mkdir(to.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, kib := range []int64{0, 100, 66 << 10, 72 << 10} { // the object store keeps 64 MiB free
		d.fill(kib)
		for range 2 {
			out, complaint, code := program(t, s.args("restore", to.dir)...)
			if code != 1 || !strings.Contains(complaint, "make some and run it again") {
				t.Errorf("%d KiB: exit code %d: %s%s", kib, code, out, complaint)
			}
		}
		d.clear()
	}
	if out, complaint, code := program(t, s.args("restore", to.dir)...); code != 0 {
		t.Fatal(code, out, complaint)
	}
	to.checked(t)
	to.serve(t)
	for _, id := range ids {
		to.admin(t).verified(id)
	}
	to.stop(t)
}

// TestBackupBesideKilled kills runs beside a service at growing times: the service does
// not notice, and the run that ends by itself is whole.
func TestBackupBesideKilled(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	s := saving(t, in)
	admin := in.admin(t)
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		admin.archive(about(id, "63.10", "Titel"), file("a.bin", strings.Repeat(blob(id), 10_000)))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for after := 50 * time.Millisecond; ; after += after / 2 {
		cmd := exec.Command(self, s.args("backup", in.dir)...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		if timer.Stop() {
			if err != nil {
				t.Fatal(err, said.String())
			}
			break
		}
		var exit *exec.ExitError
		if killed++; err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	t.Log("killed", killed, "times")
	admin.archive(about("danach", "63.10", "Titel"), file("a.bin", blob("danach")))
	in.stop(t)
	in.checked(t)
	s.restore(t)
}
