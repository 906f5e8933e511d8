package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
)

// TestPaging walks through all pages while documents are added, changed and
// removed between them. What was there at the beginning and stays must come
// exactly once, in order.
func TestPaging(t *testing.T) {
	for _, order := range []Order{ByRelevance, ByNewest, ByOldest, ByReference, ByTitle} {
		for _, text := range []string{"", "Bauantrag", "Bau*", "Bauantrag Stundung"} {
			t.Run(fmt.Sprintf("%s %s", order, text), func(t *testing.T) {
				r := rand.New(rand.NewPCG(5, 6))
				ix := testIndex(t)
				random := func(n int) Document {
					d := doc(n, fmt.Sprintf("Titel %d", r.IntN(30)), strings.Repeat("Bauantrag ", 1+r.IntN(3))+"Stundung "+strings.Repeat("mehr ", r.IntN(20)))
					d.Closed = preservation.Date{Year: 2000 + r.IntN(5), Month: 1, Day: 1 + r.IntN(3)}
					d.Reference = fmt.Sprintf("63.%d", r.IntN(40))
					return d
				}
				var docs []Document
				for n := range 200 {
					docs = append(docs, random(n*10))
				}
				add(t, ix, docs...)
				q := Query{Text: text, Order: order, Limit: 13}
				var all []preservation.RecordID
				for page := 0; ; page++ {
					p, err := ix.Search(t.Context(), q)
					if err != nil {
						t.Fatal(err)
					}
					if page == 0 && p.Total != 200 {
						t.Errorf("%d hits in all", p.Total)
					}
					for _, h := range p.Hits {
						all = append(all, h.ID)
					}
					if q.Cursor = p.Next; q.Cursor == "" {
						break
					}
					d := random(10*page + 5)
					d.Text = strings.Repeat("Bauantrag ", 5) + "Stundung"
					add(t, ix, d)
				}
				seen := map[preservation.RecordID]int{}
				for _, rid := range all {
					seen[rid]++
				}
				for n := range 200 {
					if seen[id(n*10)] != 1 {
						t.Errorf("record %d came %d times", n*10, seen[id(n*10)])
					}
				}
				for rid, n := range seen {
					if n != 1 {
						t.Errorf("record %s came %d times", rid, n)
					}
				}
			})
		}
	}
}

func TestPagingAcrossRemoval(t *testing.T) {
	for _, order := range []Order{ByRelevance, ByTitle} {
		ix := testIndex(t)
		for n := range 10 {
			add(t, ix, doc(n, fmt.Sprintf("Titel %d", n), "Antrag"))
		}
		p, err := ix.Search(t.Context(), Query{Text: "Antrag", Order: order, Limit: 4})
		if err != nil {
			t.Fatal(err)
		}
		last := p.Hits[3].ID
		at, _ := ix.Checkpoint(t.Context())
		if err := ix.Apply(t.Context(), Batch{After: at, Next: at + "-", Removed: []preservation.RecordID{last}}); err != nil {
			t.Fatal(err)
		}
		rest, err := ix.Search(t.Context(), Query{Text: "Antrag", Order: order, Limit: 100, Cursor: p.Next})
		if err != nil || len(rest.Hits) != 6 || rest.Next != "" {
			t.Errorf("%s: %d hits after the first page, %v", order, len(rest.Hits), err)
		}
	}
}

func TestLimits(t *testing.T) {
	ix := testIndex(t)
	var docs []Document
	for n := range 300 {
		docs = append(docs, doc(n, "Titel", "Antrag"))
	}
	add(t, ix, docs...)
	for limit, want := range map[int]int{0: DefaultLimit, -1: 0, 1: 1, 200: 200, 1 << 30: MaxLimit} {
		p, err := ix.Search(t.Context(), Query{Text: "Antrag", Limit: limit})
		if err != nil || len(p.Hits) != want || p.Total != 300 || (p.Next == "") != (want == 0) {
			t.Errorf("limit %d: %d of %d hits, %v", limit, len(p.Hits), p.Total, err)
		}
	}
}

