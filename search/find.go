package search

import (
	"context"
	"fmt"

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
		limit: f.query.Limit, facets: f.query.Facets}
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
		last := hits[len(hits)-1]
		p.Next = cursor{Query: f.query.fingerprint(), Score: last.score, Key: last.key,
			ID: preservation.RecordID(last.id)}.encode()
	}
	return p, nil
}

// place turns a cursor into the hit that it names. Sorted by relevance the
// score is computed anew; when the record is gone or no longer a hit, the old
// one must do.
func (f *finding) place(at cursor) (*hit, error) {
	h := &hit{score: at.Score, key: at.Key, id: string(at.ID), loaded: true}
	if f.query.Order != ByRelevance {
		h.lead = lead(at.Key)
		return h, nil
	}
	h.lead = lead(h.id)
	internal, err := f.snapshot.InternalID(h.id)
	if err != nil || internal == nil {
		return h, err
	}
	s, err := f.searcher()
	if err != nil || s == nil {
		return h, err
	}
	defer s.Close()
	sc := &bsearch.SearchContext{DocumentMatchPool: bsearch.NewDocumentMatchPool(s.DocumentMatchPoolSize()+2, 0)}
	d, err := s.Advance(sc, internal)
	if err != nil {
		return nil, err
	}
	if d != nil && d.IndexInternalID.Equals(internal) {
		h.score = d.Score
	}
	return h, nil
}
