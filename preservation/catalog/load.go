package catalog

import (
	"context"
	"errors"
	"fmt"
)

// Load prepares SQLite for many large transactions and returns what ends that. The
// memory that the writer has for pages, and the log that it may leave for later, are
// larger meanwhile. Every transaction is durable as ever.
func (db *DB) Load(ctx context.Context) (end func(context.Context) error, err error) {
	if db.dialect != sqlite {
		return func(context.Context) error { return nil }, nil
	}
	const pages = 16384 // of 4 KiB
	var cache, checkpoint int64
	err = errors.Join(
		db.writer.QueryRowContext(ctx, `PRAGMA cache_size`).Scan(&cache),
		db.writer.QueryRowContext(ctx, `PRAGMA wal_autocheckpoint`).Scan(&checkpoint),
		db.load(ctx, pages, pages),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare catalog for loading: %w", err)
	}
	return func(ctx context.Context) error {
		if err := db.load(ctx, cache, checkpoint); err != nil {
			return err
		}
		if err := db.Truncate(ctx); !errors.Is(err, ErrConflict) {
			return err
		}
		return nil // somebody reads: the next checkpoint will do it
	}, nil
}

func (db *DB) load(ctx context.Context, cache, checkpoint int64) error {
	_, err := db.writer.ExecContext(ctx, fmt.Sprintf(`PRAGMA cache_size = %d; PRAGMA wal_autocheckpoint = %d`, cache, checkpoint))
	return err
}
