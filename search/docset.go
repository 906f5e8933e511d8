package search

import (
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	bsearch "github.com/blevesearch/bleve/v2/search"
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

// withTerms is the set of documents that have one of the terms in a field.
func withTerms(s *scorch.IndexSnapshot, field string, terms ...string) (docSet, error) {
	set := make(docSet, len(s.Segments()))
	for i, seg := range s.Segments() {
		dict, err := seg.Segment().Dictionary(field)
		if err != nil {
			return nil, err
		}
		u := union{dict: dict, deleted: seg.Deleted(), size: int(seg.FullSize())}
		for _, t := range terms {
			if err := u.add(t); err != nil {
				return nil, err
			}
		}
		set[i] = u.docs()
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
		u := union{dict: dict, deleted: seg.Deleted(), size: int(seg.FullSize())}
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
		set[i] = u.docs()
	}
	return set, nil
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

// union gathers the documents of terms of one segment's dictionary.
type union struct {
	dict    segment.TermDictionary
	deleted *roaring.Bitmap
	size    int // documents of the segment

	first *roaring.Bitmap // of the first term: most sets have but one
	bits  []uint64        // of all terms, from the second on
	buf   []uint32
	list  postings
}

func (u *union) add(term string) error {
	docs, err := u.list.of(u.dict, term, u.deleted)
	if err == nil && docs != nil {
		u.put(docs)
	}
	return err
}

func (u *union) put(docs *roaring.Bitmap) {
	if u.first == nil {
		u.first = docs.Clone() // the list is reused
		return
	}
	if u.bits == nil {
		u.bits = make([]uint64, (u.size+63)/64)
		u.set(u.first)
	}
	u.set(docs)
}

func (u *union) set(docs *roaring.Bitmap) {
	if u.buf == nil {
		u.buf = make([]uint32, 512)
	}
	it := docs.ManyIterator()
	for n := it.NextMany(u.buf); n > 0; n = it.NextMany(u.buf) {
		for _, d := range u.buf[:n] {
			u.bits[d/64] |= 1 << (d % 64)
		}
	}
}

func (u *union) docs() *roaring.Bitmap {
	if u.bits != nil {
		return roaring.FromDense(u.bits, true)
	}
	return u.first
}

// collected is the set of documents that one of the library's searchers finds.
// It closes the searcher.
func collected(s *scorch.IndexSnapshot, from bsearch.Searcher, stop func() error) (docSet, error) {
	defer from.Close()
	set := make(docSet, len(s.Segments()))
	sc := &bsearch.SearchContext{DocumentMatchPool: bsearch.NewDocumentMatchPool(from.DocumentMatchPoolSize()+2, 0)}
	segments := s.Segments()
	at, first := 0, uint64(0)
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := stop(); err != nil {
				return nil, err
			}
		}
		d, err := from.Next(sc)
		if err != nil || d == nil {
			return set, err
		}
		doc := d.IndexInternalID.Value()
		for doc >= first+uint64(segments[at].FullSize()) {
			first += uint64(segments[at].FullSize())
			at++
		}
		if set[at] == nil {
			set[at] = roaring.New()
		}
		set[at].Add(uint32(doc - first))
		sc.DocumentMatchPool.Put(d)
	}
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
