package search

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode"

	"bestand/preservation"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bsearch "github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
)

// Bounds on what one pattern may expand to, in words of the index.
const (
	maxPrefixWords = 50000 // summed over the segments
	maxPhraseWords = 64
)

// How much more a hit in the title, or of the whole reference, weighs.
const (
	boostTitle     = 3
	boostReference = 20
)

// matcher builds the library's searchers for a query on one snapshot.
type matcher struct {
	ctx      context.Context
	reader   *scorch.IndexSnapshot
	language *language

	prefixes map[[2]string]docSet // by field and prefix: hostile queries repeat themselves
}

var (
	scored   = bsearch.SearcherOptions{}
	unscored = bsearch.SearcherOptions{Score: "none"} // sets of documents: several times faster
)

// parts of a query: what a hit must match, what lifts it, what it must not match.
type parts struct {
	must, prefer, not []bsearch.Searcher
	meant             bool // some clause says something; "der die das" does not
	none              bool // nothing can match
}

func (p *parts) close() {
	for _, list := range [][]bsearch.Searcher{p.must, p.prefer, p.not} {
		closeAll(list)
	}
}

// all returns what finds the hits of a query. It is nil when nothing can match.
func (m *matcher) all(groups [][]clause, f Filter) (bsearch.Searcher, error) {
	var p parts
	err := m.filters(&p, f)
	for _, g := range groups {
		if err == nil && !p.none {
			err = m.group(&p, g)
		}
	}
	if err != nil || p.none || (len(groups) > 0 && !p.meant) {
		p.close()
		return nil, err
	}
	return m.combine(p)
}

// combine puts the parts together; it takes over the searchers.
func (m *matcher) combine(p parts) (bsearch.Searcher, error) {
	var base bsearch.Searcher
	var err error
	switch len(p.must) {
	case 0:
		base, err = searcher.NewMatchAllSearcher(m.ctx, m.reader, 1, unscored)
	case 1:
		base = p.must[0]
	default:
		base, err = searcher.NewConjunctionSearcher(m.ctx, m.reader, p.must, scored)
	}
	if err != nil || (len(p.prefer) == 0 && len(p.not) == 0) {
		return base, err
	}
	var prefer, without bsearch.Searcher
	if len(p.prefer) > 0 {
		if prefer, err = searcher.NewDisjunctionSearcher(m.ctx, m.reader, p.prefer, 0, scored); err != nil {
			return nil, err
		}
	}
	if len(p.not) > 0 {
		if without, err = searcher.NewDisjunctionSearcher(m.ctx, m.reader, p.not, 1, unscored); err != nil {
			return nil, err
		}
	}
	return searcher.NewBooleanSearcher(m.ctx, m.reader, base, prefer, without, scored)
}

func closeAll(list []bsearch.Searcher) {
	for _, s := range list {
		s.Close()
	}
}

// group adds one group of alternatives to the parts. A group without a
// searchable word is left out.
func (m *matcher) group(p *parts, g []clause) error {
	o := scored
	if g[0].not {
		o = unscored
	}
	var any []bsearch.Searcher
	empty := true
	for _, c := range g {
		s, nothing, err := m.clause(c, o)
		if err != nil {
			closeAll(any)
			return err
		}
		empty = empty && nothing
		if s != nil {
			any = append(any, s)
		}
	}
	if empty {
		return nil
	}
	p.meant = true
	if len(any) == 0 {
		p.none = p.none || !g[0].not
		return nil
	}
	s, err := m.either(any, o)
	if err != nil {
		return err
	}
	if g[0].not {
		p.not = append(p.not, s)
		return nil
	}
	p.must = append(p.must, s)
	lift, err := m.preferred(g)
	p.prefer = append(p.prefer, lift...)
	return err
}

func (m *matcher) either(any []bsearch.Searcher, o bsearch.SearcherOptions) (bsearch.Searcher, error) {
	switch len(any) {
	case 0:
		return nil, nil
	case 1:
		return any[0], nil
	}
	return searcher.NewDisjunctionSearcher(m.ctx, m.reader, any, 1, o)
}

