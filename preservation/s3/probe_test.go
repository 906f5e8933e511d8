package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

// TestKilledProbe leaves what a probe leaves that is killed: parts, and a version whose
// lock has ended under a hold. The next one removes it once it is old.
func TestKilledProbe(t *testing.T) {
	c := storetest.Client(t, storetest.Embedded(t))
	ctx := t.Context()
	b, err := c.Bucket(ctx, "bestand-probe")
	if err != nil {
		t.Fatal(err)
	}
	core := minio.Core{Client: c.API()}
	id, err := core.NewMultipartUpload(ctx, b.Name(), "probe/1/0/multipart", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.PutObjectPart(ctx, b.Name(), "probe/1/0/multipart", id, 1, bytes.NewReader([]byte("part")), 4, minio.PutObjectPartOptions{}); err != nil {
		t.Fatal(err)
	}
	body := []byte("hold")
	o, err := b.Put(ctx, "probe/1/0/hold", bytes.NewReader(body), storetest.Locked(body, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SetHold(ctx, o.Key, o.VersionID, true); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(o.Lock.Until) + 50*time.Millisecond)
	left := func() (n int) {
		for _, err := range b.Versions(ctx, "probe/") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		for u := range c.API().ListIncompleteUploads(ctx, b.Name(), "probe/", true) {
			if u.Err != nil {
				t.Fatal(u.Err)
			}
			n++
		}
		return n
	}
	for _, tt := range []struct {
		old  time.Duration
		want int
	}{{-time.Hour, 2}, {time.Minute, 0}} {
		if err := c.TidyProbes(ctx, b, time.Now().Add(tt.old)); err != nil {
			t.Error(err)
		}
		if n := left(); n != tt.want {
			t.Errorf("%d things are left of before %s, want %d", n, tt.old, tt.want)
		}
	}
}

// TestBusyStore: a store that does not answer in time has broken no promise.
func TestBusyStore(t *testing.T) {
	f := s3.Found("lock", "a lock is kept", "bucket", fmt.Errorf("put: %w", context.DeadlineExceeded))
	if f.Severity != preservation.Failed || strings.Contains(f.Detail, "Do not archive") || !strings.Contains(f.Detail, "in time") {
		t.Errorf("%+v", f)
	}
}
