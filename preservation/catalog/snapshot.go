package catalog

import (
	"context"
	"fmt"
	"syscall"

	"bestand/preservation"
)

// Snapshot writes the whole catalog as it is at one instant into a new SQLite file,
// without what deleted rows have left in its pages. Writers wait meanwhile. It reports
// false on PostgreSQL, whose own tools do that. syscall.ENOSPC when there is no room for it.
func (db *DB) Snapshot(ctx context.Context, path string) (bool, error) {
	if db.dialect != sqlite {
		return false, nil
	}
	if _, err := db.writer.ExecContext(ctx, `VACUUM INTO $1`, path); err != nil {
		if _, full := outage(ctx, err); full { // there: here nothing is written
			err = fmt.Errorf("%w: %w", syscall.ENOSPC, err)
		}
		return false, fmt.Errorf("snapshot of the catalog: %w", err)
	}
	return true, nil
}

// ObjectMoved notes that an object of a record has another version ID: a restore has put
// it into a new bucket.
func (x *Tx) ObjectMoved(id preservation.RecordID, key, version string) error {
	_, err := x.tx.exec(`UPDATE record_object SET version_id = $4 WHERE tenant = $1 AND record_id = $2 AND key = $3 AND version_id <> $4`,
		string(x.tenant), string(id), key, version)
	return err
}
