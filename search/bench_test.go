package search

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/search/synthetic"
)

// The benchmarks run on BESTAND_BENCH_RECORDS synthetic German records, 20,000
// by default:
//
//	BESTAND_BENCH_RECORDS=1000000 go test ./search -run '^$' -bench . -benchtime 200x -timeout 2h
//
// BESTAND_BENCH_DIR keeps the index between runs.

func benchRecords() int {
	if n, err := strconv.Atoi(os.Getenv("BESTAND_BENCH_RECORDS")); err == nil {
		return n
	}
	return 20000
}

var source = sync.OnceValue(func() *synthetic.Source { return synthetic.New(dictionaryText, stopText) })

// nth is the n-th synthetic record, in one of 360 classes of three levels.
func nth(n int) Document {
	rec, text := source().Record(n, func(r int) string { return fmt.Sprintf("%d%d%d", 1+r%9, r/9%8, r/72%5) })
	return Document{Record: rec, ClassPath: []string{rec.Class[:1], rec.Class[:2], rec.Class},
		State: []string{"archived", "archived", "archived", "due"}[n%4], Evidence: "stamped", Text: text}
}

var bench struct {
	sync.Once
	set     *Set
	index   *Index
	took    time.Duration
	records int
}

// benchIndex builds the index once for all benchmarks of a run.
func benchIndex(b *testing.B) *Index {
	b.Helper()
	bench.Do(func() {
		dir := os.Getenv("BESTAND_BENCH_DIR")
		if dir == "" {
			dir = filepath.Join(os.TempDir(), fmt.Sprintf("bestand-bench-%d", os.Getpid()))
		}
		s, err := Open(dir, Options{Timeout: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		bench.set = s
		bench.index, err = s.Tenant("bench")
		if err != nil {
			b.Fatal(err)
		}
		at, err := bench.index.Checkpoint(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		done, _ := strconv.Atoi(at)
		n := benchRecords()
		defer roomy()()
		start, worked := time.Now(), processorTime()
		for i := done; i < n; {
			var batch []Document
			for ; i < n && len(batch) < batchDocs; i++ {
				batch = append(batch, nth(i))
			}
			generated := time.Now()
			next := strconv.Itoa(i)
			if err := bench.index.Apply(b.Context(), Batch{After: at, Next: next, Docs: batch}); err != nil {
				b.Fatal(err)
			}
			bench.took += time.Since(generated)
			at = next
		}
		bench.records = n - done
		if bench.records > 0 {
			b.Logf("indexed %d records in %v (%.0f/s), with generation %v and %v of processor time; %d MB", bench.records,
				bench.took, float64(bench.records)/bench.took.Seconds(), time.Since(start), processorTime()-worked, folderSize(dir)>>20)
		}
		start = time.Now()
		if err := bench.index.Warm(b.Context()); err != nil { // as a Tail does when it has caught up
			b.Fatal(err)
		}
		w := &bench.index.open.words
		b.Logf("prepared in %v, frequent words in %d of at most %d MB", time.Since(start), w.size>>20, w.limit>>20)
	})
	return bench.index
}

// roomy gives the collector the room that a rebuild has, which is when records
// come in large batches.
func roomy() (takeBack func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	limit, percent := debug.SetMemoryLimit(1280<<20), debug.SetGCPercent(400)
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	code := m.Run()
	if bench.set != nil {
		bench.set.Close()
		if os.Getenv("BESTAND_BENCH_DIR") == "" {
			os.RemoveAll(bench.set.dir)
		}
	}
	os.Exit(code)
}

func folderSize(dir string) (n int64) {
	filepath.Walk(dir, func(_ string, i os.FileInfo, err error) error {
		if err == nil {
			n += i.Size()
		}
		return nil
	})
	return n
}

// processorTime is what this process has used so far. Unlike the clock it says
// the same on a busy machine.
func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkIndex(b *testing.B) {
	set, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer set.Close()
	ix, _ := set.Tenant("bench")
	defer roomy()()
	n, at := 0, ""
	var took time.Duration
	worked := processorTime()
	for b.Loop() {
		batch := make([]Document, batchDocs)
		for i := range batch {
			batch[i] = nth(n)
			n++
		}
		start := time.Now()
		next := strconv.Itoa(n)
		if err := ix.Apply(b.Context(), Batch{After: at, Next: next, Docs: batch}); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
		at = next
	}
	b.ReportMetric(float64(n)/took.Seconds(), "records/s")
	b.ReportMetric(float64((processorTime()-worked).Microseconds())/1000/float64(n), "cpu-ms/record")
	b.ReportMetric(float64(folderSize(set.dir))/float64(n), "bytes/record")
}

func BenchmarkSearch(b *testing.B) {
	gen := source()
	r := rand.New(rand.NewPCG(3, 4))
	words := gen.Frequency(r)
	word := func() string { return gen.Words[words.Uint64()] }
	day := func(n int) preservation.Date { return preservation.Date{Year: 1990, Month: 1, Day: 1}.AddDays(n) }
	kinds := []struct {
		name  string
		query func() Query
	}{
		{"word", func() Query { return Query{Text: word()} }},
		{"words", func() Query { return Query{Text: word() + " " + word()} }},
		{"rare", func() Query { return Query{Text: gen.Words[3000+r.IntN(50000)]} }},
		{"common", func() Query { return Query{Text: gen.Words[r.IntN(20)]} }},
		{"common-words", func() Query { return Query{Text: gen.Words[r.IntN(20)] + " " + gen.Words[r.IntN(20)]} }},
		{"phrase", func() Query { return Query{Text: `"` + gen.Words[r.IntN(200)] + " " + gen.Words[r.IntN(200)] + `"`} }},
		{"name", func() Query { return Query{Text: "name:" + gen.Names[r.IntN(400)]} }},
		{"reference", func() Query {
			return Query{Text: nth(r.IntN(benchRecords())).Reference}
		}},
		{"prefix", func() Query { return Query{Text: clip(word(), 5) + "*"} }},
		{"prefix-short", func() Query { return Query{Text: clip(gen.Words[r.IntN(2000)], 3) + "*"} }},
		{"fuzzy", func() Query { return Query{Text: gen.Words[r.IntN(2000)] + "~"} }},
		{"word-snippets", func() Query { return Query{Text: word(), Snippets: true} }},
		{"word-facets", func() Query { return Query{Text: word(), Facets: Facets()} }},
		{"word-newest", func() Query { return Query{Text: word(), Order: ByNewest} }},
		{"word-title", func() Query { return Query{Text: word(), Order: ByTitle} }},
		{"word-class", func() Query {
			return Query{Text: word(), Filter: Filter{Values: map[Facet][]string{FacetClass: {strconv.Itoa(1 + r.IntN(9))}}}}
		}},
		{"range-facets", func() Query {
			n := r.IntN(10000)
			return Query{Order: ByNewest, Filter: Filter{Day: Range{From: day(n), To: day(n + 700)}}, Facets: []Facet{FacetClass, FacetState, FacetYear}}
		}},
		{"all-facets", func() Query { return Query{Order: ByNewest, Facets: []Facet{FacetClass, FacetState, FacetYear}} }},
	}
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			ix := benchIndex(b)
			for range 3 { // columns are made on first use
				if _, err := ix.Search(b.Context(), k.query()); err != nil {
					b.Fatal(err)
				}
			}
			var took, worked []time.Duration
			total := 0
			for b.Loop() {
				q := k.query()
				start, before := time.Now(), processorTime()
				p, err := ix.Search(b.Context(), q)
				if err != nil {
					b.Fatal(q.Text, err)
				}
				took, worked = append(took, time.Since(start)), append(worked, processorTime()-before)
				total += p.Total
			}
			at := func(of []time.Duration, q float64) float64 {
				slices.Sort(of)
				return float64(of[min(int(q*float64(len(of))), len(of)-1)].Microseconds()) / 1000
			}
			b.ReportMetric(at(took, .5), "p50-ms")
			b.ReportMetric(at(took, .95), "p95-ms")
			b.ReportMetric(at(worked, .5), "cpu-p50-ms")
			b.ReportMetric(at(worked, .95), "cpu-p95-ms")
			b.ReportMetric(float64(total)/float64(len(took)), "hits")
			b.ReportMetric(0, "ns/op")
		})
	}
}
