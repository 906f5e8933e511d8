package search

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
)

// hit is a document that matched, while hits are being compared.
type hit struct {
	score   float32
	segment int
	doc     uint32 // within the segment
	lead    uint64 // first bytes of the sort key
	key, id string // whole sort key and identifier, once loaded
	loaded  part
}

type part uint8

const (
	keyLoaded part = 1 << iota
	idLoaded
)

// collector picks the hits of a page and counts facets.
type collector struct {
	snapshot *scorch.IndexSnapshot
	columns  *columnCache
	order    Order
	limit    int
	after    *hit    // hits up to this one were on earlier pages
	scorer   *scorer // nil unless sorted by relevance
	facets   []Facet

	top    []hit            // a heap, the last in order first
	counts []map[string]int // by facet
	reader valueReader
}

func sortField(o Order) string {
	switch o {
	case ByNewest, ByOldest:
		return sortDay
	case ByReference:
		return sortReference
	case ByTitle:
		return sortTitle
	}
	return fieldID
}

// run goes through the hits, segment by segment.
func (c *collector) run(ctx context.Context, hits docSet) error {
	part := make([]collector, workersFor(len(hits), hits.count()))
	for w := range part {
		part[w] = *c
		part[w].counts = make([]map[string]int, len(c.facets))
		for i := range c.facets {
			part[w].counts[i] = map[string]int{}
		}
	}
	err := inParallel(ctx, len(hits), len(part), func(w, i int) error {
		return part[w].collect(ctx, i, hits[i])
	})
	if err != nil {
		return err
	}
	c.counts = part[0].counts
	for w := range part {
		for _, h := range part[w].top {
			if err := c.offer(h); err != nil {
				return err
			}
		}
		for i := range c.counts {
			for v, n := range part[w].counts[i] {
				if w > 0 {
					c.counts[i][v] += n
				}
			}
		}
	}
	return nil
}

// collect takes what belongs to the page from one segment.
func (c *collector) collect(ctx context.Context, i int, docs *roaring.Bitmap) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if docs == nil || docs.IsEmpty() {
		return nil
	}
	seg := c.snapshot.Segments()[i]
	for n, f := range c.facets {
		if err := c.count(seg, docs, f, c.counts[n]); err != nil {
			return err
		}
	}
	if c.limit == 0 {
		return nil
	}
	return c.pick(ctx, i, seg, docs)
}

// each calls f with the document numbers of a bitmap, many at a time.
func each(docs *roaring.Bitmap, f func([]uint32) error) error {
	var buf [1024]uint32
	it := docs.ManyIterator()
	for {
		n := it.NextMany(buf[:])
		if n == 0 {
			return nil
		}
		if err := f(buf[:n]); err != nil {
			return err
		}
	}
}

func (c *collector) count(seg *scorch.SegmentSnapshot, docs *roaring.Bitmap, f Facet, counts map[string]int) error {
	column, err := c.columns.facet(seg, f)
	if err != nil {
		return err
	}
	// Of more than half of the segment the others are counted, and subtracted.
	bySet, step := make([]int, len(column.sets)), 1
	if size := seg.FullSize(); docs.GetCardinality() > uint64(size)/2 {
		copy(bySet, column.all)
		docs, step = roaring.Flip(docs, 0, uint64(size)), -1
	}
	each(docs, func(docs []uint32) error {
		for _, d := range docs {
			bySet[column.set[d]] += step
		}
		return nil
	})
	for set, n := range bySet {
		if n == 0 {
			continue
		}
		for _, v := range column.sets[set] {
			counts[v] += n
		}
	}
	return nil
}

// scratch holds scores by document number; they are zero while it is not in use.
var scratch = sync.Pool{New: func() any { return new([]float32) }}

