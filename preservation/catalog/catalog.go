package catalog

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // driver "sqlite"

	"bestand/preservation"
)

// Errors of the catalog. A database that does not answer or take what is written
// is a preservation.ErrUnavailable, a full one also a preservation.ErrFull. When
// that comes of a write, nothing of it remains, unless the connection to
// PostgreSQL broke during the commit: whoever repeats it finds out.
var (
	// ErrNotFound: no such thing in this tenant.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the state changed or is taken; read it again before another try.
	ErrConflict = errors.New("conflict")
	// ErrDestroyed: the record was lawfully destroyed; its Tombstone remains.
	ErrDestroyed = errors.New("record was destroyed")
	// ErrCursor: the paging cursor is not one of ours.
	ErrCursor = errors.New("bad cursor")
	// ErrSort: the list has no such order.
	ErrSort = errors.New("unknown order")
	// ErrNewer: the database was written by a newer release. Start that one.
	ErrNewer = errors.New("database is newer than this program")
	// ErrOlder: the database was written by an older release, and is not to be migrated.
	ErrOlder = errors.New("database is older than this program")
)

//go:embed migrations
var migrations embed.FS

// Config says where the catalog is.
type Config struct {
	// URL is "sqlite:/path/to/catalog.db" or a postgres:// connection string.
	URL string
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// AsItIs migrates nothing, as beside a service that uses the database: ErrOlder.
	AsItIs bool
}

// DB is the catalog of one installation. It is safe for concurrent use.
type DB struct {
	dialect dialect
	path    string     // of SQLite
	files   *openFiles // of SQLite
	reader  source
	writer  *sql.DB
	group   *group // SQLite only: commits concurrent writes together
	closing sync.Once
	now     func() time.Time
	jobs    bells     // a job was committed by this process
	changed broadcast // a change was committed by this process
	worked  rounds
}

type dialect int

const (
	sqlite dialect = iota
	postgres
)

func (d dialect) String() string {
	if d == postgres {
		return "postgres"
	}
	return "sqlite"
}

// Open connects, migrates the schema forward unless it is to be left as it is, and
// returns the catalog.
func Open(ctx context.Context, c Config) (*DB, error) {
	db := &DB{now: c.Now}
	if db.now == nil {
		db.now = time.Now
	}
	var err error
	switch {
	case strings.HasPrefix(c.URL, "sqlite:"):
		err = db.openSQLite(strings.TrimPrefix(c.URL, "sqlite:"))
	case strings.HasPrefix(c.URL, "postgres://"), strings.HasPrefix(c.URL, "postgresql://"):
		err = db.openPostgres(c.URL)
	default:
		err = fmt.Errorf("catalog URL %q: want sqlite:PATH or postgres://…", Redact(c.URL))
	}
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx, c.AsItIs); err != nil {
		db.Close()
		return nil, fmt.Errorf("migrate catalog: %w", err)
	}
	if db.dialect == sqlite {
		if db.files, err = watch(ctx, db.path, db.reader.DB); err != nil {
			db.Close()
			return nil, fmt.Errorf("files of the catalog: %w", err)
		}
		db.group = newGroup(db.writer, db.files)
	}
	return db, nil
}

// busyTimeout is how long, in milliseconds, SQLite waits for another program.
const busyTimeout = "10000"

func (db *DB) openSQLite(path string) (err error) {
	db.path = path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// Others on the machine must not read it. A file that exists is left alone:
	// closing it would take away the locks that SQLite holds on it in this process.
	switch f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); {
	case err == nil:
		f.Close()
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	// secure_delete overwrites what a destroyed record leaves in the pages.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(" + busyTimeout + ")&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=secure_delete(1)&_txlock=immediate"
	if db.writer, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	db.writer.SetMaxOpenConns(1)
	if db.reader.DB, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return err
	}
	db.reader.prepared = &questions{}
	db.reader.SetMaxOpenConns(8)
	db.reader.SetMaxIdleConns(8)
	return nil
}

// A server that is not there is known after connectTime, and one that hangs
// after answerTime. The catalog asks nothing that takes longer.
const (
	connectTime = 5 * time.Second
	answerTime  = 30 * time.Second
)

