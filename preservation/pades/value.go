package pades

import (
	"strconv"
	"strings"
)

// value reads one whole value as it stands (ISO 32000-2, 7.3), a reference
// included; ok is false when the bytes end before it does.
func (l *lexer) value() (raw string, ok bool) {
	for l.i < len(l.b) && isSpace(l.b[l.i]) {
		l.i++
	}
	start, depth := l.i, 0
	for {
		switch t, v := l.next(); t {
		case end:
			return "", false
		case dictOpen, arrayOpen:
			depth++
		case dictClose, arrayClose:
			if depth--; depth < 0 {
				return "", false
			}
		case word:
			if depth == 0 && isNumber(v) {
				l.reference()
			}
		}
		if depth == 0 {
			return strings.TrimSpace(string(l.b[start:l.i])), true
		}
	}
}

// reference goes behind the rest of a reference whose number was read, if it is one.
func (l *lexer) reference() {
	rest := *l
	if t, v := rest.next(); t != word || !isNumber(v) {
		return
	}
	if t, v := rest.next(); t == word && v == "R" {
		*l = rest
	}
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// parseEntries reads the entries of a dictionary; ok is false when it is none, or
// does not end.
func parseEntries(raw string) (all []entry, ok bool) {
	l := lexer{b: []byte(raw)}
	if t, _ := l.next(); t != dictOpen {
		return nil, false
	}
	for {
		switch t, key := l.next(); t {
		case dictClose:
			return all, true
		case name:
			v, ok := l.value()
			if !ok {
				return nil, false
			}
			all = append(all, entry{key, v})
		default:
			return nil, false
		}
	}
}

// parseArray reads the elements of an array.
func parseArray(raw string) (all []string, ok bool) {
	l := lexer{b: []byte(raw)}
	if t, _ := l.next(); t != arrayOpen {
		return nil, false
	}
	for {
		rest := l
		if t, _ := rest.next(); t == arrayClose {
			return all, true
		}
		v, ok := l.value()
		if !ok {
			return nil, false
		}
		all = append(all, v)
	}
}

func parseRef(raw string) (r ref, ok bool) {
	f := strings.Fields(raw)
	if len(f) != 3 || f[2] != "R" {
		return r, false
	}
	n, err := strconv.ParseUint(f[0], 10, 32)
	g, err2 := strconv.ParseUint(f[1], 10, 16)
	return ref{uint32(n), uint32(g)}, err == nil && err2 == nil && n > 0 && n <= maxObject
}

// lookup returns the value of a key, empty when there is none. Of a key that occurs
// twice the first value counts.
func lookup(all []entry, key string) string {
	for _, e := range all {
		if e.key == key {
			return e.value
		}
	}
	return ""
}

// replace puts an entry in the place of the one with its key, or adds it.
func replace(all []entry, e entry) (out []entry) {
	for _, old := range all {
		if old.key != e.key {
			out = append(out, old)
		}
	}
	return append(out, e)
}

// number reads a whole number; -1 when it is none.
func number(raw string) int64 {
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
