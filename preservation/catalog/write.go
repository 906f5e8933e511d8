package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"bestand/preservation"
)

// tx is one transaction. What a transaction causes outside, it notes here to be
// told after the commit.
type tx struct {
	*sql.Tx
	db          *DB
	ctx         context.Context
	prepared    *statements          // nil where the driver keeps its own
	bound       map[string]*sql.Stmt // those of prepared that this transaction has used
	wokeJobs    []string             // kinds
	wokeChanges bool
	worked      map[preservation.TenantID]bool // whose submissions or jobs changed
}

// works notes that a submission or a job of a tenant changes.
func (x *tx) works(tenant preservation.TenantID) {
	if x.worked == nil {
		x.worked = map[preservation.TenantID]bool{}
	}
	x.worked[tenant] = true
}

func (x *tx) exec(query string, args ...any) (int64, error) {
	if x.db.dialect == postgres {
		for i, a := range args {
			if s, ok := a.(string); ok {
				args[i] = storable(s)
			}
		}
	}
	var r sql.Result
	var err error
	if s := x.prepared.of(x, query); s != nil {
		r, err = s.ExecContext(x.ctx, args...)
	} else {
		r, err = x.ExecContext(x.ctx, query, args...)
	}
	if err != nil {
		if foreign(err) {
			err = fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return 0, err
	}
	return r.RowsAffected()
}

// storable is a text without what PostgreSQL cannot store: NUL and what is not
// UTF-8. Messages of converters and validators can hold either.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func (x *tx) queryRow(query string, args ...any) *sql.Row {
	if s := x.prepared.of(x, query); s != nil {
		return s.QueryRowContext(x.ctx, args...)
	}
	return x.QueryRowContext(x.ctx, query, args...)
}

func (x *tx) query(query string, args ...any) (*sql.Rows, error) {
	if s := x.prepared.of(x, query); s != nil {
		return s.QueryContext(x.ctx, args...)
	}
	return x.QueryContext(x.ctx, query, args...)
}

// write runs fn in a transaction and returns when it is durable. On an error
// nothing of fn remains, unless the connection to PostgreSQL broke during the
// commit. fn may run more than once, must have no other effects, and must not
// write to the catalog in any other way: SQLite has one writer, which it is.
// The context counts until fn begins.
func (db *DB) write(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.group != nil {
		return fault(ctx, db.group.do(&pending{ctx: ctx, db: db, fn: fn, done: make(chan struct{})}))
	}
	for try := 0; ; try++ {
		err := db.writeOnce(ctx, fn)
		if try == 4 || !serialization(err) {
			return fault(ctx, err)
		}
	}
}

func (db *DB) writeOnce(ctx context.Context, fn func(*tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	t, err := db.begin(ctx)
	if err != nil {
		return err
	}
	defer t.Rollback()
	x := &tx{Tx: t, db: db, ctx: ctx}
	if err := fn(x); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return errors.Join(err, ctx.Err()) // a deadline that passed before it is not in err
	}
	x.tell()
	return nil
}

// begin gives connections that broke while they were idle a second chance: nothing
// has been done on them yet.
func (db *DB) begin(ctx context.Context) (t *sql.Tx, err error) {
	for range 3 {
		if t, err = db.writer.BeginTx(ctx, nil); err == nil || !errors.Is(fault(ctx, err), preservation.ErrUnavailable) {
			break
		}
	}
	return t, err
}

// tell wakes those who wait for what was committed.
func (x *tx) tell() {
	x.db.jobs.ring(x.wokeJobs)
	if x.wokeChanges {
		x.db.changed.send()
	}
	x.db.worked.send(x.worked)
}

// serialization reports a conflict that PostgreSQL asks to be tried again.
func serialization(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// unique reports whether err says that a unique index refused a row.
func unique(err error) bool {
	return refused(err, "23505", sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// foreign reports whether err says that what a row belongs to is not there.
func foreign(err error) bool { return refused(err, "23503", sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY) }

func refused(err error, state string, codes ...int) bool {
	var pg *pgconn.PgError
	var lite *driver.Error
	switch {
	case errors.As(err, &pg):
		return pg.Code == state
	case errors.As(err, &lite):
		return slices.Contains(codes, lite.Code())
	}
	return false
}
