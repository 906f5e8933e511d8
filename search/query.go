package search

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"bestand/preservation"

	"github.com/blevesearch/bleve/v2/index/scorch"
)

// Bounds on what one pattern may expand to, in words of the index.
const (
	maxPrefixWords = 100000 // summed over the segments
	maxFuzzyWords  = 2000
	maxPhraseWords = 64
)

// matcher evaluates a query on one snapshot.
type matcher struct {
	ctx      context.Context
	reader   *scorch.IndexSnapshot
	language *language
	frequent *frequentWords

	prefixes map[[2]string]docSet // by field and prefix: hostile queries repeat themselves
}

// matches returns the hits of a query.
func (m *matcher) matches(groups [][]clause, f Filter) (docSet, error) {
	hits, err := m.filtered(f)
	if err != nil {
		return nil, err
	}
	meant := len(groups) == 0 // some clause says something; "der die das" does not
	for _, g := range groups {
		set, empty, err := m.group(g)
		if err != nil {
			return nil, err
		}
		switch {
		case empty:
			continue
		case g[0].not:
			hits = hits.without(set)
		default:
			hits = hits.and(set)
		}
		meant = true
	}
	if !meant {
		return make(docSet, len(hits)), nil
	}
	return hits, nil
}

// group returns what one of the alternatives finds. empty tells that none has
// a searchable word.
func (m *matcher) group(g []clause) (set docSet, empty bool, err error) {
	set, empty = make(docSet, len(m.reader.Segments())), true
	for _, c := range g {
		if err := m.ctx.Err(); err != nil {
			return nil, false, err
		}
		words := m.analyzer(c.field).words(c.text)
		if strings.Join(words, "") == "" && c.form != formPrefix {
			continue
		}
		empty = false
		one, err := m.clause(c, words)
		if err != nil {
			return nil, false, err
		}
		set = set.or(one)
	}
	return set, empty, nil
}

// clause returns what one clause finds, whose words are given as terms.
func (m *matcher) clause(c clause, words []string) (docSet, error) {
	u := unions{set: make(docSet, len(m.reader.Segments()))}
	switch {
	case c.form == formPrefix:
		u.add(m.prefix(c))
		if len(words) == 1 && words[0] != "" {
			u.add(m.term(c.field, words[0])) // Genehmigungen* finds its own stem
		}
		return u.set, u.err
	case c.form == formFuzzy && len(words) == 1:
		u.add(m.fuzzy(fieldName, m.language.names.words(c.text)[0], c.edits))
		if c.field != fieldName {
			u.add(m.fuzzy(c.field, words[0], c.edits))
		}
		return u.set, u.err
	}
	u.add(m.phrase(c.field, words))
	if joined := hyphenless(c.text); c.form == formWord && joined != "" {
		if w := m.analyzer(c.field).words(joined); len(w) == 1 && w[0] != "" {
			u.add(m.term(c.field, w[0])) // Bau-Antrag finds Bauantrag
		}
	}
	if key := referenceKey(c); key != "" {
		u.add(m.term(fieldExact, key))
		if preservation.RecordID(key).Valid() {
			u.add(m.term(fieldID, key))
		}
	}
	return u.set, u.err
}

// unions gathers the results of several steps up to the first error.
type unions struct {
	set docSet
	err error
}

func (u *unions) add(s docSet, err error) {
	if u.err == nil {
		if u.err = err; err == nil {
			u.set = u.set.or(s)
		}
	}
}

// referenceKey is the clause as a whole reference, if it may be one.
func referenceKey(c clause) string {
	if c.field != fieldText && c.field != fieldReference {
		return ""
	}
	if key := squeeze(c.text); hasDigit(key) {
		return key
	}
	return ""
}

func (m *matcher) analyzer(field string) *analyzer {
	if field == fieldName || field == fieldReference {
		return m.language.names
	}
	return m.language.query
}

func (m *matcher) term(field, term string) (docSet, error) {
	return withTerms(m.ctx, m.reader, field, term)
}

// phrase finds words in their order; empty ones stand for any word.
func (m *matcher) phrase(field string, words []string) (docSet, error) {
	for words[0] == "" {
		words = words[1:]
	}
	for words[len(words)-1] == "" {
		words = words[:len(words)-1]
	}
	if len(words) == 1 {
		return m.term(field, words[0])
	}
	phrase := make([][]string, len(words))
	for i, w := range words {
		if w != "" {
			phrase[i] = []string{w}
		}
	}
	return m.inOrder(field, phrase)
}

