package main

import (
	"crypto/sha512"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// waiting is how many deliveries wait while the program is upgraded.
const waiting = 10_000

// TestUpgraded starts the program on a data folder of the first release, in which
// ten thousand deliveries wait, stops it in the middle of them, and starts it again.
// None is lost, none is there twice, and they are worked off in their order.
func TestUpgraded(t *testing.T) {
	t.Parallel()
	upgrade(t, func(in *installation, archived func() int) {
		for _, enough := range []int{60, 120} {
			in.serve(t)
			eventually(t, "some are archived", func() bool { return archived() >= enough })
			in.stop(t)
		}
	})
}

// TestFaultUpgraded works all of them off, with a stop every 2,000, and wants the
// first start to be ready within five seconds.
func TestFaultUpgraded(t *testing.T) {
	if os.Getenv("BESTAND_FAULT") != "1" {
		t.Skip("a campaign: make fault")
	}
	upgrade(t, func(in *installation, archived func() int) {
		for enough := 2000; enough <= waiting; enough += 2000 {
			in.serve(t)
			after := in.log.readyAfter(t)
			t.Logf("ready %s after the start, %d are archived", after.Round(time.Millisecond), archived())
			if after > 5*time.Second {
				t.Errorf("ready only %s after the start", after)
			}
			for archived() < enough {
				select {
				case <-in.ended:
					t.Fatalf("the service ended:\n%s", in.log.tail(20))
				case <-time.After(200 * time.Millisecond):
				}
			}
			in.stop(t)
		}
		out, complaint, code := program(t, "check", "--data", in.dir)
		if code != 0 || !strings.Contains(out, fmt.Sprint(waiting+1, " records")) {
			t.Errorf("check ends with %d: %s%s", code, out, complaint)
		}
	})
}

// readyAfter is how long the last start took, as the service says.
func (l *logText) readyAfter(t *testing.T) (after time.Duration) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		var e struct {
			Msg   string
			After time.Duration
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Msg == "ready" {
			after = e.After
		}
	}
	return after
}

