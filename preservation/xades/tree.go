package xades

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding/ianaindex"
)

// unsupported is what a signature asks for and is not known here. It may be good all
// the same.
type unsupported string

func (u unsupported) Error() string { return "not supported: " + string(u) }

// malformed is why a document is no XML, or a signature none.
type malformed string

func (m malformed) Error() string { return string(m) }

type kind uint8

const (
	document kind = iota
	element
	text
	comment
	instruction
)

// node is a part of a document.
type node struct {
	kind     kind
	name     name   // of an element; of an instruction its target
	data     string // of a text, comment or instruction
	attrs    []attribute
	declared []declaration
	parent   *node
	children []*node
	nodes    int // it, its attributes and declarations, and those of all below it
}

type name struct{ prefix, space, local string }

// attribute is one that declares no namespace. They are kept in canonical order.
type attribute struct {
	name
	value string
}

func (a attribute) compare(b attribute) int {
	return cmp.Or(strings.Compare(a.space, b.space), strings.Compare(a.local, b.local))
}

// declaration of a namespace; the prefix is empty for the default one.
type declaration struct{ prefix, uri string }

const xmlSpace = "http://www.w3.org/XML/1998/namespace"

// parse reads a document. Its errors are malformed, unsupported, or those of reading.
func parse(ctx context.Context, r io.Reader) (*node, error) {
	in, err := newNormal(ctx, r)
	if err != nil {
		return nil, err
	}
	d := xml.NewDecoder(in)
	p := parser{at: &node{kind: document}, names: make(map[string]string), utf16: in.utf16}
	d.CharsetReader = p.charset
	for {
		t, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, cmp.Or(in.err, p.unknown, wellFormed(err))
		}
		if err := p.token(t); err != nil {
			return nil, err
		}
	}
	if p.at.kind != document || p.at.root() == nil {
		return nil, malformed("the XML ends too early")
	}
	return p.at, nil
}

// wellFormed keeps the line and leaves out what the document says there.
func wellFormed(err error) error {
	if s, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return malformed(fmt.Sprintf("line %d is not well-formed XML", s.Line))
	}
	return malformed("not well-formed XML")
}

// charset reads encodings that agree with ASCII, and what was UTF-16.
func (p *parser) charset(label string, r io.Reader) (io.Reader, error) {
	label = strings.ToLower(label)
	if p.utf16 != strings.HasPrefix(label, "utf-16") {
		p.unknown = malformed("an encoding that is not the one it declares")
		return nil, p.unknown
	}
	switch label {
	case "utf-16", "utf-16le", "utf-16be":
		return r, nil
	case "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252":
		e, err := ianaindex.IANA.Encoding(label)
		if err == nil && e != nil {
			return e.NewDecoder().Reader(r), nil
		}
	}
	p.unknown = unsupported("the encoding " + label)
	return nil, p.unknown
}

type parser struct {
	at       *node
	depth    int
	nodes    int
	declared int // in scope
	scope    scope
	started  bool
	utf16    bool
	unknown  error // encoding
	names    map[string]string
}

func (p *parser) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.Directive:
		return unsupported("a document type definition")
	case xml.ProcInst:
		if strings.EqualFold(t.Target, "xml") {
			if p.started {
				return malformed("an XML declaration that is not at the start")
			}
			break
		}
		return p.add(&node{kind: instruction, name: name{local: t.Target}, data: string(t.Inst)})
	case xml.Comment:
		return p.add(&node{kind: comment, data: string(t)})
	case xml.CharData:
		if p.at.kind == document {
			if len(strings.Trim(string(t), " \t\n")) > 0 {
				return malformed("text outside of the root element")
			}
			break
		}
		return p.add(&node{kind: text, data: string(t)})
	case xml.StartElement:
		return p.open(t)
	case xml.EndElement:
		if p.at.kind == document || p.at.name.prefix != t.Name.Space || p.at.name.local != t.Name.Local {
			return malformed("an end tag without its start tag")
		}
		p.declared -= len(p.at.declared)
		p.depth--
		p.scope.leave(p.at)
		p.at.parent.nodes += p.at.nodes
		p.at = p.at.parent
	}
	p.started = true
	return nil
}

func (p *parser) add(n *node) error {
	p.started = true
	n.nodes = 1 + len(n.attrs) + len(n.declared)
	if p.nodes += n.nodes; p.nodes > maxNodes {
		return unsupported(fmt.Sprintf("more than %d elements, attributes and texts", maxNodes))
	}
	n.parent = p.at
	p.at.children = append(p.at.children, n)
	if n.kind != element {
		p.at.nodes += n.nodes // those of an element are known at its end
	}
	return nil
}

