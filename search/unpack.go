package search

import (
	"context"
	"errors"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// wordSlot holds a frequent word once done is closed: its presence in all
// documents of a segment that have it, deleted ones included, or its positions.
type wordSlot struct {
	done     chan struct{}
	levels   []uint8
	at       positions
	tooLarge bool // and therefore empty
	size     int
	err      error
	used     uint64 // by the clock
}

var (
	errNotUnpacked = errors.New("word was not unpacked")
	errTooLarge    = errors.New("word is too large")
)

func (s *wordSlot) filled() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// unpack reads a word's postings, if they take no more bytes than there is room.
func (s *wordSlot) unpack(ctx context.Context, seg *scorch.SegmentSnapshot, k wordKey, room int) error {
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
	if k.positions {
		if size, err = positionsSize(ctx, p.list, all); err != nil {
			return err
		}
	}
	if s.tooLarge = size > room; s.tooLarge {
		return nil
	}
	if !k.positions {
		s.levels = make([]uint8, 0, size)
		return eachPosting(ctx, p.list, all, all, false, func(p segment.Posting) error {
			s.levels = append(s.levels, uint8(presence(p)))
			return nil
		})
	}
	blocks := blocksOf(int(all.GetCardinality()))
	s.at = positions{make([]byte, 0, size-4*blocks), make([]uint32, 0, blocks)}
	n := 0
	err = eachPosting(ctx, p.list, all, all, true, func(p segment.Posting) error {
		s.at.add(n, p.Locations())
		if n++; s.at.size() > room {
			return errTooLarge
		}
		return nil
	})
	if errors.Is(err, errTooLarge) { // the documents looked at say less than the others
		s.at, s.tooLarge = positions{}, true
		return nil
	}
	s.at.stream = append(make([]byte, 0, len(s.at.stream)), s.at.stream...) // without what was judged too much
	return err
}

// positionsSize is how many bytes the positions of a word take, or a few more,
// judged by some of the documents that have it.
func positionsSize(ctx context.Context, list segment.PostingsList, all *roaring.Bitmap) (int, error) {
	const looked = 64
	size := int(all.GetCardinality())
	some := roaring.New()
	for i := range min(looked, size) {
		doc, err := all.Select(uint32(i * size / min(looked, size)))
		if err != nil {
			return 0, err
		}
		some.Add(doc)
	}
	var at positions
	err := eachPosting(ctx, list, all, some, true, func(p segment.Posting) error {
		at.add(0, p.Locations())
		return nil
	})
	stream := len(at.stream) * size / max(1, min(looked, size))
	return stream + stream/16 + 4*blocksOf(size), err
}

// blocksOf is how many blocks the positions in so many documents have.
func blocksOf(docs int) int { return (docs + positionsBlock - 1) / positionsBlock }

// eachPosting calls f for the documents of a list that are in docs; all are the
// documents of the list.
func eachPosting(ctx context.Context, list segment.PostingsList, all, docs *roaring.Bitmap, locations bool, f func(segment.Posting) error) error {
	it := list.Iterator(true, true, locations, nil)
	if o, ok := it.(segment.OptimizablePostingsIterator); ok && docs != all && o.ActualBitmap() != nil {
		o.ReplaceActual(roaring.And(all, docs))
	}
	for read := 0; ; read++ {
		p, err := it.Next()
		if err != nil || p == nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
		if locations {
			read += len(p.Locations())
		}
		if read >= readsPerCheck {
			if err := ctx.Err(); err != nil {
				return err
			}
			read = 0
		}
	}
}

// readsPerCheck is how many positions or documents are read, at some 150
// nanoseconds each, before it is asked again whether the search was cancelled.
const readsPerCheck = 4096
