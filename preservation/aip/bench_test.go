package aip_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// BenchmarkWrite compares writing a package with the least that must be done
// anyway: reading the files, both digests, and writing the bytes. The metric
// "of-bare" is the share of that rate which Write reaches.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		name  string
		files int
		size  int
	}{{"1x64MiB", 1, 64 << 20}, {"64x1MiB", 64, 1 << 20}, {"500x100KiB", 500, 100 << 10}, {"4x50KiB", 4, 50 << 10}} {
		b.Run(c.name, func(b *testing.B) {
			p, _ := sample()
			p.Record.Files, p.Events = nil, nil
			dir := b.TempDir()
			random := rand.NewChaCha8([32]byte{})
			content := make([]byte, c.size)
			for i := range c.files {
				random.Read(content)
				id := preservation.NewFileID(i + 1)
				if err := os.WriteFile(filepath.Join(dir, string(id)), content, 0o600); err != nil {
					b.Fatal(err)
				}
				p.Record.Files = append(p.Record.Files, preservation.File{ID: id, Representation: preservation.Original, Name: "a.bin",
					Size: int64(c.size), Digests: digests(content)})
			}
			p.Content = func(id preservation.FileID) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, string(id))) }
			out, err := os.Create(filepath.Join(dir, "out"))
			if err != nil {
				b.Fatal(err)
			}
			defer out.Close()
			b.SetBytes(int64(c.files * c.size))
			var bare, packing time.Duration
			for b.Loop() {
				out.Seek(0, io.SeekStart)
				start := time.Now()
				buf := make([]byte, 256<<10)
				for _, f := range p.Record.Files {
					r, err := p.Content(f.ID)
					if err != nil {
						b.Fatal(err)
					}
					short, long := sha256.New(), sha512.New()
					if _, err := io.CopyBuffer(io.MultiWriter(out, short, long), struct{ io.Reader }{r}, buf); err != nil {
						b.Fatal(err)
					}
					r.Close()
				}
				bare += time.Since(start)
				out.Seek(0, io.SeekStart)
				start = time.Now()
				if _, err := aip.Write(b.Context(), out, p); err != nil {
					b.Fatal(err)
				}
				packing += time.Since(start)
			}
			b.ReportMetric(bare.Seconds()/packing.Seconds(), "of-bare")
		})
	}
}

// BenchmarkManyFiles reports what a record of 50,000 files takes beyond the record itself.
func BenchmarkManyFiles(b *testing.B) {
	p, s := sample()
	content := []byte("x")
	id := s.add(&p.Record, preservation.Original, "x.txt", content).ID
	one, _ := p.Record.File(id)
	for len(p.Record.Files) < 50_000 {
		f := one
		f.ID = preservation.NewFileID(len(p.Record.Files) + 1)
		f.Name = fmt.Sprintf("Schreiben vom 14.03.2026 Nr. %d.docx", len(p.Record.Files))
		f.Format = p.Record.Files[0].Format
		p.Record.Files = append(p.Record.Files, f)
	}
	small := p.Content
	p.Content = func(id preservation.FileID) (io.ReadCloser, error) {
		if _, ok := s[id]; ok {
			return small(id)
		}
		return io.NopCloser(bytes.NewReader(content)), nil
	}
	for b.Loop() {
		runtime.GC()
		var before, m runtime.MemStats
		runtime.ReadMemStats(&before)
		stop, peak := make(chan struct{}), make(chan uint64)
		go func() {
			var most uint64
			for {
				select {
				case <-stop:
					peak <- most
					return
				case <-time.After(5 * time.Millisecond):
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
			}
		}()
		manifest, err := aip.Write(b.Context(), io.Discard, p)
		if err != nil {
			b.Fatal(err)
		}
		close(stop)
		b.ReportMetric(float64(<-peak-before.HeapAlloc)/(1<<20), "MiB-peak")
		b.ReportMetric(float64(manifest.Size)/(1<<20), "MiB-package")
	}
}
