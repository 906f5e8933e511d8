package catalog

import (
	"context"
	"database/sql"
	"slices"
	"sync"
)

// statements keeps what SQLite has made of the texts of statements, which takes
// it nearly as long as to execute one. A text is prepared after the transaction
// in which it was first used: there is one connection, and the transaction has it. One
// that this uses again is prepared for it alone.
type statements struct {
	made   map[string]*sql.Stmt
	wanted []string
}

// maxStatements bounds what is kept: some texts hold lists of any length.
const maxStatements = 200

// of returns a statement for use in a transaction, nil when it is not prepared.
func (p *statements) of(x *tx, query string) *sql.Stmt {
	if p == nil {
		return nil
	}
	if s := x.bound[query]; s != nil {
		return s
	}
	bind := func(s *sql.Stmt) *sql.Stmt {
		if x.bound == nil {
			x.bound = map[string]*sql.Stmt{}
		}
		x.bound[query] = s
		return s
	}
	if s := p.made[query]; s != nil {
		return bind(x.StmtContext(x.ctx, s))
	}
	if slices.Contains(p.wanted, query) {
		if s, err := x.PrepareContext(x.ctx, query); err == nil { // it ends with the transaction
			return bind(s)
		}
		return nil
	}
	if len(p.made)+len(p.wanted) < maxStatements {
		p.wanted = append(p.wanted, query)
	}
	return nil
}

// prepare makes what transactions have asked for. What cannot be prepared is
// executed as it is, which will say why.
func (p *statements) prepare(db *sql.DB) {
	for _, query := range p.wanted {
		if p.made[query] != nil {
			continue
		}
		if s, err := db.PrepareContext(context.Background(), query); err == nil {
			if p.made == nil {
				p.made = map[string]*sql.Stmt{}
			}
			p.made[query] = s
		}
	}
	p.wanted = p.wanted[:0]
}

// questions is statements for those who only read, on any of their connections.
type questions struct {
	mu   sync.RWMutex
	made map[string]*sql.Stmt
}

// of returns a statement, nil when it is not to be prepared.
func (p *questions) of(ctx context.Context, db *sql.DB, query string) *sql.Stmt {
	if p == nil {
		return nil
	}
	p.mu.RLock()
	s, full := p.made[query], len(p.made) >= maxStatements
	p.mu.RUnlock()
	if s != nil || full {
		return s
	}
	s, err := db.PrepareContext(ctx, query)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.made[query]; other != nil {
		s.Close()
		return other
	}
	if p.made == nil {
		p.made = map[string]*sql.Stmt{}
	}
	p.made[query] = s
	return s
}
