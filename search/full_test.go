package search

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk fills the file system under the index. Applying must fail with
// an error within bounded time, lose nothing that was durable, and go on by
// itself when there is room again. It needs the right to mount a tmpfs.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	set := testSetOnce(t, dir)
	ix, _ := set.Tenant("musterstadt")
	feed := &listFeed{}
	for n := range 400 {
		var text strings.Builder
		for range 200 {
			text.WriteString(string(rune('a'+rand.IntN(26))) + strings.Repeat(string(rune('a'+rand.IntN(26))), rand.IntN(9)) + " ")
		}
		feed.changes = append(feed.changes, change0(doc(n, "Titel", text.String())))
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	tail := NewTail(TailConfig{Index: ix, Feed: feed, Limit: 50})
	start := time.Now()
	err := tail.CatchUp(t.Context())
	if err == nil {
		t.Fatal("the disk did not get full")
	}
	t.Logf("after %v: %v", time.Since(start), err)
	if d := time.Since(start); d > time.Minute {
		t.Errorf("failed after %v", d)
	}
	if _, err := ix.Search(t.Context(), Query{Text: "Titel"}); err != nil {
		t.Logf("search on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if err := tail.CatchUp(t.Context()); err == nil {
			break
		} else if time.Since(start) > time.Minute {
			t.Fatal(err)
		}
	}
	if n := count(t, ix); n != 400 {
		t.Errorf("%d records", n)
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
}
