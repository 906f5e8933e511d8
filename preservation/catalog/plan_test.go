package catalog_test

import (
	"strings"
	"testing"

	"bestand/preservation/catalog"
)

// TestFeedGoesByItsOrder: at a million records the other index of the feed takes
// a third of a second for its end.
func TestFeedGoesByItsOrder(t *testing.T) {
	db := raw(t, open(t, "sqlite"))
	for query, args := range catalog.FeedQueries {
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
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
