package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// BenchmarkRebuild restores catalog and index from the bucket, whole and with the contents
// left for later, and reads the same objects from the same store without doing anything
// with them, in turns, for records of three sizes. The ratio is that of their rates; beside
// it stand that to reading with a digest over what is read, without which nobody knows
// what he has read, and that of the processor time of both with the store's, which other
// work on the machine disturbs least.
//
//	BESTAND_BENCH_RECORDS=10000 go test ./cmd/bestand -run '^$' -bench Rebuild -benchtime 3x
func BenchmarkRebuild(b *testing.B) {
	n := sizes()[0]
	b.Run("100KiB", func(b *testing.B) { benchRebuild(b, "rebuild", n, 100<<10) })
	b.Run("1MiB", func(b *testing.B) { benchRebuild(b, "rebuild-1MiB", n/5, 1<<20) })
	b.Run("8MiB", func(b *testing.B) { benchRebuild(b, "rebuild-8MiB", n/40, 8<<20) })
}

func benchRebuild(b *testing.B, name string, n, size int) {
	b.Setenv("TMPDIR", os.TempDir()) // a service changes it
	dir := benchDir(b, name)
	if _, err := os.Stat(filepath.Join(dir, "objects")); err != nil {
		g := grow(b, dir)
		g.original = size
		b.Logf("%d records archived in %v", n, g.fill(0, n, true))
		g.end()
	}
	var reading, digesting, rebuilding, quick []time.Duration
	var readWork, rebuildWork, quickWork time.Duration
	for b.Loop() {
		g := grow(b, dir)
		before := worked()
		reading = append(reading, g.readAll(func() io.Writer { return io.Discard }))
		readWork += worked() - before
		digesting = append(digesting, g.readAll(func() io.Writer { return sha256.New() }))
		g.end()
		took, work := rebuildAnew(b, dir, false)
		rebuilding = append(rebuilding, took)
		rebuildWork += work
		took, work = rebuildAnew(b, dir, true)
		quick = append(quick, took)
		quickWork += work
	}
	read, digested, rebuilt, later := median(reading), median(digesting), median(rebuilding), median(quick)
	b.Log("reading", reading, "with digests", digesting, "rebuilding", rebuilding, "contents later", quick, "processor time", readWork, rebuildWork, quickWork)
	b.ReportMetric(float64(n)/read.Seconds(), "read-records/s")
	b.ReportMetric(float64(n)/rebuilt.Seconds(), "rebuilt-records/s")
	b.ReportMetric(read.Seconds()/rebuilt.Seconds(), "ratio")
	b.ReportMetric(digested.Seconds()/rebuilt.Seconds(), "ratio-to-digests")
	b.ReportMetric(readWork.Seconds()/rebuildWork.Seconds(), "ratio-of-work")
	b.ReportMetric(float64(n)/later.Seconds(), "later-records/s")
	b.ReportMetric(read.Seconds()/later.Seconds(), "later-ratio")
	b.ReportMetric(readWork.Seconds()/quickWork.Seconds(), "later-ratio-of-work")
	b.ReportMetric(0, "ns/op")
}

// worked is the processor time of this process and of those that it started and that
// still run.
func worked() (sum time.Duration) {
	for _, pid := range append(offspring(os.Getpid()), os.Getpid()) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // none where there is no /proc
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 12 {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			sum += time.Duration(user+system) * (time.Second / 100)
		}
	}
	return sum
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// readAll reads every object of the bucket as fast as it comes, each into a writer of
// its own.
func (g *grown) readAll(into func() io.Writer) time.Duration {
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
			_, err = io.Copy(into(), body)
			return err
		})
	}
	g.must(eg.Wait())
	return time.Since(begin)
}

// rebuildAnew takes catalog and index away and has them restored.
func rebuildAnew(b testing.TB, dir string, later bool) (took, work time.Duration) {
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
	begin, before := time.Now(), worked()
	if problems, err := a.rebuild(context.WithoutCancel(b.Context()), nil, later, b.Output()); err != nil || problems > 0 {
		b.Fatal(problems, err)
	}
	took, work = time.Since(begin), worked()-before
	if err := a.close(); err != nil {
		b.Fatal(fmt.Errorf("close: %w", err))
	}
	return took, work
}
