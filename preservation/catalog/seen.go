package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// seenName is the cursor of the installation, of no tenant, that holds the last
// time at which its clock was believed.
const seenName = "clock.seen"

// ClockSeen returns the last time at which the clock was believed. A catalog that
// has none yet, as after a rebuild, gives the newest entry of the audit logs, and
// an empty one the zero time.
func (db *DB) ClockSeen(ctx context.Context) (time.Time, error) {
	var text string
	err := db.reader.QueryRowContext(ctx, `SELECT value FROM cursor WHERE tenant = '' AND name = $1`, seenName).Scan(&text)
	if err == nil {
		at, err := strconv.ParseInt(text, 10, 64)
		return fromMS(at), err
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("clock: %w", err)
	}
	var at sql.NullInt64
	err = db.reader.QueryRowContext(ctx, `SELECT MAX(a.at_ms) FROM audit_head h JOIN audit a ON a.tenant = h.tenant AND a.seq = h.seq`).Scan(&at)
	return fromMS(at.Int64), err
}

// SetClockSeen notes that the clock was believed at an instant.
func (db *DB) SetClockSeen(ctx context.Context, at time.Time) error {
	return db.write(ctx, func(x *tx) error {
		_, err := x.exec(`INSERT INTO cursor (tenant, name, value) VALUES ('', $1, $2) ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value`,
			seenName, strconv.FormatInt(ms(at), 10))
		return err
	})
}

// LastAudited returns when the newest entry of the tenant's audit log was written,
// by the clock of that time.
func (v View) LastAudited(ctx context.Context) (time.Time, error) {
	var at int64
	err := v.q.QueryRowContext(ctx, `SELECT a.at_ms FROM audit_head h JOIN audit a ON a.tenant = h.tenant AND a.seq = h.seq WHERE h.tenant = $1`, string(v.tenant)).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return fromMS(at), err
}
