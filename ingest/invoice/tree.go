package invoice

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html/charset"

	"bestand/ingest/bound"
	"bestand/ingest/sip/xmltree"
	"bestand/preservation"
)

// Codes of Faults and findings.
const (
	Malformed  = "xml-malformed"      // not well-formed
	HasDTD     = "xml-dtd"            // a document type definition, which is never read
	TooLarge   = "xml-too-large"      // bytes, depth or elements above the limits
	NoInvoice  = "not-an-invoice"     // another root element
	Incomplete = "invoice-incomplete" // a field that EN 16931 demands is missing or unreadable
	WrongSum   = "invoice-sum"        // amounts that contradict each other
)

// A Fault says why an XML file cannot be read. The same bytes fail again.
type Fault struct{ Code, Detail string }

func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Finding returns the fault in the words of the archive.
func (f *Fault) Finding() preservation.Finding {
	return preservation.Finding{Code: f.Code, Severity: preservation.Failed, Detail: f.Detail}
}

// Bounds of what is read.
const (
	maxBytes    = 64 << 20
	maxToken    = 48 << 20 // of one text, such as a document inside of an invoice
	maxDepth    = 100
	maxElements = 500_000
)

// An element of a parsed document.
type element struct {
	name     xml.Name
	attr     []xml.Attr
	text     string // all of it, between the children as well
	children []*element
	read     bool // its text has become part of the invoice
}

// parseTree reads a document into memory.
func parseTree(ctx context.Context, src io.Reader) (*element, error) {
	r := &io.LimitedReader{R: ctxReader{ctx, src}, N: maxBytes + 1}
	in := &bound.Tokens{R: r, Most: maxToken}
	d := xml.NewDecoder(in)
	d.CharsetReader = charset.NewReaderLabel
	var root *element
	var open []*element
	var text []*strings.Builder
	for n := 0; ; {
		t, err := d.Token()
		in.Next()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, bound.ErrTooMuch):
			return nil, longToken()
		case r.N <= 0:
			return nil, &Fault{TooLarge, fmt.Sprintf("more than %d bytes", maxBytes)}
		case errors.Is(err, io.EOF):
			if root == nil {
				return nil, &Fault{Malformed, "no element"}
			}
			return root, nil
		case err != nil:
			return nil, malformed(err)
		}
		switch t := t.(type) {
		case xml.Directive:
			return nil, &Fault{HasDTD, "the document has a document type definition, which is never read"}
		case xml.StartElement:
			if n++; n > maxElements || len(open) >= maxDepth {
				return nil, &Fault{TooLarge, fmt.Sprintf("more than %d elements or %d levels", maxElements, maxDepth)}
			}
			e := &element{name: t.Name, attr: t.Copy().Attr}
			if len(open) > 0 {
				up := open[len(open)-1]
				up.children = append(up.children, e)
			} else if root == nil {
				root = e
			} else {
				return nil, &Fault{Malformed, "a second root element"}
			}
			open, text = append(open, e), append(text, &strings.Builder{})
		case xml.EndElement:
			open[len(open)-1].text = strings.TrimSpace(text[len(text)-1].String())
			open, text = open[:len(open)-1], text[:len(text)-1]
		case xml.CharData:
			if len(open) > 0 {
				text[len(text)-1].Write(t)
			} else if s := strings.Trim(string(t), "\ufeff \t\r\n"); s != "" {
				return nil, &Fault{Malformed, "text outside of the root element"}
			}
		}
	}
}

func longToken() *Fault {
	return &Fault{TooLarge, fmt.Sprintf("a text or tag of more than %d bytes", maxToken)}
}

// malformed keeps the place of an error and leaves out what the file says there.
func malformed(err error) error {
	if s, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return &Fault{Malformed, fmt.Sprintf("line %d is not well-formed", s.Line)}
	}
	return &Fault{Malformed, "not well-formed, or in an unknown encoding"}
}

// all returns the elements at a path of local names, such as "a/b".
func (e *element) all(path string) []*element {
	if e == nil {
		return nil
	}
	return xmltree.Path(e, path, func(e *element, name string) (named []*element) {
		for _, c := range e.children {
			if c.name.Local == name {
				named = append(named, c)
			}
		}
		return named
	})
}

// one returns the first element at a path, or nil.
func (e *element) one(path string) *element {
	if all := e.all(path); len(all) > 0 {
		return all[0]
	}
	return nil
}

// str returns the text of the first element at a path.
func (e *element) str(path string) string {
	return e.one(path).value()
}

// value returns the text of an element, which may be nil.
func (e *element) value() string {
	if e == nil {
		return ""
	}
	e.read = true
	return e.text
}

// unread lists the texts below an element that nothing has asked for, by the path
// of names that leads to them.
func (e *element) unread() (rest []Detail) {
	var walk func(e *element, path string)
	walk = func(e *element, path string) {
		if e.text != "" && !e.read && len(e.children) == 0 {
			rest = append(rest, Detail{path, e.text})
		}
		for _, c := range e.children {
			walk(c, strings.TrimPrefix(path+" / "+c.name.Local, " / "))
		}
	}
	walk(e, "")
	return rest
}

func (e *element) attribute(local string) string {
	if e != nil {
		for _, a := range e.attr {
			if a.Name.Local == local {
				return a.Value
			}
		}
	}
	return ""
}

// A ctxReader ends the work of others when the context has ended.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}
