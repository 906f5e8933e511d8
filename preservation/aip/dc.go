package aip

import (
	"io"

	"bestand/preservation"
)

// writeDC writes the record as simple Dublin Core (ISO 15836-1), for readers
// that know nothing of this format. It leaves out the persons concerned: a
// foreign reader need not get them, and record.json has them.
func writeDC(w io.Writer, r *preservation.Record) error {
	x := newXMLWriter(w)
	x.start("oai_dc:dc", "xmlns:oai_dc", "http://www.openarchives.org/OAI/2.0/oai_dc/", "xmlns:dc", "http://purl.org/dc/elements/1.1/")
	element := func(name, text string) {
		if text != "" {
			x.leaf("dc:"+name, text)
		}
	}
	element("title", r.Title)
	element("creator", r.Creator)
	element("subject", r.Class)
	for _, k := range r.Keywords {
		element("subject", k)
	}
	element("type", r.Kind)
	element("date", interval(r.Opened, r.Closed))
	element("identifier", string(r.ID))
	element("identifier", r.Reference)
	if r.ProducerRecordID != r.Reference {
		element("identifier", r.ProducerRecordID)
	}
	element("source", r.Producer)
	element("relation", string(r.Parent))
	element("rights", r.Confidentiality)
	x.end()
	return x.flush()
}

// interval writes ISO 8601 days, "2014-03-02/2015-11-30".
func interval(from, to preservation.Date) string {
	switch {
	case to.IsZero():
		return from.String()
	case from.IsZero():
		return to.String()
	}
	return from.String() + "/" + to.String()
}
