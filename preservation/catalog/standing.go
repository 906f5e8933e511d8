package catalog

import (
	"context"

	"bestand/preservation"
)

// Standing is what receipts of a record are held against.
type Standing struct {
	Version  int // the newest
	Metadata preservation.Metadata
	Packages map[string]string // SHA-256 by key
}

// Standings returns those of the given records that exist.
func (t *Tenant) Standings(ctx context.Context, ids []preservation.RecordID) (map[preservation.RecordID]Standing, error) {
	out := make(map[preservation.RecordID]Standing, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	q := conditions{cond: "r.tenant = $1", args: []any{string(t.id)}}
	in(&q, "r.id", ids)
	rows, err := t.db.reader.QueryContext(ctx, `SELECT r.id, r.version, r.metadata, o.key, o.sha256
		FROM record r JOIN record_object o ON o.tenant = r.tenant AND o.record_id = r.id AND o.kind = 'package' WHERE `+q.cond, q.args...)
	_, err = collect(rows, err, func(row scanner) (_ struct{}, err error) {
		var id preservation.RecordID
		var s Standing
		var metadata, key, sum string
		if err := row.Scan(&id, &s.Version, &metadata, &key, &sum); err != nil {
			return struct{}{}, err
		}
		if have, ok := out[id]; ok {
			have.Packages[key] = sum
			return struct{}{}, nil
		}
		s.Packages = map[string]string{key: sum}
		s.Metadata, err = fromJSON[preservation.Metadata](metadata)
		out[id] = s
		return struct{}{}, err
	})
	return out, err
}
