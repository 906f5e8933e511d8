package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"bestand/preservation"
)

// checkJSON reads a JSON text along its schema and returns every place where
// the two have not the same shape: fields that do not exist, fields given
// twice, values of another type, days that are not in the calendar, and the first
// list that is too long, before memory is taken for its items. Other limits are the
// validator's business (validate.go).
//
// encoding/json alone would take "Title" for "title", the last of two equal
// keys, and a replacement character for broken UTF-8 or half a surrogate pair,
// all without a word.
func checkJSON(text []byte, schema *openapi3.Schema) error {
	if !utf8.Valid(text) {
		return malformed.because("not UTF-8 at %s", position(text, invalidUTF8(text)))
	}
	if at := loneSurrogate(text); at >= 0 {
		return malformed.because("half of a surrogate pair at %s", position(text, int64(at)))
	}
	w := walk{dec: json.NewDecoder(bytes.NewReader(text))}
	w.dec.UseNumber()
	err := w.value(schema)
	if err == nil {
		if _, err = w.dec.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			return malformed.because("something follows the JSON text at %s", position(text, w.dec.InputOffset()))
		}
	}
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, errEnough):
		return invalid.in(w.found...)
	case errors.Is(err, errDepth):
		return malformed.because("nested more than %d deep at %s", maxJSONDepth, position(text, w.dec.InputOffset()))
	case errors.As(err, &syntax):
		return malformed.because("%s at %s", strings.TrimPrefix(syntax.Error(), "json: "), position(text, syntax.Offset))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return malformed.because("the JSON text ends too early at %s", position(text, int64(len(text))))
	case err != nil:
		return malformed.because("%v", err)
	case len(w.found) > 0:
		return invalid.in(w.found...)
	}
	return nil
}

// maxFound ends the list of faults: who sends a thousand has one to mend.
const maxFound = 100

// maxJSONDepth is more than any body of this interface nests. Without it some
// megabytes of brackets would fill the stack, which ends the whole program.
const maxJSONDepth = 32

var (
	errEnough = errors.New("enough faults")
	errDepth  = errors.New("too deep")
)

// walk is a JSON text on its way along the schema.
type walk struct {
	dec   *json.Decoder
	path  []step // to the value that is being read
	found []FieldError
}

// step leads to a field, or without a name to an item.
type step struct {
	name string
	item int
}

// add notes a fault of the value that is being read. The path is put together
// only here: for each of a million values it would cost more than reading them.
func (w *walk) add(code, format string, args ...any) error {
	var b strings.Builder
	for i, s := range w.path {
		switch {
		case s.name == "" && s.item >= 0:
			fmt.Fprintf(&b, "[%d]", s.item)
			continue
		case i > 0:
			b.WriteByte('.')
		}
		b.WriteString(shorten(s.name))
	}
	w.found = append(w.found, fieldError(b.String(), code, fmt.Sprintf(format, args...)))
	if len(w.found) == maxFound {
		return errEnough
	}
	return nil
}

// below reads the value behind a step.
func (w *walk) below(s *openapi3.Schema, at step) error {
	if len(w.path) == maxJSONDepth {
		return errDepth
	}
	w.path = append(w.path, at)
	err := w.value(s)
	w.path = w.path[:len(w.path)-1]
	return err
}

// value reads one value. A nil schema permits everything.
func (w *walk) value(s *openapi3.Schema) error {
	token, err := w.dec.Token()
	if err != nil {
		return err
	}
	is := "null"
	switch t := token.(type) {
	case json.Delim:
		is = map[json.Delim]string{'{': "object", '[': "array"}[t]
		if !permits(s, is) {
			if err := w.add("type", "must be %s, not %s", wanted(s), is); err != nil {
				return err
			}
			s = nil
		}
		if t == '{' {
			return w.object(s)
		}
		return w.array(s)
	case bool:
		is = "boolean"
	case json.Number:
		is = "number"
		if _, err := t.Int64(); err == nil {
			is = "integer"
		}
	case string:
		is = "string"
		if s != nil && !calendar(s.Format, t) {
			if err := w.add(s.Format, "%.40q is not %s", t, formats[s.Format]); err != nil {
				return err
			}
		}
	}
	if !permits(s, is) {
		return w.add("type", "must be %s, not %s", wanted(s), is)
	}
	return nil
}

func (w *walk) object(s *openapi3.Schema) error {
	seen := map[string]bool{}
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		name := token.(string) // the decoder refuses anything else as key
		at := step{name: name, item: -1}
		schema, known := property(s, name)
		w.path = append(w.path, at)
		if seen[name] {
			err = w.add("duplicate", "is given twice")
		}
		if err == nil && !known {
			err = w.add("unknown-field", "there is no such field")
		}
		w.path = w.path[:len(w.path)-1]
		if err != nil {
			return err
		}
		seen[name] = true
		if err := w.below(schema, at); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

func (w *walk) array(s *openapi3.Schema) error {
	var items *openapi3.Schema
	if s != nil && s.Items != nil {
		items = s.Items.Value
	}
	for i := 0; w.dec.More(); i++ {
		if s != nil && s.MaxItems != nil && uint64(i) >= *s.MaxItems {
			if err := w.add("too-many", "at most %d", *s.MaxItems); err != nil {
				return err
			}
			return errEnough
		}
		if err := w.below(items, step{item: i}); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

// property finds the schema of a field and whether the field may exist.
func property(s *openapi3.Schema, name string) (*openapi3.Schema, bool) {
	if s == nil {
		return nil, true
	}
	if p, ok := s.Properties[name]; ok {
		return p.Value, true
	}
	if more := s.AdditionalProperties.Schema; more != nil {
		return more.Value, true
	}
	return nil, s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has
}

func permits(s *openapi3.Schema, is string) bool {
	if s == nil || s.Type == nil {
		return true
	}
	return slices.Contains(*s.Type, is) || is == "integer" && slices.Contains(*s.Type, "number")
}

func wanted(s *openapi3.Schema) string { return strings.Join(*s.Type, " or ") }

var formats = map[string]string{
	"date":      "an existing day as YYYY-MM-DD",
	"date-time": "an instant as RFC 3339 writes it",
}

// calendar reports whether a text has the format of a date, if it is to be one.
func calendar(format, text string) (ok bool) {
	switch format {
	case "date":
		_, err := preservation.ParseDate(text)
		return err == nil
	case "date-time":
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	}
	return true
}

// position names a byte as people find it in an editor.
func position(text []byte, offset int64) string {
	before := text[:min(max(offset, 0), int64(len(text)))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("line %d, column %d", line, column)
}

func invalidUTF8(text []byte) int64 {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return int64(i)
		}
		i += n
	}
	return int64(len(text))
}

// loneSurrogate finds an escape that is half of a surrogate pair: no character,
// which encoding/json would replace. It returns -1 when there is none.
func loneSurrogate(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		switch r := escaped(text[i:]); {
		case r < 0:
			i++ // an escape of another kind, or none: the decoder will say
		case !utf16.IsSurrogate(r):
			i += 5
		case utf16.DecodeRune(r, escaped(text[i+6:])) == utf8.RuneError:
			return i
		default:
			i += 11
		}
	}
	return -1
}

// escaped reads an escape such as \u00e4 at the beginning of a text, or returns -1.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
