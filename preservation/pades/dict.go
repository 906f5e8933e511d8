package pades

import (
	"encoding/hex"
	"unicode/utf16"
	"unicode/utf8"
)

// dict is a PDF dictionary with its direct values: names and strings decoded,
// numbers and keywords as they stand, arrays and dictionaries only as present.
type dict map[string]string

// parseDict reads the first dictionary of b (ISO 32000-2, 7.3.7), taking what
// it finds when the bytes end too early. Of a key that occurs twice the first
// value counts.
func parseDict(b []byte) dict {
	l := lexer{b: b}
	for t, _ := l.next(); t != dictOpen; t, _ = l.next() {
		if t == end {
			return nil
		}
	}
	d := make(dict)
	key, depth := "", 0
	put := func(v string) {
		if _, ok := d[key]; key != "" && !ok {
			d[key] = v
		}
		key = ""
	}
	for {
		t, v := l.next()
		switch t {
		case end:
			return d
		case dictOpen, arrayOpen:
			if depth == 0 {
				put("")
			}
			depth++
		case dictClose, arrayClose:
			if depth == 0 {
				return d
			}
			depth--
		default:
			switch {
			case depth > 0:
			case t == name && key == "":
				key = v
			default:
				put(v) // of "1 0 R" only the first number, and no key follows it
			}
		}
	}
}

type token int

const (
	end token = iota
	dictOpen
	dictClose
	arrayOpen
	arrayClose
	name
	text
	word // number or keyword
)

// lexer reads PDF tokens (ISO 32000-2, 7.2). It never fails: what is no token
// is skipped.
type lexer struct {
	b []byte
	i int
}

func (l *lexer) next() (token, string) {
	for l.i < len(l.b) {
		c := l.b[l.i]
		switch {
		case isSpace(c):
			l.i++
		case c == '%':
			for l.i < len(l.b) && l.b[l.i] != '\n' && l.b[l.i] != '\r' {
				l.i++
			}
		case c == '[':
			l.i++
			return arrayOpen, ""
		case c == ']':
			l.i++
			return arrayClose, ""
		case c == '<' || c == '>':
			if l.i+1 < len(l.b) && l.b[l.i+1] == c {
				l.i += 2
				if c == '<' {
					return dictOpen, ""
				}
				return dictClose, ""
			}
			l.i++
			if c == '<' {
				return text, l.hexString()
			}
		case c == '(':
			l.i++
			return text, l.literal()
		case c == '/':
			l.i++
			return name, l.name()
		case isDelimiter(c):
			l.i++
		default:
			start := l.i
			for l.i < len(l.b) && !isSpace(l.b[l.i]) && !isDelimiter(l.b[l.i]) {
				l.i++
			}
			return word, string(l.b[start:l.i])
		}
	}
	return end, ""
}

func (l *lexer) name() string {
	var out []byte
	for l.i < len(l.b) && !isSpace(l.b[l.i]) && !isDelimiter(l.b[l.i]) {
		c := l.b[l.i]
		if c == '#' && l.i+2 < len(l.b) {
			if v, err := hex.DecodeString(string(l.b[l.i+1 : l.i+3])); err == nil {
				out = append(out, v[0])
				l.i += 3
				continue
			}
		}
		out = append(out, c)
		l.i++
	}
	return string(out)
}

func (l *lexer) hexString() string {
	var digits []byte
	for l.i < len(l.b) && l.b[l.i] != '>' {
		if c := l.b[l.i]; isHex(c) {
			digits = append(digits, c)
		}
		l.i++
	}
	l.i++
	if len(digits)%2 == 1 {
		digits = append(digits, '0')
	}
	out, _ := hex.DecodeString(string(digits)) // digits are hex
	return string(out)
}

func (l *lexer) literal() string {
	var out []byte
	for depth := 1; l.i < len(l.b); l.i++ {
		c := l.b[l.i]
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				l.i++
				return string(out)
			}
		case '\\':
			out = l.escape(out)
			continue
		}
		out = append(out, c)
	}
	return string(out)
}

// escape reads what follows a backslash and leaves l.i on its last byte.
func (l *lexer) escape(out []byte) []byte {
	l.i++
	if l.i >= len(l.b) {
		return out
	}
	switch c := l.b[l.i]; c {
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case '\r':
		if l.i+1 < len(l.b) && l.b[l.i+1] == '\n' {
			l.i++
		}
		return out
	case '\n':
		return out
	default:
		if c < '0' || c > '7' {
			return append(out, c)
		}
		v := 0
		for n := 0; n < 3 && l.i < len(l.b) && l.b[l.i] >= '0' && l.b[l.i] <= '7'; n++ {
			v = v<<3 | int(l.b[l.i]-'0')
			l.i++
		}
		l.i--
		return append(out, byte(v))
	}
}

func isSpace(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

func isDelimiter(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// decodeText reads a text string (ISO 32000-2, 7.9.2.2). Bytes without a mark
// are taken as Latin-1, which agrees with PDFDocEncoding for what names use.
func decodeText(s string) string {
	switch {
	case len(s) >= 2 && s[:2] == "\xfe\xff":
		var units []uint16
		for i := 2; i+1 < len(s); i += 2 {
			units = append(units, uint16(s[i])<<8|uint16(s[i+1]))
		}
		return string(utf16.Decode(units))
	case len(s) >= 3 && s[:3] == "\xef\xbb\xbf" && utf8.ValidString(s[3:]):
		return s[3:]
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// encodeText writes a text string as a hexadecimal string with byte order mark.
func encodeText(s string) string {
	b := []byte{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return "<" + hex.EncodeToString(b) + ">"
}
