package catalog_test

import (
	"strings"
	"testing"
)

// TestFeedGoesByItsOrder: at a million records the other index of the feed takes
// a third of a second for its end.
func TestFeedGoesByItsOrder(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	for _, query := range []string{
		`SELECT 0, seq FROM change WHERE tenant = 'a' ORDER BY seq DESC LIMIT 1`,
		`SELECT 0, seq, record_id FROM change WHERE tenant = 'a' AND 0 = 0 AND seq > 7 ORDER BY seq LIMIT 100`,
		`SELECT COUNT(*), COALESCE(MIN(at_ms), 0) FROM change WHERE tenant = 'a' AND 0 = 0 AND seq > 7`,
	} {
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
		must(t, err)
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var step string
			must(t, rows.Scan(&id, &parent, &unused, &step))
			if !strings.Contains(step, "change_tenant") && !strings.Contains(step, "INTEGER PRIMARY KEY") {
				t.Errorf("%s\n%s", query, step)
			}
		}
		must(t, rows.Err())
	}
}
