package aip

import (
	"bufio"
	"encoding/base64"
	"encoding/xml"
	"io"
	"unicode/utf8"
)

// xmlWriter writes a document whose bytes depend on nothing but the calls.
// Errors are kept until flush.
type xmlWriter struct {
	w    *bufio.Writer
	open []string
}

func newXMLWriter(w io.Writer) *xmlWriter {
	x := &xmlWriter{w: bufio.NewWriter(w)}
	x.w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	return x
}

// start opens an element; attrs are names and values in turn.
func (x *xmlWriter) start(name string, attrs ...string) {
	x.tag(name, attrs)
	x.w.WriteString(">\n")
	x.open = append(x.open, name)
}

// end closes the element that was opened last.
func (x *xmlWriter) end() {
	name := x.open[len(x.open)-1]
	x.open = x.open[:len(x.open)-1]
	x.indent()
	x.w.WriteString("</" + name + ">\n")
}

// leaf writes an element with text only.
func (x *xmlWriter) leaf(name, text string, attrs ...string) {
	x.tag(name, attrs)
	x.w.WriteByte('>')
	x.text(text)
	x.w.WriteString("</" + name + ">\n")
}

// empty writes an element with attributes only.
func (x *xmlWriter) empty(name string, attrs ...string) {
	x.tag(name, attrs)
	x.w.WriteString("/>\n")
}

func (x *xmlWriter) tag(name string, attrs []string) {
	x.indent()
	x.w.WriteString("<" + name)
	for i := 0; i < len(attrs); i += 2 {
		x.w.WriteString(" " + attrs[i] + `="`)
		x.text(attrs[i+1])
		x.w.WriteByte('"')
	}
}

// text escapes s; what XML 1.0 cannot hold becomes U+FFFD.
func (x *xmlWriter) text(s string) {
	if plainText(s) {
		x.w.WriteString(s)
		return
	}
	xml.EscapeText(x.w, []byte(s)) // its error is the bufio.Writer's, which flush returns
}

func (x *xmlWriter) indent() {
	for range x.open {
		x.w.WriteByte(' ')
	}
}

func (x *xmlWriter) flush() error { return x.w.Flush() }

// plainText reports whether s needs no escaping: the common case, and the fast one.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf-1 || c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' {
			return false
		}
	}
	return true
}

// xmlHolds reports whether s survives in XML 1.0: UTF-8 of the production Char.
func xmlHolds(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}

// xmlSeen returns s as a reader of the XML sees it.
func xmlSeen(s string) string {
	if xmlHolds(s) {
		return s
	}
	seen := make([]rune, 0, len(s))
	for _, r := range s { // an invalid byte gives U+FFFD
		if !xmlHolds(string(r)) {
			r = utf8.RuneError
		}
		seen = append(seen, r)
	}
	return string(seen)
}

// ownNamespace holds the elements of this format inside the extension points
// of PREMIS.
const ownNamespace = "urn:bestand:aip:1"

// raw writes, inside a PREMIS extension element, the bytes of a text that XML
// cannot hold.
func (x *xmlWriter) raw(extension, field, s string) {
	x.start(extension)
	x.leaf("b:raw", base64.StdEncoding.EncodeToString([]byte(s)), "xmlns:b", ownNamespace, "field", field, "encoding", "base64")
	x.end()
}
