package search

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"bestand/preservation"
)

// FuzzCursor: a cursor comes back from a client, who may have changed anything
// in it. One that is refused is refused as a cursor; with one that is taken no
// record comes twice, and going on ends.
func FuzzCursor(f *testing.F) {
	ix := library(f)
	const text = "Garage"
	for i, o := range []Order{ByRelevance, ByNewest, ByTitle, ByReference, ByOldest} {
		p, err := ix.Search(f.Context(), Query{Text: text, Order: o, Limit: 1})
		if err != nil || p.Next == "" {
			f.Fatal(o, p, err)
		}
		c, err := decodeCursor(p.Next, Query{Text: text, Order: o})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), string(c.ID), c.Key, c.Score, floats(c.Weights), p.Next)
	}
	f.Add(byte(0), string(id(1)), "", float32(math.Inf(1)), floats([]float32{float32(math.NaN()), -1}), "e30")
	f.Add(byte(2), string(id(9)), "\xff\x00", float32(-1), []byte(nil), `eyJxIjoi`)
	f.Fuzz(func(t *testing.T, order byte, id, key string, score float32, weights []byte, raw string) {
		q := Query{Text: text, Order: []Order{ByRelevance, ByNewest, ByTitle, ByReference, ByOldest}[order%5], Limit: 2, Facets: Facets()[:1]}
		q, err := q.normalize()
		if err != nil {
			t.Fatal(err)
		}
		c := cursor{Query: q.fingerprint(), ID: preservation.RecordID(id), Key: key, Score: score}
		for ; len(weights) >= 4; weights = weights[4:] {
			c.Weights = append(c.Weights, math.Float32frombits(binary.LittleEndian.Uint32(weights)))
		}
		for _, s := range []string{c.encode(), raw} {
			goOn(t, ix, q, s)
		}
	})
}

func floats(all []float32) (b []byte) {
	for _, v := range all {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// goOn goes on from a cursor to the end.
func goOn(t *testing.T, ix *Index, q Query, at string) {
	t.Helper()
	seen := map[preservation.RecordID]bool{}
	for q.Cursor = at; q.Cursor != ""; {
		p, err := ix.Search(t.Context(), q)
		if errors.Is(err, ErrCursor) && len(seen) == 0 {
			return
		}
		if err != nil {
			t.Fatalf("%v after %d records", err, len(seen))
		}
		for _, h := range p.Hits {
			if seen[h.ID] {
				t.Fatalf("%s comes twice", h.ID)
			}
			seen[h.ID] = true
		}
		q.Cursor = p.Next
	}
}
