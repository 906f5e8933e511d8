package catalog

import (
	"context"

	"bestand/preservation"
)

// Incomplete lists living records, in the order of identifiers after one of
// them, with a file whose rendition is pending or was not validated and of
// which no version is on its way.
func (t *Tenant) Incomplete(ctx context.Context, after preservation.RecordID, limit int) ([]preservation.RecordID, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT DISTINCT f.record_id FROM file f WHERE f.tenant = $1 AND f.record_id > $2
		AND f.verdict IN ('pending', 'not validated')
		AND NOT EXISTS (SELECT 1 FROM submission s WHERE s.tenant = f.tenant AND s.record_id = f.record_id AND s.status NOT IN ('archived', 'rejected'))
		ORDER BY f.record_id LIMIT $3`, string(t.id), string(after), limit)
	return collect(rows, err, func(row scanner) (id preservation.RecordID, err error) { return id, row.Scan(&id) })
}
