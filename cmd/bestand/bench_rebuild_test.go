package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// BenchmarkRebuild restores catalog and index from the bucket, and reads the
// same objects from the same store without doing anything with them, in turns.
// The ratio is that of their rates.
//
//	BESTAND_BENCH_RECORDS=10000 go test ./cmd/bestand -run '^$' -bench Rebuild -benchtime 3x
func BenchmarkRebuild(b *testing.B) {
	dir := benchDir(b, "rebuild")
	n := sizes()[0]
	if _, err := os.Stat(filepath.Join(dir, "objects")); err != nil {
		g := grow(b, dir)
		b.Logf("%d records archived in %v", n, g.fill(0, n, true))
		g.end()
	}
	var reading, rebuilding []time.Duration
	for b.Loop() {
		g := grow(b, dir)
		reading = append(reading, g.readAll())
		g.end()
		rebuilding = append(rebuilding, rebuildAnew(b, dir))
	}
	read, rebuilt := median(reading), median(rebuilding)
	b.Log("reading", reading, "rebuilding", rebuilding)
	b.ReportMetric(float64(n)/read.Seconds(), "read-records/s")
	b.ReportMetric(float64(n)/rebuilt.Seconds(), "rebuilt-records/s")
	b.ReportMetric(read.Seconds()/rebuilt.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// readAll reads every object of the bucket as fast as it comes.
func (g *grown) readAll() time.Duration {
	g.Helper()
	bucket, err := g.bucket(g.Context(), firstTenant)
	g.must(err)
	begin := time.Now()
	eg, ctx := errgroup.WithContext(g.Context())
	eg.SetLimit(8 * runtime.NumCPU())
	for o, err := range bucket.Versions(ctx, "") {
		g.must(err)
		eg.Go(func() error {
			body, err := bucket.Open(ctx, o.Key, o.VersionID, 0, -1)
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.Copy(io.Discard, body)
			return err
		})
	}
	g.must(eg.Wait())
	return time.Since(begin)
}

// rebuildAnew takes catalog and index away and has them restored.
func rebuildAnew(b testing.TB, dir string) time.Duration {
	b.Helper()
	old, err := filepath.Glob(filepath.Join(dir, "catalog.db*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range append(old, filepath.Join(dir, "index")) {
		if err := os.RemoveAll(path); err != nil {
			b.Fatal(err)
		}
	}
	a, err := reopened(b, dir)
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	if err := a.rebuild(context.WithoutCancel(b.Context()), b.Output()); err != nil {
		b.Fatal(err)
	}
	took := time.Since(begin)
	if err := a.close(); err != nil {
		b.Fatal(fmt.Errorf("close: %w", err))
	}
	return took
}
