package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// clean brings text into one form: valid UTF-8, compatibility-composed (NFKC,
// so that ligatures and decomposed umlauts are plain letters), without soft
// hyphens and zero-width characters. The result may be longer than s.
func clean(s string) string {
	if isPlain(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "�")
	s = norm.NFKC.String(s)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\u00AD' || (r >= '\u200B' && r <= '\u200D') || r == '\u2060' || r == '\uFEFF':
			return -1
		case r < ' ' && r != '\n' && r != '\t', r == 0x7F:
			return ' '
		}
		return r
	}, s)
}

func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7F || (c < ' ' && c != '\n' && c != '\t') {
			return false
		}
	}
	return true
}

// dehyphenate joins words that a line break has parted ("Bau-\nantrag"), except
// before a conjunction ("Bau-\nund Umweltamt").
func dehyphenate(s string) string {
	if !strings.Contains(s, "-\n") && !strings.Contains(s, "-\r") && !strings.Contains(s, "- \n") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.IndexByte(s, '-')
		if i < 0 {
			break
		}
		rest := s[i+1:]
		next := strings.TrimLeft(rest, " \t\r\n")
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(next)
		broken := strings.Contains(rest[:len(rest)-len(next)], "\n") &&
			unicode.IsLetter(before) && unicode.IsLower(after) && !startsWithConjunction(next)
		if broken {
			b.WriteString(s[:i])
			s = next
		} else {
			b.WriteString(s[:i+1])
			s = rest
		}
	}
	b.WriteString(s)
	return b.String()
}

func startsWithConjunction(s string) bool {
	for _, w := range []string{"und", "oder", "bzw", "sowie", "bis"} {
		if rest, ok := strings.CutPrefix(s, w); ok {
			r, _ := utf8.DecodeRuneInString(rest)
			return !unicode.IsLetter(r)
		}
	}
	return false
}

// fold makes the spellings of a word meet: lower case, no diacritics, ß as ss,
// and the transcriptions ae, oe, ue as a, o, u. As in the normalisation that
// Lucene uses for German, "ue" stays after a vowel or q (Steuer, Quelle).
func fold(word string) string {
	b := make([]byte, 0, len(word)+2)
	const (
		neutral = iota
		vowel   // keeps a following u from beginning an umlaut
		umlaut  // a following e is deleted
	)
	state := neutral
	put := func(r rune) {
		switch r {
		case 'a', 'o':
			state = umlaut
		case 'u':
			if state == neutral {
				state = umlaut
			} else {
				state = vowel
			}
		case 'e':
			deleted := state == umlaut
			state = vowel
			if deleted {
				return
			}
		case 'i', 'q', 'y':
			state = vowel
		default:
			state = neutral
		}
		b = utf8.AppendRune(b, r)
	}
	if isASCII(word) {
		for i := range len(word) {
			c := word[i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			put(rune(c))
		}
		return string(b)
	}
	for _, r := range norm.NFKD.String(word) {
		r = unicode.ToLower(r)
		switch {
		case unicode.Is(unicode.Mn, r):
			state = vowel // the letter before was no transcription
		case r == 'ß':
			b, state = append(b, "ss"...), neutral
		case r == 'æ':
			b, state = append(b, 'a'), vowel
		case r == 'ø' || r == 'œ':
			b, state = append(b, 'o'), vowel
		case r == 'ł':
			put('l')
		case r == 'đ' || r == 'ð':
			put('d')
		default:
			put(r)
		}
	}
	return string(b)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// wordEnd returns the length of the word that s begins with: letters, digits
// and the marks on them. Everything else parts words, so that references,
// dates and file names fall into the pieces that people search for.
func wordEnd(s string) int {
	for i, r := range s {
		if !isWord(r) {
			return i
		}
	}
	return len(s)
}

func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
}

// nextWord returns the first word of s and where it begins, or an empty word
// when there is none.
func nextWord(s string) (word string, start int) {
	for i, r := range s {
		if isWord(r) {
			return s[i : i+wordEnd(s[i:])], i
		}
	}
	return "", len(s)
}

// foldAccents is fold without undoing transcriptions, which would put Poet
// before Pol in a sorted list.
func foldAccents(word string) string {
	if isASCII(word) {
		return strings.ToLower(word)
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(word) {
		switch r = unicode.ToLower(r); {
		case unicode.Is(unicode.Mn, r):
		case r == 'ß':
			b.WriteString("ss")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
