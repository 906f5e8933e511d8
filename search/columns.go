package search

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// The library finds the value of a document in a compressed block each time.
// Sorting and counting a hundred thousand hits that way takes longer than
// finding them, so the values are kept as plain arrays: one per field and
// segment, made when first needed and dropped with the segment. A facet takes
// 4 bytes per record, a sort key 8.

// facetColumn holds the values of one facet for one segment.
type facetColumn struct {
	set  []uint32   // by document number: index into sets
	sets [][]string // the distinct combinations of values
}

// sortColumn holds the first 8 bytes of each document's sort key; shorter keys
// are filled with zeros. It decides nearly all comparisons.
type sortColumn []uint64

// columnCache keeps the columns of the segments of an open index.
type columnCache struct {
	mu    sync.Mutex
	slots map[columnKey]*columnSlot
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
}

func (c *columnCache) slot(segment uint64, field string) *columnSlot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		c.slots = map[columnKey]*columnSlot{}
	}
	k := columnKey{segment, field}
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
			delete(c.slots, k)
		}
	}
}

func (c *columnCache) facet(seg *scorch.SegmentSnapshot, f Facet) (*facetColumn, error) {
	s := c.slot(seg.Id(), string(f))
	s.once.Do(func() { s.facet, s.err = readFacet(seg, string(f)) })
	return s.facet, s.err
}

func (c *columnCache) sort(seg *scorch.SegmentSnapshot, field string) (sortColumn, error) {
	s := c.slot(seg.Id(), field)
	s.once.Do(func() {
		if field == fieldID {
			s.sort, s.err = readIDs(seg)
		} else {
			s.sort, s.err = readSort(seg, field)
		}
	})
	return s.sort, s.err
}

// fieldID is the column of record identifiers.
const fieldID = "_id"

// lead is the beginning of a key as a number that sorts like it.
func lead(key string) uint64 {
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

func readFacet(seg *scorch.SegmentSnapshot, field string) (*facetColumn, error) {
	c := &facetColumn{set: make([]uint32, seg.FullSize())}
	known := map[string]uint32{}
	var values []string
	err := eachValue(seg, field, func(term []byte) { values = append(values, string(term)) }, func(doc uint64) {
		slices.Sort(values)
		values = slices.Compact(values)
		key := strings.Join(values, "\xff")
		n, ok := known[key]
		if !ok {
			n = uint32(len(c.sets))
			known[key] = n
			c.sets = append(c.sets, slices.Clone(values))
		}
		c.set[doc] = n
		values = values[:0]
	})
	return c, err
}

func readSort(seg *scorch.SegmentSnapshot, field string) (sortColumn, error) {
	c := make(sortColumn, seg.FullSize())
	var first [8]byte
	err := eachValue(seg, field, func(term []byte) { copy(first[:], term) }, func(doc uint64) {
		c[doc] = binary.BigEndian.Uint64(first[:])
		first = [8]byte{}
	})
	return c, err
}

func readIDs(seg *scorch.SegmentSnapshot) (sortColumn, error) {
	c := make(sortColumn, seg.FullSize())
	for doc := range c {
		id, err := seg.DocID(uint64(doc))
		if err != nil {
			return nil, err
		}
		c[doc] = lead(string(id))
	}
	return c, nil
}

// eachValue visits the values of a field, document by document.
func eachValue(seg *scorch.SegmentSnapshot, field string, value func(term []byte), end func(doc uint64)) error {
	visitable, ok := seg.Segment().(segment.DocValueVisitable)
	var state segment.DocVisitState
	for doc := range uint64(seg.FullSize()) {
		if ok {
			var err error
			state, err = visitable.VisitDocValues(doc, []string{field}, func(_ string, term []byte) { value(term) }, state)
			if err != nil {
				return err
			}
		}
		end(doc)
	}
	return nil
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
