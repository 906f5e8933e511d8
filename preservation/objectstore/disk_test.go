package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/objectstore"
	"bestand/preservation/storetest"
)

func TestFull(t *testing.T) {
	for _, test := range []struct {
		name    string
		reserve int64
	}{{"to the last byte", -1}, {"with a reserve", 2 << 20}} {
		t.Run(test.name, func(t *testing.T) {
			dir := storetest.Mount(t, "-t", "tmpfs", "-o", "size=16m", "tmpfs")
			srv := storetest.Embedded(t, func(o *objectstore.Options) { o.Dir = dir; o.Reserve = test.reserve })
			b := bucket(t, srv)
			staging, err := storetest.Client(t, srv).Staging(t.Context(), "staging")
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			body := storetest.Body(1, 1<<20)
			var last preservation.Object
			for i := 0; ; i++ {
				o, err := b.Put(ctx, fmt.Sprintf("key%d", i), bytes.NewReader(body), storetest.Locked(body, time.Second))
				if errors.Is(err, preservation.ErrFull) {
					break
				}
				if err != nil || i > 16 {
					t.Fatalf("put %d: %v", i, err)
				}
				last = o
			}
			big := storetest.Body(2, 30<<20)
			for _, size := range []int64{int64(len(big)), -1} {
				if _, err := staging.Put(ctx, "big", bytes.NewReader(big), preservation.PutOptions{Size: size}); !errors.Is(err, preservation.ErrFull) {
					t.Errorf("staging of size %d: %v", size, err)
				}
			}
			if _, err := staging.Stat(ctx, "big"); !errors.Is(err, preservation.ErrNotFound) {
				t.Errorf("something was kept: %v", err)
			}
			n := 0
			for range b.Versions(ctx, "") {
				n++
			}
			for i := range n { // nothing of what failed is there, all else is
				if _, err := b.Stat(ctx, fmt.Sprintf("key%d", i), ""); err != nil {
					t.Error(err)
				}
			}
			for _, on := range []bool{true, false} {
				if err := b.SetHold(ctx, last.Key, last.VersionID, on); err != nil {
					t.Errorf("hold on a full disk: %v", err)
				}
			}
			time.Sleep(time.Until(last.Lock.Until) + 50*time.Millisecond)
			if err := b.Purge(ctx, last.Key); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Put(ctx, "small", bytes.NewReader(body[:1000]), storetest.Locked(body[:1000], time.Second)); err != nil {
				t.Errorf("put when there is room again: %v", err)
			}
		})
	}
}

// TestNoAttributes runs on a file system without extended attributes.
func TestNoAttributes(t *testing.T) {
	dir := storetest.Mount(t, "-t", "ramfs", "ramfs")
	srv := storetest.Embedded(t, func(o *objectstore.Options) { o.Dir = dir })
	found := false
	for _, f := range srv.Findings() {
		found = found || f.Code == "no-extended-attributes"
	}
	if !found {
		t.Errorf("findings are %+v", srv.Findings())
	}
	b := bucket(t, srv)
	body := []byte("body")
	if _, err := b.Put(t.Context(), "key", bytes.NewReader(body), storetest.Locked(body, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := b.Purge(t.Context(), "key"); !errors.Is(err, preservation.ErrLocked) {
		t.Errorf("purge: %v", err)
	}
}

// TestPowerCut copies the disk while eight writers put. The copy holds what had
// reached the disk, as after a power cut, and nothing of the kernel's cache.
func TestPowerCut(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 256<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Skipf("needs mkfs.ext4: %v: %s", err, out)
	}
	dir := storetest.Mount(t, "-o", "loop", image)
	syscall.Sync()
	srv := storetest.Embedded(t, func(o *objectstore.Options) { o.Dir = filepath.Join(dir, "data") })
	b := bucket(t, srv)
	a := acknowledged{seed: map[string]uint64{}, obj: map[string]preservation.Object{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() { a.write(ctx, b, w) })
	}
	for a.count() < 100 {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	writers.Wait()
	cut := filepath.Join(t.TempDir(), "cut")
	if out, err := exec.Command("cp", "--sparse=always", image, cut).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	after := storetest.Mount(t, "-o", "loop", cut)
	srv = storetest.Embedded(t, func(o *objectstore.Options) { o.Dir = filepath.Join(after, "data") })
	a.audit(t, bucket(t, srv))
}
