package catalog_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func bench(b *testing.B, run func(*testing.B, *fixture)) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		b.Run(dialect, func(b *testing.B) { run(b, open(b, dialect)) })
	}
}

func BenchmarkCreateSubmission(b *testing.B) {
	bench(b, func(b *testing.B, f *fixture) {
		for _, writers := range []int{1, 8} {
			b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
				var next atomic.Int64
				var wg sync.WaitGroup
				for range writers {
					wg.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							if err := f.tenant.CreateSubmission(b.Context(), submission(preservation.NewID(time.Now()), f.Now())); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submissions/s")
			})
		}
	})
}

// fill makes n records out of one, behind the catalog's back.
func fill(b testing.TB, f *fixture, n int) {
	b.Helper()
	c := commit(submission("1", f.Now()), f.Now())
	c.Record.Files = nil
	if err := f.tenant.CommitRecord(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	const zeros = "'00000000000000000000000000'"
	id := `substr(` + zeros + ` || CAST(n AS TEXT), length(CAST(n AS TEXT)) + 1)`
	columns := []struct{ name, value string }{
		{"id", id}, {"tenant", "tenant"}, {"version", "1"}, {"submission", id}, {"producer", "'dms-' || CAST(n % 7 AS TEXT)"}, {"producer_record_id", id}, {"kind", "kind"},
		{"class", "CAST(n % 90 + 10 AS TEXT) || '.' || CAST(n % 31 AS TEXT)"}, {"title", "title"}, {"reference", id}, {"reference_key", "'az-' || CAST(n * 7919 % 1000003 AS TEXT)"},
		{"creator", "creator"}, {"opened", "opened"}, {"closed", "CASE WHEN n % 5 = 0 THEN '' ELSE CAST(1990 + n % 30 AS TEXT) || '-01-01' END"},
		{"confidentiality", "confidentiality"}, {"personal_data", "personal_data"}, {"parent", "parent"}, {"metadata", "metadata"}, {"formats", "formats"},
		{"received_ms", "received_ms"}, {"archived_ms", "archived_ms + n / 3"}, {"changed_ms", "changed_ms"}, {"retention_state", "CASE WHEN n % 50 = 0 THEN 'due' ELSE 'retention' END"},
		{"retention_due", "CASE WHEN n % 5 = 0 THEN '' ELSE CAST(2001 + n % 60 AS TEXT) || '-01-01' END"},
		{"retention", `'{"state":"retention","class":"63.10","rule":{"id":"general-10y","version":1},"disposition":"V","trigger":"closure","end":"2030-12-31"}'`},
		{"retention_disposition", "'V'"}, {"retention_next", "CASE WHEN n % 5 = 0 OR n % 50 = 0 THEN '' ELSE CAST(2001 + n % 60 AS TEXT) || '-01-01' END"},
		{"lock_until_ms", "lock_until_ms + n % 90 * 86400000"}, {"stale", "0"},
	}
	var names, values []string
	for _, c := range columns {
		names, values = append(names, c.name), append(values, c.value)
	}
	if _, err := raw(b, f).Exec(fmt.Sprintf(`INSERT INTO record (%s) WITH RECURSIVE s(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM s WHERE n < %d) SELECT %s FROM record, s WHERE id = '%s'`,
		strings.Join(names, ", "), n, strings.Join(values, ", "), c.Record.ID)); err != nil {
		b.Fatal(err)
	}
	if strings.HasPrefix(f.url, "postgres") {
		if _, err := raw(b, f).Exec(`ANALYZE`); err != nil { // as autovacuum would
			b.Fatal(err)
		}
	}
}

// benchRecords is how many records a benchmark looks at: BESTAND_BENCH_RECORDS.
func benchRecords(b *testing.B) int {
	text := os.Getenv("BESTAND_BENCH_RECORDS")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("BESTAND_BENCH_RECORDS: %v", err)
	}
	return n
}

// BenchmarkDueCounts is what the report of the next 30 years asks.
func BenchmarkDueCounts(b *testing.B) {
	bench(b, func(b *testing.B, f *fixture) {
		fill(b, f, benchRecords(b))
		for b.Loop() {
			if rows, err := f.tenant.View().DueCounts(b.Context(), 2057); err != nil || len(rows) == 0 || rows[0].Disposition != "V" {
				b.Fatal(rows, err)
			}
		}
	})
}

func BenchmarkRecords(b *testing.B) {
	rows := benchRecords(b)
	bench(b, func(b *testing.B, f *fixture) {
		fill(b, f, rows)
		for _, c := range []struct {
			name, sort string
			filter     catalog.RecordFilter
		}{
			{"newest", "", catalog.RecordFilter{Status: "live"}},
			{"closed", "closed", catalog.RecordFilter{Status: "live"}},
			{"reference order", "reference", catalog.RecordFilter{Status: "live"}},
			{"class", "", catalog.RecordFilter{Class: "63", Status: "live"}},
			{"exact reference", "", catalog.RecordFilter{Reference: "az-7919", Status: "live"}},
			{"due", "closed", catalog.RecordFilter{State: "due", Status: "live"}},
			{"producer", "", catalog.RecordFilter{Producer: "dms-3", Status: "live"}},
			{"format that none has", "", catalog.RecordFilter{Format: "fmt/1", Status: "live"}},
		} {
			b.Run(c.name, func(b *testing.B) {
				after := ""
				for b.Loop() {
					list, next, err := f.tenant.Records(b.Context(), c.filter, c.sort, after, 50)
					if err != nil {
						b.Fatal(err)
					}
					if after = next; len(list) == 0 && c.filter.Format == "" {
						b.Fatal("nothing listed")
					}
				}
			})
		}
		b.Run("count", func(b *testing.B) {
			for b.Loop() {
				if n, err := f.tenant.CountRecords(b.Context(), catalog.RecordFilter{Status: "live"}); err != nil || n != int64(rows)+1 {
					b.Fatal(n, err)
				}
			}
		})
	})
}

// A queue that is long in one kind costs neither that kind nor the others.
func BenchmarkClaimAndFinish(b *testing.B) {
	bench(b, func(b *testing.B, f *fixture) {
		if err := f.tenant.Enqueue(b.Context(), catalog.Job{Kind: "long", Key: "x"}); err != nil {
			b.Fatal(err)
		}
		if _, err := raw(b, f).Exec(`INSERT INTO job (id, tenant, kind, key, state, run_at_ms, created_ms)
			WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 100000)
			SELECT id || CAST(n AS TEXT), tenant, kind, key || CAST(n AS TEXT), state, run_at_ms, created_ms FROM job, s`); err != nil {
			b.Fatal(err)
		}
		for _, kinds := range [][]string{{"long"}, {"short"}, {"a", "b", "c", "d", "e", "short", "long"}} {
			b.Run(strings.Join(kinds, "+"), func(b *testing.B) {
				for b.Loop() {
					if err := f.tenant.Enqueue(b.Context(), catalog.Job{Kind: "short", Key: "x"}); err != nil {
						b.Fatal(err)
					}
					jobs, err := f.Claim(b.Context(), "o", kinds, 1, lease)
					if err != nil || len(jobs) != 1 {
						b.Fatal(jobs, err)
					}
					if err := f.Finish(b.Context(), jobs[0]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}
