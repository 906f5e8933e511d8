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

// A word that a hundred thousand records have is found at once, but the library
// unpacks its frequencies and positions one by one each time, which takes many
// times longer than finding it. Of frequent words they are kept in a form that
// is gone through at a byte or two per record; rarer ones are cheap to unpack.

// bytesPerRecord bounds what is kept. With it a million records of half a page
// have all their frequent words kept, and the positions of the middling ones; for
// longer texts it is those used last.
const bytesPerRecord = 160

// largestShare is which share of the room a single word may take. A word that
// stands in long texts again and again is not unpacked: it would drive out all
// others, and only to be driven out by the next.
const largestShare = 8

// frequentWords keeps what was unpacked of the frequent words of an open index:
// those used last, within bytesPerRecord for each record of the index.
type frequentWords struct {
	mu       sync.Mutex
	slots    map[wordKey]*wordSlot
	segments map[uint64]bool // that slots are of, and whether they were warmed
	size     int             // bytes
	limit    int
	clock    uint64
	least    uint64 // documents that have a frequent word; leastFrequent when zero
}

// leastFrequent is how many documents of a segment have a frequent word, and
// shareFrequent which share of the segment. What the frequencies of rarer words
// cost a search is two milliseconds at most on a million records.
const (
	leastFrequent = 2048
	shareFrequent = 16
)

// A middling word is one that a third as many documents have as a frequent one.
// To read its positions costs a phrase several times as much as all else, so they
// are kept too, but only where there is room left.
const middling = 3

// frequent is how many documents of a segment have a frequent word.
func (w *frequentWords) frequent(seg *scorch.SegmentSnapshot) uint64 {
	if w.least != 0 {
		return w.least
	}
	return max(leastFrequent, uint64(seg.FullSize())/shareFrequent)
}

type wordKey struct {
	segment     uint64
	field, term string
	positions   bool
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
	gone := false
	for id := range w.segments {
		if !live[id] {
			delete(w.segments, id)
			gone = true
		}
	}
	if !gone {
		return
	}
	for k, s := range w.slots {
		if !live[k.segment] {
			w.size -= s.size
			delete(w.slots, k)
		}
	}
}

// total is how many bytes the words take.
func (w *frequentWords) total() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(w.size)
}

// full tells that whatever is added now will soon drive out something else.
func (w *frequentWords) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size > w.limit/8*7
}

// positions returns the unpacked positions of a word, nil where the library is to
// be asked. all are the documents that have the word, few that the phrase needs but
// few of them.
func (w *frequentWords) positions(ctx context.Context, seg *scorch.SegmentSnapshot, field, term string, all *roaring.Bitmap, few bool) (*wordSlot, error) {
	n, frequent := all.GetCardinality(), w.frequent(seg)
	if n*middling < frequent {
		return nil, nil
	}
	return w.find(ctx, seg, wordKey{seg.Id(), field, term, true}, few || n < frequent && w.full())
}

// find returns what is unpacked of a word, and unpacks it first unless it is not
// worth it, as when few of the documents that have it are asked for. Where it
// returns nil, the library is to be asked instead: then, or as the word is too
// large to be kept.
func (w *frequentWords) find(ctx context.Context, seg *scorch.SegmentSnapshot, k wordKey, onlyKept bool) (*wordSlot, error) {
	for {
		s, isNew, room := w.slot(k, onlyKept)
		if s == nil {
			return nil, nil
		}
		if isNew {
			w.unpack(ctx, seg, k, s, room)
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case s.tooLarge:
			return nil, nil
		case s.err == nil:
			return s, nil
		case isNew:
			return nil, s.err
		}
		// Another search was cancelled while it unpacked the word.
	}
}

// slot returns the slot of a word, whether it is new and to be filled, and how
// many bytes the word may take. With onlyKept it returns none but a filled one.
func (w *frequentWords) slot(k wordKey, onlyKept bool) (s *wordSlot, isNew bool, room int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s = w.slots[k]
	if onlyKept && (s == nil || !s.filled()) {
		return nil, false, 0
	}
	if w.slots == nil {
		w.slots, w.segments = map[wordKey]*wordSlot{}, map[uint64]bool{}
	}
	if isNew = s == nil; isNew {
		s = &wordSlot{done: make(chan struct{})}
		w.slots[k] = s
		if !w.segments[k.segment] {
			w.segments[k.segment] = false // but known
		}
	}
	w.clock++
	s.used = w.clock
	return s, isNew, w.limit / largestShare
}

// unpack fills a new slot. What comes to nothing is forgotten.
func (w *frequentWords) unpack(ctx context.Context, seg *scorch.SegmentSnapshot, k wordKey, s *wordSlot, room int) {
	s.err = errNotUnpacked // unless it is; the library panics on damaged segments
	defer func() {
		w.added(k, s)
		close(s.done)
	}()
	s.err = s.unpack(ctx, seg, k, room)
}

// added counts a new word in and makes room for it.
func (w *frequentWords) added(k wordKey, s *wordSlot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.slots[k] != s {
		return // its segment is gone
	}
	if s.err != nil {
		delete(w.slots, k)
		return
	}
	s.size = cap(s.levels) + s.at.size()
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

// warm unpacks the most frequent words of a segment, as many as are its share of
// the room.
func (w *frequentWords) warm(ctx context.Context, seg *scorch.SegmentSnapshot) error {
	w.mu.Lock()
	known := w.segments[seg.Id()]
	w.mu.Unlock()
	if known || seg.FullSize() < leastFrequent {
		return nil
	}
	type word struct {
		wordKey
		docs uint64
	}
	var words []word
	frequent := w.frequent(seg)
	for _, field := range []string{fieldText, fieldTitle} {
		err := eachTerm(seg, field, func(term string, docs *roaring.Bitmap) error {
			n, k := docs.GetCardinality(), wordKey{segment: seg.Id(), field: field}
			if n*middling < frequent {
				return ctx.Err()
			}
			k.term = strings.Clone(term)
			if n >= frequent {
				words = append(words, word{k, n})
			}
			if k.positions = field == fieldText; k.positions {
				words = append(words, word{k, n})
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(words, func(a, b word) int { return cmp.Compare(b.docs, a.docs) })
	room := int(seg.FullSize()) * bytesPerRecord / 8 * 7
	for _, one := range words {
		s, err := w.find(ctx, seg, one.wordKey, false)
		if err != nil {
			return err
		}
		if s != nil {
			room -= s.size
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
	if w.segments == nil {
		w.segments = map[uint64]bool{}
	}
	w.segments[seg.Id()] = true
	return nil
}
