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
// which they become so, class and disposition.
func (v View) DueCounts(ctx context.Context, before int) ([]DueCount, error) {
	// The disposition is found in the text of the evaluation, which package
	// retention writes: as JSON of a million records it would take seconds.
	rows, err := v.q.QueryContext(ctx, `SELECT CAST(year AS INTEGER), class, disposition, COUNT(*), SUM(held) FROM (
			SELECT substr(retention_due, 1, 4) AS year, class, CASE WHEN retention_state = 'held' THEN 1 ELSE 0 END AS held,
				CASE WHEN retention LIKE '%"disposition":"V"%' THEN 'V' WHEN retention LIKE '%"disposition":"A"%' THEN 'A' ELSE 'B' END AS disposition
			FROM record WHERE tenant = $1 AND retention_due <> '' AND retention_due < $2) due
		GROUP BY year, class, disposition ORDER BY year, class, disposition`, string(v.tenant), preservation.Date{Year: before, Month: 1, Day: 1}.String())
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
