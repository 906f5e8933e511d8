package fixity_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
)

// TestTooLargeForItsKind: of an object that no archive has written there is no more to
// be read than its size.
func TestTooLargeForItsKind(t *testing.T) {
	a := archive(t)
	content := make([]byte, preservation.MaxConfigObject+1)
	sum := sha256.Sum256(content)
	_, err := a.bucket.Put(t.Context(), preservation.ConfigKey("large"), bytes.NewReader(content), preservation.PutOptions{Size: int64(len(content)),
		SHA256: hex.EncodeToString(sum[:]), Lock: preservation.Lock{Mode: preservation.Governance, Until: time.Now().Add(time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	s := a.scrub(t, io.Discard, a.bucket)
	s.Checker.Dir = filepath.Join(t.TempDir(), "nowhere") // where it would be written
	r, err := s.Checker.Holding(t.Context(), a.tenant, a.bucket)
	if err != nil || len(r.Failed) != 1 || r.Failed[0].Code != fixity.CodeObjectSize {
		t.Errorf("%v %+v", err, r.Failed)
	}
}

// TestScrubWithoutRoom reads a record back that is larger than the work folder: the disk
// has failed, not the record, and with room the same check passes.
func TestScrubWithoutRoom(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("disks that fill up need root to be mounted")
	}
	small := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "bestand-test", small).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(small, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	content := make([]byte, 20<<20)
	rand.Read(content)
	a := archiveOf(t, content)
	var log bytes.Buffer
	s := a.scrub(t, &log, a.bucket)
	s.Checker.Dir = small
	findings := func() int {
		t.Helper()
		f, err := a.tenant.View().Fixity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return int(f.Findings)
	}
	time.Sleep(5 * time.Millisecond)
	err := s.Run(t.Context(), a.tenant, catalog.Job{})
	var out *preservation.Outage
	if !errors.As(err, &out) || out.Part != preservation.PartDisk || !errors.Is(err, preservation.ErrFull) {
		t.Errorf("the scrub ends with %v, want that the disk has no room", err)
	}
	if n := findings(); n != 0 {
		t.Errorf("%d findings\n%s", n, log.String())
	}
	if left, err := filepath.Glob(filepath.Join(small, "*")); err != nil || len(left) > 0 {
		t.Error("left in the work folder:", left, err)
	}
	s.Checker.Dir = t.TempDir()
	run(t, s, a)
	if n := findings(); n != 0 || len(a.told(t)) != 0 {
		t.Errorf("%d findings\n%s", n, log.String())
	}
}