// clause returns what finds one clause, or nil when nothing can match. empty
// tells that the clause has no searchable word.
func (m *matcher) clause(c clause, o bsearch.SearcherOptions) (s bsearch.Searcher, empty bool, err error) {
	words := m.analyzer(c.field).words(c.text)
	if strings.Join(words, "") == "" && c.form != formPrefix {
		return nil, true, nil
	}
	var any []bsearch.Searcher
	add := func(s bsearch.Searcher, e error) {
		if e != nil {
			err = e
		} else if s != nil {
			any = append(any, s)
		}
	}
	switch {
	case c.form == formPrefix:
		add(m.prefix(c))
		if len(words) == 1 && words[0] != "" {
			add(m.term(c.field, words[0], o)) // Genehmigungen* finds its own stem
		}
	case c.form == formFuzzy && len(words) == 1:
		add(m.fuzzy(fieldName, m.language.names.words(c.text)[0], c.edits))
		if c.field != fieldName {
			add(m.fuzzy(c.field, words[0], c.edits))
		}
	default:
		add(m.phrase(c.field, words, o))
		if c.form == formWord && len(words) > 1 && err == nil {
			if joined := hyphenless(c.text); joined != "" {
				if w := m.analyzer(c.field).words(joined); len(w) == 1 && w[0] != "" {
					add(m.term(c.field, w[0], o)) // Bau-Antrag finds Bauantrag
				}
			}
		}
	}
	if c.field == fieldText || c.field == fieldReference {
		if key := squeeze(c.text); err == nil && c.form <= formPhrase && hasDigit(key) {
			add(m.term(fieldExact, key, unscored))
			if preservation.RecordID(key).Valid() {
				add(m.term(fieldID, key, unscored))
			}
		}
	}
	if err != nil {
		closeAll(any)
		return nil, false, err
	}
	s, err = m.either(any, o)
	return s, false, err
}

// preferred returns what lifts hits of a group without being required.
func (m *matcher) preferred(g []clause) ([]bsearch.Searcher, error) {
	var lift []bsearch.Searcher
	for _, c := range g {
		if c.field != fieldText && c.field != fieldReference || c.form == formPrefix {
			continue
		}
		if key := squeeze(c.text); hasDigit(key) && c.form <= formPhrase {
			s, err := searcher.NewTermSearcher(m.ctx, m.reader, key, fieldExact, boostReference, scored)
			if err != nil {
				return lift, err
			}
			lift = append(lift, s)
		}
		if c.field != fieldText {
			continue
		}
		for _, w := range m.language.query.words(c.text) {
			if w == "" {
				continue
			}
			s, err := searcher.NewTermSearcher(m.ctx, m.reader, w, fieldTitle, boostTitle, scored)
			if err != nil {
				return lift, err
			}
			lift = append(lift, s)
		}
	}
	return lift, nil
}

func (m *matcher) analyzer(field string) *analyzer {
	if field == fieldName || field == fieldReference {
		return m.language.names
	}
	return m.language.query
}

func (m *matcher) term(field, term string, o bsearch.SearcherOptions) (bsearch.Searcher, error) {
	return searcher.NewTermSearcher(m.ctx, m.reader, term, field, 1, o)
}

// phrase finds words in their order; empty ones stand for any word.
func (m *matcher) phrase(field string, words []string, o bsearch.SearcherOptions) (bsearch.Searcher, error) {
	for len(words) > 0 && words[0] == "" {
		words = words[1:]
	}
	for len(words) > 0 && words[len(words)-1] == "" {
		words = words[:len(words)-1]
	}
	if len(words) == 1 {
		return m.term(field, words[0], o)
	}
	return searcher.NewPhraseSearcher(m.ctx, m.reader, words, 0, false, field, 1, o)
}

// prefix finds words that begin with the text, references that do, and for a
// text of several words the phrase whose last word begins so.
func (m *matcher) prefix(c clause) (bsearch.Searcher, error) {
	set := make(docSet, len(m.reader.Segments()))
	if key := squeeze(c.text); hasDigit(key) && (c.field == fieldText || c.field == fieldReference) {
		exact, err := m.beginning(fieldExact, key)
		if err != nil {
			return nil, err
		}
		set.or(exact)
	}
	folded := m.language.names.words(c.text)
	if len(folded) == 1 {
		words, err := m.beginning(c.field, folded[0])
		if err != nil {
			return nil, err
		}
		set.or(words)
		return m.set(set), nil
	}
	phrase, err := m.phrasePrefix(c)
	if err != nil {
		return nil, err
	}
	references := m.set(set)
	switch {
	case phrase == nil:
		return references, nil
	case references == nil:
		return phrase, nil
	}
	return m.either([]bsearch.Searcher{references, phrase}, unscored)
}

