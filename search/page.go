package search

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"bestand/preservation"
)

// Order is how hits are sorted.
type Order string

const (
	ByRelevance Order = "relevance" // best first; what is equally good, newest identifier first
	ByNewest    Order = "newest"    // by closing, else opening, else receiving day
	ByOldest    Order = "oldest"
	ByReference Order = "reference"
	ByTitle     Order = "title" // DIN 5007-1
)

// Page sizes.
const (
	DefaultLimit = 50
	MaxLimit     = 200
	MaxFacet     = 1000 // values returned of one facet; Distinct tells how many there are
)

// Query asks for a page of hits.
type Query struct {
	Text     string // in the query language; empty means everything
	Filter   Filter
	Order    Order // ByRelevance by default
	Limit    int   // DefaultLimit by default, at most MaxLimit; below zero to count only, without hits
	Cursor   string
	Facets   []Facet // to count
	Snippets bool    // with fragments of text
}

// Filter restricts the hits. Values of one facet are alternatives, different
// facets all apply. Class means the class and everything below it; Absent
// stands for records without a value.
type Filter struct {
	Values   map[Facet][]string
	Day      Range // closing, else opening, else receiving day
	Opened   Range
	Closed   Range
	Received Range
	// Without are records that are left out, hits and counts alike. They are no part of
	// what a cursor belongs to, since who may see what changes between two pages.
	Without []preservation.RecordID `json:"-"`
}

// Page is one page of hits.
type Page struct {
	Total  int // hits of the query in all
	Hits   []Hit
	Next   string // cursor of the next page, empty on the last
	Facets map[Facet]FacetCounts
}

// Hit is one record found.
type Hit struct {
	ID       preservation.RecordID
	Score    float64
	Snippets []Snippet
}

// FacetCounts holds the exact number of hits per value, most frequent first.
type FacetCounts struct {
	Values   []FacetCount
	Distinct int // number of different values, which may be more than len(Values)
}

// FacetCount is the number of hits with one value. A record with several
// values counts for each.
type FacetCount struct {
	Value string
	Count int
}

// normalize fills in defaults and refuses what makes no sense.
func (q Query) normalize() (Query, error) {
	switch q.Order {
	case "":
		q.Order = ByRelevance
	case ByRelevance, ByNewest, ByOldest, ByReference, ByTitle:
	default:
		return q, fmt.Errorf("%w: order %q", ErrQuery, q.Order)
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = max(0, min(q.Limit, MaxLimit))
	known := map[Facet]bool{}
	for _, f := range Facets() {
		known[f] = true
	}
	for _, f := range q.Facets {
		if !known[f] {
			return q, fmt.Errorf("%w: facet %q", ErrQuery, f)
		}
	}
	values := 0
	for f, v := range q.Filter.Values {
		if !known[f] {
			return q, fmt.Errorf("%w: filter %q", ErrQuery, f)
		}
		values += len(v)
	}
	if values > maxValues {
		return q, fmt.Errorf("%w: more than %d filter values", ErrQuery, maxValues)
	}
	return q, nil
}

// cursor is the last hit of a page: the next page goes on behind it, whatever
// was added or removed meanwhile. No hit that stays as it is comes twice or is
// left out. For relevance this needs the weights of the words as they were on
// the first page, because every record added changes how rare a word is.
type cursor struct {
	Query   string                `json:"q"` // fingerprint of the query it belongs to
	ID      preservation.RecordID `json:"i"`
	Key     string                `json:"k,omitempty"` // sort key, unless sorted by relevance
	Score   float32               `json:"s,omitempty"`
	Weights []float32             `json:"w,omitempty"`
}

// cursor names the last hit of a page.
func (c *collector) cursor(last hit) (cursor, error) {
	at := cursor{ID: preservation.RecordID(last.id)}
	if c.scorer != nil {
		at.Score, at.Weights = last.score, c.scorer.weights()
		return at, nil
	}
	err := c.load(&last, keyLoaded)
	at.Key = last.key
	return at, err
}

// hit is the place that the cursor names.
func (c cursor) hit(o Order) *hit {
	h := &hit{score: c.Score, key: c.Key, id: string(c.ID), loaded: keyLoaded | idLoaded, lead: lead(c.Key)}
	if o == ByRelevance {
		h.lead = lead(h.id)
	}
	return h
}

// fingerprint tells queries apart that have other hits or another order.
func (q Query) fingerprint() string {
	b, _ := json.Marshal([]any{q.Text, q.Filter, q.Order}) // cannot fail: plain values
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

func (c cursor) encode() string {
	b, _ := json.Marshal(c) // cannot fail: strings, and a score that is a finite number
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(s string, q Query) (cursor, error) {
	var c cursor
	if len(s) > 4096 {
		return c, ErrCursor
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(b, &c) != nil || c.Query != q.fingerprint() || !c.ID.Valid() {
		return cursor{}, ErrCursor
	}
	return c, nil
}
