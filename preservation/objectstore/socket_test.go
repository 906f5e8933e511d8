package objectstore

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestSweepSockets leaves everything but what a killed server left.
func TestSweepSockets(t *testing.T) {
	temporary, err := os.MkdirTemp("", "b") // short: the path of a socket has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temporary) })
	listen := func(dir string) *net.UnixListener {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	killed := func(dir string) {
		l := listen(dir)
		l.SetUnlinkOnClose(false)
		l.Close()
	}
	var want []string
	for _, tt := range []struct {
		name string
		make func(dir string)
		age  time.Duration
		kept bool
	}{
		{socketPrefix + "killed", killed, time.Hour, false},
		{socketPrefix + "empty", func(string) {}, time.Hour, false},
		{socketPrefix + "starting", func(string) {}, 0, true},
		{socketPrefix + "young", killed, 0, true},
		{socketPrefix + "alive", func(dir string) { listen(dir) }, time.Hour, true},
		{socketPrefix + "not-ours", func(dir string) { os.WriteFile(filepath.Join(dir, "file"), nil, 0o600) }, time.Hour, true},
		{"bestand-storetest", killed, time.Hour, true},
	} {
		dir := filepath.Join(temporary, tt.name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		tt.make(dir)
		if err := os.Chtimes(dir, time.Time{}, time.Now().Add(-tt.age)); err != nil {
			t.Fatal(err)
		}
		if tt.kept {
			want = append(want, tt.name)
		}
	}
	link := socketPrefix + "link"
	if err := os.Symlink(filepath.Join(temporary, "bestand-storetest"), filepath.Join(temporary, link)); err != nil {
		t.Fatal(err)
	}
	want = append(want, link)
	sweepSockets(temporary, slog.Default())
	var got []string
	left, err := os.ReadDir(temporary)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
}