// pick takes the hits of one segment that belong on the page.
func (c *collector) pick(ctx context.Context, segment int, seg *scorch.SegmentSnapshot, docs *roaring.Bitmap) error {
	keys, err := c.columns.sort(seg, sortField(c.order))
	if err != nil {
		return err
	}
	size := int(seg.FullSize())
	scores := scratch.Get().(*[]float32)
	if len(*scores) < size {
		*scores = make([]float32, size)
	}
	defer func() {
		clear((*scores)[:size])
		scratch.Put(scores)
	}()
	if c.scorer != nil {
		if err := c.scorer.add(ctx, seg, docs, *scores); err != nil {
			return err
		}
	}
	// What is newest mostly stands last. With the last hits taken first, nearly
	// all others are turned away at a glance.
	rest := uint32(size)
	if c.order == ByRelevance || c.order == ByNewest {
		last := docs.ReverseIterator()
		for n := 0; n < c.limit && last.HasNext(); n++ {
			rest = last.Next()
			h := hit{score: (*scores)[rest], segment: segment, doc: rest, lead: keys[rest]}
			if err := c.offer(h); err != nil {
				return err
			}
		}
	}
	return each(docs, func(docs []uint32) error {
		for _, d := range docs {
			if d >= rest {
				break
			}
			h := hit{score: (*scores)[d], segment: segment, doc: d, lead: keys[d]}
			if len(c.top) == c.limit && c.clearlyBehind(&h, &c.top[0]) {
				continue
			}
			if err := c.offer(h); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// clearlyBehind tells the usual case without a call: a comes after b in order,
// as can be seen without loading anything.
func (c *collector) clearlyBehind(a, b *hit) bool {
	switch c.order {
	case ByRelevance:
		return a.score < b.score || a.score == b.score && a.lead < b.lead
	case ByNewest:
		return a.lead < b.lead
	}
	return a.lead > b.lead
}

// offer takes a hit into the page if it belongs there.
func (c *collector) offer(h hit) error {
	if c.after != nil {
		order, err := c.compare(&h, c.after)
		if err != nil || order <= 0 {
			return err
		}
	}
	if len(c.top) == c.limit {
		order, err := c.compare(&h, &c.top[0])
		if err != nil || order >= 0 {
			return err
		}
		c.top[0] = h
		return c.sink()
	}
	c.top = append(c.top, h)
	for i := len(c.top) - 1; i > 0; {
		up := (i - 1) / 2
		order, err := c.compare(&c.top[i], &c.top[up])
		if err != nil {
			return err
		}
		if order <= 0 {
			break
		}
		c.top[i], c.top[up] = c.top[up], c.top[i]
		i = up
	}
	return nil
}

// sink restores the heap after its root has changed.
func (c *collector) sink() error {
	for i := 0; ; {
		last := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(c.top); child++ {
			order, err := c.compare(&c.top[child], &c.top[last])
			if err != nil {
				return err
			}
			if order > 0 {
				last = child
			}
		}
		if last == i {
			return nil
		}
		c.top[i], c.top[last] = c.top[last], c.top[i]
		i = last
	}
}

// sorted returns the page in order, with identifiers loaded.
func (c *collector) sorted() ([]hit, error) {
	for i := range c.top {
		if err := c.load(&c.top[i], idLoaded); err != nil {
			return nil, err
		}
	}
	var failed error
	slices.SortFunc(c.top, func(a, b hit) int {
		order, err := c.compare(&a, &b)
		if err != nil {
			failed = err
		}
		return order
	})
	return c.top, failed
}

// compare tells which hit comes first: negative when a does.
func (c *collector) compare(a, b *hit) (int, error) {
	sign := 1
	if c.order == ByRelevance || c.order == ByNewest {
		sign = -1
	}
	if c.order == ByRelevance {
		if order := cmp.Compare(b.score, a.score); order != 0 {
			return order, nil
		}
	}
	if order := cmp.Compare(a.lead, b.lead); order != 0 {
		return sign * order, nil
	}
	if c.order == ByReference || c.order == ByTitle { // other keys are no longer than their lead
		if err := c.load(a, keyLoaded); err != nil {
			return 0, err
		}
		if err := c.load(b, keyLoaded); err != nil {
			return 0, err
		}
		if order := strings.Compare(a.key, b.key); order != 0 {
			return sign * order, nil
		}
	}
	if err := c.load(a, idLoaded); err != nil {
		return 0, err
	}
	if err := c.load(b, idLoaded); err != nil {
		return 0, err
	}
	return sign * strings.Compare(a.id, b.id), nil
}

// load reads the sort key or the identifier of a hit, or both.
func (c *collector) load(h *hit, want part) (err error) {
	if want &^= h.loaded; want == 0 {
		return nil
	}
	seg := c.snapshot.Segments()[h.segment]
	if want&idLoaded != 0 {
		id, err := seg.DocID(uint64(h.doc))
		if err != nil {
			return err
		}
		h.id = string(id)
	}
	if field := sortField(c.order); want&keyLoaded != 0 && field != fieldID {
		if h.key, err = c.reader.value(seg, field, uint64(h.doc)); err != nil {
			return err
		}
	}
	h.loaded |= want
	return nil
}

// facetCounts returns what was counted.
func (c *collector) facetCounts() map[Facet]FacetCounts {
	if len(c.facets) == 0 {
		return nil
	}
	out := make(map[Facet]FacetCounts, len(c.facets))
	for i, f := range c.facets {
		values := make([]FacetCount, 0, len(c.counts[i]))
		for v, n := range c.counts[i] {
			values = append(values, FacetCount{v, n})
		}
		slices.SortFunc(values, func(a, b FacetCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
		})
		out[f] = FacetCounts{Values: values[:min(len(values), MaxFacet)], Distinct: len(values)}
	}
	return out
}
