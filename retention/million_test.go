package retention

import (
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

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

// tenth is the class with every tenth record of a large archive. No other follows its rule.
const tenth = sickness

// empty is a class without any, whose rule no other follows.
const empty = "45.10"

// large is an archive with many records of ten classes, closed on days of thirty years
// and evaluated as they would have been today.
func large(b *testing.B, records int) *archive {
	b.Helper()
	a := newArchive(b, "2025-12-30")
	s, err := a.officer.Schedule(b.Context(), a.tenant)
	if err != nil {
		b.Fatal(err)
	}
	db := a.raw()
	if _, err := db.Exec(`CREATE TABLE combination (n INTEGER PRIMARY KEY, class TEXT, closed TEXT, state TEXT, rule TEXT, disposition TEXT, start TEXT, due TEXT, last TEXT, next TEXT, body TEXT, metadata TEXT)`); err != nil {
		b.Fatal(err)
	}
	n := 0
	for month := range 30 * 12 {
		for _, class := range []string{"02.10", "05.10", tenth, "06.10", "06.20", "10.10", "21.40", "63.10", "11.10", "10.20"} {
			closed := preservation.Date{Year: 1996 + month/12, Month: time.Month(month%12 + 1), Day: 15}
			e := Evaluate(s, Facts{ID: "r", Class: class, Opened: closed, Closed: closed}, nil, a.now, berlin(b))
			row, err := stored(&e, a.now)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := db.Exec(`INSERT INTO combination VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, n, class, closed.String(), row.State, row.Rule, row.Disposition,
				row.Start.String(), row.Due.String(), row.End.String(), row.Next.String(), string(row.Body),
				fmt.Sprintf(`{"producer":"dms","class":%q,"title":"Akte","opened":%q,"closed":%q}`, class, closed, closed)); err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	if _, err := db.Exec(`INSERT INTO record (id, tenant, version, submission, producer, producer_record_id, kind, class, title, reference, reference_key, creator, opened, closed,
			confidentiality, personal_data, parent, metadata, formats, received_ms, archived_ms, changed_ms, retention_state, retention_rule, retention_trigger, retention_disposition,
			retention_start, retention_end, retention_due, retention_next, retention, evaluated_ms, stale, lock_mode, lock_until_ms)
		WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i < $1 - 1)
		SELECT substr('06bench0000000000000000000', 1, 26 - length(i)) || i, 'musterstadt', 1, '', 'dms', i, '', class, 'Akte ' || i, i, i, '', closed, closed,
			'', 0, '', metadata, ' ', $2, $2 + i, $2, state, rule, 'closure', disposition, start, last, due, next, body, $2, 0, 'COMPLIANCE', $2 + 8640000000
		FROM s JOIN combination ON n = i * 7919 % $3`, records, a.now.UnixMilli(), n); err != nil {
		b.Fatal(err)
	}
	if err := a.tenant.Update(b.Context(), func(x *catalog.Tx) error {
		return x.SetCursor(dayName, preservation.DateOf(a.now).String()+" "+evaluationVersion)
	}); err != nil {
		b.Fatal(err)
	}
	return a
}

// raw gives SQL access behind the catalog's back.
func (a *archive) raw() *sql.DB {
	a.t.Helper()
	path, ok := strings.CutPrefix(a.url, "sqlite:")
	if !ok {
		a.t.Skip("on SQLite only")
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { db.Close() })
	return db
}

func (a *archive) count(f catalog.RetentionFilter) int64 {
	a.t.Helper()
	n, err := a.tenant.View().CountRetentions(a.t.Context(), f)
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// longer is the rule of a class with five years more.
func (a *archive) longer(class string) Rule {
	a.t.Helper()
	s, err := a.officer.Schedule(a.t.Context(), a.tenant)
	if err != nil {
		a.t.Fatal(err)
	}
	r, ok := s.Governs(class, preservation.DateOf(a.now))
	if !ok {
		a.t.Fatal("no rule")
	}
	r.Duration.Years += 5
	r.ValidFrom, r.Version = preservation.Date{}, 0
	return r
}

// peak reports by how much the heap grows at most until the function that it returns is
// called.
func peak(b *testing.B) (stop func()) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	done, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	return func() {
		close(done)
		<-read
		b.ReportMetric(float64(most-before)/(1<<20), "MiB-peak")
	}
}

// BenchmarkLarge is what people wait for, and what the nights do, in a large archive.
func BenchmarkLarge(b *testing.B) {
	records := benchRecords(b)
	a := large(b, records)
	ctx := b.Context()
	due := catalog.RecordFilter{State: string(Due), Status: "live"}
	b.Run("due list", func(b *testing.B) {
		for b.Loop() {
			if list, next, err := a.tenant.Records(ctx, due, "closed", "", 50); err != nil || len(list) != 50 || next == "" {
				b.Fatal(len(list), next, err)
			}
		}
	})
	b.Run("due list, deep", func(b *testing.B) {
		_, after, err := a.tenant.Records(ctx, due, "closed", "", int(a.count(catalog.RetentionFilter{States: []string{string(Due)}}))-60)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if list, _, err := a.tenant.Records(ctx, due, "closed", after, 50); err != nil || len(list) != 50 {
				b.Fatal(len(list), err)
			}
		}
	})
	b.Run("report of 30 years", func(b *testing.B) {
		rows := 0
		for b.Loop() {
			list, err := a.officer.DueReport(ctx, a.tenant, 30)
			if rows = len(list); err != nil || rows == 0 {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(rows), "rows")
	})
	for name, class := range map[string]string{"preview of a rule of a tenth": tenth, "preview of a rule of an empty class": empty} {
		b.Run(name, func(b *testing.B) {
			r := a.longer(class)
			moved := int64(0)
			most := peak(b)
			for b.Loop() {
				p, err := a.officer.PreviewRule(ctx, a.tenant, r, 5)
				if err != nil {
					b.Fatal(err)
				}
				if moved = p.Effects[0].Moved; moved < int64(records)/11 && class == tenth {
					b.Fatalf("%+v", p.Effects)
				}
			}
			most()
			b.ReportMetric(float64(moved), "moved")
		})
	}
	b.Run("preview of a rule of a file with all as its parts", func(b *testing.B) {
		// The first record of a class that a rule of its own governs, and all others within it.
		if _, err := a.raw().Exec(`UPDATE record SET class = $1, parent = '' WHERE id = (SELECT MIN(id) FROM record);
			UPDATE record SET parent = (SELECT MIN(id) FROM record) WHERE id > (SELECT MIN(id) FROM record)`, empty); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if _, err := a.raw().Exec(`UPDATE record SET parent = '' WHERE parent <> ''`); err != nil {
				b.Fatal(err)
			}
		})
		r := a.longer(empty)
		most := peak(b)
		for b.Loop() {
			p, err := a.officer.PreviewRule(ctx, a.tenant, r, 5)
			if err != nil || p.Effects[0].Records != int64(records) {
				b.Fatalf("%+v, %v", p.Effects, err)
			}
		}
		most()
	})
	for _, night := range []string{"night", "turn of the year"} { // one after the other
		b.Run(night, func(b *testing.B) {
			seen := int64(0)
			for b.Loop() {
				a.now = a.now.AddDate(0, 0, 1)
				a.job(a.officer.EvaluateDue, "scheduled")
				seen += a.count(catalog.RetentionFilter{Stale: true})
				a.evaluate()
			}
			b.ReportMetric(float64(seen)/float64(b.N), "evaluated")
			b.ReportMetric(float64(records), "records")
		})
	}
	b.Run("hold over a tenth", func(b *testing.B) {
		var set time.Duration
		held := int64(0)
		for b.Loop() {
			begin := time.Now()
			h := a.hold(Scope{Classes: []string{tenth}})
			set += time.Since(begin)
			a.evaluate()
			b.StopTimer()
			held += a.count(catalog.RetentionFilter{States: []string{string(Held)}})
			if _, done, err := a.officer.Hold(ctx, a.tenant, h.ID); err != nil || done.Applied != done.Total || done.Total < int64(records)/11 {
				b.Fatalf("%+v, %v", done, err)
			}
			if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
				b.Fatal(err)
			}
			a.evaluate()
			b.StartTimer()
		}
		b.ReportMetric(float64(set.Milliseconds())/float64(b.N), "ms-until-set")
		b.ReportMetric(float64(held)/b.Elapsed().Seconds(), "records/s")
	})
}
