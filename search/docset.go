package search

import (
	"context"
	"math/bits"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// docSet is a set of documents: one bitmap of document numbers per segment of
// a snapshot. Queries are evaluated as sets and only what is asked for is done
// for the hits, which is many times faster than visiting every hit of every
// part of a query. A nil bitmap is empty. Sets are not changed once made, since
// they may share bitmaps.
type docSet []*roaring.Bitmap

// everything is the set of all documents.
func everything(s *scorch.IndexSnapshot) docSet {
	set := make(docSet, len(s.Segments()))
	for i, seg := range s.Segments() {
		set[i] = seg.DocNumbersLive()
	}
	return set
}

func (s docSet) and(other docSet) docSet {
	out := make(docSet, len(s))
	for i := range s {
		if s[i] != nil && other[i] != nil {
			out[i] = roaring.And(s[i], other[i])
		}
	}
	return out
}

func (s docSet) or(other docSet) docSet {
	out := make(docSet, len(s))
	for i := range s {
		switch {
		case s[i] == nil:
			out[i] = other[i]
		case other[i] == nil:
			out[i] = s[i]
		default:
			out[i] = roaring.Or(s[i], other[i])
		}
	}
	return out
}

func (s docSet) without(other docSet) docSet {
	out := make(docSet, len(s))
	for i := range s {
		if s[i] != nil && other[i] != nil {
			out[i] = roaring.AndNot(s[i], other[i])
		} else {
			out[i] = s[i]
		}
	}
	return out
}

func (s docSet) count() int {
	n := uint64(0)
	for _, b := range s {
		if b != nil {
			n += b.GetCardinality()
		}
	}
	return int(n)
}

// perSegment makes a set of what f finds in each segment, several at a time. f
// may return nil.
func perSegment(ctx context.Context, s *scorch.IndexSnapshot,
	f func(*scorch.SegmentSnapshot) (*roaring.Bitmap, error)) (docSet, error) {
	segments := s.Segments()
	size := 0
	for _, seg := range segments {
		size += int(seg.FullSize())
	}
	set := make(docSet, len(segments))
	err := inParallel(ctx, len(segments), workersFor(len(segments), size), func(_, i int) (err error) {
		set[i], err = f(segments[i])
		return err
	})
	return set, err
}

// withTerms is the set of documents that have one of the terms in a field.
func withTerms(ctx context.Context, s *scorch.IndexSnapshot, field string, terms ...string) (docSet, error) {
	return perSegment(ctx, s, func(seg *scorch.SegmentSnapshot) (*roaring.Bitmap, error) {
		dict, err := seg.Segment().Dictionary(field)
		if err != nil {
			return nil, err
		}
		u := union{dict: dict, size: int(seg.FullSize())}
		for _, t := range terms {
			if err := u.add(t); err != nil {
				return nil, err
			}
		}
		return u.without(seg.Deleted()), nil
	})
}

// withPrefix is the set of documents that have a term in a field that begins
// with prefix. ErrQuery when there are more than limit, counted per segment.
func withPrefix(ctx context.Context, s *scorch.IndexSnapshot, field, prefix string, limit int) (docSet, error) {
	n := atomic.Int64{}
	return perSegment(ctx, s, func(seg *scorch.SegmentSnapshot) (*roaring.Bitmap, error) {
		dict, err := seg.Segment().Dictionary(field)
		if err != nil {
			return nil, err
		}
		u := union{dict: dict, size: int(seg.FullSize())}
		begin, end := prefixRange(prefix)
		terms := termsOf(dict, begin, end)
		for {
			e, err := terms.Next()
			if err != nil {
				return nil, err
			}
			if e == nil {
				return u.without(seg.Deleted()), nil
			}
			if n.Add(1) > int64(limit) {
				return nil, tooMany(prefix)
			}
			if err := u.add(e.Term); err != nil {
				return nil, err
			}
		}
	})
}

// termsOf lists terms of a dictionary, without reading how many documents have
// each where the library allows.
func termsOf(dict segment.TermDictionary, begin, end []byte) segment.DictionaryIterator {
	if d, ok := dict.(interface {
		AutomatonIteratorOmitCount(a segment.Automaton, begin, end []byte) segment.DictionaryIterator
	}); ok {
		return d.AutomatonIteratorOmitCount(nil, begin, end)
	}
	return dict.AutomatonIterator(nil, begin, end)
}

// prefixRange is the range of terms that begin with a prefix, its end excluded.
func prefixRange(prefix string) (begin, end []byte) {
	begin, end = []byte(prefix), []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return begin, end[:i+1]
		}
	}
	return begin, nil
}

