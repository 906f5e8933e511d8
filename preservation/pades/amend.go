package pades

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// complete writes anew what pdfsign does not carry over faithfully: the entries of
// the catalog, and those of an interactive form besides its fields.
func (u *update) complete(doc *document) error {
	root := doc.reader.Trailer().Key("Root")
	var entries strings.Builder
	for _, k := range root.Keys() {
		if k != "Type" && k != "AcroForm" {
			fmt.Fprintf(&entries, "  %s %s\n", encodeName(k), encodeValue(root.Key(k), root.GetPtr()))
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
			fmt.Fprintf(&entries, "    %s %s\n", encodeName(k), encodeValue(form.Key(k), form.GetPtr()))
		}
	}
	return u.replace("    /SigFlags 3\n", entries.String(), "  >>\n>>")
}

// replace puts text between two marks, the first of which occurs once. They lie in
// the catalog, the last object before the cross-reference, so that no offset but
// that of the cross-reference depends on what is between them.
func (u *update) replace(behind, text, before string) error {
	bad := func(what string) error {
		return fmt.Errorf("%w: the update has no single place for %s", ErrUnsupported, what)
	}
	if bytes.Count(u.bytes, []byte(behind)) != 1 {
		return bad(behind)
	}
	at := bytes.Index(u.bytes, []byte(behind)) + len(behind)
	n := bytes.Index(u.bytes[at:], []byte(before))
	if n < 0 {
		return bad(before)
	}
	u.bytes = bytes.Join([][]byte{u.bytes[:at], []byte(text), u.bytes[at+n:]}, nil)
	return nil
}

// move puts an update that begins at 0, with its cross-reference at the place xref,
// behind the document.
func (u *update) move(doc *document, xref int64) error {
	bad := fmt.Errorf("%w: the cross-reference of the update cannot be read", ErrUnsupported)
	f := &file{r: bytes.NewReader(u.bytes), size: int64(len(u.bytes)), left: maxRead}
	trailer, stream, err := f.crossReference(xref)
	if err != nil || len(f.sections) != 1 {
		return bad
	}
	u.offset = doc.size
	s := f.sections[0]
	if stream {
		u.bytes = append(u.bytes[:xref:xref], u.moveStream(doc, xref, s, trailer)...)
	} else {
		if number(lookup(trailer, "Size")) < s.first+s.count {
			return fmt.Errorf("%w: its trailer has an unusual Size", ErrUnsupported)
		}
		for ; s.count > 0; s.count-- {
			row := u.bytes[s.at : s.at+10]
			copy(row, fmt.Sprintf("%010d", number(string(row))+u.offset))
			s.at += 20
		}
		end := bytes.LastIndex(u.bytes, []byte("startxref"))
		if int64(end) < s.at {
			return bad
		}
		u.bytes = u.bytes[:end]
	}
	u.bytes = fmt.Appendf(u.bytes, "startxref\n%d\n%%%%EOF\n", u.offset+xref)
	return nil
}

// moveStream returns the cross-reference stream of an update, which lies at the place
// xref in it, with offsets behind the document (ISO 32000-2, 7.5.8), and with what
// pdfsign leaves out: its own entry, and the reference to the document information.
func (u *update) moveStream(doc *document, xref int64, s section, trailer []entry) []byte {
	own := s.first + s.count
	var rows bytes.Buffer
	z := zlib.NewWriter(&rows)
	add := func(at int64) { z.Write(append(binary.BigEndian.AppendUint64([]byte{1}, uint64(u.offset+at)), 0)) }
	for row := s.rows; len(row) > 0; row = row[6:] { // pdfsign's are of 1, 4 and 1 bytes
		add(int64(binary.BigEndian.Uint32(row[1:])))
	}
	add(xref)
	z.Close()
	for _, e := range []entry{
		{"W", "[1 8 1]"}, {"Index", fmt.Sprintf("[%d %d]", s.first, s.count+1)},
		{"Length", strconv.Itoa(rows.Len())}, {"Size", strconv.FormatInt(own+1, 10)},
	} {
		trailer = replace(trailer, e)
	}
	if info := doc.reader.Trailer().Key("Info").GetPtr(); info.GetID() != 0 {
		trailer = replace(trailer, entry{"Info", fmt.Sprintf("%d %d R", info.GetID(), info.GetGen())})
	}
	return fmt.Appendf(nil, "%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\n", own, encodeDict(trailer), rows.Bytes())
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
