// Package xmltree reads the XML of submission packages and of invoices into
// memory, bounded in bytes, elements and depth, without document types, entities
// or anything that lies outside of the document. It reads UTF-8, as XÖV and METS
// are written, and other encodings for who asks for them, and keeps the place of
// every element in the file.
package xmltree

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bestand/ingest/bound"
)

// Codes of a Fault.
const (
	Malformed = "xml-malformed" // not well-formed, or in an encoding that is not read
	HasDTD    = "xml-dtd"       // a document type definition, which is never read
	TooLarge  = "xml-too-large" // above the limits
)

// A Fault says why a document cannot be read. The same bytes fail again.
type Fault struct{ Code, Detail string }

func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Limits bounds a document. A zero field takes the default.
type Limits struct {
	Bytes    int64 // default 128 MiB
	Token    int   // bytes of a text or tag; default 4 MiB
	Elements int   // that are kept; ten times as many may be left out; default 1,000,000
	Depth    int   // default 100

	// Charset reads other encodings than UTF-8 by their names. Nil: nobody does.
	Charset func(label string, r io.Reader) (io.Reader, error)
}

// maxName is how many bytes the name of an element or attribute may have, each of its
// parts: names are joined to paths, many times over.
const maxName = 256

func (l Limits) withDefaults() Limits {
	if l.Charset == nil {
		l.Charset = plainASCII
	}
	return Limits{cmp.Or(l.Bytes, 128<<20), cmp.Or(l.Token, 4<<20), cmp.Or(l.Elements, 1_000_000), cmp.Or(l.Depth, 100), l.Charset}
}

// Element is a part of a document.
type Element struct {
	Name       xml.Name
	Attr       []xml.Attr
	Text       string // its own, without white space at its ends
	Raw        string // its own, as it is written
	Children   []*Element
	Start, End int64 // bytes [Start,End) of the file
}

// Parse reads a document. skip, which may be nil, names elements that are left
// out with all that is in them; they are checked and counted all the same. The
// error is a *Fault, or one of reading r or of the context.
func Parse(ctx context.Context, r io.Reader, l Limits, skip func(local string) bool) (*Element, error) {
	l = l.withDefaults()
	p := parser{limits: l, skip: skip, src: &source{ctx: ctx, r: r, left: l.Bytes}}
	in := &bound.Tokens{R: p.src, Most: l.Token}
	d := xml.NewDecoder(in)
	d.CharsetReader = l.Charset
	for {
		start := d.InputOffset()
		t, err := d.Token()
		in.Next()
		if errors.Is(err, bound.ErrTooMuch) {
			return nil, &Fault{TooLarge, fmt.Sprintf("a text or tag of more than %d bytes", l.Token)}
		}
		if p.src.err != nil {
			return nil, p.src.err
		}
		if errors.Is(err, io.EOF) {
			if p.root == nil {
				return nil, &Fault{Malformed, "no element"}
			}
			return p.root, nil
		}
		if err != nil {
			return nil, malformed(err)
		}
		if err := p.token(t, start, d.InputOffset()); err != nil {
			return nil, err
		}
	}
}

type parser struct {
	limits  Limits
	skip    func(string) bool
	src     *source
	root    *Element
	open    []*Element
	text    []*strings.Builder
	skipped int // depth within an element that is left out
	kept    int
	seen    int
}

func (p *parser) token(t xml.Token, start, end int64) error {
	switch t := t.(type) {
	case xml.Directive:
		return &Fault{HasDTD, "it has a document type definition, which is never read"}
	case xml.StartElement:
		return p.start(t, start)
	case xml.EndElement:
		if p.skipped > 0 {
			p.skipped--
			return nil
		}
		e := p.open[len(p.open)-1]
		e.Raw, e.End = p.text[len(p.open)-1].String(), end
		e.Text = strings.TrimSpace(e.Raw)
		p.open, p.text = p.open[:len(p.open)-1], p.text[:len(p.open)-1]
	case xml.CharData:
		switch {
		case len(p.open) > 0 && p.skipped == 0:
			p.text[len(p.open)-1].Write(t)
		case len(p.open) == 0 && len(bytes.Trim(t, "\ufeff \t\r\n")) > 0:
			return &Fault{Malformed, "text outside of the root element"}
		}
	}
	return nil
}

