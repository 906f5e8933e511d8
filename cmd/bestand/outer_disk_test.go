package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// disk is a small file system of its own.
type disk struct {
	*testing.T
	path string
}

// mounted puts a disk of some MiB in the place of a folder. It needs root.
func mounted(t *testing.T, path string, mib string) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("disks that fill up need root to be mounted")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+mib+"m,mode=700", "bestand-test", path).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return &disk{t, path}
}

// fill leaves some KiB of the disk.
func (d *disk) fill(leave int64) {
	d.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.path, &st); err != nil {
		d.Fatal(err)
	}
	f, err := os.Create(filepath.Join(d.path, "filling"))
	if err != nil {
		d.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-leave<<10); err != nil {
		d.Fatal(err)
	}
}

// clear makes room again.
func (d *disk) clear() {
	d.Helper()
	if err := os.Remove(filepath.Join(d.path, "filling")); err != nil {
		d.Fatal(err)
	}
}

// notReady wants /readyz to name the part that has no room, and the log to say so.
func (in *installation) notReady(t *testing.T, c *caller, part string) {
	t.Helper()
	var ready struct{ Checks map[string]string }
	eventually(t, "readyz says that "+part+" is not ready", func() bool {
		r := c.get("/readyz")
		ready.Checks = nil
		r.decode(t, &ready)
		return r.StatusCode == 503 && ready.Checks[part] == "failed"
	})
	eventually(t, "the log says so", func() bool { return in.log.count(`"part":"`+part+`"`) > 0 })
}

func (in *installation) readyAgain(t *testing.T, c *caller) {
	t.Helper()
	eventually(t, "it is ready again", func() bool { return c.get("/readyz").StatusCode == 200 })
}

// TestDiskFull fills the disks of an installation one after the other. Deliveries
// are refused with a problem that says so, those that were accepted wait, and the
// same service goes on by itself when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	in := install(t)
	books := mounted(t, in.dir, "96") // the catalog and whatever has no disk of its own
	objects, work, index := mounted(t, filepath.Join(in.dir, "objects"), "160"), mounted(t, filepath.Join(in.dir, "work"), "80"), mounted(t, filepath.Join(in.dir, "index"), "48")
	t.Cleanup(func() { // before the disks go
		if in.cmd != nil {
			in.stop(t)
		}
	})
	in.serve(t)
	c := in.admin(t)
	deliver := func(id string, size int) reply {
		return c.send(about(id, "63.10", "Eingang "+id), file("daten.bin", strings.Repeat(blob(id), size/len(blob(id))+1)))
	}
	archived := func(id, sub string) {
		t.Helper()
		s := c.await(sub)
		if s.Status != "archived" {
			t.Errorf("%s: %+v", id, s)
			return
		}
		c.verified(s.RecordID)
	}
	resent := func(id string, size int) {
		t.Helper()
		archived(id, c.again(about(id, "63.10", "Eingang "+id), file("daten.bin", strings.Repeat(blob(id), size/len(blob(id))+1))).ID)
	}

	// Staging, by what is sent at once and by what is sent in parts.
	objects.fill(1 << 10)
	deliver("staging", 1000).refused(t, 507, "store-full", "")
	deliver("staging-large", 20<<20).refused(t, 507, "store-full", "")
	in.notReady(t, c, "store")
	objects.clear()
	in.readyAgain(t, c)
	resent("staging", 1000)
	resent("staging-large", 20<<20)

	// The bucket: there is room for what is staged, but not for the package. The
	// store keeps 64 MiB free.
	objects.fill((64 + 15) << 10)
	sub := deliver("bucket", 10<<20).accepted(t)
	c.waits(sub, "the object store has no room")
	objects.clear()
	archived("bucket", sub)

	// The work folder.
	work.fill(1 << 10)
	sub = deliver("work", 1000).accepted(t)
	c.waits(sub, "the disk of the archive has no room")
	in.notReady(t, c, "disk")
	work.clear()
	archived("work", sub)
	in.readyAgain(t, c)

	// The catalog: its log has some room left of what was written before.
	books.fill(0)
	var r reply
	var taken []string
	for i := 0; i < 500; i++ {
		if r = deliver(fmt.Sprint("catalog-", i), 1000); r.StatusCode != 202 {
			break
		}
		taken = append(taken, r.accepted(t))
	}
	r.refused(t, 507, "store-full", "")
	in.notReady(t, c, "catalog")
	c.get("/v1/records").want(t, 200)
	books.clear()
	in.readyAgain(t, c)
	for i, sub := range taken {
		archived(fmt.Sprint("catalog-", i), sub)
	}
	resent(fmt.Sprint("catalog-", len(taken)), 1000)

	// The index: deliveries go on, and are found later.
	index.fill(0)
	sub = deliver("index", 1000).accepted(t)
	archived("index", sub)
	eventually(t, "the log says that the index does not follow", func() bool { return in.log.count(`"msg":"index changes"`) > 0 })
	index.clear()
	eventually(t, "the index has caught up", func() bool {
		return c.get("/v1/records?q=index").StatusCode == 200 && len(c.find(`"Eingang index"`)) == 1
	})
	in.sweep(t)
	if records := in.audit(t); len(records) != 6+len(taken) {
		t.Errorf("%d records, want %d", len(records), 6+len(taken))
	}
}
