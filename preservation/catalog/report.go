package catalog

import (
	"context"

	"bestand/preservation"
)

// DueCount is how many records of a class become due in a year with one outcome.
type DueCount struct {
	Year        int
	Class       string
	Disposition string // A, B or V
	Records     int64
	Held        int64 // of these, under a hold
}

// DueCounts counts the records that are due before a year begins, by the year in
// which they become so, class and disposition. It looks at no record.
func (v View) DueCounts(ctx context.Context, before int) ([]DueCount, error) {
	return v.dueCounts(ctx, `year, class, disposition`, before)
}

// DueYears is DueCounts of each year as a whole, which is a few numbers where the classes
// are many.
func (v View) DueYears(ctx context.Context, before int) ([]DueCount, error) {
	return v.dueCounts(ctx, `year, '', ''`, before)
}

func (v View) dueCounts(ctx context.Context, by string, before int) ([]DueCount, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+by+`, CAST(SUM(records) AS BIGINT), CAST(SUM(CASE WHEN state = 'held' THEN records ELSE 0 END) AS BIGINT)
		FROM retention_count WHERE tenant = $1 AND year > 0 AND year < $2 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`, string(v.tenant), before)
	return collect(rows, err, func(row scanner) (c DueCount, err error) {
		return c, row.Scan(&c.Year, &c.Class, &c.Disposition, &c.Records, &c.Held)
	})
}

// Evaluated is a record with its last evaluation as package retention wrote it.
type Evaluated struct {
	Record preservation.RecordID
	Class  string
	Body   []byte
}

// Evaluations lists records that are in a state, in the order of their
// identifiers, after one of them.
func (v View) Evaluations(ctx context.Context, state string, after preservation.RecordID, limit int) ([]Evaluated, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT id, class, retention FROM record WHERE tenant = $1 AND retention_state = $2 AND id > $3 ORDER BY id LIMIT $4`,
		string(v.tenant), state, string(after), limit)
	return collect(rows, err, func(row scanner) (e Evaluated, err error) {
		var body string
		err = row.Scan(&e.Record, &e.Class, &body)
		e.Body = []byte(body)
		return e, err
	})
}
