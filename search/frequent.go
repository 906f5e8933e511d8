package search

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// A word that a hundred thousand records have is found at once, but the library
// unpacks its frequencies and positions one by one each time, which takes many
// times longer than finding it. Of frequent words they are kept in a form that
// is gone through at a byte or two per record; rarer ones are cheap to unpack.

// bytesPerRecord bounds what is kept. With it a million records of half a page
// have all their frequent words kept; for longer texts it is those used last.
const bytesPerRecord = 128

// frequentWords keeps what was unpacked of the frequent words of an open index:
// those used last, within bytesPerRecord for each record of the index.
type frequentWords struct {
	mu     sync.Mutex
	slots  map[wordKey]*wordSlot
	warmed map[uint64]bool // segments
	size   int             // bytes
	limit  int
	clock  uint64
	least  uint64 // documents that have a frequent word; leastFrequent when zero
}

// leastFrequent is how many documents of a segment have a frequent word, and
// shareFrequent which share of the segment. What rarer words cost a search is
// two milliseconds at most on a million records.
const (
	leastFrequent = 2048
	shareFrequent = 16
)

// include tells whether a word that these documents of a segment have is frequent.
func (w *frequentWords) include(seg *scorch.SegmentSnapshot, docs *roaring.Bitmap) bool {
	least := w.least
	if least == 0 {
		least = max(leastFrequent, uint64(seg.FullSize())/shareFrequent)
	}
	return docs.GetCardinality() >= least
}

type wordKey struct {
	segment     uint64
	field, term string
	positions   bool
}

type wordSlot struct {
	once   sync.Once
	levels []uint8
	at     positions
	size   int
	err    error
	used   uint64 // by the clock
}

// positions tells where a word stands in each of the documents that have it, in
// their order. The positions of a document follow each other as differences in
// groups of 7 bits, the last group of each difference being one of 6 bits and a
// mark whether it is the document's last.
type positions struct {
	stream []byte
	blocks []uint32 // where every 64th document begins
}

const (
	positionGoesOn = 0x80
	positionIsLast = 0x40
	positionsBlock = 64
)

// keep drops the words of segments that are no longer in the index.
func (w *frequentWords) keep(s *scorch.IndexSnapshot) {
	live, records := map[uint64]bool{}, 0
	for _, seg := range s.Segments() {
		live[seg.Id()] = true
		records += int(seg.FullSize())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = records * bytesPerRecord
	for k, s := range w.slots {
		if !live[k.segment] {
			w.size -= s.size
			delete(w.slots, k)
		}
	}
	for id := range w.warmed {
		if !live[id] {
			delete(w.warmed, id)
		}
	}
}

// total is how many bytes the words take.
func (w *frequentWords) total() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(w.size)
}

// levels returns the presence of a word in all documents of a segment that have
// it, deleted ones included.
func (w *frequentWords) levels(seg *scorch.SegmentSnapshot, field, term string) ([]uint8, error) {
	s := w.slot(seg, wordKey{seg.Id(), field, term, false})
	return s.levels, s.err
}

// positions returns the positions of a word in the same way.
func (w *frequentWords) positions(seg *scorch.SegmentSnapshot, field, term string) (positions, error) {
	s := w.slot(seg, wordKey{seg.Id(), field, term, true})
	return s.at, s.err
}

func (w *frequentWords) slot(seg *scorch.SegmentSnapshot, k wordKey) *wordSlot {
	w.mu.Lock()
	if w.slots == nil {
		w.slots = map[wordKey]*wordSlot{}
	}
	s := w.slots[k]
	if s == nil {
		s = &wordSlot{}
		w.slots[k] = s
	}
	w.clock++
	s.used = w.clock
	w.mu.Unlock()
	s.once.Do(func() {
		s.err = s.unpack(seg, k)
		w.added(k, s)
	})
	return s
}

// added counts a new word in and makes room for it.
func (w *frequentWords) added(k wordKey, s *wordSlot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.slots[k] != s {
		return // its segment is gone
	}
	s.size = len(s.levels) + len(s.at.stream) + 4*len(s.at.blocks)
	w.size += s.size
	if w.size <= w.limit {
		return
	}
	var old []wordKey
	for k := range w.slots {
		old = append(old, k)
	}
	slices.SortFunc(old, func(a, b wordKey) int { return cmp.Compare(w.slots[a].used, w.slots[b].used) })
	for _, k := range old {
		if w.size <= w.limit/8*7 {
			return
		}
		w.size -= w.slots[k].size
		delete(w.slots, k)
	}
}

// unpack reads a word's postings.
func (s *wordSlot) unpack(seg *scorch.SegmentSnapshot, k wordKey) error {
	dict, err := seg.Segment().Dictionary(k.field)
	if err != nil {
		return err
	}
	var p postings
	all, err := p.of(dict, k.term, nil)
	if err != nil || all == nil {
		return err
	}
	size := int(all.GetCardinality())
	if !k.positions {
		s.levels = make([]uint8, 0, size)
		return eachPosting(p.list, all, all, false, func(p segment.Posting) {
			s.levels = append(s.levels, uint8(presence(p)))
		})
	}
	s.at.stream = make([]byte, 0, size+size/2)
	n := 0
	err = eachPosting(p.list, all, all, true, func(p segment.Posting) {
		s.at.add(n, p.Locations())
		n++
	})
	s.at.stream = slices.Clip(s.at.stream)
	return err
}

// eachPosting calls f for the documents of a list that are in docs; all are the
// documents of the list.
func eachPosting(list segment.PostingsList, all, docs *roaring.Bitmap, locations bool, f func(segment.Posting)) error {
	it := list.Iterator(true, true, locations, nil)
	if o, ok := it.(segment.OptimizablePostingsIterator); ok && docs != all && o.ActualBitmap() != nil {
		o.ReplaceActual(roaring.And(all, docs))
	}
	for {
		p, err := it.Next()
		if err != nil || p == nil {
			return err
		}
		f(p)
	}
}

// warm unpacks the most frequent words of a segment, as many as are its share of
// the room.
func (w *frequentWords) warm(ctx context.Context, seg *scorch.SegmentSnapshot) error {
	w.mu.Lock()
	known := w.warmed[seg.Id()]
	w.mu.Unlock()
	if known || seg.FullSize() < leastFrequent {
		return nil
	}
	type word struct {
		field, term string
		docs        uint64
	}
	var words []word
	for _, field := range []string{fieldText, fieldTitle} {
		err := eachTerm(seg, field, func(term string, docs *roaring.Bitmap) error {
			if w.include(seg, docs) {
				words = append(words, word{field, strings.Clone(term), docs.GetCardinality()})
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(words, func(a, b word) int { return cmp.Compare(b.docs, a.docs) })
	room := int(seg.FullSize()) * bytesPerRecord / 8 * 7
	for _, one := range words {
		levels, err := w.levels(seg, one.field, one.term)
		if err != nil {
			return err
		}
		room -= len(levels)
		if one.field == fieldText {
			at, err := w.positions(seg, one.field, one.term)
			if err != nil {
				return err
			}
			room -= len(at.stream)
		}
		if ctx.Err() != nil || room < 0 {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.warmed == nil {
		w.warmed = map[uint64]bool{}
	}
	w.warmed[seg.Id()] = true
	return nil
}
