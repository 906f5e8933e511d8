package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"bestand/preservation/catalog"
	"bestand/search"
)

// sizes are the numbers of records at which the growth is measured: powers of
// ten from 10,000 up to BESTAND_BENCH_RECORDS, 10,000 by default.
func sizes() (all []int) {
	most, err := strconv.Atoi(os.Getenv("BESTAND_BENCH_RECORDS"))
	if err != nil {
		most = 10000
	}
	for n := min(10000, most); n <= most; n *= 10 {
		all = append(all, n)
	}
	return all
}

// mostObjects is up to how many records have objects in the store: a million of
// 100 KiB take more room than the machines of developers have. Records beyond are
// in the catalog only, and are not rebuilt.
const mostObjects = 100_000

// benchDir is a data folder that BESTAND_BENCH_DIR keeps between runs.
func benchDir(b testing.TB, name string) string {
	if dir := os.Getenv("BESTAND_BENCH_DIR"); dir != "" {
		return filepath.Join(dir, name)
	}
	return b.TempDir()
}

// BenchmarkGrowth shows in one table what a record costs while the archive
// grows: to archive it without conversion, to bring it back, to put it into the
// index, and to find it over HTTP.
//
//	BESTAND_BENCH_RECORDS=1000000 go test ./cmd/bestand -run '^$' -bench Growth -benchtime 1x -timeout 6h
func BenchmarkGrowth(b *testing.B) {
	for b.Loop() {
		dir := benchDir(b, "growth")
		var table strings.Builder
		w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
		columns := []string{"records", "archive µs", "rebuild µs", "index µs", "ready ms"}
		for _, k := range questions {
			columns = append(columns, k.name+" p95 ms")
		}
		fmt.Fprintln(w, strings.Join(columns, "\t")+"\t")
		for _, n := range sizes() {
			fmt.Fprintln(w, strings.Join(measureAt(b, dir, n), "\t")+"\t")
		}
		w.Flush()
		b.Log("\n" + table.String())
	}
}

// measureAt lets the archive grow to n records and measures it there.
func measureAt(b *testing.B, dir string, n int) []string {
	b.Helper()
	g := grow(b, dir)
	have, objects := g.size(), n <= mostObjects
	each := func(d time.Duration, records int) string {
		if records <= 0 {
			return "-"
		}
		return fmt.Sprintf("%.0f", float64(d.Microseconds())/float64(records))
	}
	row := []string{strconv.Itoa(n), each(g.fill(have, n, objects), n-have), "-", "-"}
	source, classes := g.source, g.classes
	if !objects {
		begin := time.Now()
		set, err := search.Open(g.cfg.path("index"), search.Options{Log: g.log, Now: g.now})
		g.must(err)
		g.must(g.reindex(b.Context(), set, firstTenant, nil))
		g.must(set.Close())
		row[3] = each(time.Since(begin), n-have)
	}
	g.end()
	if objects {
		took, _ := rebuildAnew(b, dir, false)
		row[2] = each(took, n)
	}
	in := install(b)
	in.dir = dir
	begin := time.Now()
	in.serve(b)
	row = append(row, strconv.FormatInt(time.Since(begin).Milliseconds(), 10))
	token, err := readSecret(filepath.Join(dir, tokenFile))
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	frequent := source.Frequency(r)
	for _, k := range questions {
		ask := func() time.Duration {
			query := k.query(r, source.Words[frequent.Uint64()], classes)
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, in.url+"/v1/records?"+query.Encode(), nil)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			begin := time.Now()
			resp, err := benchHTTP.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			defer resp.Body.Close()
			if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				b.Fatalf("%s: %s %s %v", req.URL, resp.Status, text, err)
			}
			return time.Since(begin)
		}
		var took []time.Duration
		for i := range 220 {
			if d := ask(); i >= 20 { // the first warm up
				took = append(took, d)
			}
		}
		slices.Sort(took)
		row = append(row, fmt.Sprintf("%.1f", float64(took[len(took)*95/100].Microseconds())/1000))
	}
	in.stop(b)
	return row
}

// questions are asked of every size, with facets and totals as people get them.
var questions = []struct {
	name  string
	query func(r *rand.Rand, word string, classes []string) url.Values
}{
	{"word", func(_ *rand.Rand, word string, _ []string) url.Values { return url.Values{"q": {word}} }},
	{"prefix", func(_ *rand.Rand, word string, _ []string) url.Values {
		return url.Values{"q": {string([]rune(word)[:min(5, len([]rune(word)))]) + "*"}}
	}},
	{"list", func(*rand.Rand, string, []string) url.Values { return url.Values{} }},
	{"class", func(r *rand.Rand, _ string, classes []string) url.Values {
		return url.Values{"class": {classes[r.IntN(len(classes))]}}
	}},
	{"range", func(r *rand.Rand, _ string, _ []string) url.Values {
		year := 1992 + r.IntN(28)
		return url.Values{"from": {fmt.Sprintf("%d-03-15", year)}, "to": {fmt.Sprintf("%d-03-14", year+2)}}
	}},
}

// size is the number of records in the catalog.
func (g *grown) size() int {
	g.Helper()
	n, err := g.tenant.CountRecords(g.Context(), catalog.RecordFilter{Status: "live"})
	g.must(err)
	return int(n)
}
