package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

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
