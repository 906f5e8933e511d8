package catalog_test

import (
	"database/sql"
	"fmt"
	"maps"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestFeedGoesByItsOrder: at a million records the other index of the feed takes
// a third of a second for its end.
func TestFeedGoesByItsOrder(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	for query, args := range catalog.FeedQueries {
		for _, step := range plan(t, db, query, args) {
			if !strings.Contains(step, "change_tenant") && !strings.Contains(step, "INTEGER PRIMARY KEY") {
				t.Errorf("%s\n%s", query, step)
			}
		}
	}
}

// TestStampsGoByTheirIndexes: every hour, over all that an archive holds.
func TestStampsGoByTheirIndexes(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	for _, q := range catalog.StampQueries {
		if steps := plan(t, db, q.Query, q.Args); !strings.Contains(steps[0], q.Way) || strings.Contains(fmt.Sprint(steps), "BLOOM") {
			t.Errorf("%s\n%s", q.Query, strings.Join(steps, "\n"))
		}
	}
}

// TestDueListGoesByItsOrder: of a million records a tenth may be due, and nobody waits
// until they are sorted.
func TestDueListGoesByItsOrder(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	cond, args := catalog.RecordFilter{State: "due", Status: "live"}.Where()
	for _, query := range []string{
		"SELECT id FROM record WHERE " + cond + " ORDER BY closed ASC, id ASC LIMIT 50",
		"SELECT id FROM record WHERE " + cond + " AND (closed, id) > ('2001-01-01', 'b') ORDER BY closed ASC, id ASC LIMIT 50",
	} {
		if steps := plan(t, db, query, args); !strings.Contains(steps[0], "record_due_list") || strings.Contains(fmt.Sprint(steps), "TEMP B-TREE FOR ORDER") {
			t.Errorf("%s\n%s", query, strings.Join(steps, "\n"))
		}
	}
}

// TestNightGoesByTheDay: what no new day changes is not looked at.
func TestNightGoesByTheDay(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	cond, args := catalog.RetentionFilter{NextBy: preservation.Date{Year: 2026, Month: 3, Day: 1}}.Where()
	if steps := plan(t, db, "UPDATE record SET stale = 1 WHERE "+cond, args); len(steps) != 1 || !strings.Contains(steps[0], "record_next (tenant=? AND retention_next<?)") {
		t.Errorf("%s\n%s", cond, strings.Join(steps, "\n"))
	}
}

// TestClassGoesByItsIndex: a preview looks at a class, page by page.
func TestClassGoesByItsIndex(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	if steps := plan(t, db, catalog.OfClassQuery, catalog.OfClassArgs); len(steps) != 1 || !strings.Contains(steps[0], "record_class (tenant=? AND class=? AND (archived_ms,id)>(?,?))") {
		t.Error(strings.Join(steps, "\n"))
	}
}

// TestPartsGoByTheirIndex: a file may have a million of them, which nobody sorts.
func TestPartsGoByTheirIndex(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	ways := map[string][]any{}
	maps.Copy(ways, catalog.PartQueries)
	cond, args := catalog.RetentionFilter{Parent: "b"}.Where()
	ways["UPDATE record SET stale = 1 WHERE "+cond] = args
	for query, args := range ways {
		if steps := plan(t, db, query, args); len(steps) != 1 || !strings.Contains(steps[0], "record_parent (tenant=? AND parent=?") {
			t.Errorf("%s\n%s", query, strings.Join(steps, "\n"))
		}
	}
}

// TestClaimedGoByTheirIndex: very many destructions may wait for a lock while a hold asks
// which have begun.
func TestClaimedGoByTheirIndex(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	if steps := plan(t, db, catalog.ClaimedQuery, catalog.ClaimedArgs); len(steps) != 1 || !strings.Contains(steps[0], "disposal_claimed (tenant=? AND record_id>?)") {
		t.Error(strings.Join(steps, "\n"))
	}
}

// plan says how SQLite would answer.
func plan(t *testing.T, db *sql.DB, query string, args []any) (steps []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		must(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	must(t, rows.Err())
	return steps
}

// TestPlannerKnowsEachIndex: without a word of it the planner takes an index that is
// new for the best, and sorts what another has in order.
func TestPlannerKnowsEachIndex(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	rows, err := db.QueryContext(t.Context(), `SELECT name, (SELECT COUNT(*) FROM sqlite_stat1 WHERE idx = name AND stat NOT LIKE '0 0%')
		FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL`)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		must(t, rows.Scan(&name, &n))
		if n != 1 {
			t.Errorf("%s has %d rows in sqlite_stat1", name, n)
		}
	}
	must(t, rows.Err())
	for _, cond := range []string{"tenant = 'a'", "tenant = 'a' AND id < 'b'"} {
		if steps := plan(t, db, "SELECT id, status FROM submission WHERE "+cond+" ORDER BY id DESC LIMIT 6", nil); len(steps) != 1 || !strings.Contains(steps[0], "submission_list") {
			t.Errorf("%s\n%s", cond, strings.Join(steps, "\n"))
		}
	}
}
