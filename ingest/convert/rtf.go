package convert

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"unicode"
)

// Destinations of RTF (specification 1.9.1) that are not text of the body.
var rtfUnseen = map[string]bool{
	"fonttbl": true, "colortbl": true, "stylesheet": true, "info": true, "pict": true, "object": true, "listtable": true,
	"listoverridetable": true, "themedata": true, "header": true, "headerl": true, "headerr": true, "headerf": true,
	"footer": true, "footerl": true, "footerr": true, "footerf": true, "fldinst": true, "annotation": true, "latentstyles": true,
	"datastore": true, "xmlnstbl": true, "rsidtbl": true, "generator": true, "bkmkstart": true, "bkmkend": true, "filetbl": true,
	"revtbl": true, "userprops": true, "shppict": true, "nonshppict": true, "sp": true, "sn": true, "sv": true,
}

// rtfNumbers counts the letters of the body, well enough to tell a rendition
// that lost its text.
func rtfNumbers(file string) (numbers, error) {
	n := numbers{}
	f, err := os.Open(file)
	if err != nil {
		return n, err
	}
	defer f.Close()
	r := bufio.NewReader(io.LimitReader(f, maxParts))
	if b, err := r.Peek(5); err != nil || !bytes.Equal(b, []byte(`{\rtf`)) {
		return numbers{letters: -1, shows: true}, nil
	}
	depth, skip := 0, 0 // skip: depth of the group that does not show
	next := func() byte {
		b, err := r.ReadByte()
		if err != nil {
			return 0
		}
		return b
	}
	for {
		b, err := r.ReadByte()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		switch {
		case b == '{':
			depth++
		case b == '}':
			if depth--; depth < skip {
				skip = 0
			}
		case b == '\\':
			word, parameter := rtfWord(r)
			n.shows = n.shows || word == "pict" || word == "object" || word == "shp"
			switch {
			case word == "*" || rtfUnseen[word]:
				if skip == 0 {
					skip = depth
				}
			case word == "bin":
				if _, err := r.Discard(min(parameter, maxParts)); err != nil {
					return n, nil
				}
			case word == "'":
				hi, lo := next(), next()
				if c := unhex(hi)<<4 | unhex(lo); skip == 0 && c >= 0xC0 {
					n.letters++
				}
			case word == "u" && skip == 0 && unicode.IsLetter(rune(uint16(parameter))):
				n.letters++
			}
		case skip == 0 && b < 0x80 && unicode.IsLetter(rune(b)):
			n.letters++
		case skip == 0 && b > ' ' && b < 0x7F:
			n.shows = true
		}
	}
}

// rtfWord reads a control word or symbol after its backslash, with its parameter.
func rtfWord(r *bufio.Reader) (word string, parameter int) {
	var w []byte
	negative, digits := false, false
	for {
		b, err := r.ReadByte()
		if err != nil {
			return string(w), parameter
		}
		switch {
		case !digits && !negative && (b|0x20 >= 'a' && b|0x20 <= 'z') && len(w) < 32:
			w = append(w, b)
			continue
		case len(w) == 0:
			return string(b), 0
		case b == '-' && !digits && !negative:
			negative = true
			continue
		case b >= '0' && b <= '9' && parameter < 1<<30:
			digits, parameter = true, parameter*10+int(b-'0')
			continue
		case b != ' ':
			_ = r.UnreadByte() // was just read
		}
		if negative {
			parameter = -parameter
		}
		return string(w), parameter
	}
}

func unhex(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return b | 0x20 - 'a' + 10
	}
	return 0
}