func (p *parser) open(t xml.StartElement) error {
	if p.at.kind == document && p.at.root() != nil {
		return malformed("a second root element")
	}
	n := &node{kind: element, name: name{prefix: p.intern(t.Name.Space), local: p.intern(t.Name.Local)}}
	for _, a := range t.Attr {
		switch {
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			n.declared = append(n.declared, declaration{"", p.intern(a.Value)})
		case a.Name.Space == "xmlns":
			if a.Value == "" || a.Name.Local == "xmlns" || (a.Name.Local == "xml") != (a.Value == xmlSpace) {
				return malformed("a namespace that must not be declared")
			}
			n.declared = append(n.declared, declaration{p.intern(a.Name.Local), p.intern(a.Value)})
		default:
			n.attrs = append(n.attrs, attribute{name{prefix: p.intern(a.Name.Space), local: p.intern(a.Name.Local)}, a.Value})
		}
	}
	p.depth++
	p.declared += len(n.declared)
	if p.depth > maxDepth || p.declared > maxDeclarations {
		return unsupported(fmt.Sprintf("more than %d levels or %d namespaces", maxDepth, maxDeclarations))
	}
	if err := p.add(n); err != nil {
		return err
	}
	p.at = n
	p.scope.enter(n)
	return p.resolve(n)
}

func (p *parser) intern(s string) string {
	if known, ok := p.names[s]; ok {
		return known
	}
	if len(s) < 100 {
		p.names[s] = s
	}
	return s
}

// resolve finds the namespaces of an element and its attributes, and puts these in
// canonical order (Canonical XML 1.0, 2.2).
func (p *parser) resolve(n *node) error {
	var ok bool
	if n.name.space, ok = p.scope.lookup(n.name.prefix); !ok || strings.Contains(n.name.local, ":") {
		return malformed("a prefix without a namespace")
	}
	for i := range n.attrs {
		a := &n.attrs[i]
		if strings.Contains(a.local, ":") {
			return malformed("a name with two colons")
		}
		if a.prefix == "" {
			continue
		}
		if a.space, ok = p.scope.lookup(a.prefix); !ok {
			return malformed("a prefix without a namespace")
		}
	}
	slices.SortFunc(n.attrs, attribute.compare)
	for i := range n.attrs {
		if i > 0 && n.attrs[i-1].compare(n.attrs[i]) == 0 {
			return malformed("an attribute that stands twice")
		}
	}
	prefixes := make([]string, len(n.declared))
	for i, d := range n.declared {
		prefixes[i] = d.prefix
	}
	slices.Sort(prefixes)
	if len(slices.Compact(prefixes)) < len(n.declared) {
		return malformed("a namespace that is declared twice")
	}
	return nil
}

// root returns the root element of a document.
func (n *node) root() *node {
	for _, c := range n.children {
		if c.kind == element {
			return c
		}
	}
	return nil
}

func (n *node) is(space, local string) bool {
	return n.kind == element && n.name.space == space && n.name.local == local
}

// elements are the children that are elements.
func (n *node) elements() (all []*node) {
	for _, c := range n.children {
		if c.kind == element {
			all = append(all, c)
		}
	}
	return all
}

// hasText says whether text stands directly in an element, white space apart, or an
// instruction.
func (n *node) hasText() bool {
	return slices.ContainsFunc(n.children, func(c *node) bool {
		return c.kind == instruction || c.kind == text && len(strings.Trim(c.data, " \t\r\n")) > 0
	})
}

// all returns the children of a name.
func (n *node) all(space, local string) (found []*node) {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.is(space, local) {
			found = append(found, c)
		}
	}
	return found
}

// one returns the first element at a path of local names in one namespace.
func (n *node) one(space string, path ...string) *node {
	for _, local := range path {
		all := n.all(space, local)
		if len(all) == 0 {
			return nil
		}
		n = all[0]
	}
	return n
}

// walk visits a node and all below it in the order of the document.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, c := range n.children {
		c.walk(visit)
	}
}

// within says whether n is other or lies below it.
func (n *node) within(other *node) bool {
	for ; n != nil; n = n.parent {
		if n == other {
			return true
		}
	}
	return false
}

// value is the text of an element and of all below it.
func (n *node) value() string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	n.walk(func(c *node) {
		if c.kind == text {
			b.WriteString(c.data)
		}
	})
	return b.String()
}

// attr returns an attribute that has no namespace.
func (n *node) attr(local string) (string, bool) {
	if n != nil {
		for _, a := range n.attrs {
			if a.space == "" && a.local == local {
				return a.value, true
			}
		}
	}
	return "", false
}

// path names an element by those around it, as /Akte/Vorgang.
func (n *node) path() string {
	if n.kind == document {
		return ""
	}
	return n.parent.path() + "/" + n.name.local
}
