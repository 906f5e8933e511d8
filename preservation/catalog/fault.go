package catalog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite3driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"bestand/preservation"
)

// fault says of an error of the database that it is one: the catalog is down, or
// full. Errors that are about the data stay as they are. ctx is the caller's:
// while that goes on, a deadline that passed was one of ours.
func fault(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, preservation.ErrUnavailable) {
		return err
	}
	if down, full := outage(ctx, err); full {
		return preservation.Down(preservation.PartCatalog, fmt.Errorf("%w: %w", preservation.ErrFull, err))
	} else if down {
		return preservation.Down(preservation.PartCatalog, err)
	}
	return err
}

func outage(ctx context.Context, err error) (down, full bool) {
	var lite *sqlite3driver.Error
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &lite):
		switch lite.Code() & 0xff { // without the extension
		case sqlite3.SQLITE_FULL:
			return true, true
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT,
			sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
			return true, false
		}
		return false, false
	case errors.As(err, &pg):
		// PostgreSQL, Appendix A: connection, resources, intervention of an operator,
		// system, damage; a standby; locks and conflicts that outlasted our tries.
		for _, class := range []string{"08", "28", "3D", "40", "53", "57", "58", "XX", "25006", "55P03"} {
			if strings.HasPrefix(pg.Code, class) {
				return true, pg.Code == "53100" || strings.Contains(pg.Message, "No space left")
			}
		}
		return false, false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ctx.Err() == nil, false
	}
	// No answer of a database: that of the connection to it.
	var network net.Error
	var connect *pgconn.ConnectError
	var unsent interface{ SafeToRetry() bool }
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) || errors.As(err, &connect) || errors.As(err, &unsent), false
}

// source is where the catalog reads. Its errors are told by fault, and no
// question to a server waits for ever.
type source struct {
	*sql.DB
	limit    time.Duration // of one answer; none when zero
	prepared *questions    // nil where the driver keeps its own
}

// limited bounds a question to PostgreSQL. SQLite has its own limits, and every
// timer costs more than most of its answers.
func (s source) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.limit == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.limit)
}

// QueryContext asks for rows.
func (s source) QueryContext(ctx context.Context, query string, args ...any) (answer, error) {
	bounded, cancel := s.limited(ctx)
	ask := s.DB.QueryContext
	if q := s.prepared.of(ctx, s.DB, query); q != nil {
		ask = func(ctx context.Context, _ string, args ...any) (*sql.Rows, error) {
			return q.QueryContext(ctx, args...)
		}
	}
	rows, err := ask(bounded, query, args...)
	if err != nil {
		cancel()
		return nil, fault(ctx, err)
	}
	return &answerRows{rows, ctx, cancel}, nil
}

// QueryRowContext asks for one row.
func (s source) QueryRowContext(ctx context.Context, query string, args ...any) scanner {
	bounded, cancel := s.limited(ctx)
	if q := s.prepared.of(ctx, s.DB, query); q != nil {
		return answerRow{q.QueryRowContext(bounded, args...), ctx, cancel}
	}
	return answerRow{s.DB.QueryRowContext(bounded, query, args...), ctx, cancel}
}

// answer is what a query for rows gives: *sql.Rows within a transaction.
type answer interface {
	scanner
	Next() bool
	Err() error
	Close() error
}

type answerRows struct {
	*sql.Rows
	ctx    context.Context
	cancel context.CancelFunc
}

func (r *answerRows) Scan(to ...any) error { return fault(r.ctx, r.Rows.Scan(to...)) }
func (r *answerRows) Err() error           { return fault(r.ctx, r.Rows.Err()) }
func (r *answerRows) Close() error {
	defer r.cancel()
	return r.Rows.Close()
}

type answerRow struct {
	*sql.Row
	ctx    context.Context
	cancel context.CancelFunc
}

func (r answerRow) Scan(to ...any) error {
	defer r.cancel()
	return fault(r.ctx, r.Row.Scan(to...))
}
