package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

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

// group commits the writes that arrive while a commit is under way together
// with the next one: one fsync serves all of them. When one of them fails, the
// batch is done again with a savepoint for each, so that it takes nothing else
// with it; always to have them would cost as much as a small write does.
type group struct {
	sql    *sql.DB
	files  *openFiles
	queue  chan *pending
	closed chan struct{}
	wg     sync.WaitGroup

	prepared statements // of the one connection that writes
}

type pending struct {
	ctx   context.Context
	db    *DB
	fn    func(*tx) error
	tx    *tx
	err   error
	panic any
	done  chan struct{}
}

const groupMax = 256

func newGroup(w *sql.DB, f *openFiles) *group {
	g := &group{sql: w, files: f, queue: make(chan *pending, groupMax), closed: make(chan struct{})}
	g.wg.Go(g.run)
	return g
}

func (g *group) close() {
	close(g.closed)
	g.wg.Wait()
}

func (g *group) do(p *pending) error {
	select {
	case g.queue <- p:
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-g.closed:
		return errors.New("catalog is closed")
	}
	select {
	case <-p.done:
	case <-g.closed:
		g.wg.Wait() // the last batch ends before the group does
		select {
		case <-p.done:
		default:
			return errors.New("catalog is closed")
		}
	}
	if p.panic != nil {
		panic(p.panic)
	}
	return p.err
}

func (g *group) run() {
	for {
		select {
		case <-g.closed:
			return
		case p := <-g.queue:
			batch := []*pending{p}
		fill:
			for len(batch) < groupMax {
				select {
				case p := <-g.queue:
					batch = append(batch, p)
				default:
					break fill
				}
			}
			g.commit(batch)
		}
	}
}

func (g *group) commit(batch []*pending) {
	defer func() {
		for _, p := range batch {
			close(p.done)
		}
	}()
	fail := func(err error) {
		for _, p := range batch {
			if p.err == nil {
				p.err = err
			}
		}
	}
	if err := g.files.check(); err != nil {
		fail(err)
		return
	}
	err := g.together(batch, false)
	switch {
	case errors.Is(err, errSpoilt) && len(batch) == 1: // it alone was undone
		return
	case errors.Is(err, errSpoilt):
		err = g.together(batch, true)
	}
	if err != nil {
		fail(err)
		return
	}
	if err := g.files.check(); err != nil { // committed to files that are gone
		fail(err)
		return
	}
	for _, p := range batch {
		if p.err == nil && p.panic == nil {
			p.tx.tell()
		}
	}
	g.prepared.prepare(g.sql)
}

// errSpoilt: a write failed, and took what was written before it with it.
var errSpoilt = errors.New("a write of the batch failed")

// together commits a batch in one transaction, each write in a savepoint or all
// of them without.
func (g *group) together(batch []*pending, savepoints bool) error {
	// The batch outlives any single caller: a caller that leaves must not undo the others.
	t, err := g.sql.BeginTx(context.Background(), nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, p := range batch {
		switch {
		case p.ended():
			continue
		case savepoints:
			err = p.apart(t, &g.prepared)
		case !p.run(t, &g.prepared):
			err = errSpoilt
		}
		if err != nil {
			t.Rollback()
			return err
		}
	}
	if err := t.Commit(); err != nil {
		t.Rollback()
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// ended reports whether the caller left before its write began.
func (p *pending) ended() bool {
	p.err, p.panic = p.ctx.Err(), nil
	return p.err != nil
}

// run executes one write and reports whether it succeeded.
func (p *pending) run(t *sql.Tx, prepared *statements) (ok bool) {
	p.tx = &tx{Tx: t, db: p.db, ctx: context.WithoutCancel(p.ctx), prepared: prepared}
	func() {
		defer func() { p.panic = recover() }()
		p.err = p.fn(p.tx)
	}()
	return p.err == nil && p.panic == nil
}

// apart executes one write in its savepoint. The error it returns is one of the
// transaction as a whole.
func (p *pending) apart(t *sql.Tx, prepared *statements) error {
	if _, err := t.Exec(`SAVEPOINT w`); err != nil {
		return err
	}
	if !p.run(t, prepared) {
		if _, err := t.Exec(`ROLLBACK TO w`); err != nil {
			return err
		}
	}
	_, err := t.Exec(`RELEASE w`)
	return err
}

// broadcast wakes any number of waiters at once.
type broadcast struct {
	mu sync.Mutex
	c  chan struct{}
}

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}

// bells wakes pools for whose kinds of jobs one was committed.
type bells struct {
	mu    sync.Mutex
	kinds map[chan struct{}][]string
}

// join returns what is rung after every commit of a job of one of the kinds, once
// for those in between two looks at it.
func (b *bells) join(kinds []string) (bell <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kinds == nil {
		b.kinds = map[chan struct{}][]string{}
	}
	b.kinds[c] = kinds
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.kinds, c)
	}
}

func (b *bells) ring(kinds []string) {
	if len(kinds) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for c, theirs := range b.kinds {
		if slices.ContainsFunc(theirs, func(k string) bool { return slices.Contains(kinds, k) }) {
			select {
			case c <- struct{}{}:
			default: // it has been rung and not yet heard
			}
		}
	}
}