// set finds the documents of a set. It is nil when there are none.
func (m *matcher) set(s docSet) bsearch.Searcher {
	if r := newSetSearcher(m.reader, s); r.size > 0 {
		return r
	}
	return nil
}

func (m *matcher) beginning(field, prefix string) (docSet, error) {
	key := [2]string{field, prefix}
	if set, ok := m.prefixes[key]; ok {
		return set, nil
	}
	set, err := withPrefix(m.reader, field, prefix, maxPrefixWords)
	if m.prefixes == nil {
		m.prefixes = map[[2]string]docSet{}
	}
	m.prefixes[key] = set
	return set, err
}

func (m *matcher) phrasePrefix(c clause) (bsearch.Searcher, error) {
	words := m.analyzer(c.field).words(c.text)
	folded := m.language.names.words(c.text)
	last, err := m.termsWith(c.field, folded[len(folded)-1])
	if err != nil || len(last) == 0 {
		return nil, err
	}
	phrase := make([][]string, len(words))
	for i, w := range words {
		phrase[i] = []string{w}
	}
	phrase[len(words)-1] = last
	for len(phrase) > 1 && phrase[0][0] == "" {
		phrase = phrase[1:]
	}
	return searcher.NewMultiPhraseSearcher(m.ctx, m.reader, phrase, 0, false, c.field, 1, unscored)
}

// termsWith lists the terms of a field that begin with prefix.
func (m *matcher) termsWith(field, prefix string) ([]string, error) {
	dict, err := m.reader.FieldDictPrefix(field, []byte(prefix))
	if err != nil {
		return nil, err
	}
	defer dict.Close()
	var terms []string
	for {
		e, err := dict.Next()
		if err != nil || e == nil {
			return terms, err
		}
		if len(terms) == maxPhraseWords {
			return nil, tooMany(prefix)
		}
		terms = append(terms, strings.Clone(e.Term))
	}
}

func tooMany(prefix string) error {
	return fmt.Errorf("%w: too many words begin with %q; write more of it", ErrQuery, prefix)
}

// fuzzy finds words near a term. The first letter must agree, which keeps the
// walk through the dictionary short.
func (m *matcher) fuzzy(field, term string, edits int) (bsearch.Searcher, error) {
	if len(term) < 3 {
		return m.term(field, term, unscored)
	}
	if len(term) < 5 {
		edits = 1
	}
	return searcher.NewFuzzySearcher(m.ctx, m.reader, term, 1, edits, field, 1, unscored)
}

// filters adds one condition per restriction to the parts.
func (m *matcher) filters(p *parts, f Filter) error {
	add := func(field string, terms []string) error {
		set, err := withTerms(m.reader, field, terms)
		if err != nil {
			return err
		}
		if s := m.set(set); s != nil {
			p.must = append(p.must, s)
		} else {
			p.none = true
		}
		return nil
	}
	for _, facet := range Facets() {
		values := f.Values[facet]
		if len(values) == 0 {
			continue
		}
		field := string(facet)
		if facet == FacetClass {
			field = fieldClassPath
		}
		terms := make([]string, len(values))
		for i, v := range values {
			terms[i] = facetValue(v)
		}
		if err := add(field, terms); err != nil {
			return err
		}
	}
	for _, r := range []struct {
		field string
		Range
	}{{fieldDay, f.Day}, {fieldOpened, f.Opened}, {fieldClosed, f.Closed}, {fieldReceived, f.Received}} {
		if r.IsZero() {
			continue
		}
		terms := r.periods()
		if len(terms) == 0 {
			p.none = true
			return nil
		}
		if err := add(r.field, terms); err != nil {
			return err
		}
	}
	return nil
}

// hyphenless joins a word that is written with hyphens, or returns nothing.
func hyphenless(s string) string {
	if !strings.ContainsAny(s, "-‐‑") || hasDigit(s) {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '‐' || r == '‑' {
			return -1
		}
		return r
	}, s)
}

func hasDigit(s string) bool {
	return bytes.ContainsFunc([]byte(s), unicode.IsDigit)
}
