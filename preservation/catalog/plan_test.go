package catalog_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

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
