package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bestand/search"
)

// BenchmarkPages measures how long the program takes to answer with the pages that
// people see most, in an archive of BESTAND_BENCH_RECORDS synthetic records, 100,000
// by default:
//
//	go test ./cmd/bestand -run '^$' -bench Pages -benchtime 1x -timeout 1h
//
// BESTAND_BENCH_DIR keeps the archive between runs.
func BenchmarkPages(b *testing.B) {
	n := 100_000
	if asked, err := strconv.Atoi(os.Getenv("BESTAND_BENCH_RECORDS")); err == nil {
		n = asked
	}
	dir := benchDir(b, "pages-"+strconv.Itoa(n))
	g := grow(b, dir)
	g.original = 1 << 10 // nothing reads them
	g.fill(g.size(), n, false)
	set, err := search.Open(g.cfg.path("index"), search.Options{Log: g.log, Now: g.now})
	g.must(err)
	g.must(g.reindex(b.Context(), set, firstTenant, nil))
	g.must(set.Close())
	source, classes := g.source, g.classes
	g.end()
	in := install(b)
	in.dir = dir
	in.serve(b)
	v := visit(b, in.url)
	if v.get("/anmelden").fill("/anmelden", "name", "admin", "kennwort", password); v.status != http.StatusOK { // the first time
		first, err := os.ReadFile(filepath.Join(dir, passwordFile))
		if err != nil {
			b.Fatal(err)
		}
		v.logIn("admin", strings.TrimSpace(string(first)))
	}
	link := regexp.MustCompile(`href="(/akte/[a-z0-9]+)"`)
	var records []string
	for _, m := range link.FindAllStringSubmatch(v.get("/suche?sort=title").want(200).page, -1) {
		records = append(records, m[1])
	}
	r := rand.New(rand.NewPCG(3, 4))
	frequent := source.Frequency(r)
	word := func() string { return source.Words[frequent.Uint64()] }
	search := func(values url.Values) string { return "/suche?" + values.Encode() }
	for _, k := range []struct {
		name string
		path func() string
	}{
		{"start", func() string { return "/" }},
		{"search-all", func() string { return "/suche" }},
		{"search-word", func() string { return search(url.Values{"q": {word()}}) }},
		{"search-prefix", func() string { return search(url.Values{"q": {string([]rune(word() + "xxxx")[:5]) + "*"}}) }},
		{"search-facets", func() string {
			return search(url.Values{"q": {word()}, "kind": {"file"}, "hold": {"false"}, "class": {classes[r.IntN(len(classes))][:1]}})
		}},
		{"search-pending", func() string {
			return search(url.Values{"evidence": {"pending"}, "year": {strconv.Itoa(1992 + r.IntN(28))}})
		}},
		{"record", func() string { return records[r.IntN(len(records))] }},
		{"history", func() string { return records[r.IntN(len(records))] + "/verlauf" }},
		{"plan", func() string { return "/aktenplan/" + classes[r.IntN(len(classes))] }},
		{"submissions", func() string { return "/uebernahme" }},
		{"operation", func() string { return "/betrieb" }},
		{"preservation", func() string { return "/bestandserhaltung" }},
	} {
		b.Run(k.name, func(b *testing.B) {
			for b.Loop() {
				var took []time.Duration
				for range 20 { // to warm up
					v.timed(b, k.path())
				}
				begun := used(b, in.cmd.Process.Pid)
				for range 200 {
					took = append(took, v.timed(b, k.path()))
				}
				b.ReportMetric(float64((used(b, in.cmd.Process.Pid)-begun).Microseconds())/1000/200, "cpu-ms") // the same on a busy machine
				slices.Sort(took)
				for _, q := range []int{50, 95} {
					b.ReportMetric(float64(took[len(took)*q/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", q))
				}
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// timed asks for a page and returns how long the answer took.
func (v *visitor) timed(b *testing.B, path string) time.Duration {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, v.url+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, value := range v.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	begin := time.Now()
	a, err := benchHTTP.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Body.Close()
	if text, err := io.ReadAll(a.Body); err != nil || a.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s %.300s %v", path, a.Status, text, err)
	}
	return time.Since(begin)
}

// used is how much processor time a process has had.
func used(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime, proc(5)
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