// union gathers the documents of terms of one segment's dictionary, deleted ones
// included.
type union struct {
	dict segment.TermDictionary
	size int // documents of the segment

	first  *roaring.Bitmap // of the first term: most sets have but one
	common *roaring.Bitmap // of all further terms that many documents have
	bits   []uint64        // of all other terms, and the first
	buf    []uint32
	list   postings
}

func (u *union) add(term string) error {
	docs, err := u.list.of(u.dict, term, nil)
	if err != nil || docs == nil {
		return err
	}
	switch {
	case u.first == nil:
		u.first = docs.Clone() // the list is reused
	case docs.GetCardinality() > uint64(u.size)/32:
		if u.common == nil {
			u.common = roaring.New()
		}
		u.common.Or(docs)
	default:
		if u.bits == nil {
			u.bits = make([]uint64, (u.size+63)/64)
			u.buf = make([]uint32, 512)
		}
		u.set(docs)
	}
	return nil
}

func (u *union) set(docs *roaring.Bitmap) {
	it := docs.ManyIterator()
	for n := it.NextMany(u.buf); n > 0; n = it.NextMany(u.buf) {
		for _, d := range u.buf[:n] {
			u.bits[d/64] |= 1 << (d % 64)
		}
	}
}

// without returns the documents gathered but for some; nil when there are none.
func (u *union) without(deleted *roaring.Bitmap) *roaring.Bitmap {
	all := u.first
	if all == nil {
		return nil
	}
	if u.bits != nil {
		u.set(u.first)
		all = roaring.FromDense(u.bits, true)
	}
	if u.common != nil {
		all.Or(u.common)
	}
	if deleted != nil {
		all.AndNot(deleted)
	}
	return all
}

// ranks tells which place ascending documents have in a set.
type ranks struct {
	bits   []uint64 // the set
	word   int      // of bits
	before int      // documents in the words before
}

func ranksIn(docs *roaring.Bitmap) ranks { return ranks{bits: docs.ToDense()} }

// of returns how many documents of the set come before one, and whether it is in it.
func (r *ranks) of(doc uint32) (int, bool) {
	word, bit := int(doc/64), uint64(1)<<(doc%64)
	if word >= len(r.bits) {
		return 0, false
	}
	for ; r.word < word; r.word++ {
		r.before += bits.OnesCount64(r.bits[r.word])
	}
	return r.before + bits.OnesCount64(r.bits[word]&(bit-1)), r.bits[word]&bit != 0
}

// postings reads the documents of terms, one after another.
type postings struct {
	list     segment.PostingsList // reused
	iterator segment.PostingsIterator
	single   *roaring.Bitmap
}

// of returns the documents of a term without some, nil when there are none. It is
// valid until the next call and not to be changed.
func (p *postings) of(dict segment.TermDictionary, term string, without *roaring.Bitmap) (docs *roaring.Bitmap, err error) {
	if p.list, err = dict.PostingsList([]byte(term), without, p.list); err != nil {
		return nil, err
	}
	p.iterator = p.list.Iterator(false, false, false, p.iterator)
	o, ok := p.iterator.(segment.OptimizablePostingsIterator)
	if !ok {
		return nil, nil // no such term
	}
	if doc, ok := o.DocNum1Hit(); ok {
		if p.single == nil {
			p.single = roaring.New()
		}
		p.single.Clear()
		p.single.Add(uint32(doc))
		return p.single, nil
	}
	return o.ActualBitmap(), nil
}
