package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"bestand/preservation/catalog"
)

// While nobody knows how many records match, how many have the format decides
// where it is looked for: with few in the table of formats, with many in the
// records, along the order of the list.
func TestRecordsOfFrequentFormat(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx, db := t.Context(), raw(t, f)
		exec := func(query string, args ...any) {
			t.Helper()
			if _, err := db.ExecContext(ctx, query, args...); err != nil {
				t.Fatal(err)
			}
		}
		archive(t, f.tenant, "1")
		archive(t, f.other, "1")
		// What only one of the ways finds tells which was taken.
		exec(`DELETE FROM record_format WHERE format = 'fmt/412'`)
		if strings.HasPrefix(f.url, "postgres") {
			exec(`ALTER TABLE record_format DROP CONSTRAINT record_format_record_id_fkey`)
		}
		have := 0
		for _, c := range []struct {
			have     int // records with the format
			expected int64
			want     int
		}{
			{0, 0, 0}, {2000, 0, 0}, {2001, 0, 1}, {2001, 1, 0}, {2001, 2001, 1},
		} {
			if have < c.have {
				exec(fmt.Sprintf(`WITH RECURSIVE r(n) AS (SELECT %d UNION ALL SELECT n + 1 FROM r WHERE n < %d)
					INSERT INTO record_format (tenant, record_id, format) SELECT 'musterstadt', 'r' || n, 'fmt/412' FROM r`, have+1, c.have))
				have = c.have
			}
			for _, class := range []string{"", "63"} {
				list, _, err := f.tenant.Records(ctx, catalog.RecordFilter{Format: "FMT/412", Class: class, Expected: c.expected}, "", "", 10)
				if err != nil || len(list) != c.want {
					t.Errorf("%d have it, %d are expected, class %q: %d found, want %d (%v)", c.have, c.expected, class, len(list), c.want, err)
				}
			}
			if list, _, err := f.other.Records(ctx, catalog.RecordFilter{Format: "fmt/412"}, "", "", 10); err != nil || len(list) != 0 {
				t.Errorf("%d of another tenant have it: %d found (%v)", c.have, len(list), err)
			}
		}
	})
}