func (db *DB) openPostgres(dsn string) (err error) {
	db.dialect = postgres
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("catalog URL: %s", strings.ReplaceAll(err.Error(), dsn, Redact(dsn)))
	}
	if u, err := url.Parse(dsn); err != nil || !u.Query().Has("connect_timeout") {
		config.ConnectTimeout = connectTime
	}
	db.writer = stdlib.OpenDB(*config)
	db.writer.SetMaxOpenConns(24)
	db.writer.SetMaxIdleConns(24)
	db.reader = source{DB: db.writer, limit: answerTime}
	return nil
}

// Redact removes the password from a connection string for messages.
func Redact(dsn string) string {
	if u, err := url.Parse(dsn); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}

func (db *DB) migrate(ctx context.Context, asItIs bool) error {
	dir, err := fs.Sub(migrations, "migrations/"+db.dialect.String())
	if err != nil {
		return err
	}
	d := goose.DialectSQLite3
	if db.dialect == postgres {
		d = goose.DialectPostgres
	}
	p, err := goose.NewProvider(d, db.writer, dir)
	if err != nil {
		return err
	}
	unlock, err := db.lockMigration(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	have, err := p.GetDBVersion(ctx)
	if have > newest {
		return fmt.Errorf("%w: schema %d, this program knows %d", ErrNewer, have, newest)
	}
	if err == nil && have < newest && asItIs {
		return fmt.Errorf("%w: schema %d, this program wants %d", ErrOlder, have, newest)
	}
	if err == nil && have < newest {
		_, err = p.Up(ctx)
	}
	return err
}

// lockMigration keeps other programs from migrating the database at the same
// time. The lock of SQLite is a file beside it, which stays.
func (db *DB) lockMigration(ctx context.Context) (unlock func(), err error) {
	if db.dialect == sqlite {
		f, err := os.OpenFile(db.path+".migration", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			f.Close()
			return nil, err
		}
		return func() { f.Close() }, nil
	}
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		return nil, err
	}
	const key = 0x42657374616e64 // "Bestand"
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(key)); err != nil {
		conn.Close()
		return nil, err
	}
	return func() {
		conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(key))
		conn.Close()
	}, nil
}

// Ping reports whether the database answers and takes what is written. It writes
// a row that it removes: a full or read-only disk refuses no less.
func (db *DB) Ping(ctx context.Context) error {
	id := preservation.NewID(db.now())
	return db.write(ctx, func(x *tx) error {
		if _, err := x.exec(`INSERT INTO job (id, tenant, kind, key, state, payload, run_at_ms, created_ms) VALUES ($1, '', 'ping', $1, 'dead', '', 0, 0)`, id); err != nil {
			return err
		}
		_, err := x.exec(`DELETE FROM job WHERE id = $1`, id)
		return err
	})
}

// Close ends the catalog. Writes that were under way are finished first; those
// that come later fail. Closing again does nothing.
func (db *DB) Close() (err error) {
	db.closing.Do(func() {
		if db.group != nil {
			db.group.close()
		}
		if db.files != nil {
			err = db.files.close()
		}
		err = errors.Join(err, db.writer.Close())
		if db.reader.DB != nil && db.reader.DB != db.writer {
			err = errors.Join(err, db.reader.Close())
		}
	})
	return err
}

// Truncate empties the write-ahead log of SQLite so that no page of a
// destroyed record stays in it. ErrConflict when a reader did not let go of the
// log within two seconds, in which nobody can write: try again later. It does
// nothing on PostgreSQL, whose autovacuum and own log cannot be hurried.
func (db *DB) Truncate(ctx context.Context) error {
	if db.dialect != sqlite {
		return nil
	}
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("truncate log: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `PRAGMA busy_timeout = 2000`); err != nil {
		return fmt.Errorf("truncate log: %w", err)
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA busy_timeout = `+busyTimeout)
	var busy, frames, moved int64
	if err := conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return fmt.Errorf("truncate log: %w", err)
	}
	if busy != 0 {
		return fmt.Errorf("truncate log: a reader is in the way: %w", ErrConflict)
	}
	return nil
}

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMS(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMilli(v).UTC()
}
