package format_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"bestand/ingest/format"
)

// live is what the heap holds that is in use.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the pools of the first still held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemory: what siegfried builds of its signatures stays for as long as the
// program runs, and the collector lets garbage grow to as much again.
func TestMemory(t *testing.T) {
	const most = 24 << 20
	i, err := format.New()
	if err != nil {
		t.Fatal(err)
	}
	before := live()
	for n, content := range [][]byte{[]byte("\x00\x01datum 000001\xff\x00"), []byte(pdf), docx(t), bytes.Repeat([]byte("text\n"), 100_000)} {
		path := filepath.Join(t.TempDir(), fmt.Sprint(n))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Identify(t.Context(), path, "name"); err != nil {
			t.Fatal(err)
		}
	}
	took := live() - before
	t.Logf("%.1f MiB", float64(took)/(1<<20))
	if took > most {
		t.Errorf("%d MiB stay in memory after the first files, at most %d are wanted", took>>20, most>>20)
	}
	runtime.KeepAlive(i)
}

// BenchmarkIdentify identifies a file of a format that nobody knows, which all
// signatures are held against.
func BenchmarkIdentify(b *testing.B) {
	i, err := format.New()
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "datum.dat")
	if err := os.WriteFile(path, []byte("\x00\x01datum 000001\xff\x00"), 0o600); err != nil {
		b.Fatal(err)
	}
	large := filepath.Join(b.TempDir(), "large.dat")
	if err := os.WriteFile(large, bytes.Repeat([]byte("a line of text with %PDF and PK\x03\x04 in it\n"), 1<<14), 0o600); err != nil {
		b.Fatal(err)
	}
	for name, p := range map[string]string{"small": path, "700 KiB": large} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := i.Identify(b.Context(), p, "datum.dat"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
