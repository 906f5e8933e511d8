package pades

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/digitorus/pdf"
)

// complete writes anew what pdfsign does not carry over faithfully: the entries
// of the catalog, those of an interactive form besides its fields, and the
// reference to the document information in a cross-reference stream.
func (u *update) complete(doc *document) error {
	trailer := doc.reader.Trailer()
	root := trailer.Key("Root")
	var entries strings.Builder
	for _, k := range root.Keys() {
		if k != "Type" && k != "AcroForm" {
			encodeEntry(&entries, k, root.Key(k), root.GetPtr())
		}
	}
	if root.Key("Version").IsNull() && doc.reader.PDFVersion < "1.5" {
		entries.WriteString("  /Version /1.5\n") // of signature fields and flags, ISO 32000-2, 7.5.2
	}
	if err := u.replace("<<\n  /Type /Catalog\n", entries.String(), "  /AcroForm <<\n    /Fields ["); err != nil {
		return err
	}
	form := root.Key("AcroForm")
	entries.Reset()
	for _, k := range form.Keys() {
		if k != "Fields" && k != "SigFlags" {
			encodeEntry(&entries, k, form.Key(k), form.GetPtr())
		}
	}
	if err := u.replace("    /SigFlags 3\n", entries.String(), "  >>\n>>"); err != nil {
		return err
	}
	info := trailer.Key("Info").GetPtr()
	if doc.reader.XrefInformation.Type == "stream" && info.GetID() != 0 {
		return u.replace("<< /Type /XRef\n", fmt.Sprintf("  /Info %d %d R\n", info.GetID(), info.GetGen()), "  /Length ")
	}
	return nil
}

// replace puts text between two marks, each of which occurs once. They lie in
// the catalog, the last object before the cross-reference, or after it: no
// offset but that of the cross-reference itself, and the length in ByteRange,
// depends on what is between them.
func (u *update) replace(behind, text, before string) error {
	bad := func(what string) error {
		return fmt.Errorf("%w: the update has no single place for %s", ErrUnsupported, what)
	}
	at := bytes.Index(u.bytes, []byte(behind)) + len(behind)
	if bytes.Count(u.bytes, []byte(behind)) != 1 {
		return bad(behind)
	}
	to := at + bytes.Index(u.bytes[at:], []byte(before))
	if to < at {
		return bad(before)
	}
	const key = "startxref"
	number := bytes.LastIndex(u.bytes, []byte(key)) + len(key)
	if number < to+len(key) {
		return bad(key)
	}
	l := lexer{b: u.bytes, i: number}
	_, old := l.next()
	xref, err := strconv.ParseInt(old, 10, 64)
	if err != nil || xref < u.offset {
		return bad(key)
	}
	if int64(at) < xref-u.offset {
		xref += int64(len(text) - (to - at))
	}
	u.bytes = bytes.Join([][]byte{
		u.bytes[:at], []byte(text), u.bytes[to:number], fmt.Appendf(nil, "\n%d", xref), u.bytes[l.i:],
	}, nil)
	return u.stretchRange()
}

// stretchRange makes ByteRange reach to the end of the update again, within
// the room that its blanks leave.
func (u *update) stretchRange() error {
	start := bytes.Index(u.bytes, byteRangeKey)
	end := start + bytes.Index(u.bytes[max(start, 0):], []byte(" /Contents<"))
	if start < 0 || end < start {
		return fmt.Errorf("%w: the update has no ByteRange", ErrUnsupported)
	}
	r, ok := parseRanges(u.bytes[start+len(byteRangeKey) : end])
	if !ok || len(r) != 4 {
		return fmt.Errorf("%w: the update has no ByteRange", ErrUnsupported)
	}
	text := fmt.Sprintf("%s [%d %d %d %d]", byteRangeKey, r[0], r[1], r[2], u.offset+int64(len(u.bytes))-r[2])
	if len(text) > end-start {
		return fmt.Errorf("%w: no room for ByteRange", ErrUnsupported)
	}
	copy(u.bytes[start:end], text+strings.Repeat(" ", end-start-len(text)))
	return nil
}

// overwrite replaces what occurs exactly once in the update by text of the
// same length.
func (u *update) overwrite(old, with string) error {
	if len(old) != len(with) || bytes.Count(u.bytes, []byte(old)) != 1 {
		return fmt.Errorf("%w: the update has no single place for %s", ErrUnsupported, with)
	}
	copy(u.bytes[bytes.Index(u.bytes, []byte(old)):], with)
	return nil
}

func encodeEntry(b *strings.Builder, key string, v pdf.Value, home pdf.Ptr) {
	b.WriteString("  " + encodeName(key) + " ")
	encodeValue(b, v, home)
	b.WriteString("\n")
}

// encodeValue writes a value that stands directly in the object home;
// everything else becomes a reference.
func encodeValue(b *strings.Builder, v pdf.Value, home pdf.Ptr) {
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
			encodeValue(b, v.Index(i), home)
		}
		b.WriteString(" ]")
	case pdf.Dict:
		b.WriteString("<<")
		for _, k := range v.Keys() {
			b.WriteString(" " + encodeName(k) + " ")
			encodeValue(b, v.Key(k), home)
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
