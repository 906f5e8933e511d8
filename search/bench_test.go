package search

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
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

// synthetic makes records whose words are as unevenly frequent as in real text.
type synthetic struct {
	words []string
	names []string
	stop  []string
}

func newSynthetic() *synthetic {
	r := rand.New(rand.NewPCG(1, 2))
	var base []string
	for line := range strings.Lines(dictionaryText) {
		line, _, _ = strings.Cut(line, "#")
		if !strings.ContainsAny(line[:min(len(line), 1)], "!=") {
			base = append(base, strings.Fields(line)...)
		}
	}
	slices.Sort(base)
	base = slices.Compact(base)
	r.Shuffle(len(base), func(i, j int) { base[i], base[j] = base[j], base[i] })
	s := &synthetic{words: slices.Clone(base)}
	slices.SortStableFunc(s.words, func(a, b string) int { return len(a)/8 - len(b)/8 }) // short words are frequent
	for len(s.words) < 60000 {                                                           // compounds, inflected
		w := base[r.IntN(len(base))] + joints[r.IntN(3)] + base[r.IntN(len(base))] + endings[r.IntN(6)]
		s.words = append(s.words, w)
	}
	syllables := strings.Fields("ber mül ler schm idt mei er hof fmann lan ge kai ser wal ter neu mann schu bert graf stein bach krü ger zim bau bö hm rich ter")
	for len(s.names) < 20000 {
		n := ""
		for range 2 + r.IntN(2) {
			n += syllables[r.IntN(len(syllables))]
		}
		s.names = append(s.names, strings.ToUpper(n[:1])+n[1:])
	}
	s.stop = strings.Fields(stopText)
	return s
}

func (s *synthetic) word(r *rand.Rand, zipf *rand.Zipf) string { return s.words[zipf.Uint64()] }

func (s *synthetic) document(n int) Document {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	zipf := rand.NewZipf(r, 1.07, 8, uint64(len(s.words)-1))
	text := func(n int) string { // two words in five are stop words, as in German prose
		var b strings.Builder
		for range n {
			if r.IntN(5) < 2 {
				b.WriteString(s.stop[r.IntN(len(s.stop))])
			} else {
				b.WriteString(s.word(r, zipf))
			}
			b.WriteByte(' ')
		}
		return b.String()
	}
	opened := preservation.Date{Year: 1990, Month: 1, Day: 1}.AddDays(r.IntN(12000))
	class := fmt.Sprintf("%d%d%d", 1+r.IntN(9), r.IntN(8), r.IntN(5))
	formats := []preservation.Format{{PUID: "fmt/95", MIME: "application/pdf"}, {PUID: "fmt/412", MIME: "application/docx"}, {PUID: "fmt/353", MIME: "image/tiff"}, {PUID: "x-fmt/430", MIME: "message/rfc822"}}
	d := Document{
		Record: preservation.Record{
			ID:       preservation.RecordID(preservation.NewID(epoch.Add(time.Duration(n) * 250 * time.Millisecond))),
			Received: epoch,
			Metadata: preservation.Metadata{
				Producer: fmt.Sprintf("dms-%d", r.IntN(6)), ProducerRecordID: fmt.Sprintf("R-%08d", n), Kind: []string{"file", "case", "document"}[r.IntN(3)],
				Class: class, Title: text(4 + r.IntN(4)), Reference: fmt.Sprintf("%s.%d-%d/%05d", class, r.IntN(40), opened.Year, n%100000),
				Creator: "Amt " + class[:2], Opened: opened, Closed: opened.AddDays(r.IntN(900)),
				Subjects: []preservation.Subject{{Name: s.names[r.IntN(400)] + " " + s.names[r.IntN(len(s.names))]}},
				Keywords: []string{s.word(r, zipf), s.word(r, zipf)},
			},
			Files: []preservation.File{{Name: s.word(r, zipf) + "_" + strconv.Itoa(n) + ".pdf", Format: formats[r.IntN(4)]}, {Name: "Anlage.pdf", Format: formats[0]}},
		},
		ClassPath: []string{class[:1], class[:2], class},
		State:     []string{"archived", "archived", "archived", "due"}[r.IntN(4)],
		Evidence:  "stamped",
		Text:      text(40 + r.IntN(60)),
	}
	return d
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
		n, gen := benchRecords(), newSynthetic()
		start := time.Now()
		for i := done; i < n; {
			var batch []Document
			for ; i < n && len(batch) < batchDocs; i++ {
				batch = append(batch, gen.document(i))
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
			b.Logf("indexed %d records in %v (%.0f/s), with generation %v; %d MB", bench.records, bench.took,
				float64(bench.records)/bench.took.Seconds(), time.Since(start), folderSize(dir)>>20)
		}
	})
	return bench.index
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

func BenchmarkIndex(b *testing.B) {
	gen := newSynthetic()
	set, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer set.Close()
	ix, _ := set.Tenant("bench")
	n, at := 0, ""
	var took time.Duration
	for b.Loop() {
		batch := make([]Document, batchDocs)
		for i := range batch {
			batch[i] = gen.document(n)
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
	b.ReportMetric(float64(folderSize(set.dir))/float64(n), "bytes/record")
}

func BenchmarkSearch(b *testing.B) {
	gen := newSynthetic()
	r := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(r, 1.07, 8, uint64(len(gen.words)-1))
	word := func() string { return gen.word(r, zipf) }
	day := func(n int) preservation.Date { return preservation.Date{Year: 1990, Month: 1, Day: 1}.AddDays(n) }
	kinds := []struct {
		name  string
		query func() Query
	}{
		{"word", func() Query { return Query{Text: word()} }},
		{"words", func() Query { return Query{Text: word() + " " + word()} }},
		{"rare", func() Query { return Query{Text: gen.words[3000+r.IntN(50000)]} }},
		{"common", func() Query { return Query{Text: gen.words[r.IntN(20)]} }},
		{"common-words", func() Query { return Query{Text: gen.words[r.IntN(20)] + " " + gen.words[r.IntN(20)]} }},
		{"phrase", func() Query { return Query{Text: `"` + gen.words[r.IntN(200)] + " " + gen.words[r.IntN(200)] + `"`} }},
		{"name", func() Query { return Query{Text: "name:" + gen.names[r.IntN(400)]} }},
		{"reference", func() Query {
			return Query{Text: gen.document(r.IntN(benchRecords())).Reference}
		}},
		{"prefix", func() Query { return Query{Text: clip(word(), 5) + "*"} }},
		{"prefix-short", func() Query { return Query{Text: clip(gen.words[r.IntN(2000)], 3) + "*"} }},
		{"fuzzy", func() Query { return Query{Text: gen.words[r.IntN(2000)] + "~"} }},
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
			var took []time.Duration
			total := 0
			for b.Loop() {
				q := k.query()
				start := time.Now()
				p, err := ix.Search(b.Context(), q)
				if err != nil {
					b.Fatal(q.Text, err)
				}
				took = append(took, time.Since(start))
				total += p.Total
			}
			slices.Sort(took)
			at := func(q float64) float64 {
				return float64(took[min(int(q*float64(len(took))), len(took)-1)].Microseconds()) / 1000
			}
			b.ReportMetric(at(.5), "p50-ms")
			b.ReportMetric(at(.95), "p95-ms")
			b.ReportMetric(float64(total)/float64(len(took)), "hits")
			b.ReportMetric(0, "ns/op")
		})
	}
}
