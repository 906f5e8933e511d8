package evidence

import (
	"crypto"
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation/evidence/judge"
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

// BenchmarkEvidence makes the evidence record of each of n groups in DER, its tree
// included, on one processor and on all. Beside it, in the same run, stands a
// generator in Java over BouncyCastle's ASN.1 that keeps its tree as ours does;
// BouncyCastle's own takes more than linear time, and only so many are asked of it.
func BenchmarkEvidence(b *testing.B) {
	const most, small = 100_000, 2_000
	a := newAuthority(b, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	for _, n := range []int{small, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t, groups := bigTree(b, crypto.SHA256, n)
			token := a.stamp(b, crypto.SHA256, t.Root())
			peer := judge.Rate(b, "linear", min(n, most))
			var one, all time.Duration
			var bytes int
			for b.Loop() {
				start := time.Now()
				bytes = records(b, groups, token, 1)
				one += time.Since(start)
				start = time.Now()
				records(b, groups, token, runtime.GOMAXPROCS(0))
				all += time.Since(start)
			}
			rate := func(d time.Duration) float64 { return float64(n) * float64(b.N) / d.Seconds() }
			b.ReportMetric(rate(one), "records/s")
			b.ReportMetric(rate(all), "records/s-on-all")
			b.ReportMetric(peer, "peer/s")
			b.ReportMetric(rate(one)/peer, "ratio")
			if n == small {
				b.ReportMetric(judge.Rate(b, "bouncycastle", n), "bouncycastle/s")
			}
			b.ReportMetric(float64(bytes)/float64(n), "bytes/record")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// records makes the records of all groups and returns how many bytes they have.
func records(b *testing.B, groups [][][]byte, token []byte, workers int) (total int) {
	b.Helper()
	h := crypto.SHA256
	leaves := make([]byte, 0, len(groups)*h.Size())
	for _, g := range groups {
		leaves = append(leaves, GroupDigest(h, g)...)
	}
	t, err := NewTree(h, leaves)
	if err != nil {
		b.Fatal(err)
	}
	sizes := make([]int, workers)
	var all errgroup.Group
	for w := range workers {
		all.Go(func() error {
			for i := w; i < len(groups); i += workers {
				sizes[w] += len(New(h, t.Reduced(i, groups[i]), token).Encode())
			}
			return nil
		})
	}
	all.Wait() // its functions return no error
	for _, s := range sizes {
		total += s
	}
	return total
}