// prefix finds words that begin with the text, references that do, and for a
// text of several words the phrase whose last word begins so.
func (m *matcher) prefix(c clause) (docSet, error) {
	u := unions{set: make(docSet, len(m.reader.Segments()))}
	if key := referenceKey(c); key != "" {
		u.add(m.beginning(fieldExact, key))
	}
	folded := m.language.names.words(c.text)
	if len(folded) == 1 {
		u.add(m.beginning(c.field, folded[0]))
	} else {
		u.add(m.phrasePrefix(c, folded[len(folded)-1]))
	}
	return u.set, u.err
}

func (m *matcher) beginning(field, prefix string) (docSet, error) {
	key := [2]string{field, prefix}
	if set, ok := m.prefixes[key]; ok {
		return set, nil
	}
	set, err := withPrefix(m.ctx, m.reader, field, prefix, maxPrefixWords)
	if err != nil {
		return nil, err
	}
	if m.prefixes == nil {
		m.prefixes = map[[2]string]docSet{}
	}
	m.prefixes[key] = set
	return set, nil
}

func (m *matcher) phrasePrefix(c clause, prefix string) (docSet, error) {
	var phrase [][]string
	for _, w := range m.analyzer(c.field).words(c.text) {
		switch {
		case w != "":
			phrase = append(phrase, []string{w})
		case len(phrase) > 0:
			phrase = append(phrase, nil)
		}
	}
	last, err := m.termsWith(c.field, prefix)
	if err != nil || len(last) == 0 {
		return make(docSet, len(m.reader.Segments())), err
	}
	if len(phrase) < 2 {
		return withTerms(m.ctx, m.reader, c.field, last...)
	}
	phrase[len(phrase)-1] = last
	return m.inOrder(c.field, phrase)
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
func (m *matcher) fuzzy(field, term string, edits int) (docSet, error) {
	runes := []rune(term)
	if len(runes) < 3 {
		return m.term(field, term)
	}
	if len(runes) < 5 {
		edits = 1
	}
	dict, err := m.reader.FieldDictFuzzy(field, term, edits, string(runes[:1]))
	if err != nil {
		return nil, err
	}
	defer dict.Close()
	var terms []string
	for {
		e, err := dict.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			return withTerms(m.ctx, m.reader, field, terms...)
		}
		if len(terms) == maxFuzzyWords {
			return nil, fmt.Errorf("%w: too many words are like %q", ErrQuery, term)
		}
		terms = append(terms, strings.Clone(e.Term))
	}
}

// filtered returns what the filter leaves.
func (m *matcher) filtered(f Filter) (docSet, error) {
	var set docSet
	restrict := func(field string, terms []string) error {
		s, err := withTerms(m.ctx, m.reader, field, terms...)
		if err != nil {
			return err
		}
		if set == nil {
			set = s
		} else {
			set = set.and(s)
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
		if err := restrict(field, terms); err != nil {
			return nil, err
		}
	}
	for _, r := range []struct {
		field string
		Range
	}{{fieldDay, f.Day}, {fieldOpened, f.Opened}, {fieldClosed, f.Closed}, {fieldReceived, f.Received}} {
		if r.IsZero() {
			continue
		}
		if err := restrict(r.field, r.periods()); err != nil {
			return nil, err
		}
	}
	if set == nil {
		set = everything(m.reader)
	}
	if len(f.Without) == 0 {
		return set, nil
	}
	ids := make([]string, len(f.Without))
	for i, id := range f.Without {
		ids[i] = string(id)
	}
	out, err := withTerms(m.ctx, m.reader, fieldID, ids...)
	return set.without(out), err
}

// hyphenless joins a word that is written with hyphens, or returns nothing.
func hyphenless(s string) string {
	if !strings.ContainsAny(s, "-‐‑") || hasDigit(s) {
		return ""
	}
	return strings.NewReplacer("-", "", "‐", "", "‑", "").Replace(s)
}

func hasDigit(s string) bool { return strings.ContainsFunc(s, unicode.IsDigit) }
