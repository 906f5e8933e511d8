package catalog

import (
	"context"
	"fmt"
	"strings"

	"bestand/preservation"
)

// FormatName is what the newest record with a format (a PUID) calls it, with its
// version. ErrNotFound when no record has it.
func (t *Tenant) FormatName(ctx context.Context, puid string) (string, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT DISTINCT format FROM file WHERE tenant = $1 AND record_id =
		(SELECT record_id FROM record_format WHERE tenant = $1 AND format = $2 ORDER BY record_id DESC LIMIT 1)`, string(t.id), strings.ToLower(puid))
	all, err := collect(rows, err, func(row scanner) (f preservation.Format, err error) {
		var text string
		if err = row.Scan(&text); err == nil {
			f, err = fromJSON[preservation.Format](text)
		}
		return f, err
	})
	if err != nil {
		return "", err
	}
	for _, f := range all {
		if strings.EqualFold(f.PUID, puid) && f.Name != "" {
			return strings.TrimSpace(f.Name + " " + f.Version), nil
		}
	}
	return "", fmt.Errorf("format %s: %w", puid, ErrNotFound)
}
