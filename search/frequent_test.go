package search

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bsearch "github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// someRecords is an index of synthetic records in several segments, some of them
// replaced and some removed.
func someRecords(t *testing.T, n int) (*Index, *openIndex) {
	t.Helper()
	set, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	ix, _ := set.Tenant("frequent")
	at := ""
	apply := func(next string, b Batch) {
		b.After, b.Next = at, next
		if err := ix.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		at = next
	}
	var docs []Document
	for i := range n {
		docs = append(docs, nth(i))
	}
	apply("1", Batch{Docs: docs[:n/2]})
	apply("2", Batch{Docs: docs[n/2:]})
	apply("3", Batch{Docs: docs[n/3 : n/3+10], Removed: []preservation.RecordID{docs[1].ID, docs[n-1].ID}})
	o, err := ix.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.release(o) })
	return ix, o
}

func TestPhraseFindsWhatTheLibraryFinds(t *testing.T) {
	_, o := someRecords(t, 1500)
	s, err := o.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	gen, l := source(), newLanguage()
	for _, least := range []uint64{1, 50, 1 << 40} {
		w := &frequentWords{least: least}
		w.keep(s)
		r := rand.New(rand.NewPCG(5, 6))
		words := gen.Frequency(r)
		found := 0
		for range 300 {
			places := [][]string{{}}
			for i := range 2 + r.IntN(3) {
				var terms []string
				for range 1 + r.IntN(2)*r.IntN(3) {
					if t := l.query.words(gen.Words[words.Uint64()/8])[0]; t != "" {
						terms = append(terms, t)
					}
				}
				slices.Sort(terms)
				if terms = slices.Compact(terms); i > 0 && r.IntN(4) == 0 {
					places = append(places, nil)
				}
				places = append(places, terms)
			}
			if places = places[1:]; len(places[0]) == 0 || len(places[len(places)-1]) == 0 {
				continue
			}
			m := matcher{ctx: t.Context(), reader: s, language: l, frequent: w}
			got, err := m.inOrder(fieldText, places)
			if err != nil {
				t.Fatal(err)
			}
			want := byLibrary(t, s, places)
			found += want.count()
			for i := range want {
				if got.and(want).count() != want.count() || got.count() != want.count() {
					t.Fatalf("%q of which %d make a word frequent: %d hits, library %d; segment %d",
						places, least, got.count(), want.count(), i)
				}
			}
		}
		if found < 100 {
			t.Errorf("%d hits in all, too few to tell", found)
		}
	}
}

