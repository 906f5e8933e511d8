package evidence

import (
	"crypto"
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// bigTree is a tree over n groups of three digests.
func bigTree(b *testing.B, h crypto.Hash, n int) (*Tree, [][][]byte) {
	b.Helper()
	groups := make([][][]byte, n)
	leaves := make([]byte, 0, n*h.Size())
	for i := range groups {
		groups[i] = group(h, i)
		leaves = append(leaves, GroupDigest(h, groups[i])...)
	}
	t, err := NewTree(h, leaves)
	if err != nil {
		b.Fatal(err)
	}
	return t, groups
}

// BenchmarkTree builds trees over groups of three digests and hashes the same
// bytes without anything around it: ratio is how many times as long the tree takes.
func BenchmarkTree(b *testing.B) {
	h := crypto.SHA256
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, groups := bigTree(b, h, n)
			var tree, bare time.Duration
			for b.Loop() {
				start := time.Now()
				leaves := make([]byte, 0, n*h.Size())
				for _, g := range groups {
					leaves = append(leaves, GroupDigest(h, g)...)
				}
				if _, err := NewTree(h, leaves); err != nil {
					b.Fatal(err)
				}
				tree += time.Since(start)
				start = time.Now()
				w, out := h.New(), make([]byte, 0, h.Size())
				for i, g := range groups { // a group, and an inner node for each leaf but one
					w.Reset()
					for _, d := range g {
						w.Write(d)
					}
					w.Sum(out)
					if i > 0 {
						w.Reset()
						w.Write(g[0])
						w.Write(g[1])
						w.Sum(out)
					}
				}
				bare += time.Since(start)
			}
			b.ReportMetric(tree.Seconds()/bare.Seconds(), "ratio-to-hashing")
			b.ReportMetric(float64(n)*float64(b.N)/tree.Seconds(), "groups/s")
		})
	}
}

// BenchmarkEncode makes the evidence record of each of n groups in DER, on all
// processors.
func BenchmarkEncode(b *testing.B) {
	h := crypto.SHA256
	a := newAuthority(b, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t, groups := bigTree(b, h, n)
			token := a.stamp(b, h, t.Root())
			workers := runtime.GOMAXPROCS(0)
			sizes := make([]int, workers)
			b.ResetTimer()
			for b.Loop() {
				var g errgroup.Group
				for w := range workers {
					g.Go(func() error {
						for i := w; i < n; i += workers {
							sizes[w] += len(New(h, t.Reduced(i, groups[i]), token).Encode())
						}
						return nil
					})
				}
				g.Wait()
			}
			total := 0
			for _, s := range sizes {
				total += s
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(total)/float64(n)/float64(b.N), "bytes/record")
		})
	}
}
