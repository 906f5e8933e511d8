package search

import (
	"context"
	"fmt"
	"runtime/debug"

	"bestand/preservation"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bsearch "github.com/blevesearch/bleve/v2/search"
)

// Search returns a page of hits. ErrQuery and ErrCursor are the asker's to
// mend; no text makes it fail otherwise.
func (ix *Index) Search(ctx context.Context, q Query) (p Page, err error) {
	q, err = q.normalize()
	if err != nil {
		return Page{}, err
	}
	groups, err := parse(q.Text)
	if err != nil {
		return Page{}, err
	}
	var at *cursor
	if q.Cursor != "" {
		c, err := decodeCursor(q.Cursor, q)
		if err != nil {
			return Page{}, err
		}
		at = &c
	}
	ctx, cancel := context.WithTimeout(ctx, ix.set.o.Timeout)
	defer cancel()
	o, err := ix.acquire(ctx)
	if err != nil {
		return Page{}, err
	}
	defer ix.release(o)
	defer func() {
		if r := recover(); r != nil { // the library panics on damaged segments
			ix.set.o.Log.ErrorContext(ctx, "search panicked", "tenant", ix.tenant, "panic", r, "stack", string(debug.Stack()))
			p, err = Page{}, ix.failed(o, fmt.Errorf("%w: damaged: %v", ErrUnavailable, r))
		}
	}()
	snapshot, err := o.snapshot()
	if err != nil {
		return Page{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer snapshot.Close()
	o.columns.keep(snapshot)
	f := finding{ctx: ctx, snapshot: snapshot, index: ix, open: o, query: q, groups: groups}
	return f.page(at)
}

// finding is one search on one snapshot.
type finding struct {
	ctx      context.Context
	snapshot *scorch.IndexSnapshot
	index    *Index
	open     *openIndex
	query    Query
	groups   [][]clause
}

func (f *finding) searcher() (bsearch.Searcher, error) {
	m := matcher{ctx: f.ctx, reader: f.snapshot, language: f.index.set.language}
	return m.all(f.groups, f.query.Filter)
}

func (f *finding) page(at *cursor) (Page, error) {
	s, err := f.searcher()
	if err != nil {
		return Page{}, err
	}
	c := collector{snapshot: f.snapshot, columns: &f.open.columns, order: f.query.Order,
		limit: f.query.Limit, facets: f.query.Facets, counts: make([]map[string]int, len(f.query.Facets))}
	if at != nil {
		if c.after, err = f.place(*at); err != nil {
			return Page{}, err
		}
	}
	if s != nil {
		defer s.Close()
		if err := c.run(f.ctx, s); err != nil {
			return Page{}, err
		}
	}
	hits, err := c.sorted()
	if err != nil {
		return Page{}, err
	}
	p := Page{Total: c.total, Facets: c.facetCounts(), Hits: make([]Hit, len(hits))}
	for i, h := range hits {
		p.Hits[i] = Hit{ID: preservation.RecordID(h.id), Score: h.score}
		if f.query.Snippets {
			if p.Hits[i].Snippets, err = f.snippets(h.id); err != nil {
				return Page{}, err
			}
		}
	}
	if len(hits) == f.query.Limit {
		p.Next = f.cursor(hits).encode()
	}
	return p, nil
}

func (f *finding) cursor(hits []hit) cursor {
	last := hits[len(hits)-1]
	c := cursor{Query: f.query.fingerprint(), Score: last.score, Key: last.key, ID: preservation.RecordID(last.id)}
	if f.query.Order == ByRelevance {
		for i := len(hits) - 2; i >= 0 && len(c.Before) < maxBefore; i-- {
			c.Before = append(c.Before, preservation.RecordID(hits[i].id))
		}
	}
	return c
}

// place turns a cursor into the hit that the page begins behind.
func (f *finding) place(at cursor) (*hit, error) {
	if f.query.Order != ByRelevance {
		return &hit{key: at.Key, lead: lead(at.Key), id: string(at.ID), loaded: true}, nil
	}
	for _, id := range append([]preservation.RecordID{at.ID}, at.Before...) {
		score, ok, err := f.score(string(id))
		if err != nil {
			return nil, err
		}
		if ok {
			return &hit{score: score, lead: lead(string(id)), id: string(id), loaded: true}, nil
		}
	}
	return &hit{score: at.Score, lead: lead(string(at.ID)), id: string(at.ID), loaded: true}, nil
}

// score computes the score of one record, if it is a hit.
func (f *finding) score(id string) (score float64, ok bool, err error) {
	internal, err := f.snapshot.InternalID(id)
	if err != nil || internal == nil {
		return 0, false, err
	}
	s, err := f.searcher()
	if err != nil || s == nil {
		return 0, false, err
	}
	defer s.Close()
	sc := &bsearch.SearchContext{DocumentMatchPool: bsearch.NewDocumentMatchPool(s.DocumentMatchPoolSize()+2, 0)}
	d, err := s.Advance(sc, internal)
	if err != nil || d == nil || !d.IndexInternalID.Equals(internal) {
		return 0, false, err
	}
	return d.Score, true, nil
}