// byLibrary is what the library's own searcher finds.
func byLibrary(t *testing.T, s *scorch.IndexSnapshot, places [][]string) docSet {
	t.Helper()
	from, err := searcher.NewMultiPhraseSearcher(t.Context(), s, places, 0, false, fieldText, 1, bsearch.SearcherOptions{Score: "none"})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	ids := []string{}
	sc := &bsearch.SearchContext{DocumentMatchPool: bsearch.NewDocumentMatchPool(from.DocumentMatchPoolSize()+2, 0)}
	for {
		d, err := from.Next(sc)
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			break
		}
		id, err := s.ExternalID(d.IndexInternalID)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		sc.DocumentMatchPool.Put(d)
	}
	set, err := withTerms(t.Context(), s, fieldID, ids...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Phrases find what reading the texts word by word finds, however their words are
// kept, in several segments of which records were replaced and removed.
func TestPhrasesAsWritten(t *testing.T) {
	vocabulary := strings.Fields("der bik dak fuk gok lup mip nek rop sak tuk wip zok und")
	r := rand.New(rand.NewPCG(11, 12))
	word := func() string { return vocabulary[min(r.IntN(len(vocabulary)), r.IntN(len(vocabulary)))] }
	phrase := func(n int) []string {
		words := make([]string, n)
		for i := range words {
			words[i] = word()
		}
		return words
	}
	ix := testIndex(t)
	texts := map[preservation.RecordID][]string{}
	write := func(from, to int) {
		var docs []Document
		for i := from; i < to; i++ {
			words := phrase(1 + r.IntN([]int{5, 40, 300}[r.IntN(3)]))
			docs = append(docs, doc(i, "", strings.Join(words, " ")))
			texts[id(i)] = words
		}
		add(t, ix, docs...)
	}
	write(0, 200)
	write(200, 230)
	write(230, 600)
	write(150, 250) // again
	at, err := ix.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gone := []preservation.RecordID{id(0), id(222), id(599)}
	if err := ix.Apply(t.Context(), Batch{After: at, Next: at + "-", Removed: gone}); err != nil {
		t.Fatal(err)
	}
	for _, id := range gone {
		delete(texts, id)
	}
	o, err := ix.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ix.release(o)
	stop := func(w string) bool { return w == "der" || w == "und" }
	for _, least := range []uint64{1, 150, 450, 1 << 40} {
		o.words = frequentWords{least: least}
		hits := 0
		for range 150 {
			words := phrase(2 + r.IntN(4))
			if stop(words[0]) || stop(words[len(words)-1]) {
				continue
			}
			want := map[preservation.RecordID]bool{}
			for id, text := range texts {
				for i := range len(text) - len(words) + 1 {
					if slices.EqualFunc(words, text[i:i+len(words)], func(w, there string) bool { return w == there || stop(w) }) {
						want[id] = true
					}
				}
			}
			q := Query{Text: `"` + strings.Join(words, " ") + `"`, Limit: MaxLimit}
			for n := 0; ; {
				p, err := ix.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, h := range p.Hits {
					if !want[h.ID] {
						t.Fatalf("%s of which %d make a word frequent: %s is no hit, its text is %q", q.Text, least, h.ID, texts[h.ID])
					}
				}
				n += len(p.Hits)
				if q.Cursor = p.Next; q.Cursor == "" {
					if n != len(want) || p.Total != n {
						t.Fatalf("%s of which %d make a word frequent: %d hits, total %d, want %d", q.Text, least, n, p.Total, len(want))
					}
					hits += n
					break
				}
			}
		}
		if hits < 500 {
			t.Errorf("%d hits in all, too few to tell", hits)
		}
	}
}

func TestFrequentWordsRankAlike(t *testing.T) {
	ix, o := someRecords(t, 1500)
	gen := source()
	answers := func(least uint64) (pages []Page) {
		o.words = frequentWords{least: least}
		r := rand.New(rand.NewPCG(7, 8))
		for range 60 {
			q := Query{Text: gen.Words[r.IntN(100)] + " ODER titel:" + gen.Words[r.IntN(100)] + ` ODER "` + strings.Join(gen.Words[:2], " ") + `"`}
			if r.IntN(2) == 0 {
				q.Text += " " + gen.Words[r.IntN(3000)]
			}
			for range 2 {
				p, err := ix.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				pages = append(pages, p)
				if q.Cursor = p.Next; q.Cursor == "" {
					break
				}
			}
		}
		return pages
	}
	unpacked, rare := answers(1), answers(1<<40)
	for i := range rare {
		if rare[i].Total != unpacked[i].Total || !slices.EqualFunc(rare[i].Hits, unpacked[i].Hits, func(a, b Hit) bool {
			return a.ID == b.ID && a.Score == b.Score
		}) {
			t.Fatalf("page %d differs:\n%v\n%v", i, rare[i].Hits, unpacked[i].Hits)
		}
	}
}

func TestFrequentWordsAreBounded(t *testing.T) {
	_, o := someRecords(t, 1500)
	s, err := o.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := &frequentWords{least: 1}
	w.keep(s)
	w.limit = 20000
	l := newLanguage()
	for _, word := range source().Words[:400] {
		for _, seg := range s.Segments() {
			if _, err := w.find(t.Context(), seg, wordKey{seg.Id(), fieldText, l.query.words(word)[0], false}, false); err != nil {
				t.Fatal(err)
			}
		}
		size := 0
		for _, s := range w.slots {
			size += s.size
		}
		if size != w.size || size > w.limit {
			t.Fatalf("%d bytes kept, counted as %d, of at most %d", size, w.size, w.limit)
		}
	}
	w.keep(&scorch.IndexSnapshot{})
	if len(w.slots) != 0 || w.size != 0 {
		t.Errorf("%d words in %d bytes of segments that are gone", len(w.slots), w.size)
	}
}

// The positions of middling words are kept while there is room, and drive out
// nothing.
func TestMiddlingWords(t *testing.T) {
	_, o := someRecords(t, 1500)
	s, err := o.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seg := s.Segments()[0]
	dict, err := seg.Segment().Dictionary(fieldText)
	if err != nil {
		t.Fatal(err)
	}
	var list postings
	term := newLanguage().query.words(source().Words[0])[0]
	all, err := list.of(dict, term, nil)
	if err != nil || all == nil {
		t.Fatal(all, err)
	}
	n := all.GetCardinality()
	for _, c := range []struct {
		least     uint64
		used      int // percent
		few, kept bool
	}{
		{n, 99, false, true},
		{n + 1, 0, false, true},
		{n + 1, 0, true, false},
		{n + 1, 99, false, false},
		{3 * n, 0, false, true},
		{3*n + 1, 0, false, false},
	} {
		w := &frequentWords{least: c.least}
		w.keep(s)
		w.size = w.limit / 100 * c.used
		word, err := w.positions(t.Context(), seg, fieldText, term, all, c.few)
		if err != nil || (word != nil) != c.kept {
			t.Errorf("%+v of %d documents: kept %v, %v", c, n, word != nil, err)
		}
		w.size = w.limit / 100 * 99
		if again, _ := w.positions(t.Context(), seg, fieldText, term, all, true); again != word {
			t.Errorf("%+v: not the same once there is no more room", c)
		}
	}
}

type place uint64

func (p place) Field() string            { return "" }
func (p place) Start() uint64            { return 0 }
func (p place) End() uint64              { return 0 }
func (p place) Pos() uint64              { return uint64(p) }
func (p place) ArrayPositions() []uint64 { return nil }
func (p place) Size() int                { return 0 }

func TestPositions(t *testing.T) {
	_, o := someRecords(t, 1500)
	s, err := o.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	docs := s.Segments()[0].DocNumbersLive()
	r := rand.New(rand.NewPCG(9, 10))
	var p positions
	var want [][]int
	for i := range int(docs.GetCardinality()) {
		var at []int
		var locations []segment.Location
		for range r.IntN(5) {
			at = append(at, 1+r.IntN([]int{20, 64, 65, 8192, 8193, 3000000}[r.IntN(6)]))
		}
		slices.Sort(at)
		for _, pos := range at {
			locations = append(locations, place(pos))
		}
		r.Shuffle(len(at), func(a, b int) { locations[a], locations[b] = locations[b], locations[a] })
		p.add(i, locations)
		want = append(want, at)
	}
	for _, step := range []int{1, 3, 200} {
		reader := positionReader{positions: p, docs: ranksIn(docs)}
		for i, d := range docs.ToArray() {
			if i%step != 0 {
				continue
			}
			if got := reader.at(d, nil); !slices.Equal(got, want[i]) {
				t.Fatalf("document %d: positions %v, want %v", i, got, want[i])
			}
		}
	}
}