func (p *parser) start(t xml.StartElement, start int64) error {
	p.seen++
	if longNamed(t) {
		return &Fault{TooLarge, fmt.Sprintf("a name of more than %d bytes", maxName)}
	}
	if p.skipped > 0 || len(p.open) > 0 && p.skip != nil && p.skip(t.Name.Local) {
		p.skipped++
	} else {
		p.kept++
	}
	if p.kept > p.limits.Elements || p.seen > 10*p.limits.Elements || len(p.open)+p.skipped >= p.limits.Depth {
		return &Fault{TooLarge, fmt.Sprintf("more than %d elements or %d levels", p.limits.Elements, p.limits.Depth)}
	}
	if p.skipped > 0 {
		return nil
	}
	e := &Element{Name: t.Name, Attr: t.Copy().Attr, Start: start}
	switch {
	case len(p.open) > 0:
		up := p.open[len(p.open)-1]
		up.Children = append(up.Children, e)
	case p.root == nil:
		p.root = e
	default:
		return &Fault{Malformed, "a second root element"}
	}
	p.open, p.text = append(p.open, e), append(p.text, &strings.Builder{})
	return nil
}

// longNamed reports whether the name of a start tag, or one in it, is too long. What a
// prefix stands for is no name.
func longNamed(t xml.StartElement) bool {
	return len(t.Name.Local) > maxName || slices.ContainsFunc(t.Attr, func(a xml.Attr) bool { return len(a.Name.Local) > maxName })
}

// malformed keeps the line and leaves out what the document says there.
func malformed(err error) error {
	if s, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return &Fault{Malformed, fmt.Sprintf("line %d is not well-formed", s.Line)}
	}
	return &Fault{Malformed, "not well-formed, or in an encoding that is not read here"}
}

// plainASCII lets pass what is UTF-8 under another name.
func plainASCII(label string, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "ascii", "us-ascii":
		return r, nil
	}
	return nil, errors.New("not UTF-8")
}

// source bounds what the decoder reads and keeps its own errors apart from
// those of the document.
type source struct {
	ctx  context.Context
	r    io.Reader
	left int64
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if s.left -= int64(n); s.left < 0 {
		s.err = &Fault{TooLarge, "more bytes than are read of one document"}
		return 0, s.err
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Root is the start tag of a document as it is written.
type Root struct {
	Prefix string
	Name   xml.Name
}

// Peek reads the start tag of a document, at most 64 KiB into it. ok is false
// when the bytes do not begin as XML does.
func Peek(r io.Reader) (root Root, ok bool) {
	d := xml.NewDecoder(io.LimitReader(r, 64<<10))
	d.CharsetReader = plainASCII
	for {
		t, err := d.RawToken()
		if err != nil {
			return root, false
		}
		s, isStart := t.(xml.StartElement)
		if !isStart {
			continue
		}
		root.Prefix, root.Name.Local = s.Name.Space, s.Name.Local
		for _, a := range s.Attr {
			if a.Name.Space == "xmlns" && a.Name.Local == root.Prefix || a.Name.Space == "" && a.Name.Local == "xmlns" && root.Prefix == "" {
				root.Name.Space = a.Value
			}
		}
		return root, true
	}
}

// Path returns the nodes of a tree at a path of names, such as "a/b", from a node
// down. children gives those of a node that have a name.
func Path[N any](from N, path string, children func(n N, name string) []N) []N {
	found := []N{from}
	for name := range strings.SplitSeq(path, "/") {
		var next []N
		for _, n := range found {
			next = append(next, children(n, name)...)
		}
		found = next
	}
	return found
}

// All returns the elements at a path of local names, such as "a/b".
func (e *Element) All(path string) []*Element {
	if e == nil {
		return nil
	}
	return Path(e, path, func(e *Element, name string) (named []*Element) {
		for _, c := range e.Children {
			if c.Name.Local == name {
				named = append(named, c)
			}
		}
		return named
	})
}

// One returns the first element at a path, or nil.
func (e *Element) One(path string) *Element {
	if all := e.All(path); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Str returns the text of the first element at a path.
func (e *Element) Str(path string) string {
	if f := e.One(path); f != nil {
		return f.Text
	}
	return ""
}

// Attribute returns the value of an attribute by its local name; space may be
// "" for those without a namespace.
func (e *Element) Attribute(space, local string) string {
	if e != nil {
		for _, a := range e.Attr {
			if a.Name.Local == local && a.Name.Space == space {
				return a.Value
			}
		}
	}
	return ""
}
