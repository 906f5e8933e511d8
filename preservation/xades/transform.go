package xades

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	filter2 = "http://www.w3.org/2002/06/xmldsig-filter2"
	xpath   = "http://www.w3.org/TR/1999/REC-xpath-19991116"
)

// data is what a reference leads to, before and between its transforms: nodes of a
// document, or bytes.
type data struct {
	apex     *node // nil for bytes
	without  map[*node]bool
	comments bool // of the nodes; a reference to an element by its name leaves them out

	file   string // whose bytes they are, untransformed
	octets func(io.Writer) error
}

// transform does what one Transform of a signature asks for.
func (v *verification) transform(d *data, how, signature *node) error {
	uri, _ := how.attr("Algorithm")
	switch uri {
	case dsig + "enveloped-signature":
		if d.apex == nil || !signature.within(d.apex) {
			return malformed("the enveloped-signature transform of what is not around the signature")
		}
		return d.leaveOut(signature)
	case dsig + "base64":
		return v.decode(d)
	case filter2:
		only := how.one(filter2, "XPath")
		if filter, _ := only.attr("Filter"); filter == "subtract" && len(how.all(filter2, "XPath")) == 1 && only.expression("/descendant::", "Signature", "") {
			return v.leaveOutSignatures(d)
		}
		return unsupported("XPath filters other than that which leaves signatures out")
	case xpath:
		if how.one(dsig, "XPath").expression("not(ancestor-or-self::", "Signature", ")") {
			return v.leaveOutSignatures(d)
		}
		return unsupported("XPath other than that which leaves signatures out")
	}
	if _, ok := forms[uri]; !ok {
		return unsupported("the transform " + uri)
	}
	f, err := canonicalForm(how)
	if err != nil {
		return err
	}
	if d.apex == nil {
		if err := v.parse(d); err != nil {
			return err
		}
	}
	*d = v.canonical(*d, f)
	return nil
}

// expression says whether an element holds, to the letter, the XPath expression with
// a name of the namespace of XML signatures between two parts. There is no XPath
// here: these two expressions alone are known, because signers write them.
func (n *node) expression(before, local, after string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(n.value()), before)
	prefix, rest, colon := strings.Cut(rest, ":")
	if !ok || !colon || rest != local+after {
		return false
	}
	around := n.scope()
	space, _ := around.lookup(prefix)
	return space == dsig
}

// leaveOut takes a signature away. Where nothing would be left the digest would be one
// of no bytes, which anything has: that is refused.
func (d *data) leaveOut(n *node) error {
	if d.apex.within(n) || d.apex.kind == document && n == d.apex.root() {
		return malformed("a transform that leaves out all that is referred to")
	}
	if d.without == nil {
		d.without = make(map[*node]bool)
	}
	if len(d.without) == maxSignatures {
		return unsupported(fmt.Sprintf("a transform that leaves out more than %d signatures", maxSignatures))
	}
	d.without[n] = true
	return nil
}

func (v *verification) leaveOutSignatures(d *data) error {
	if d.apex == nil {
		return unsupported("XPath over bytes")
	}
	if err := v.visit(d.apex); err != nil {
		return err
	}
	for n := d.apex.parent; n != nil; n = n.parent {
		if n.is(dsig, "Signature") {
			return d.leaveOut(n)
		}
	}
	var err error
	d.apex.walk(func(n *node) {
		if n.is(dsig, "Signature") && err == nil {
			err = d.leaveOut(n)
		}
	})
	return err
}

// canonical makes bytes of nodes.
func (v *verification) canonical(d data, f form) data {
	f.comments = f.comments && d.comments
	return data{octets: func(w io.Writer) error {
		if err := v.visit(d.apex); err != nil {
			return err
		}
		return f.write(w, d.apex, d.without)
	}}
}

// decode takes base64 away from bytes, or from the text of nodes.
func (v *verification) decode(d *data) error {
	if len(d.without) > 0 {
		return unsupported("base64 of a part of an element")
	}
	var b []byte
	if d.apex != nil {
		if d.apex.kind != element || slices.ContainsFunc(d.apex.children, func(n *node) bool { return n.kind != text }) {
			return unsupported("base64 of an element with more than text in it")
		}
		if err := v.visit(d.apex); err != nil {
			return err
		}
		b = []byte(d.apex.value())
	} else {
		var err error
		if b, err = v.hold(d.octets); err != nil {
			return err
		}
	}
	b = bytes.Join(bytes.Fields(b), nil)
	n, err := base64.StdEncoding.Decode(b, b)
	if err != nil {
		return malformed("no base64")
	}
	*d = data{octets: func(w io.Writer) error { _, err := w.Write(b[:n]); return err }}
	return nil
}

// parse makes nodes of bytes.
func (v *verification) parse(d *data) error {
	b, err := v.hold(d.octets)
	if err != nil {
		return err
	}
	n, err := parse(v.ctx, bytes.NewReader(b))
	*d = data{apex: n, comments: true}
	return err
}

// hold takes bytes into memory, MaxSize at most.
func (v *verification) hold(octets func(io.Writer) error) ([]byte, error) {
	var b limited
	err := octets(&budget{v, &b})
	return b.Bytes(), err
}

type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > MaxSize {
		return 0, unsupported(fmt.Sprintf("transforms of more than %d bytes", MaxSize))
	}
	return l.Buffer.Write(p)
}

// budget bounds the work: what all transforms of a document write. It ends with the
// context.
type budget struct {
	v *verification
	w io.Writer
}

func (b *budget) Write(p []byte) (int, error) {
	if err := b.v.spend(len(p)); err != nil {
		return 0, err
	}
	return b.w.Write(p)
}

func (v *verification) spend(bytes int) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	if v.left -= bytes; v.left < 0 {
		return unsupported(fmt.Sprintf("signatures over more than %d bytes in canonical form", maxCanonical))
	}
	return nil
}

// visit charges the work for a node, all below it and what it inherits, of which
// nothing needs to be written.
func (v *verification) visit(n *node) error {
	work := n.nodes
	for n = n.parent; n != nil; n = n.parent {
		work += 1 + len(n.attrs) + len(n.declared)
	}
	return v.spend(work * nodeCost)
}

// binary reads the base64 that an element holds, and nothing else.
func (n *node) binary() ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.value()), ""))
	if n == nil || err != nil || len(b) == 0 || len(n.elements()) > 0 {
		return nil, malformed("a value that is no base64")
	}
	return b, nil
}
