package search

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	bsearch "github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// docSet is a set of documents, one bitmap of document numbers per segment.
// Prefixes and filters are sets: they may stand for thousands of terms, and
// looking each term up in each segment only where it occurs is what keeps them
// fast. A nil bitmap is empty.
type docSet []*roaring.Bitmap

// withTerms is the set of documents that have one of the terms in a field.
func withTerms(s *scorch.IndexSnapshot, field string, terms []string) (docSet, error) {
	set := make(docSet, len(s.Segments()))
	for i, seg := range s.Segments() {
		dict, err := seg.Segment().Dictionary(field)
		if err != nil {
			return nil, err
		}
		u := union{dict: dict, deleted: seg.Deleted()}
		for _, t := range terms {
			if err := u.add(t); err != nil {
				return nil, err
			}
		}
		set[i] = u.bitmap
	}
	return set, nil
}

// withPrefix is the set of documents that have a term in a field that begins
// with prefix. ErrQuery when there are more than limit, counted per segment.
func withPrefix(s *scorch.IndexSnapshot, field, prefix string, limit int) (docSet, error) {
	set := make(docSet, len(s.Segments()))
	n := 0
	for i, seg := range s.Segments() {
		dict, err := seg.Segment().Dictionary(field)
		if err != nil {
			return nil, err
		}
		u := union{dict: dict, deleted: seg.Deleted()}
		begin, end := prefixRange(prefix)
		terms := dict.AutomatonIterator(nil, begin, end)
		for {
			e, err := terms.Next()
			if err != nil {
				return nil, err
			}
			if e == nil {
				break
			}
			if n++; n > limit {
				return nil, tooMany(prefix)
			}
			if err := u.add(e.Term); err != nil {
				return nil, err
			}
		}
		set[i] = u.bitmap
	}
	return set, nil
}

// prefixRange is the range of terms that begin with a prefix, its end excluded.
func prefixRange(prefix string) (begin, end []byte) {
	begin = []byte(prefix)
	end = slices.Clone(begin)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return begin, end[:i+1]
		}
	}
	return begin, nil
}

// union gathers the documents of terms of one segment's dictionary.
type union struct {
	dict    segment.TermDictionary
	deleted *roaring.Bitmap
	bitmap  *roaring.Bitmap

	list     segment.PostingsList // reused
	iterator segment.PostingsIterator
}

func (u *union) add(term string) (err error) {
	if u.list, err = u.dict.PostingsList([]byte(term), u.deleted, u.list); err != nil {
		return err
	}
	u.iterator = u.list.Iterator(false, false, false, u.iterator)
	o, ok := u.iterator.(segment.OptimizablePostingsIterator)
	if !ok {
		return nil // no such term
	}
	if u.bitmap == nil {
		u.bitmap = roaring.New()
	}
	if doc, ok := o.DocNum1Hit(); ok {
		if u.deleted == nil || !u.deleted.Contains(uint32(doc)) {
			u.bitmap.Add(uint32(doc))
		}
	} else if docs := o.ActualBitmap(); docs != nil {
		u.bitmap.Or(docs)
	}
	return nil
}

// or adds another set of the same snapshot, which stays as it is.
func (s docSet) or(other docSet) {
	for i, b := range other {
		switch {
		case b == nil:
		case s[i] == nil:
			s[i] = b
		default:
			s[i] = roaring.Or(s[i], b)
		}
	}
}

func (s docSet) count() (n uint64) {
	for _, b := range s {
		if b != nil {
			n += b.GetCardinality()
		}
	}
	return n
}

// setSearcher gives the documents of a set to the library's searchers. They
// have no score.
type setSearcher struct {
	set     docSet
	first   []uint64 // number of each segment's first document in the whole index
	size    uint64
	segment int
	docs    roaring.IntPeekable
}

func newSetSearcher(s *scorch.IndexSnapshot, set docSet) *setSearcher {
	r := &setSearcher{set: set, size: set.count(), segment: -1}
	n := uint64(0)
	for _, seg := range s.Segments() {
		r.first = append(r.first, n)
		n += uint64(seg.FullSize())
	}
	return r
}

// Next implements search.Searcher.
func (r *setSearcher) Next(sc *bsearch.SearchContext) (*bsearch.DocumentMatch, error) {
	for r.docs == nil || !r.docs.HasNext() {
		if r.segment+1 >= len(r.set) {
			return nil, nil
		}
		r.open(r.segment + 1)
	}
	d := sc.DocumentMatchPool.Get()
	d.IndexInternalID = index.NewIndexInternalID(d.IndexInternalID, r.first[r.segment]+uint64(r.docs.Next()))
	return d, nil
}

// Advance implements search.Searcher: it goes to the document or the next one.
func (r *setSearcher) Advance(sc *bsearch.SearchContext, id index.IndexInternalID) (*bsearch.DocumentMatch, error) {
	n := id.Value()
	i, exact := slices.BinarySearch(r.first, n)
	for exact && i+1 < len(r.first) && r.first[i+1] == n { // segments without documents
		i++
	}
	if !exact {
		i--
	}
	if i > r.segment {
		r.open(i)
	}
	if i == r.segment && r.docs != nil {
		r.docs.AdvanceIfNeeded(uint32(n - r.first[i]))
	}
	return r.Next(sc)
}

func (r *setSearcher) open(segment int) {
	r.segment, r.docs = segment, nil
	if b := r.set[segment]; b != nil {
		r.docs = b.Iterator()
	}
}

// The rest of search.Searcher: a set has no weight and holds nothing open.

func (r *setSearcher) Close() error               { return nil }
func (r *setSearcher) Weight() float64            { return 0 }
func (r *setSearcher) SetQueryNorm(float64)       {}
func (r *setSearcher) Count() uint64              { return r.size }
func (r *setSearcher) Min() int                   { return 0 }
func (r *setSearcher) Size() int                  { return 0 }
func (r *setSearcher) DocumentMatchPoolSize() int { return 1 }
