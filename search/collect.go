package search

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bsearch "github.com/blevesearch/bleve/v2/search"
)

// hit is a document that matched, while hits are being compared.
type hit struct {
	score   float64
	segment int
	doc     uint64 // within the segment
	lead    uint64 // first bytes of the sort key
	key, id string // whole sort key and identifier, once loaded
	loaded  bool
}

// collector runs through all hits of a query: it counts them, keeps the best
// for the page, and counts facets.
type collector struct {
	snapshot *scorch.IndexSnapshot
	columns  *columnCache
	order    Order
	limit    int
	after    *hit // hits up to this one were on earlier pages

	field  string // sort field, fieldID when sorted by score
	facets []Facet

	total  int
	top    []hit            // a heap, the last in order first
	counts []map[string]int // by facet

	segment      int // of the hit at hand
	keys         sortColumn
	facetColumns []*facetColumn
	setCounts    [][]int // by facet: hits per set of values in this segment
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

const checkEvery = 4096 // hits between looks at the deadline

// run collects the hits of s.
func (c *collector) run(ctx context.Context, s bsearch.Searcher) error {
	c.field = sortField(c.order)
	c.segment = -1
	segments := c.snapshot.Segments()
	sc := &bsearch.SearchContext{DocumentMatchPool: bsearch.NewDocumentMatchPool(s.DocumentMatchPoolSize()+2, 0)}
	first, next := uint64(0), uint64(0) // numbers of the segment's first document and of the next segment's
	for {
		if c.total%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		d, err := s.Next(sc)
		if err != nil {
			return err
		}
		if d == nil {
			c.endSegment()
			return nil
		}
		n := d.IndexInternalID.Value()
		for n >= next {
			c.endSegment()
			c.segment++
			first, next = next, next+uint64(segments[c.segment].FullSize())
			if n < next {
				if err := c.beginSegment(segments[c.segment]); err != nil {
					return err
				}
			}
		}
		c.total++
		for i, f := range c.facetColumns {
			c.setCounts[i][f.set[n-first]]++
		}
		if err := c.offer(hit{score: d.Score, segment: c.segment, doc: n - first, lead: c.keys[n-first]}); err != nil {
			return err
		}
		sc.DocumentMatchPool.Put(d)
	}
}

func (c *collector) beginSegment(seg *scorch.SegmentSnapshot) (err error) {
	if c.keys, err = c.columns.sort(seg, c.field); err != nil {
		return err
	}
	c.facetColumns, c.setCounts = c.facetColumns[:0], c.setCounts[:0]
	for _, f := range c.facets {
		col, err := c.columns.facet(seg, f)
		if err != nil {
			return err
		}
		c.facetColumns = append(c.facetColumns, col)
		c.setCounts = append(c.setCounts, make([]int, len(col.sets)))
	}
	return nil
}

func (c *collector) endSegment() {
	for i, col := range c.facetColumns {
		for set, n := range c.setCounts[i] {
			if n == 0 {
				continue
			}
			for _, v := range col.sets[set] {
				if c.counts[i] == nil {
					c.counts[i] = map[string]int{}
				}
				c.counts[i][v] += n
			}
		}
	}
	c.facetColumns = c.facetColumns[:0]
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
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child >= len(c.top) {
				break
			}
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

// sorted returns the page in order, with keys and identifiers loaded.
func (c *collector) sorted() ([]hit, error) {
	for i := range c.top {
		if err := c.load(&c.top[i]); err != nil {
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
	down := c.order == ByRelevance || c.order == ByNewest
	sign := 1
	if down {
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
	if err := c.load(a); err != nil {
		return 0, err
	}
	if err := c.load(b); err != nil {
		return 0, err
	}
	return sign * cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id)), nil
}

// load reads the whole sort key and the identifier of a hit.
func (c *collector) load(h *hit) (err error) {
	if h.loaded {
		return nil
	}
	seg := c.snapshot.Segments()[h.segment]
	if h.id, err = valueOf(seg, fieldID, h.doc); err != nil {
		return err
	}
	if c.field != fieldID {
		if h.key, err = valueOf(seg, c.field, h.doc); err != nil {
			return err
		}
	}
	h.loaded = true
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
