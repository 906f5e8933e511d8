package preservation

import "unicode"

// Unprintable reports what text must not hold: what XML 1.0 §2.2 excludes, the other control
// characters but tab, line feed and carriage return, and the marks of Unicode's UAX #9
// that override directions.
func Unprintable(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return false
	case r == 0xFFFE, r == 0xFFFF, r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return unicode.IsControl(r)
}
