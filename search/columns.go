package search

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// The library finds the value of a document in a compressed block each time.
// Sorting and counting a hundred thousand hits that way takes longer than
// finding them, so the values are kept as plain arrays: one per field and
// segment, made from the inverted index when first needed and dropped with the
// segment. A facet takes 4 bytes per record, a sort key 8.

// facetColumn holds the values of one facet for one segment.
type facetColumn struct {
	set  []uint32   // by document number: index into sets
	sets [][]string // the distinct combinations of values
	all  []int      // how many documents have each, deleted ones included
}

// sortColumn holds the first 8 bytes of each document's sort key; shorter keys
// are filled with zeros. It decides nearly all comparisons.
type sortColumn []uint64

// columnCache keeps the columns of the segments of an open index.
type columnCache struct {
	mu    sync.Mutex
	slots map[columnKey]*columnSlot
	bytes int64
}

type columnKey struct {
	segment uint64
	field   string
}

type columnSlot struct {
	once  sync.Once
	facet *facetColumn
	sort  sortColumn
	err   error
	bytes int64
}

func (c *columnCache) slot(k columnKey) *columnSlot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		c.slots = map[columnKey]*columnSlot{}
	}
	s := c.slots[k]
	if s == nil {
		s = &columnSlot{}
		c.slots[k] = s
	}
	return s
}

// keep drops the columns of segments that are no longer in the index.
func (c *columnCache) keep(s *scorch.IndexSnapshot) {
	live := map[uint64]bool{}
	for _, seg := range s.Segments() {
		live[seg.Id()] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.slots {
		if !live[k.segment] {
			c.bytes -= c.slots[k].bytes
			delete(c.slots, k)
		}
	}
}

// made counts a new column in, of so many bytes.
func (c *columnCache) made(k columnKey, s *columnSlot, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots[k] == s { // else its segment is gone
		s.bytes = int64(bytes)
		c.bytes += s.bytes
	}
}

// size is how many bytes the columns take.
func (c *columnCache) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *columnCache) facet(seg *scorch.SegmentSnapshot, f Facet) (*facetColumn, error) {
	k := columnKey{seg.Id(), string(f)}
	s := c.slot(k)
	s.once.Do(func() {
		s.facet, s.err = readFacet(seg, string(f))
		c.made(k, s, 4*len(s.facet.set))
	})
	return s.facet, s.err
}

func (c *columnCache) sort(seg *scorch.SegmentSnapshot, field string) (sortColumn, error) {
	k := columnKey{seg.Id(), field}
	s := c.slot(k)
	s.once.Do(func() {
		s.sort, s.err = readSort(seg, field)
		c.made(k, s, 8*len(s.sort))
	})
	return s.sort, s.err
}

// fieldID is the column of record identifiers.
const fieldID = "_id"

// warm makes the columns that most searches need, so that the first search after
// a start or a large merge does not wait for them.
func (o *openIndex) warm(ctx context.Context) error {
	snapshot, err := o.snapshot()
	if err != nil {
		return err
	}
	defer snapshot.Close()
	o.columns.keep(snapshot)
	o.words.keep(snapshot)
	for _, seg := range snapshot.Segments() {
		for _, f := range Facets() {
			if _, err := o.columns.facet(seg, f); err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
		}
		for _, field := range []string{fieldID, sortDay} {
			if _, err := o.columns.sort(seg, field); err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
		}
		if err := o.words.warm(ctx, seg); err != nil {
			return err
		}
	}
	return nil
}

// lead is the beginning of a key as a number that sorts like it.
func lead(key string) uint64 {
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// readFacet goes through the terms of the field, which are far fewer than the
// records: each moves its records from the combination that they have to the one
// that has it as well.
func readFacet(seg *scorch.SegmentSnapshot, field string) (*facetColumn, error) {
	type step struct {
		from uint32
		term int
	}
	c := &facetColumn{set: make([]uint32, seg.FullSize()), sets: [][]string{nil}}
	known := map[step]uint32{}
	n := 0
	err := eachTerm(seg, field, func(term string, docs *roaring.Bitmap) error {
		n++
		return each(docs, func(docs []uint32) error {
			for _, d := range docs {
				s := step{c.set[d], n}
				to, ok := known[s]
				if !ok {
					to = uint32(len(c.sets))
					known[s] = to
					c.sets = append(c.sets, append(slices.Clone(c.sets[s.from]), strings.Clone(term)))
				}
				c.set[d] = to
			}
			return nil
		})
	})
	c.all = make([]int, len(c.sets))
	for _, set := range c.set {
		c.all[set]++
	}
	return c, err
}

// readSort is for fields of one value, such as the identifier.
func readSort(seg *scorch.SegmentSnapshot, field string) (sortColumn, error) {
	c := make(sortColumn, seg.FullSize())
	err := eachTerm(seg, field, func(term string, docs *roaring.Bitmap) error {
		first := lead(term)
		return each(docs, func(docs []uint32) error {
			for _, d := range docs {
				c[d] = first
			}
			return nil
		})
	})
	return c, err
}

// eachTerm calls f with the terms of a field in order and the documents that
// have them, deleted ones included. Both are valid until f returns.
func eachTerm(seg *scorch.SegmentSnapshot, field string, f func(term string, docs *roaring.Bitmap) error) error {
	dict, err := seg.Segment().Dictionary(field)
	if err != nil {
		return err
	}
	var list postings
	terms := termsOf(dict, nil, nil)
	for {
		e, err := terms.Next()
		if err != nil || e == nil {
			return err
		}
		docs, err := list.of(dict, e.Term, nil)
		if err != nil {
			return err
		}
		if docs != nil {
			if err := f(e.Term, docs); err != nil {
				return err
			}
		}
	}
}

// valueReader reads whole values. Values that lie near each other, as those of
// hits in order do, are unpacked once.
type valueReader struct {
	segment uint64
	state   segment.DocVisitState
}

func (r *valueReader) value(seg *scorch.SegmentSnapshot, field string, doc uint64) (v string, err error) {
	visitable, ok := seg.Segment().(segment.DocValueVisitable)
	if !ok {
		return "", nil
	}
	if r.segment != seg.Id() {
		r.segment, r.state = seg.Id(), nil
	}
	r.state, err = visitable.VisitDocValues(doc, []string{field}, func(_ string, term []byte) { v = string(term) }, r.state)
	return v, err
}