// TestFacets compares all counts with counting by hand, over many segments and
// after changes.
func TestFacets(t *testing.T) {
	ix := testIndex(t)
	r := rand.New(rand.NewPCG(1, 1))
	docs := map[int]Document{}
	for range 40 {
		var batch []Document
		seen := map[int]bool{}
		for range 40 {
			n := r.IntN(900)
			if seen[n] {
				continue
			}
			seen[n] = true
			d := doc(n, "Titel", []string{"Antrag", "Bescheid"}[r.IntN(2)])
			d.Class = fmt.Sprintf("%03d", r.IntN(300))
			d.Producer = fmt.Sprintf("dms-%d", r.IntN(4))
			d.Kind = []string{"", "file", "case"}[r.IntN(3)]
			d.Hold = r.IntN(10) == 0
			d.Closed = preservation.Date{Year: 1990 + r.IntN(40), Month: 1, Day: 1}
			for range r.IntN(4) {
				d.Files = append(d.Files, preservation.File{Name: "x", Format: preservation.Format{PUID: fmt.Sprintf("fmt/%d", r.IntN(20)), MIME: "a/b"}})
			}
			docs[n] = d
			batch = append(batch, d)
		}
		add(t, ix, batch...)
	}
	for _, text := range []string{"", "Antrag", "Besch*", "-Antrag"} {
		want := map[Facet]map[string]int{}
		count := func(f Facet, values ...string) {
			if want[f] == nil {
				want[f] = map[string]int{}
			}
			if len(values) == 0 {
				values = []string{Absent}
			}
			for _, v := range slices.Compact(slices.Sorted(slices.Values(values))) {
				if v == "" {
					v = Absent
				}
				want[f][v]++
			}
		}
		total := 0
		for _, d := range docs {
			if (text == "Antrag") != (d.Text == "Antrag") && text != "" {
				continue
			}
			total++
			var puids, mimes []string
			for _, f := range d.Files {
				puids, mimes = append(puids, f.Format.PUID), append(mimes, f.Format.MIME)
			}
			count(FacetClass, d.Class)
			count(FacetProducer, d.Producer)
			count(FacetKind, d.Kind)
			count(FacetState, d.State)
			count(FacetFormat, puids...)
			count(FacetMIME, mimes...)
			count(FacetConfidentiality, "")
			count(FacetYear, fmt.Sprint(d.Closed.Year))
			count(FacetHold, fmt.Sprint(d.Hold))
			count(FacetEvidence, "")
		}
		p, err := ix.Search(t.Context(), Query{Text: text, Facets: Facets(), Limit: 1})
		if err != nil || p.Total != total {
			t.Fatalf("%q: %d hits, want %d: %v", text, p.Total, total, err)
		}
		for _, f := range Facets() {
			got := map[string]int{}
			last := 1 << 30
			for _, c := range p.Facets[f].Values {
				if c.Count > last {
					t.Errorf("%q %s: not in order", text, f)
				}
				got[c.Value], last = c.Count, c.Count
			}
			if len(got) != len(want[f]) || p.Facets[f].Distinct != len(want[f]) {
				t.Errorf("%q %s: %d values, want %d", text, f, len(got), len(want[f]))
			}
			for v, n := range want[f] {
				if got[v] != n {
					t.Errorf("%q %s %q: %d, want %d", text, f, v, got[v], n)
				}
			}
		}
	}
}

func TestReplaceAndRemove(t *testing.T) {
	ix := testIndex(t)
	add(t, ix, doc(1, "alt", "Carport"), doc(2, "zwei", "Garage"))
	add(t, ix, doc(1, "neu", "Terrasse"))
	for text, want := range map[string]int{"Carport": 0, "Terrasse": 1, "Garage": 1, "alt": 0, "neu": 1} {
		if ids := found(t, ix, Query{Text: text}); len(ids) != want {
			t.Errorf("%s: %v", text, ids)
		}
	}
	at, _ := ix.Checkpoint(t.Context())
	if err := ix.Apply(t.Context(), Batch{After: at, Next: "x", Docs: []Document{doc(3, "drei", "")}, Removed: []preservation.RecordID{id(1), id(77)}}); err != nil {
		t.Fatal(err)
	}
	if ids := found(t, ix, Query{Order: ByTitle}); !slices.Equal(ids, []preservation.RecordID{id(3), id(2)}) {
		t.Error(ids)
	}
}
