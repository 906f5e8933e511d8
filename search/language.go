package search

import (
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/lang/de"
)

// maxWord bounds a word in bytes; the rest of a longer one is cut.
const maxWord = 96

// language holds the analyzers. It is made once for a Set and shared.
type language struct {
	index *analyzer // German, with the parts of compounds
	query *analyzer // German, whole words only
	names *analyzer // folded only: names, numbers
}

func newLanguage() *language {
	d := newDictionary(dictionaryText)
	stop := map[string]bool{}
	for w := range strings.FieldsSeq(stopText) {
		stop[fold(w)] = true
	}
	return &language{
		index: &analyzer{dictionary: d, stop: stop, stem: true, split: true},
		query: &analyzer{dictionary: d, stop: stop, stem: true},
		names: &analyzer{dictionary: d},
	}
}

// sortKey orders titles as DIN 5007-1 does: umlauts as their base letter.
func (l *language) sortKey(s string) string {
	var words []string
	for s := clean(clip(s, maxValue)); len(words) < maxSortKey; {
		w, i := nextWord(s)
		if w == "" {
			break
		}
		words = append(words, foldAccents(w))
		s = s[i+len(w):]
	}
	return strings.Join(words, " ")
}

// analyzer turns text into terms. It may be used concurrently.
type analyzer struct {
	dictionary *dictionary
	stop       map[string]bool
	stem       bool
	split      bool

	cache wordCache
}

// valueBreak parts values that are indexed as one text; no phrase reaches over
// it. It never occurs in clean text.
const (
	valueBreak    = '\x1E'
	breakDistance = 100 // words
)

// each calls f with the terms of a text in order. All terms of one word share its
// position; a stop word leaves a gap. Where the word stands in the text is not
// told, because it would only make the index larger.
func (a *analyzer) each(s string, f func(term []byte, position int)) {
	position := 0
	for {
		word, i := nextWord(s)
		if word == "" {
			return
		}
		if strings.IndexByte(s[:i], valueBreak) >= 0 {
			position += breakDistance
		}
		s = s[i+len(word):]
		position++
		for _, term := range a.terms(word) {
			f(term, position)
		}
	}
}

// terms returns what a word is indexed or searched as: nothing for a stop
// word, else its stem and, when splitting, the stems of its parts. The result
// is shared and must not be changed.
func (a *analyzer) terms(word string) [][]byte {
	if len(word) > maxWord {
		word = clip(word, maxWord)
	}
	if t, ok := a.cache.load(word); ok {
		return t
	}
	t := a.derive(word)
	a.cache.store(strings.Clone(word), t)
	return t
}

func (a *analyzer) derive(word string) [][]byte {
	folded := spellOut(fold(word))
	if folded == "" || a.stop[folded] {
		return nil
	}
	if !a.stem {
		return [][]byte{[]byte(folded)}
	}
	terms := [][]byte{a.stemmed(folded)}
	if !a.split {
		return terms
	}
parts:
	for _, p := range a.dictionary.parts(folded) {
		s := a.stemmed(p)
		for _, t := range terms {
			if string(t) == string(s) {
				continue parts
			}
		}
		terms = append(terms, s)
	}
	return terms
}

// stemmed takes the inflection off a folded word.
func (a *analyzer) stemmed(folded string) []byte {
	if s, ok := a.dictionary.stems[folded]; ok {
		return []byte(s)
	}
	if strings.ContainsAny(folded, "0123456789") {
		return []byte(folded)
	}
	return stem(folded)
}

// words returns the terms of each word of a query in order; stop words are
// empty strings.
func (a *analyzer) words(s string) []string {
	var out []string
	for {
		word, i := nextWord(s)
		if word == "" {
			return out
		}
		term := ""
		if t := a.terms(word); len(t) > 0 {
			term = string(t[0])
		}
		out = append(out, term)
		s = s[i+len(word):]
	}
}

var lightStemmer = de.NewGermanLightStemmerFilter()

func stem(folded string) []byte {
	return lightStemmer.Filter(analysis.TokenStream{{Term: []byte(folded)}})[0].Term
}

// spellOut completes the abbreviation of streets: "hauptstr" is "hauptstrasse".
func spellOut(folded string) string {
	if strings.HasSuffix(folded, "str") {
		return folded + "asse"
	}
	return folded
}

// wordCache remembers the terms of words; text repeats few words often. A
// shard that is full is emptied, which bounds its memory.
type wordCache [64]struct {
	sync.RWMutex
	terms map[string][][]byte
}

const maxCachedWords = 2048 // per shard

func (c *wordCache) load(word string) ([][]byte, bool) {
	s := &c[shard(word)]
	s.RLock()
	t, ok := s.terms[word]
	s.RUnlock()
	return t, ok
}

func (c *wordCache) store(word string, terms [][]byte) {
	s := &c[shard(word)]
	s.Lock()
	if s.terms == nil || len(s.terms) >= maxCachedWords {
		s.terms = make(map[string][][]byte)
	}
	s.terms[word] = terms
	s.Unlock()
}

func shard(word string) int {
	h := uint32(2166136261)
	for i := range len(word) {
		h = (h ^ uint32(word[i])) * 16777619
	}
	return int(h>>16) % len(wordCache{})
}
