package catalog

import (
	"context"
	"time"
)

// DayStored is what was stored on a day in UTC.
type DayStored struct {
	Day     time.Time
	Records int64 // first versions
	Bytes   int64 // of packages
}

// StoredByDay tells how the holding grew, oldest day first. What was destroyed
// since is not in it.
func (t *Tenant) StoredByDay(ctx context.Context) ([]DayStored, error) {
	const day = int64(24 * time.Hour / time.Millisecond)
	rows, err := t.db.reader.QueryContext(ctx, `SELECT stored_ms / $1, SUM(CASE WHEN version = 1 THEN 1 ELSE 0 END), SUM(size) FROM record_object
		WHERE tenant = $2 AND kind = 'package' GROUP BY stored_ms / $1 ORDER BY 1`, day, string(t.id))
	return collect(rows, err, func(row scanner) (d DayStored, err error) {
		var n int64
		err = row.Scan(&n, &d.Records, &d.Bytes)
		d.Day = time.UnixMilli(n * day).UTC()
		return d, err
	})
}
