package catalog_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"
)

// column returns the first column of a query.
func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	must(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		must(t, rows.Scan(&s))
		all = append(all, s)
	}
	must(t, rows.Err())
	return all
}

// What one database has the other has too: tables, columns, whether they may be
// null, and indexes.
func TestSchemasAreTheSame(t *testing.T) {
	lite := raw(t, open(t, "sqlite"))
	post := raw(t, open(t, "postgres"))
	for _, c := range []struct{ name, sqlite, postgres string }{
		{"columns",
			`SELECT m.name || '.' || c.name || CASE WHEN c."notnull" = 1 OR c.pk > 0 THEN '' ELSE ' null' END || ' ' || lower(replace(replace(c.type, 'INTEGER', 'BIGINT'), 'BLOB', 'BYTEA'))
				FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'goose_db_version'`,
			`SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'YES' THEN ' null' ELSE '' END || ' ' || data_type FROM information_schema.columns
				WHERE table_schema = 'public' AND table_name <> 'goose_db_version' AND column_name <> 'xid'`},
		{"indexes",
			`SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%' AND tbl_name <> 'goose_db_version'`,
			`SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'goose_db_version' AND indexname NOT LIKE '%_pkey' AND indexname <> 'token_hash_key'`},
	} {
		a, b := column(t, lite, c.sqlite), column(t, post, c.postgres)
		slices.Sort(a)
		slices.Sort(b)
		if len(a) == 0 || !slices.Equal(a, b) {
			for _, s := range a {
				if !slices.Contains(b, s) {
					t.Errorf("%s: only on SQLite: %s", c.name, s)
				}
			}
			for _, s := range b {
				if !slices.Contains(a, s) {
					t.Errorf("%s: only on PostgreSQL: %s", c.name, s)
				}
			}
		}
	}
	for _, table := range column(t, lite, `SELECT sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`) {
		if !strings.Contains(table, "STRICT") {
			t.Errorf("not strict: %s", table)
		}
	}
	if odd := column(t, post, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name <> 'goose_db_version' AND data_type = 'text' AND COALESCE(collation_name, '') <> 'C'`); len(odd) > 0 {
		t.Errorf("ordered by the server's language: %v", odd)
	}
}
