package invoice

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html/charset"

	"bestand/ingest/xmltree"
	"bestand/preservation"
)

// Codes of Faults and findings.
const (
	Malformed  = xmltree.Malformed
	HasDTD     = xmltree.HasDTD
	TooLarge   = xmltree.TooLarge
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
	maxPaths    = 64 << 20 // of the names that lead to what has no field of its own
)

// maxFields is how many elements Fields reads.
const maxFields = 50_000

// An element of a parsed document.
type element struct {
	*xmltree.Element
	children []*element
	read     bool // its text has become part of the invoice
}

// parseTree reads a document of at most so many elements into memory.
func parseTree(ctx context.Context, src io.Reader, elements int) (*element, error) {
	root, err := xmltree.Parse(ctx, src, xmltree.Limits{Bytes: maxBytes, Token: maxToken, Elements: elements, Depth: maxDepth, Charset: charset.NewReaderLabel}, nil)
	if fault, ok := errors.AsType[*xmltree.Fault](err); ok {
		return nil, &Fault{fault.Code, fault.Detail}
	}
	if err != nil {
		return nil, err
	}
	return marked(root), nil
}

// marked returns a tree of which nothing has been read.
func marked(of *xmltree.Element) *element {
	e := &element{Element: of, children: make([]*element, 0, len(of.Children))}
	for _, c := range of.Children {
		e.children = append(e.children, marked(c))
	}
	return e
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
			if c.Name.Local == name {
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
	return e.Text
}

// unread lists the texts below an element that nothing has asked for, by the path
// of names that leads to them. The error is a *Fault when the paths are too long together.
func (e *element) unread() (rest []Detail, err error) {
	left := maxPaths
	var walk func(e *element, path string) error
	walk = func(e *element, path string) error {
		if left -= len(path); left < 0 {
			return &Fault{TooLarge, fmt.Sprintf("names that come to more than %d bytes", maxPaths)}
		}
		if e.Text != "" && !e.read && len(e.children) == 0 {
			rest = append(rest, Detail{path, e.Text})
		}
		for _, c := range e.children {
			if err := walk(c, strings.TrimPrefix(path+" / "+c.Name.Local, " / ")); err != nil {
				return err
			}
		}
		return nil
	}
	err = walk(e, "")
	return rest, err
}

func (e *element) attribute(local string) string {
	if e != nil {
		for _, a := range e.Attr {
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
