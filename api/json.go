package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"bestand/preservation"
)

// checkJSON reads a JSON text along its schema and returns every place where
// the two have not the same shape: fields that do not exist, fields given
// twice, values of another type, days that are not in the calendar. Limits are
// the validator's business (validate.go).
//
// encoding/json alone would take "Title" for "title", the last of two equal
// keys, and a replacement character for broken UTF-8, all without a word.
func checkJSON(text []byte, schema *openapi3.Schema) error {
	if !utf8.Valid(text) {
		return malformed.because("not UTF-8 at %s", position(text, invalidUTF8(text)))
	}
	w := walk{dec: json.NewDecoder(bytes.NewReader(text))}
	w.dec.UseNumber()
	err := w.value(schema, "")
	if err == nil {
		if _, err = w.dec.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			return malformed.because("something follows the JSON text at %s", position(text, w.dec.InputOffset()))
		}
	}
	var syntax *json.SyntaxError
	switch {
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

type walk struct {
	dec   *json.Decoder
	found []FieldError
}

func (w *walk) add(path, code, format string, args ...any) {
	if len(w.found) < maxFound {
		w.found = append(w.found, fieldError(path, code, fmt.Sprintf(format, args...)))
	}
}

// value reads one value. A nil schema permits everything.
func (w *walk) value(s *openapi3.Schema, path string) error {
	token, err := w.dec.Token()
	if err != nil {
		return err
	}
	is := "null"
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			if !permits(s, "object") {
				w.add(path, "type", "must be %s, not object", wanted(s))
				s = nil
			}
			return w.object(s, path)
		}
		if !permits(s, "array") {
			w.add(path, "type", "must be %s, not array", wanted(s))
			s = nil
		}
		return w.array(s, path)
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
			w.add(path, s.Format, "%.40q is not %s", t, formats[s.Format])
		}
	}
	if !permits(s, is) {
		w.add(path, "type", "must be %s, not %s", wanted(s), is)
	}
	return nil
}

func (w *walk) object(s *openapi3.Schema, path string) error {
	seen := map[string]bool{}
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		name := token.(string) // the decoder refuses anything else as key
		at := join(path, name)
		if seen[name] {
			w.add(at, "duplicate", "is given twice")
		}
		seen[name] = true
		below, known := property(s, name)
		if !known {
			w.add(at, "unknown-field", "there is no such field")
		}
		if err := w.value(below, at); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

func (w *walk) array(s *openapi3.Schema, path string) error {
	var items *openapi3.Schema
	if s != nil && s.Items != nil {
		items = s.Items.Value
	}
	for i := 0; w.dec.More(); i++ {
		if err := w.value(items, fmt.Sprintf("%s[%d]", path, i)); err != nil {
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

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
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
