package search

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
)

// longTexts is a snapshot of records whose texts have one word again and again,
// another one a few times, and a rare one in the first and every 150th.
func longTexts(t *testing.T) (*scorch.IndexSnapshot, *frequentWords) {
	t.Helper()
	const records, words = 1500, 600
	set, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	ix, _ := set.Tenant("long")
	b := Batch{Next: "1"}
	for i := range records {
		var text strings.Builder
		for n := range words {
			switch {
			case n == 30 && i%150 == 0:
				text.WriteString("schleuse ")
			case n%300 == i%200:
				text.WriteString("deich ")
			case n%3 == i%2:
				fmt.Fprintf(&text, "wort%d ", (i+n)%50)
			default:
				text.WriteString("wasser ")
			}
		}
		d := nth(i)
		d.Text = text.String()
		b.Docs = append(b.Docs, d)
	}
	if err := ix.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	o, err := ix.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := o.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		ix.release(o)
	})
	w := &frequentWords{least: 100}
	w.keep(s)
	return s, w
}

func inPlaces(words ...string) [][]string {
	var places [][]string
	for _, w := range words {
		places = append(places, newLanguage().query.words(w))
	}
	return places
}

func TestPhraseOfLongTexts(t *testing.T) {
	s, w := longTexts(t)
	find := func(words ...string) {
		t.Helper()
		places := inPlaces(words...)
		m := matcher{ctx: t.Context(), reader: s, frequent: w}
		got, err := m.inOrder(fieldText, places)
		if err != nil {
			t.Fatal(err)
		}
		want := byLibrary(t, s, places)
		if n := want.count(); n == 0 || got.count() != n || got.and(want).count() != n {
			t.Errorf("%q: %d hits, library %d", words, got.count(), n)
		}
		for k, slot := range w.slots {
			if slot.size > w.limit/largestShare || slot.tooLarge && slot.at.size() != 0 {
				t.Errorf("%q unpacked to %d bytes of %d", k.term, slot.size, w.limit)
			}
		}
	}
	unpacked := func() (n int) {
		for _, slot := range w.slots {
			if !slot.tooLarge {
				n++
			}
		}
		return n
	}
	find("schleuse", "wasser")
	find("wasser", "schleuse")
	find("wasser", "schleuse", "wasser")
	if len(w.slots) != 0 || w.size != 0 {
		t.Fatalf("%d words in %d bytes unpacked for a rare one", len(w.slots), w.size)
	}
	find("deich", "wasser") // one is small enough
	if unpacked() != len(s.Segments()) || len(w.slots) != 2*unpacked() || w.size == 0 {
		t.Errorf("%d words unpacked of %d looked at", unpacked(), len(w.slots))
	}
	find("wasser", "deich", "wasser")
	find("schleuse", "wasser")
}

// With less room than it takes, a word is given up wherever it passes the room.
func TestWordLargerThanJudged(t *testing.T) {
	s, w := longTexts(t)
	seg := s.Segments()[0]
	k := wordKey{seg.Id(), fieldText, "deich", true}
	whole, err := w.find(t.Context(), seg, k, false)
	if err != nil || whole == nil {
		t.Fatal(whole, err)
	}
	least := len(whole.at.stream) + 4*len(whole.at.blocks)
	for room := whole.size; room > least/2; room -= 16 {
		var slot wordSlot
		if err := slot.unpack(t.Context(), seg, k, room); err != nil {
			t.Fatal(err)
		}
		if slot.at.size() > room || room < least && !slot.tooLarge {
			t.Fatalf("%d bytes in room for %d", slot.at.size(), room)
		}
	}
}

// endingContext is over once Err has been asked so many times.
type endingContext struct {
	context.Context
	left atomic.Int64
}

func (c *endingContext) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func TestCancelledUnpacking(t *testing.T) {
	s, w := longTexts(t)
	places := inPlaces("wasser", "wasser")
	want := byLibrary(t, s, places).count()
	seg := s.Segments()[0]
	for _, limit := range []int{1 << 30, w.limit} { // unpacked, and not
		w = &frequentWords{least: 100, limit: limit}
		for checks := range int64(8) {
			ctx := &endingContext{Context: t.Context()}
			ctx.left.Store(checks)
			m := matcher{ctx: ctx, reader: s, frequent: w}
			p, err := m.phraseIn(seg, fieldText, places)
			if err == nil {
				_, err = p.matches(ctx.Err)
			}
			if !errors.Is(err, context.Canceled) || ctx.left.Load() < -1 {
				t.Fatalf("cancelled at check %d, at %d left: %v", checks, ctx.left.Load(), err)
			}
			for k, slot := range w.slots {
				if !slot.tooLarge {
					t.Errorf("%q is kept of a search that was cancelled", k.term)
				}
			}
		}
		m := matcher{ctx: t.Context(), reader: s, frequent: w}
		found, err := m.inOrder(fieldText, places)
		if err != nil || found.count() != want {
			t.Errorf("after a cancelled search %d hits, want %d: %v", found.count(), want, err)
		}
	}
}

func TestWaitingForAnUnpackedWord(t *testing.T) {
	s, w := longTexts(t)
	seg := s.Segments()[0]
	k := wordKey{seg.Id(), fieldText, "deich", true}
	other := &wordSlot{done: make(chan struct{})} // of a search that does not get ahead
	w.slots, w.segments = map[wordKey]*wordSlot{k: other}, map[uint64]bool{seg.Id(): false}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := w.find(ctx, seg, k, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("waited to the end: %v", err)
	}
	if got, err := w.find(t.Context(), seg, k, true); got != nil || err != nil {
		t.Errorf("for few documents: %v, %v", got, err)
	}
	type result struct {
		word *wordSlot
		err  error
	}
	done := make(chan result)
	go func() {
		word, err := w.find(t.Context(), seg, k, false)
		done <- result{word, err}
	}()
	other.err = context.Canceled
	w.added(k, other)
	close(other.done)
	if r := <-done; r.err != nil || r.word == nil || len(r.word.at.stream) == 0 {
		t.Errorf("after the other search was cancelled: %+v", r)
	}
}
