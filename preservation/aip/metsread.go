package aip

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
)

// metsFacts is what METS says of the package.
type metsFacts struct {
	Record  string
	Version string
	refs    []metsRef // of all files that it names
}

// metsRef is what METS says of one file.
type metsRef struct {
	Path         string
	Size         int64
	Checksum     string
	ChecksumType string
}

// Elements of METS, as far as they are read.
type (
	metsPointer struct {
		Path         string `xml:"http://www.w3.org/1999/xlink href,attr"`
		Size         int64  `xml:"SIZE,attr"`
		Checksum     string `xml:"CHECKSUM,attr"`
		ChecksumType string `xml:"CHECKSUMTYPE,attr"`
	}
	metsFile struct {
		metsPointer
		Location struct {
			Path string `xml:"http://www.w3.org/1999/xlink href,attr"`
		} `xml:"FLocat"`
	}
)

// metsPlaces are where METS names files and says which version it is of.
var metsPlaces = struct{ version, descriptive, provenance, file []string }{
	version:     []string{"mets", "metsHdr", "altRecordID"},
	descriptive: []string{"mets", "dmdSec", "mdRef"},
	provenance:  []string{"mets", "amdSec", "digiprovMD", "mdRef"},
	file:        []string{"mets", "fileSec", "fileGrp", "file"},
}

// readMets reads a METS document that writeMets wrote, as a stream: of a large
// record it names very many files.
func readMets(r io.Reader) (*metsFacts, error) {
	m := &metsFacts{}
	dec := xml.NewDecoder(&plain{r: r})
	var path []string
	complain := func(err error) error { return fmt.Errorf("%w: %s: %w", ErrInvalid, MetsPath, err) }
	for {
		token, err := dec.Token()
		if err == io.EOF && m.Record != "" && len(path) == 0 {
			return m, nil
		}
		if err != nil {
			return nil, complain(err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.StartElement:
			if len(path) == 0 {
				if m.Record != "" || t.Name != (xml.Name{Space: metsNamespace, Local: "mets"}) {
					return nil, complain(fmt.Errorf("root element %s of %q", t.Name.Local, t.Name.Space))
				}
				for _, a := range t.Attr {
					if a.Name == (xml.Name{Local: "OBJID"}) {
						m.Record = a.Value
					}
				}
				if m.Record == "" {
					return nil, complain(fmt.Errorf("no OBJID"))
				}
			}
			path = append(path, t.Name.Local)
			known, err := m.element(dec, t, path)
			if err != nil {
				return nil, complain(err)
			}
			if known {
				path = path[:len(path)-1]
			}
		}
	}
}

// element reads one that is of interest up to its end, and reports whether it is.
func (m *metsFacts) element(dec *xml.Decoder, start xml.StartElement, path []string) (known bool, err error) {
	at := metsPlaces
	switch {
	case slices.Equal(path, at.version):
		return true, dec.DecodeElement(&m.Version, &start)
	case slices.Equal(path, at.descriptive), slices.Equal(path, at.provenance):
		var p metsPointer
		err = dec.DecodeElement(&p, &start)
		return true, m.add(p, err)
	case slices.Equal(path, at.file):
		var f metsFile
		err = dec.DecodeElement(&f, &start)
		f.Path = f.Location.Path
		return true, m.add(f.metsPointer, err)
	}
	return false, nil
}

func (m *metsFacts) add(p metsPointer, err error) error {
	if err != nil {
		return err
	}
	if len(m.refs) >= MaxEntries {
		return fmt.Errorf("more than %d files", MaxEntries)
	}
	if p.ChecksumType == "SHA-256" {
		p.ChecksumType = "SHA-256" // one for all
	}
	m.refs = append(m.refs, metsRef(p))
	return nil
}

// plain refuses a document type declaration, a comment and a CDATA section, of which
// writeMets makes none.
type plain struct {
	r    io.Reader
	last byte
}

func (p *plain) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		if p.last == '<' && b[0] == '!' || bytes.Contains(b[:n], []byte("<!")) {
			return 0, fmt.Errorf("a document type declaration, comment or CDATA section")
		}
		p.last = b[n-1]
	}
	return n, err
}
