package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bestand/preservation"
)

// Change says that a record was added, changed or destroyed. Look at the record
// for what it is now.
type Change struct {
	Record preservation.RecordID
	Cursor string // the place right behind it
}

// How SQLite is asked: by the index of the feed's order, or a look at its end takes
// a third of a second at a million records.
const (
	feedAfter  = `SELECT 0, seq, record_id FROM change WHERE tenant = $1 AND $2 = $2 AND seq > $3 ORDER BY seq LIMIT $4`
	feedBehind = `SELECT COUNT(*), COALESCE(MIN(at_ms), 0) FROM change WHERE tenant = $1 AND $2 = $2 AND seq > $3`
	feedEnd    = `SELECT 0, seq FROM change WHERE tenant = $1 ORDER BY seq DESC LIMIT 1`
)

// change moves a record to the end of the feed, in which it stands once.
func (x *tx) change(tenant preservation.TenantID, id preservation.RecordID) error {
	query := `INSERT OR REPLACE INTO change (tenant, record_id, at_ms) VALUES ($1, $2, $3)`
	if x.db.dialect == postgres {
		query = `INSERT INTO change (tenant, record_id, at_ms) VALUES ($1, $2, $3)
			ON CONFLICT (tenant, record_id) DO UPDATE SET seq = excluded.seq, xid = excluded.xid, at_ms = excluded.at_ms`
	}
	_, err := x.exec(query, string(tenant), string(id), ms(x.db.now()))
	x.wokeChanges = true
	return err
}

// Changes returns the changes after a cursor in an order in which none can
// appear before one that was already returned, and the cursor to go on from.
// An empty cursor starts at the beginning. Of the changes of one record only the
// newest is there.
//
// On PostgreSQL numbers become visible out of order under concurrent writers.
// There the order is (transaction, number), and transactions that may still
// have older company under way are held back.
func (t *Tenant) Changes(ctx context.Context, after string, limit int) ([]Change, string, error) {
	xid, seq, err := place(after)
	if err != nil {
		return nil, after, err
	}
	query := feedAfter
	if t.db.dialect == postgres {
		query = `SELECT CAST(CAST(xid AS TEXT) AS BIGINT), seq, record_id FROM change
			WHERE tenant = $1 AND (xid, seq) > (CAST($2 AS XID8), $3) AND xid < pg_snapshot_xmin(pg_current_snapshot())
			ORDER BY xid, seq LIMIT $4`
	}
	rows, err := t.db.reader.QueryContext(ctx, query, string(t.id), xid, seq, limit)
	changes, err := collect(rows, err, func(row scanner) (c Change, err error) {
		var x, s int64
		err = row.Scan(&x, &s, &c.Record)
		c.Cursor = fmt.Sprintf("%d.%d", x, s)
		return c, err
	})
	if err != nil || len(changes) == 0 {
		return nil, after, err
	}
	return changes, changes[len(changes)-1].Cursor, nil
}

// place takes a cursor of the feed apart; the empty one is the beginning.
func place(cursor string) (xid, seq int64, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	x, s, ok := strings.Cut(cursor, ".")
	xid, err = strconv.ParseInt(x, 10, 64)
	if err == nil {
		seq, err = strconv.ParseInt(s, 10, 64)
	}
	if !ok || err != nil || xid < 0 || seq < 0 {
		return 0, 0, fmt.Errorf("cursor %q: %w", cursor, ErrCursor)
	}
	return xid, seq, nil
}

// Behind returns how many changes follow a cursor and, in milliseconds, since
// when the oldest of them waits (0 when none does).
func (t *Tenant) Behind(ctx context.Context, after string) (count, sinceMS int64, err error) {
	xid, seq, err := place(after)
	if err != nil {
		return 0, 0, err
	}
	query := feedBehind
	if t.db.dialect == postgres {
		query = `SELECT COUNT(*), COALESCE(MIN(at_ms), 0) FROM change WHERE tenant = $1 AND (xid, seq) > (CAST($2 AS XID8), $3)`
	}
	err = t.db.reader.QueryRowContext(ctx, query, string(t.id), xid, seq).Scan(&count, &sinceMS)
	return count, sinceMS, err
}

// FeedEnd returns the place behind the newest change, empty when there is none.
func (t *Tenant) FeedEnd(ctx context.Context) (string, error) {
	query := feedEnd
	if t.db.dialect == postgres {
		query = `SELECT CAST(CAST(xid AS TEXT) AS BIGINT), seq FROM change WHERE tenant = $1 ORDER BY xid DESC, seq DESC LIMIT 1`
	}
	var xid, seq int64
	switch err := t.db.reader.QueryRowContext(ctx, query, string(t.id)).Scan(&xid, &seq); {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("%d.%d", xid, seq), nil
}

// Changed returns a channel that closes at the next change that this process commits.
func (db *DB) Changed() <-chan struct{} { return db.changed.wait() }
