package search

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The query language:
//
//	Bauantrag Leipzig      all words, also inside compounds
//	"Antrag auf Stundung"  the words in this order
//	Bau*                   words that begin so
//	Meier~  Meier~2        words that differ by one or two letters
//	-Abbruch               without this
//	Garage ODER Carport    one of them (also OR, |)
//	titel:Bau az:63.10*    in the title, the reference; also name:
//	63.10-2014/0815        a reference, whole or in text
//
// Whatever is not of this form is text: an unbalanced quote, a lone minus, an
// unknown field. Only size is refused.

// Bounds of a query.
const (
	maxQuery   = 2000 // bytes
	maxClauses = 40
	minPrefix  = 2 // letters before the asterisk; fewer make it a plain word
)

type form int

const (
	formWord   form = iota // one word, or several that punctuation joins
	formPhrase             // in quotes
	formPrefix
	formFuzzy
)

// clause is one condition of a query.
type clause struct {
	not   bool
	field string // an index field, fieldText for all
	form  form
	text  string
	edits int // formFuzzy: letters that may differ
}

var queryFields = map[string]string{
	"titel": fieldTitle, "title": fieldTitle, "betreff": fieldTitle,
	"az": fieldReference, "aktenzeichen": fieldReference, "ref": fieldReference, "reference": fieldReference,
	"name": fieldName, "person": fieldName,
}

// parse reads a query as a conjunction of groups, each a disjunction of
// clauses. Negated clauses stand alone in their group.
func parse(q string) ([][]clause, error) {
	if len(q) > maxQuery {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrQuery, maxQuery)
	}
	p := parser{rest: plainMarks(clean(q))}
	var groups [][]clause
	n, either := 0, false
	for {
		word, quoted := p.next()
		if word == "" && !quoted {
			break
		}
		if !quoted {
			switch word {
			case "ODER", "OR", "|", "||":
				either = len(groups) > 0
				continue
			case "UND", "AND", "&", "&&", "+", "-":
				continue
			case "NICHT", "NOT":
				p.not = true
				continue
			}
		}
		c := p.clause(word, quoted)
		if n++; n > maxClauses {
			return nil, fmt.Errorf("%w: more than %d words", ErrQuery, maxClauses)
		}
		if last := len(groups) - 1; either && !c.not && !groups[last][0].not {
			groups[last] = append(groups[last], c)
		} else {
			groups = append(groups, []clause{c})
		}
		either = false
	}
	return groups, nil
}

// plainMarks replaces typographic quotes, which word processors and phones insert.
func plainMarks(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '„', '“', '”', '«', '»', '‟', '〝', '〞':
			return '"'
		}
		return r
	}, s)
}

type parser struct {
	rest  string
	not   bool   // of the clause that is being read
	field string // likewise
}

// next returns the next piece of the query: a word up to white space, or what
// stands between quotes. Sign and field before it are noted in the parser.
func (p *parser) next() (word string, quoted bool) {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	p.field = ""
	if len(p.rest) > 1 && (p.rest[0] == '-' || p.rest[0] == '+') && !startsWithSpace(p.rest[1:]) {
		p.not = p.not || p.rest[0] == '-'
		p.rest = p.rest[1:]
	}
	if i := strings.IndexByte(p.rest, ':'); i > 0 && i < len(p.rest)-1 && !startsWithSpace(p.rest[i+1:]) {
		if f, ok := queryFields[strings.ToLower(p.rest[:i])]; ok {
			p.field, p.rest = f, p.rest[i+1:]
		}
	}
	if strings.HasPrefix(p.rest, `"`) {
		if i := strings.IndexByte(p.rest[1:], '"'); i >= 0 {
			word, p.rest = p.rest[1:i+1], p.rest[i+2:]
			return word, true
		}
	}
	end := strings.IndexFunc(p.rest, unicode.IsSpace)
	if end < 0 {
		end = len(p.rest)
	}
	// A quote in the middle ends the word, so that a"b c" is not torn apart.
	if i := strings.IndexByte(p.rest[:end], '"'); i > 0 && strings.Count(p.rest, `"`) > 1 {
		end = i
	}
	word, p.rest = p.rest[:end], p.rest[end:]
	return word, false
}

func startsWithSpace(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsSpace(r)
}

func (p *parser) clause(word string, quoted bool) clause {
	c := clause{not: p.not, field: p.field, text: word}
	p.not = false
	if c.field == "" {
		c.field = fieldText
	}
	if quoted {
		c.form = formPhrase
		return c
	}
	if text, ok := strings.CutSuffix(word, "*"); ok && lettersIn(text) >= minPrefix && endsInWord(text) {
		c.form, c.text = formPrefix, text
		return c
	}
	for suffix, edits := range map[string]int{"~": 1, "~1": 1, "~2": 2} {
		if text, ok := strings.CutSuffix(word, suffix); ok && lettersIn(text) > 2 {
			c.form, c.text, c.edits = formFuzzy, text, edits
		}
	}
	return c
}

func lettersIn(s string) int {
	n := 0
	for _, r := range s {
		if isWord(r) {
			n++
		}
	}
	return n
}

func endsInWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return isWord(r)
}
