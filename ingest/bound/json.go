package bound

import "encoding/json"

// jsonValues is how many values an answer in JSON may have: a record of the most
// files that there can be, with their events, has fewer.
const jsonValues = 2 << 20

// JSON decodes an answer of a program that a hostile file may have taken over. Of
// "{}," repeated, encoding/json makes a hundred times its bytes; more values than a
// truthful answer has are ErrTooMuch.
func JSON(b []byte, v any) error {
	if values(b) > jsonValues {
		return ErrTooMuch
	}
	return json.Unmarshal(b, v)
}

// values counts what opens or separates values, outside of strings.
func values(b []byte) (n int) {
	inside := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case !inside && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}