func upgrade(t *testing.T, work func(in *installation, archived func() int)) {
	in := install(t).serve(t)
	in.admin(t).archive(about("earlier", "63.10", "Eingang"), file("a.bin", blob("earlier")))
	in.stop(t)
	order := in.queue(t, waiting)
	in.released(t)
	if n := in.count(t, `SELECT MAX(version_id) FROM goose_db_version`); n != 1 {
		t.Fatalf("schema %d", n)
	}
	archived := func() int {
		return int(in.count(t, `SELECT COUNT(*) FROM submission WHERE status = 'archived' AND producer = 'queue'`))
	}
	work(in, archived)
	if n := in.count(t, `SELECT MAX(version_id) FROM goose_db_version`); n < 5 {
		t.Errorf("schema %d after the upgrade", n)
	}
	if n := in.count(t, `SELECT COUNT(*) FROM change GROUP BY tenant, record_id ORDER BY 1 DESC LIMIT 1`); n != 1 {
		t.Errorf("a record stands in the feed %d times", n)
	}

	// The service is stopped: every delivery is either archived, once, or waits, once.
	done, first := archived(), 0
	for n, id := range order {
		if in.state(t, id) == "received" {
			first = n
			break
		}
		first = n + 1
	}
	if late := done - first; late > underWay*8 {
		t.Errorf("%d are archived, but the delivery at place %d still waits", done, first)
	}
	for what, query := range map[string]string{
		"deliveries that neither wait nor are archived": `SELECT COUNT(*) FROM submission WHERE status NOT IN ('archived', 'received', 'processing')`,
		"deliveries that wait without a job":            `SELECT COUNT(*) FROM submission s WHERE status <> 'archived' AND (SELECT COUNT(*) FROM job j WHERE j.kind = 'process' AND j.key = s.id AND j.state = 'queued') <> 1`,
		"archived deliveries with a job":                `SELECT COUNT(*) FROM submission s WHERE status = 'archived' AND EXISTS (SELECT 1 FROM job j WHERE j.kind = 'process' AND j.key = s.id)`,
		"archived deliveries without receipt or record": `SELECT COUNT(*) FROM submission s WHERE status = 'archived' AND (receipt = '' OR NOT EXISTS (SELECT 1 FROM record r WHERE r.id = s.record_id AND r.submission = s.id AND r.version = 1))`,
		"records without a delivery":                    `SELECT COUNT(*) FROM record r WHERE NOT EXISTS (SELECT 1 FROM submission s WHERE s.record_id = r.id)`,
		"records with other than one package":           `SELECT COUNT(*) FROM record r WHERE (SELECT COUNT(*) FROM record_object o WHERE o.record_id = r.id AND o.kind = 'package') <> 1`,
		"jobs given up":                                 `SELECT COUNT(*) FROM job WHERE state = 'dead'`,
	} {
		if n := in.count(t, query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	if n := in.count(t, `SELECT COUNT(*) FROM submission`); n != waiting+1 {
		t.Errorf("%d deliveries, want %d", n, waiting+1)
	}
	// A package that is stored and not yet in the catalog is found by the next attempt.
	packages, of := in.heldOf(t, string(firstTenant), "aip"), map[string]bool{}
	for _, path := range packages {
		of[filepath.Dir(path)] = true
	}
	if records := int(in.count(t, `SELECT COUNT(*) FROM record`)); len(packages) < records || len(packages) > records+underWay*8 || len(of) != len(packages) {
		t.Errorf("%d packages of %d records, the catalog has %d", len(packages), len(of), records)
	}
	if errors := in.log.count(`"level":"ERROR"`); errors > 0 {
		t.Errorf("%d errors in the log:\n%s", errors, in.log.tail(20))
	}
	t.Logf("%d of %d archived", done, waiting)
}

func (in *installation) state(t *testing.T, submission string) string {
	t.Helper()
	return in.text(t, `SELECT status FROM submission WHERE id = $1`, submission)
}

// queue accepts deliveries while the service is stopped, all of the same bytes, and
// returns them in the order in which they are to be worked off.
func (in *installation) queue(t *testing.T, n int) (order []string) {
	t.Helper()
	a := in.opened(t)
	content := blob("queue")
	sum := sha512.Sum512([]byte(content))
	f := catalog.StagedFile{Name: "daten.bin", Size: int64(len(content)), Key: string(firstTenant) + "/" + preservation.NewID(time.Now()) + "/1",
		Digests: preservation.Digests{SHA256: hex256([]byte(content)), SHA512: hex.EncodeToString(sum[:])}}
	if _, err := a.staging.Put(t.Context(), f.Key, strings.NewReader(content), preservation.PutOptions{Size: f.Size, SHA256: f.SHA256}); err != nil {
		t.Fatal(err)
	}
	tenant := a.catalog.Tenant(firstTenant)
	var wg sync.WaitGroup
	const at = 256 // at a time, so that they share commits
	for first := range at {
		wg.Go(func() {
			for i := first; i < n; i += at {
				now := time.Now()
				s := catalog.Submission{ID: preservation.SubmissionID(preservation.NewID(now)), RecordID: preservation.RecordID(preservation.NewID(now)), Version: 1,
					Metadata:    preservation.Metadata{Producer: "queue", ProducerRecordID: fmt.Sprint(i), Class: "63.10", Title: fmt.Sprint("Eingang ", i)},
					SubmittedBy: "dms", Received: now, Files: []catalog.StagedFile{f}}
				s.Fingerprint = catalog.Fingerprint(s.Metadata, s.Files)
				event := preservation.Event{ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success,
					Agent: preservation.Agent{Type: preservation.Software, Name: "Bestand"}}
				if err := tenant.CreateSubmission(t.Context(), s, event); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(in.dir, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	order = texts(t, db, `SELECT key FROM job WHERE kind = 'process' ORDER BY run_at_ms, id`)
	if len(order) != n {
		t.Fatalf("%d jobs, want %d", len(order), n)
	}
	return order
}

// released gives the catalog of a stopped service the schema of the first release,
// with everything that is in it. Of each record the feed told more than once then.
func (in *installation) released(t *testing.T) {
	t.Helper()
	path := filepath.Join(in.dir, "catalog.db")
	db, err := sql.Open("sqlite", "file:"+path+".old?_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("../../preservation/catalog/migrations/sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	run := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run(`ATTACH $1 AS now`, path)
	for _, table := range texts(t, db, `SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`) {
		columns := strings.Join(texts(t, db, `SELECT name FROM pragma_table_info('`+table+`', 'main')`), ", ")
		run(fmt.Sprintf(`INSERT INTO main.%s (%s) SELECT %s FROM now.%s`, table, columns, columns, table))
	}
	run(`INSERT INTO main.change (tenant, record_id, at_ms) SELECT tenant, record_id, at_ms + 1 FROM main.change`)
	run(`DETACH now`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
}

// texts returns the first column of a query.
func texts(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return slices.Clip(all)
}
