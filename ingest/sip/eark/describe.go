package eark

import (
	"context"

	"bestand/ingest/xmltree"
)

// Described is what the descriptive metadata tell: Dublin Core, or the head of
// an EAD finding aid.
type Described struct {
	Title      string
	Identifier string
	Author     string
	Date       string
	Extra      []Field
}

// readDescription reads the metadata that the dmdSec of the package points to.
// Metadata in other forms are kept as files.
func (r *reader) readDescription(ctx context.Context, f *File, mets *xmltree.Element) error {
	for _, ref := range mets.All("dmdSec/mdRef") {
		kind := ref.Attribute("", "MDTYPE")
		if kind != "DC" && kind != "EAD" {
			continue
		}
		e, _ := r.c.Lookup(r.root + ref.Attribute(xlinkNamespace, "href"))
		d := r.files[e]
		if e == nil || d == nil {
			continue // check has said so
		}
		root, err := r.parse(ctx, d)
		if err != nil {
			return err
		}
		switch {
		case root == nil:
		case kind == "DC":
			r.pkg.readDC(root)
		default:
			r.pkg.readEAD(root)
		}
	}
	return nil
}

// readDC takes the elements of Dublin Core wherever they stand in the document.
func (p *Package) readDC(root *xmltree.Element) {
	open := []*xmltree.Element{root}
	for len(open) > 0 {
		e := open[0]
		open = append(open[1:], e.Children...)
		if (e.Name.Space != "http://purl.org/dc/elements/1.1/" && e.Name.Space != "http://purl.org/dc/terms/") || e.Text == "" {
			continue
		}
		switch e.Name.Local {
		case "title":
			p.first(&p.Title, e)
		case "identifier":
			p.first(&p.Identifier, e)
		case "creator":
			p.first(&p.Author, e)
		case "date", "created", "issued":
			p.first(&p.Date, e)
		default:
			p.Extra = append(p.Extra, Field{"dc:" + e.Name.Local, e.Text})
		}
	}
}

// first keeps the first value of a field, and the others beside it.
func (p *Package) first(field *string, e *xmltree.Element) {
	if *field == "" {
		*field = e.Text
		return
	}
	p.Extra = append(p.Extra, Field{"dc:" + e.Name.Local, e.Text})
}

// readEAD takes the identification of the uppermost level (EAD 2002 and EAD3).
func (p *Package) readEAD(root *xmltree.Element) {
	did := root.One("archdesc/did")
	for _, f := range []struct {
		to   *string
		path string
	}{{&p.Title, "unittitle"}, {&p.Identifier, "unitid"}, {&p.Date, "unitdate"}, {&p.Author, "origination/corpname"}, {&p.Author, "origination/corpname/part"}} {
		if *f.to == "" {
			*f.to = did.Str(f.path)
		}
	}
}
