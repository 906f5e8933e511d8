package xades

import (
	"bufio"
	"fmt"
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
		if len(f.prefixes) > maxPrefixes {
			return f, unsupported(fmt.Sprintf("a PrefixList of more than %d prefixes", maxPrefixes))
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
		c.scope.enter(n)
	}
	c.element(apex, inherited, true)
	return c.w.Flush()
}

// inherit returns the attributes in the XML namespace that an element has from those
// around it (Canonical XML 1.0 and 1.1, 2.4).
func (f form) inherit(apex *node, around []*node) (all []attribute, err error) {
	has := make(map[string]bool)
	for _, a := range apex.attrs {
		if a.space == xmlSpace {
			has[a.local] = true
		}
	}
	for _, n := range around {
		for _, a := range n.attrs {
			if a.space != xmlSpace {
				continue
			}
			if f.inherits && a.local == "base" {
				return nil, unsupported("Canonical XML 1.1 of an element below xml:base")
			}
			if !has[a.local] && (!f.inherits || a.local == "lang" || a.local == "space") {
				all = append(all, a)
				has[a.local] = true
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
	scope   scope // of the document
	written scope
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
	c.scope.enter(n)
	c.w.WriteByte('<')
	c.name(n.name)
	added := c.namespaces(n, apex)
	for _, d := range added {
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
	c.scope.leave(n)
	c.written.back(len(added))
}

func (c *canonical) name(n name) {
	if n.prefix != "" {
		c.w.WriteString(n.prefix + ":")
	}
	c.w.WriteString(n.local)
}

// namespaces returns the declarations that an element gets: those that are not
// already written around it, of all in scope or of those that it uses visibly. Below
// the apex those that hold whether they are used or not (all, or those of the
// PrefixList) stand around the element already, except for what it declares itself.
func (c *canonical) namespaces(n *node, apex bool) (added []declaration) {
	add := func(prefix string) {
		if uri := c.scope.uris[prefix]; prefix != "xml" && uri != c.written.uris[prefix] {
			added = append(added, declaration{prefix, uri})
			c.written.set(prefix, uri)
		}
	}
	if c.exclusive {
		add(n.name.prefix)
		for _, a := range n.attrs {
			if a.prefix != "" {
				add(a.prefix)
			}
		}
	}
	switch {
	case c.exclusive && apex:
		for _, p := range c.prefixes {
			add(p)
		}
	case apex:
		for p := range c.scope.uris {
			add(p)
		}
	default:
		for _, d := range n.declared {
			if !c.exclusive || slices.Contains(c.prefixes, d.prefix) {
				add(d.prefix)
			}
		}
	}
	slices.SortFunc(added, func(a, b declaration) int { return strings.Compare(a.prefix, b.prefix) })
	return added
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
