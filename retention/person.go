package retention

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// How surely a record is about the person who asks. A person decides which are meant.
const (
	MatchID      = "id"      // the identifier is the same
	MatchExact   = "exact"   // the same names, in any order and writing of umlauts, and no other day of birth
	MatchVariant = "variant" // names that sound alike, or another day of birth
)

// Candidate is a record that may be about a person.
type Candidate struct {
	Record    preservation.RecordID `json:"record_id"`
	Title     string                `json:"title"`
	Reference string                `json:"reference,omitempty"`
	Class     string                `json:"class"`
	Subject   preservation.Subject  `json:"subject"`
	Match     string                `json:"match"`
}

// maxCandidates is how many are listed: more say that the name alone does not do.
const maxCandidates = 1000

// Candidates looks through the persons whom records name among their subjects.
// Records that hold a name in their files only are not found here.
func (o *Officer) Candidates(ctx context.Context, t *catalog.Tenant, who preservation.Subject) (all []Candidate, err error) {
	const page = 2000
	wanted := newPerson(who)
	var after preservation.RecordID
	for {
		rows, err := t.View().Persons(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			after = r.Record
			best := Candidate{}
			for _, s := range r.Subjects {
				m := wanted.match(s)
				if m != "" && (best.Match == "" || rank(m) < rank(best.Match)) {
					best = Candidate{r.Record, r.Title, r.Reference, r.Class, s, m}
				}
			}
			if best.Match != "" && len(all) < maxCandidates {
				all = append(all, best)
			}
		}
		if len(rows) < page {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b Candidate) int { return rank(a.Match) - rank(b.Match) })
	return all, nil
}

func rank(match string) int { return slices.Index([]string{MatchID, MatchExact, MatchVariant}, match) }

// person is a name made comparable.
type person struct {
	preservation.Subject
	words  []string
	sounds []string
}

func newPerson(s preservation.Subject) person {
	p := person{Subject: s, words: nameWords(s.Name)}
	for _, w := range p.words {
		p.sounds = append(p.sounds, sound(w))
	}
	slices.Sort(p.sounds)
	return p
}

func (p *person) match(s preservation.Subject) string {
	if p.ID != "" && p.ID == s.ID {
		return MatchID
	}
	other := newPerson(s)
	if len(p.words) == 0 || len(other.words) == 0 {
		return ""
	}
	alike := !(!p.Born.IsZero() && !s.Born.IsZero() && p.Born != s.Born)
	switch {
	case slices.Equal(p.words, other.words) && alike:
		return MatchExact
	case slices.Equal(p.words, other.words), covered(p.sounds, other.sounds) || covered(other.sounds, p.sounds):
		return MatchVariant
	}
	return ""
}

// covered reports whether all of at least two sounds are among others: a second first
// name may be missing, a surname alone is not enough unless it is all there is.
func covered(some, all []string) bool {
	if len(some) < 2 && len(all) > 1 {
		return false
	}
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

// titles are words of a name that tell nobody apart.
var titles = []string{"dr", "prof", "dipl", "ing", "med", "herr", "frau", "geb"}

// nameWords are the words of a name in the order of the alphabet, in lower case,
// umlauts as two letters and other accents gone.
func nameWords(name string) []string {
	folded := strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss").Replace(norm.NFC.String(strings.ToLower(name)))
	folded = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case unicode.IsLetter(r), unicode.IsDigit(r):
			return r
		}
		return ' '
	}, norm.NFD.String(folded))
	words := slices.DeleteFunc(strings.Fields(folded), func(w string) bool { return slices.Contains(titles, w) })
	slices.Sort(words)
	return words
}

// sound is the Kölner Phonetik of a word (H. J. Postel, 1969): German names that sound
// alike have the same digits. What is no Latin letter stays as it is.
func sound(word string) string {
	letters := []rune(strings.NewReplacer("ae", "a", "oe", "o", "ue", "u").Replace(word))
	at := func(i int) rune {
		if i < 0 || i >= len(letters) {
			return 0
		}
		return letters[i]
	}
	var code []rune
	for i, r := range letters {
		var c string
		switch {
		case strings.ContainsRune("aeijouy", r):
			c = "0"
		case r == 'h':
			continue
		case r == 'b', r == 'p' && at(i+1) != 'h':
			c = "1"
		case (r == 'd' || r == 't') && !strings.ContainsRune("csz", nonzero(at(i+1))):
			c = "2"
		case strings.ContainsRune("fvwp", r):
			c = "3"
		case strings.ContainsRune("gkq", r):
			c = "4"
		case r == 'c':
			c = "8"
			if i == 0 && strings.ContainsRune("ahkloqrux", nonzero(at(1))) || i > 0 && strings.ContainsRune("ahkoqux", nonzero(at(i+1))) && !strings.ContainsRune("sz", at(i-1)) {
				c = "4"
			}
		case r == 'x':
			c = "48"
			if strings.ContainsRune("ckq", nonzero(at(i-1))) {
				c = "8"
			}
		case r == 'l':
			c = "5"
		case r == 'm', r == 'n':
			c = "6"
		case r == 'r':
			c = "7"
		case strings.ContainsRune("szdt", r):
			c = "8"
		default:
			c = string(r)
		}
		for _, d := range c {
			if len(code) == 0 || code[len(code)-1] != d {
				code = append(code, d)
			}
		}
	}
	out := []rune{}
	for i, d := range code {
		if d != '0' || i == 0 {
			out = append(out, d)
		}
	}
	return string(out)
}

// nonzero is a rune that no list of letters holds in place of none.
func nonzero(r rune) rune {
	if r == 0 {
		return ' '
	}
	return r
}
