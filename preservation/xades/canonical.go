package xades

import (
	"bufio"
	"io"
	"slices"
	"strings"
)

// form is a canonical form: Canonical XML 1.0 and 1.1, or Exclusive XML
// Canonicalization 1.0.
type form struct {
	exclusive bool
	inherits  bool // 1.1: of the attributes in the XML namespace lang and space alone are inherited
	comments  bool
	prefixes  []string // InclusiveNamespaces PrefixList of the exclusive form; "" is #default
}

const exclusiveSpace = "http://www.w3.org/2001/10/xml-exc-c14n#"

var forms = map[string]form{
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315":              {},
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments": {comments: true},
	"http://www.w3.org/2006/12/xml-c14n11":                         {inherits: true},
	"http://www.w3.org/2006/12/xml-c14n11#WithComments":            {inherits: true, comments: true},
	exclusiveSpace:                  {exclusive: true},
	exclusiveSpace + "WithComments": {exclusive: true, comments: true},
}

// canonicalForm reads the form that an element with the attribute Algorithm asks for.
func canonicalForm(method *node) (form, error) {
	uri, _ := method.attr("Algorithm")
	f, ok := forms[uri]
	if !ok {
		return f, unsupported("the canonical form " + uri)
	}
	if list := method.one(exclusiveSpace, "InclusiveNamespaces"); list != nil && f.exclusive {
		prefixes, _ := list.attr("PrefixList")
		f.prefixes = strings.Fields(prefixes)
		if i := slices.Index(f.prefixes, "#default"); i >= 0 {
			f.prefixes[i] = ""
		}
		if len(f.prefixes) > maxDeclarations {
			return f, unsupported("so many prefixes")
		}
	}
	return f, nil
}

// write writes an element or a document with all below it, except for what is left
// out with all that is below that.
func (f form) write(w io.Writer, apex *node, without map[*node]bool) error {
	c := canonical{form: f, w: bufio.NewWriterSize(w, 32<<10), without: without}
	if apex.kind == document {
		c.document(apex)
		return c.w.Flush()
	}
	var around []*node
	for n := apex.parent; n != nil; n = n.parent {
		around = append(around, n)
	}
	var inherited []attribute
	if !f.exclusive {
		var err error
		if inherited, err = f.inherit(apex, around); err != nil {
			return err
		}
	}
	for _, n := range slices.Backward(around) {
		c.scope = append(c.scope, n.declared...)
	}
	c.element(apex, inherited, true)
	return c.w.Flush()
}

// inherit returns the attributes in the XML namespace that an element has from those
// around it (Canonical XML 1.0 and 1.1, 2.4).
func (f form) inherit(apex *node, around []*node) (all []attribute, err error) {
	has := func(all []attribute, local string) bool {
		return slices.ContainsFunc(all, func(a attribute) bool { return a.space == xmlSpace && a.local == local })
	}
	for _, n := range around {
		for _, a := range n.attrs {
			if a.space != xmlSpace {
				continue
			}
			if f.inherits && a.local == "base" {
				return nil, unsupported("Canonical XML 1.1 of an element below xml:base")
			}
			if !has(apex.attrs, a.local) && !has(all, a.local) && (!f.inherits || a.local == "lang" || a.local == "space") {
				all = append(all, a)
			}
		}
	}
	return all, nil
}

// canonical is a canonical form being written.
type canonical struct {
	form
	w       *bufio.Writer // keeps its error
	without map[*node]bool
	scope   []declaration // of the document, the innermost at the end
	written []declaration
}

func (c *canonical) document(d *node) {
	behind := false
	for _, n := range d.children {
		switch {
		case n.kind == element:
			if !c.without[n] {
				c.element(n, nil, true)
			}
			behind = true
		case n.kind == comment && !c.comments:
		case behind:
			c.w.WriteByte('\n')
			c.node(n)
		default:
			c.node(n)
			c.w.WriteByte('\n')
		}
	}
}

func (c *canonical) node(n *node) {
	switch n.kind {
	case element:
		if !c.without[n] {
			c.element(n, nil, false)
		}
	case text:
		textEscapes.WriteString(c.w, n.data)
	case comment:
		if c.comments {
			c.w.WriteString("<!--" + n.data + "-->")
		}
	case instruction:
		c.w.WriteString("<?" + n.name.local)
		if n.data != "" {
			c.w.WriteString(" " + n.data)
		}
		c.w.WriteString("?>")
	}
}

func (c *canonical) element(n *node, inherited []attribute, apex bool) {
	scope, written := len(c.scope), len(c.written)
	c.scope = append(c.scope, n.declared...)
	c.w.WriteByte('<')
	c.name(n.name)
	for _, d := range c.namespaces(n, apex) {
		c.w.WriteString(" xmlns")
		if d.prefix != "" {
			c.w.WriteString(":" + d.prefix)
		}
		c.w.WriteString(`="`)
		valueEscapes.WriteString(c.w, d.uri)
		c.w.WriteByte('"')
	}
	for _, a := range inOrder(n.attrs, inherited) {
		c.w.WriteByte(' ')
		c.name(a.name)
		c.w.WriteString(`="`)
		valueEscapes.WriteString(c.w, a.value)
		c.w.WriteByte('"')
	}
	c.w.WriteByte('>')
	for _, child := range n.children {
		c.node(child)
	}
	c.w.WriteString("</")
	c.name(n.name)
	c.w.WriteByte('>')
	c.scope, c.written = c.scope[:scope], c.written[:written]
}

func (c *canonical) name(n name) {
	if n.prefix != "" {
		c.w.WriteString(n.prefix + ":")
	}
	c.w.WriteString(n.local)
}

// namespaces returns the declarations that an element gets: those that are not
// already written around it, of all in scope or of those that it uses visibly.
func (c *canonical) namespaces(n *node, apex bool) []declaration {
	before := len(c.written)
	add := func(prefix string) {
		if uri := last(c.scope, prefix); prefix != "xml" && uri != last(c.written, prefix) {
			c.written = append(c.written, declaration{prefix, uri})
		}
	}
	switch {
	case c.exclusive:
		add(n.name.prefix)
		for _, a := range n.attrs {
			if a.prefix != "" {
				add(a.prefix)
			}
		}
		for _, p := range c.prefixes {
			add(p)
		}
	case apex:
		for _, d := range c.scope {
			add(d.prefix)
		}
	default:
		for _, d := range n.declared {
			add(d.prefix)
		}
	}
	slices.SortFunc(c.written[before:], func(a, b declaration) int { return strings.Compare(a.prefix, b.prefix) })
	return c.written[before:]
}

// last returns the innermost namespace of a prefix, "" when there is none.
func last(all []declaration, prefix string) string {
	for _, d := range slices.Backward(all) {
		if d.prefix == prefix {
			return d.uri
		}
	}
	return ""
}

func inOrder(own, inherited []attribute) []attribute {
	if len(inherited) == 0 {
		return own
	}
	all := slices.Concat(own, inherited)
	slices.SortFunc(all, attribute.compare)
	return all
}

var (
	textEscapes  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	valueEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)
