package search

import (
	"context"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// inOrder finds documents in which words follow each other. For each place the
// words that may stand there are given; none stand for any word.
func (m *matcher) inOrder(field string, places [][]string) (docSet, error) {
	return perSegment(m.ctx, m.reader, func(seg *scorch.SegmentSnapshot) (*roaring.Bitmap, error) {
		p, err := m.phraseIn(seg, field, places)
		if err != nil || p.docs == nil {
			return nil, err
		}
		return p.matches(m.ctx.Err)
	})
}

// phrase is a phrase in one segment.
type phrase struct {
	docs  *roaring.Bitmap // that have all the words; nil when there are none
	words []phraseWord
}

// phraseWord is one place of a phrase.
type phraseWord struct {
	offset  int // from the beginning of the phrase
	sources []*positionSource
}

// phraseIn looks for the words of a phrase in one segment.
func (m *matcher) phraseIn(seg *scorch.SegmentSnapshot, field string, places [][]string) (phrase, error) {
	var p phrase
	dict, err := seg.Segment().Dictionary(field)
	if err != nil {
		return p, err
	}
	for offset, terms := range places {
		if len(terms) == 0 {
			continue
		}
		w := phraseWord{offset: offset}
		either := roaring.New()
		for _, t := range terms {
			s := &positionSource{term: t}
			if s.all, err = s.list.of(dict, t, nil); err != nil {
				return phrase{}, err
			}
			if s.all != nil {
				w.sources = append(w.sources, s)
				either.Or(s.all)
			}
		}
		if p.docs == nil {
			p.docs = either
		} else {
			p.docs.And(either)
		}
		p.words = append(p.words, w)
	}
	if seg.Deleted() != nil {
		p.docs.AndNot(seg.Deleted())
	}
	if p.docs.IsEmpty() {
		return phrase{}, nil
	}
	for _, w := range p.words {
		for _, s := range w.sources {
			if err := s.open(m.ctx, m.frequent, seg, field, p.docs); err != nil {
				return phrase{}, err
			}
		}
	}
	return p, nil
}

// matches goes through the documents that have all the words.
func (p *phrase) matches(stop func() error) (*roaring.Bitmap, error) {
	found := roaring.New()
	var begins, next, buf []int
	read := 0
	err := each(p.docs, func(docs []uint32) error {
		for _, d := range docs {
			for i, w := range p.words {
				var err error
				if next, err = w.begins(d, next[:0]); err != nil {
					return err
				}
				if read += len(next); read >= readsPerCheck {
					if err := stop(); err != nil {
						return err
					}
					read = 0
				}
				if i == 0 {
					begins, next = next, begins
					continue
				}
				buf = intersection(buf[:0], begins, next)
				begins, buf = buf, begins
				if len(begins) == 0 {
					break
				}
			}
			if len(begins) > 0 {
				found.Add(d)
			}
		}
		return stop()
	})
	return found, err
}

// begins adds to buf where the phrase must begin for this word to be in its place.
func (w *phraseWord) begins(doc uint32, buf []int) ([]int, error) {
	for _, s := range w.sources {
		var err error
		if buf, err = s.at(doc, buf); err != nil {
			return nil, err
		}
	}
	for i := range buf {
		buf[i] -= w.offset
	}
	if len(w.sources) > 1 {
		slices.Sort(buf)
	}
	return buf, nil
}

// intersection adds to out what is in both of two ascending lists.
func intersection(out, a, b []int) []int {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			out = append(out, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// positionSource tells the positions of one term, document by document in
// ascending order.
type positionSource struct {
	term string
	list postings
	all  *roaring.Bitmap

	unpacked *positionReader          // of a frequent word
	postings segment.PostingsIterator // of another
	pending  segment.Posting
}

// open prepares to read the positions in some documents.
func (s *positionSource) open(ctx context.Context, frequent *frequentWords, seg *scorch.SegmentSnapshot, field string, docs *roaring.Bitmap) error {
	word, err := frequent.positions(ctx, seg, field, s.term, s.all, few(docs, s.all))
	if err != nil {
		return err
	}
	if word != nil {
		s.unpacked = &positionReader{positions: word.at, docs: ranksIn(s.all)}
		return nil
	}
	s.postings = s.list.list.Iterator(true, true, true, nil)
	if o, ok := s.postings.(segment.OptimizablePostingsIterator); ok && o.ActualBitmap() != nil {
		o.ReplaceActual(roaring.And(s.all, docs))
	}
	return nil
}

// at adds the positions in a document to buf.
func (s *positionSource) at(doc uint32, buf []int) ([]int, error) {
	if s.unpacked != nil {
		return s.unpacked.at(doc, buf), nil
	}
	if s.postings != nil && (s.pending == nil || s.pending.Number() < uint64(doc)) {
		var err error
		if s.pending, err = s.postings.Advance(uint64(doc)); err != nil {
			return nil, err
		}
		if s.pending == nil {
			s.postings = nil
		}
	}
	if s.pending == nil || s.pending.Number() != uint64(doc) {
		return buf, nil
	}
	begin := len(buf)
	for _, l := range s.pending.Locations() {
		buf = append(buf, int(l.Pos()))
	}
	slices.Sort(buf[begin:])
	return buf, nil
}

// add takes in the positions of the n-th document.
func (p *positions) add(n int, locations []segment.Location) {
	if n%positionsBlock == 0 {
		p.blocks = append(p.blocks, uint32(len(p.stream)))
	}
	last := 0
	at := make([]int, len(locations))
	for i, l := range locations {
		at[i] = int(l.Pos())
	}
	slices.Sort(at)
	for i, pos := range at {
		d := pos - last
		last = pos
		for ; d >= positionIsLast; d >>= 7 {
			p.stream = append(p.stream, positionGoesOn|byte(d))
		}
		if i == len(at)-1 {
			d |= positionIsLast
		}
		p.stream = append(p.stream, byte(d))
	}
	if len(at) == 0 {
		p.stream = append(p.stream, positionIsLast) // no word stands at 0
	}
}

// size is how many bytes they take.
func (p *positions) size() int { return cap(p.stream) + 4*cap(p.blocks) }

// positionReader reads positions of ascending documents.
type positionReader struct {
	positions
	docs ranks // that have the word

	n, offset int // the document that the stream is at, and where
}

// at adds the positions in a document to buf.
func (r *positionReader) at(doc uint32, buf []int) []int {
	rank, ok := r.docs.of(doc)
	if !ok {
		return buf
	}
	if block := rank / positionsBlock; block > r.n/positionsBlock {
		r.n, r.offset = block*positionsBlock, int(r.blocks[block])
	}
	o := behind(r.stream, r.offset, rank-r.n)
	r.n, r.offset = rank, o
	for pos := 0; ; {
		d, shift := 0, 0
		for ; r.stream[o]&positionGoesOn != 0; o++ {
			d |= int(r.stream[o]&^positionGoesOn) << shift
			shift += 7
		}
		d |= int(r.stream[o]&^positionIsLast) << shift
		if pos += d; pos > 0 {
			buf = append(buf, pos)
		}
		if r.stream[o]&positionIsLast != 0 {
			return buf
		}
		o++
	}
}

// behind returns the place in a stream that is n documents behind o.
func behind(stream []byte, o, n int) int {
	const lasts = positionIsLast * 0x0101010101010101
	for ; n > 0 && o+8 <= len(stream); o += 8 { // eight bytes at a time
		x := binary.LittleEndian.Uint64(stream[o:])
		ends := x &^ (x >> 1) & lasts // where the second bit is set and the first is not
		count := bits.OnesCount64(ends)
		if count >= n {
			for ; n > 1; n-- {
				ends &= ends - 1
			}
			return o + bits.TrailingZeros64(ends)/8 + 1
		}
		n -= count
	}
	for ; n > 0; o++ {
		if stream[o]&(positionGoesOn|positionIsLast) == positionIsLast {
			n--
		}
	}
	return o
}
