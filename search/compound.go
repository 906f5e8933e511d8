package search

import (
	_ "embed"
	"strings"
)

//go:embed dictionary.txt
var dictionaryText string

//go:embed stopwords.txt
var stopText string

// dictionary knows the words that compounds of municipal administration are
// made of. All its words are folded.
type dictionary struct {
	words   map[string]bool
	opaque  map[string]bool   // words that look like compounds and are none
	stems   map[string]string // words whose stem the stemmer would get wrong
	longest int
}

// newDictionary reads the list: words apart by white space, "#" begins a
// comment; a line that begins with "!" lists words never to be taken apart, a
// line that begins with "=" lists forms of its first word.
func newDictionary(text string) *dictionary {
	d := &dictionary{words: map[string]bool{}, opaque: map[string]bool{}, stems: map[string]string{}}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind := byte(0)
		if line = strings.TrimSpace(line); line != "" && (line[0] == '!' || line[0] == '=') {
			kind, line = line[0], line[1:]
		}
		first := ""
		for w := range strings.FieldsSeq(line) {
			w = fold(w)
			switch kind {
			case '!':
				d.opaque[w] = true
			case '=':
				if first == "" {
					first = w
				}
				d.stems[w] = first
			default:
				d.words[w] = true
				d.longest = max(d.longest, len(w))
			}
		}
	}
	return d
}

// Letters between the parts of a compound, and endings of its last part.
var (
	joints  = []string{"", "s", "es", "n", "en", "er", "e", "ens", "ns"}
	endings = []string{"", "s", "es", "n", "en", "er", "e", "ern", "em", "in", "innen"}
)

const (
	minPart     = 3  // letters of the shortest part
	minCompound = 6  // letters of the shortest compound
	maxCompound = 64 // and of the longest that is looked at
	minAnchored = 5  // letters of a part whose neighbour is unknown
)

// parts takes a folded word apart. It returns every dictionary word that is
// part of a division of the whole word into dictionary words: Grundstück,
// Grund and Stück in "grundstucksverkehr". So "gesamt" does not hold Amt, nor
// "gewerbe" Erbe. Where no division covers the word, because a name or a rare
// word is in it, long dictionary words at its end or beginning are taken:
// Straße in "goethestrasse".
func (d *dictionary) parts(word string) []string {
	n := len(word)
	if n < minCompound || n > maxCompound || d.opaque[word] || !isLetters(word) {
		return nil
	}
	if _, ok := d.stems[word]; ok {
		return nil
	}
	ends := d.ends(word)
	if ends[0] {
		return d.inside(word, ends)
	}
	return d.anchored(word, ends)
}

// ends tells for each position whether the rest of the word, beginning there
// with a dictionary word, can be divided.
func (d *dictionary) ends(word string) []bool {
	n := len(word)
	ends := make([]bool, n+1)
	for i := n - minPart; i >= 0; i-- {
		for j := i + minPart; j <= min(n, i+d.longest) && !ends[i]; j++ {
			ends[i] = d.words[word[i:j]] && d.closes(word, j, ends)
		}
	}
	return ends
}

// closes reports whether the word may go on after position j: with an ending,
// or with a joint and another part.
func (d *dictionary) closes(word string, j int, ends []bool) bool {
	for _, e := range endings {
		if word[j:] == e {
			return true
		}
	}
	for _, l := range joints {
		if k := j + len(l); k < len(word) && ends[k] && word[j:k] == l {
			return true
		}
	}
	return false
}

// inside lists the parts of all divisions of the word.
func (d *dictionary) inside(word string, ends []bool) []string {
	n := len(word)
	begins := make([]bool, n+1)
	begins[0] = true
	var parts []string
	for i := 0; i <= n-minPart; i++ {
		if !begins[i] || !ends[i] {
			continue
		}
		for j := i + minPart; j <= min(n, i+d.longest); j++ {
			if !d.words[word[i:j]] || !d.closes(word, j, ends) {
				continue
			}
			parts = append(parts, word[i:j])
			for _, l := range joints {
				if k := j + len(l); k <= n && word[j:k] == l {
					begins[k] = true
				}
			}
		}
	}
	return parts
}

// anchored lists long parts at the end of the word, with all that follows
// them, and long parts at its beginning.
func (d *dictionary) anchored(word string, ends []bool) []string {
	n := len(word)
	var parts []string
	for i := minPart; i <= n-minAnchored; i++ {
		if !ends[i] {
			continue
		}
		long := false
		for j := i + minAnchored; j <= min(n, i+d.longest) && !long; j++ {
			long = d.words[word[i:j]] && d.closes(word, j, ends)
		}
		if long {
			return d.inside(word[i:], ends[i:])
		}
	}
	for j := min(n-4, d.longest); j >= minAnchored; j-- {
		if d.words[word[:j]] {
			return append(parts, word[:j])
		}
	}
	return parts
}

func isLetters(s string) bool {
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return true
}
