package search

import (
	"context"
	"slices"
	"time"

	"bestand/preservation"
)

// stretch is what a Tail reads from the feed for one batch: one step or several.
type stretch struct {
	Batch
	full bool // there is probably more
	err  error
}

// How long small steps are gathered into one batch, which costs the same few
// writes to disk as a large one: while people wait for what is new, and while an
// index is rebuilt.
const (
	gatherTime  = time.Second
	rebuildTime = 20 * time.Second
)

// pace is how long the second of two small batches waits. Each makes a segment of
// its own, and to merge those into larger ones costs more than all else that is
// done for a record. The first change after a while is seen at once.
const pace = time.Second

// read reads changes behind a place, up to the size of a batch. An error after
// the first step is left to the next call.
func (t *Tail) read(ctx context.Context, after string) stretch {
	s := stretch{Batch: Batch{After: after, Next: after}}
	g := gathering{docs: map[preservation.RecordID]int{}, removed: map[preservation.RecordID]bool{}}
	for start := time.Now(); ; {
		docs, removed, next, err := t.feed.Changes(ctx, t.index.tenant, s.Next, t.limit-g.count())
		if err != nil && s.Next == after {
			s.err = err
		}
		if err != nil || next == s.Next {
			break
		}
		g.add(docs, removed)
		s.Next = next
		if g.count() >= t.limit || g.size >= batchBytes || time.Since(start) >= t.gather {
			s.full = true
			break
		}
	}
	s.Docs, s.Removed = g.list, g.gone()
	return s
}

// gathering keeps the newest state of each record.
type gathering struct {
	list    []Document
	docs    map[preservation.RecordID]int // place in list
	removed map[preservation.RecordID]bool
	size    int // bytes of text
}

func (g *gathering) count() int { return len(g.docs) + len(g.removed) }

func (g *gathering) add(docs []Document, removed []preservation.RecordID) {
	for _, d := range docs {
		delete(g.removed, d.ID)
		if i, ok := g.docs[d.ID]; ok {
			g.list[i] = d
		} else {
			g.docs[d.ID] = len(g.list)
			g.list = append(g.list, d)
		}
		g.size += len(d.Text)
	}
	for _, id := range removed {
		g.removed[id] = true
		if i, ok := g.docs[id]; ok {
			delete(g.docs, id)
			g.list[i] = Document{}
		}
	}
}

// gone drops what was removed from the list and names it.
func (g *gathering) gone() []preservation.RecordID {
	g.list = slices.DeleteFunc(g.list, func(d Document) bool { return d.ID == "" })
	var ids []preservation.RecordID
	for id := range g.removed {
		ids = append(ids, id)
	}
	return ids
}

// next returns the changes behind a place, read ahead if that was begun.
func (t *Tail) next(ctx context.Context, after string) stretch {
	if t.ahead != nil {
		s := <-t.ahead
		t.ahead = nil
		if s.After == after {
			return s
		}
	}
	return t.read(ctx, after)
}

// readAhead reads the changes behind a place while others are being indexed:
// reading waits for the catalog and the bucket, indexing for the processor.
func (t *Tail) readAhead(ctx context.Context, after string) {
	ahead := make(chan stretch, 1)
	t.ahead = ahead
	go func() { ahead <- t.read(ctx, after) }()
}
