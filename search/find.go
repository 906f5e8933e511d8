package search

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"bestand/preservation"

	"github.com/blevesearch/bleve/v2/index/scorch"
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
	defer faultsPanic()()
	defer func() { // the library panics on damaged segments
		p, err = ix.unlessPanicked(ctx, o, recover(), p, err)
	}()
	snapshot, err := o.snapshot()
	if err != nil {
		return Page{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer snapshot.Close()
	o.columns.keep(snapshot)
	o.words.keep(snapshot)
	f := finding{ctx: ctx, snapshot: snapshot, index: ix, open: o, query: q, groups: groups}
	return f.page(at)
}

// unlessPanicked turns a panic, here or in a helper, into ErrUnavailable and
// takes the index out of use until it has been checked.
func (ix *Index) unlessPanicked(ctx context.Context, o *openIndex, here any, p Page, err error) (Page, error) {
	stack := debug.Stack()
	if there := (panicked{}); errors.As(err, &there) {
		here, stack = there.value, there.stack
	}
	if here == nil {
		return p, err
	}
	ix.set.o.Log.ErrorContext(ctx, "search panicked", "tenant", ix.tenant, "panic", here, "stack", string(stack))
	return Page{}, ix.failed(o, fmt.Errorf("%w: damaged: %v", ErrUnavailable, here))
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

func (f *finding) page(at *cursor) (Page, error) {
	m := matcher{ctx: f.ctx, reader: f.snapshot, language: f.index.set.language, frequent: &f.open.words}
	found, err := m.matches(f.groups, f.query.Filter)
	if err != nil {
		return Page{}, err
	}
	c := collector{snapshot: f.snapshot, columns: &f.open.columns, order: f.query.Order,
		limit: f.query.Limit, facets: f.query.Facets}
	if f.query.Order == ByRelevance && f.query.Limit > 0 {
		if c.scorer, err = newScorer(f.snapshot, f.index.set.language, &f.open.words, f.groups); err != nil {
			return Page{}, err
		}
	}
	if at != nil {
		if c.scorer != nil && !c.scorer.setWeights(at.Weights) {
			return Page{}, ErrCursor
		}
		c.after = at.hit(f.query.Order)
	}
	if err := c.run(f.ctx, found); err != nil {
		return Page{}, err
	}
	hits, err := c.sorted()
	if err != nil {
		return Page{}, err
	}
	p := Page{Total: found.count(), Facets: c.facetCounts(), Hits: make([]Hit, len(hits))}
	for i, h := range hits {
		p.Hits[i] = Hit{ID: preservation.RecordID(h.id), Score: float64(h.score)}
		if f.query.Snippets {
			if p.Hits[i].Snippets, err = f.snippets(h.id); err != nil {
				return Page{}, err
			}
		}
	}
	if len(hits) == f.query.Limit && len(hits) > 0 {
		next, err := c.cursor(hits[len(hits)-1])
		if err != nil {
			return Page{}, err
		}
		next.Query = f.query.fingerprint()
		p.Next = next.encode()
	}
	return p, nil
}
