package search

import (
	"slices"
	"strings"
	"unicode/utf8"

	bsearch "github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
)

// Snippet is a fragment of text with the words that matched marked. It is
// plain text in parts; whoever shows it escapes each part.
type Snippet []Part

// Part is a piece of a snippet.
type Part struct {
	Text  string
	Match bool
}

const (
	maxSnippets    = 3
	snippetContext = 80       // bytes before and after the first match
	snippetScan    = 64 << 10 // bytes of text that are looked through
)

// snippets cuts fragments from the stored text of a record.
func (f *finding) snippets(id string) ([]Snippet, error) {
	doc, err := f.snapshot.Document(id)
	if err != nil || doc == nil {
		return nil, err
	}
	body := ""
	doc.VisitFields(func(field index.Field) {
		if field.Name() == fieldBody {
			body = string(field.Value())
		}
	})
	m := newMarker(f.index.set.language, f.groups)
	return m.snippets(clip(body, snippetScan)), nil
}

// Highlight marks the words of a text that a query asks for. The text comes
// back whole, in parts.
func (s *Set) Highlight(query, text string) Snippet {
	groups, err := parse(query)
	if err != nil {
		return Snippet{{Text: text}}
	}
	return newMarker(s.language, groups).mark(text)
}

// marker recognises the words of a query in running text.
type marker struct {
	language *language
	terms    map[string]bool
	prefixes []string
	fuzzy    []fuzzyTerm
}

type fuzzyTerm struct {
	term  string
	edits int
}

func newMarker(l *language, groups [][]clause) *marker {
	m := &marker{language: l, terms: map[string]bool{}}
	for _, g := range groups {
		for _, c := range g {
			if c.not {
				continue
			}
			words := l.query.words(c.text)
			folded := l.names.words(c.text)
			for i, w := range words {
				last := i == len(words)-1
				switch {
				case c.form == formPrefix && last:
					m.prefixes = append(m.prefixes, folded[i])
					if w != "" {
						m.terms[w] = true
					}
				case w == "":
				case c.form == formFuzzy:
					m.fuzzy = append(m.fuzzy, fuzzyTerm{w, c.edits}, fuzzyTerm{folded[i], c.edits})
				default:
					m.terms[w] = true
				}
			}
		}
	}
	return m
}

func (m *marker) matches(word string) bool {
	for _, t := range m.language.index.terms(word) {
		if m.terms[string(t)] {
			return true
		}
		for _, p := range m.prefixes {
			if strings.HasPrefix(string(t), p) {
				return true
			}
		}
		for _, f := range m.fuzzy {
			if abs(len(t)-len(f.term)) <= f.edits && bsearch.LevenshteinDistance(string(t), f.term) <= f.edits {
				return true
			}
		}
	}
	return false
}

func abs(n int) int { return max(n, -n) }

// mark cuts a text into parts that match and parts that do not.
func (m *marker) mark(text string) Snippet {
	var out Snippet
	plain, at := 0, 0
	for {
		word, i := nextWord(text[at:])
		if word == "" {
			break
		}
		start := at + i
		at = start + len(word)
		if !m.matches(word) {
			continue
		}
		if start > plain {
			out = append(out, Part{Text: text[plain:start]})
		}
		out = append(out, Part{Text: text[start:at], Match: true})
		plain = at
	}
	if plain < len(text) {
		out = append(out, Part{Text: text[plain:]})
	}
	return out
}

// snippets returns the first fragments of the text that hold a match, each once.
func (m *marker) snippets(text string) []Snippet {
	var out []Snippet
	at := 0
	for len(out) < maxSnippets {
		word, i := nextWord(text[at:])
		if word == "" {
			break
		}
		start := at + i
		at = start + len(word)
		if !m.matches(word) {
			continue
		}
		from := wordStart(text, max(start-snippetContext, 0))
		to := min(at+snippetContext, len(text))
		if to < len(text) {
			if space := strings.LastIndexAny(text[at:to], " \n\t"); space >= 0 {
				to = at + space
			} else {
				to = at
			}
		}
		s := m.mark(strings.Join(strings.Fields(text[from:to]), " "))
		if !slices.ContainsFunc(out, func(o Snippet) bool { return slices.Equal(o, s) }) { // a document and its rendition say the same
			out = append(out, s)
		}
		at = to
	}
	return out
}

// wordStart moves i forward to the start of a word, or of a character at least.
func wordStart(s string, i int) int {
	if i == 0 {
		return 0
	}
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	if space := strings.IndexAny(s[i:min(i+40, len(s))], " \n\t"); space >= 0 {
		return i + space + 1
	}
	return i
}
