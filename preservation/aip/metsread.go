package aip

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// metsFacts is what METS says of the package.
type metsFacts struct {
	XMLName xml.Name      `xml:"http://www.loc.gov/METS/ mets"`
	Record  string        `xml:"OBJID,attr"`
	Profile string        `xml:"PROFILE,attr"`
	Version string        `xml:"metsHdr>altRecordID"`
	DMD     []metsRef     `xml:"dmdSec>mdRef"`
	AMD     []metsRef     `xml:"amdSec>digiprovMD>mdRef"`
	Files   []metsFileRef `xml:"fileSec>fileGrp>file"`
}

type metsRef struct {
	Path         string `xml:"http://www.w3.org/1999/xlink href,attr"`
	Size         int64  `xml:"SIZE,attr"`
	Checksum     string `xml:"CHECKSUM,attr"`
	ChecksumType string `xml:"CHECKSUMTYPE,attr"`
}

type metsFileRef struct {
	ID string `xml:"ID,attr"`
	metsRef
	Location struct {
		Path string `xml:"http://www.w3.org/1999/xlink href,attr"`
	} `xml:"FLocat"`
}

// readMets reads a METS document that writeMets wrote.
func readMets(mets []byte) (*metsFacts, error) {
	if bytes.Contains(mets, []byte("<!")) {
		return nil, fmt.Errorf("%w: %s: a document type declaration, comment or CDATA section", ErrInvalid, MetsPath)
	}
	var m metsFacts
	if err := xml.Unmarshal(mets, &m); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, MetsPath, err)
	}
	return &m, nil
}

// references are all files that METS names.
func (m *metsFacts) references() []metsRef {
	refs := append(append([]metsRef{}, m.DMD...), m.AMD...)
	for _, f := range m.Files {
		f.Path = f.Location.Path
		refs = append(refs, f.metsRef)
	}
	return refs
}
