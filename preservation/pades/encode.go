package pades

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/digitorus/pdf"
)

// entry is an entry of a dictionary; its value is as it stands in the file.
type entry struct{ key, value string }

// encodeDict writes a dictionary (ISO 32000-2, 7.3.7).
func encodeDict(entries []entry) []byte {
	var b bytes.Buffer
	b.WriteString("<<")
	for _, e := range entries {
		fmt.Fprintf(&b, " %s %s\n", encodeName(e.key), e.value)
	}
	b.WriteString(">>")
	return b.Bytes()
}

// encodeValue returns a value that stands directly in the object home; everything
// else becomes a reference.
func encodeValue(v pdf.Value, home pdf.Ptr) string {
	var b bytes.Buffer
	writeValue(&b, v, home)
	return b.String()
}

func writeValue(b *bytes.Buffer, v pdf.Value, home pdf.Ptr) {
	if p := v.GetPtr(); p.GetID() != 0 && p.GetID() != home.GetID() {
		fmt.Fprintf(b, "%d %d R", p.GetID(), p.GetGen())
		return
	}
	switch v.Kind() {
	case pdf.Bool:
		fmt.Fprint(b, v.Bool())
	case pdf.Integer:
		fmt.Fprint(b, v.Int64())
	case pdf.Real:
		b.WriteString(strconv.FormatFloat(v.Float64(), 'f', -1, 64))
	case pdf.String:
		b.WriteString("<" + hex.EncodeToString([]byte(v.RawString())) + ">")
	case pdf.Name:
		b.WriteString(encodeName(v.Name()))
	case pdf.Array:
		b.WriteString("[")
		for i := range v.Len() {
			b.WriteString(" ")
			writeValue(b, v.Index(i), home)
		}
		b.WriteString(" ]")
	case pdf.Dict:
		b.WriteString("<<")
		for _, k := range v.Keys() {
			b.WriteString(" " + encodeName(k) + " ")
			writeValue(b, v.Key(k), home)
		}
		b.WriteString(" >>")
	default:
		b.WriteString("null")
	}
}

// encodeName writes a name (ISO 32000-2, 7.3.5).
func encodeName(s string) string {
	b := []byte("/")
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '#' || isDelimiter(c) {
			b = fmt.Appendf(b, "#%02x", c)
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
