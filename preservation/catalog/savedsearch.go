package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
)

// SavedSearch is a search that somebody keeps to open it again. It belongs to its actor
// alone.
type SavedSearch struct {
	ID      string
	Name    string // no two of an actor have the same one
	Query   string // of the list of records, as in its address
	Created time.Time
}

// MaxSavedSearches is how many an actor can keep.
const MaxSavedSearches = 50

// ErrFull: there is no room for another one. Delete one first.
var ErrFull = errors.New("no room for another one")

// SaveSearch keeps a search. ErrConflict when the actor has one of the name, ErrFull
// when there are MaxSavedSearches.
func (t *Tenant) SaveSearch(ctx context.Context, actor string, s SavedSearch) (SavedSearch, error) {
	s.ID, s.Created = preservation.NewID(t.db.now()), fromMS(ms(t.db.now()))
	return s, t.db.write(ctx, func(x *tx) error {
		var have int64
		if err := x.queryRow(`SELECT COUNT(*) FROM saved_search WHERE tenant = $1 AND actor = $2`, string(t.id), actor).Scan(&have); err != nil {
			return err
		}
		if have >= MaxSavedSearches {
			return ErrFull
		}
		_, err := x.exec(`INSERT INTO saved_search (id, tenant, actor, name, query, created_ms) VALUES ($1, $2, $3, $4, $5, $6)`, s.ID, string(t.id), actor, s.Name, s.Query, ms(s.Created))
		return named(err, s.Name)
	})
}

// SavedSearches lists those of an actor, oldest first.
func (t *Tenant) SavedSearches(ctx context.Context, actor string) ([]SavedSearch, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT id, name, query, created_ms FROM saved_search WHERE tenant = $1 AND actor = $2 ORDER BY id`, string(t.id), actor)
	return collect(rows, err, scanSavedSearch)
}

// RenameSearch gives one of an actor's searches another name. ErrConflict when another
// one has it, ErrNotFound when the actor has no such search.
func (t *Tenant) RenameSearch(ctx context.Context, actor, id, name string) (s SavedSearch, err error) {
	return s, t.db.write(ctx, func(x *tx) (err error) {
		s, err = scanSavedSearch(x.queryRow(`UPDATE saved_search SET name = $4 WHERE tenant = $1 AND actor = $2 AND id = $3 RETURNING id, name, query, created_ms`, string(t.id), actor, id, name))
		return found(named(err, name), "saved search", id)
	})
}

// DeleteSearch forgets one of an actor's searches. ErrNotFound when there is none such.
func (t *Tenant) DeleteSearch(ctx context.Context, actor, id string) error {
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`DELETE FROM saved_search WHERE tenant = $1 AND actor = $2 AND id = $3`, string(t.id), actor, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("saved search %s: %w", id, ErrNotFound)
		}
		return err
	})
}

// named turns a name that is taken into ErrConflict.
func named(err error, name string) error {
	if unique(err) {
		return fmt.Errorf("saved search %s: %w", name, ErrConflict)
	}
	return err
}

func scanSavedSearch(row scanner) (s SavedSearch, err error) {
	var created int64
	err = row.Scan(&s.ID, &s.Name, &s.Query, &created)
	s.Created = fromMS(created)
	return s, err
}
