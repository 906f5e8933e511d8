package sip

import (
	"context"

	"bestand/ingest/sip/eark"
	"bestand/preservation"
)

// readEARK makes one unit of an E-ARK SIP. Its files keep their place in the
// name; those of a representation are a document of their own.
func (o *opening) readEARK(ctx context.Context, root string) error {
	p, err := eark.Read(ctx, o.c, root, &o.found)
	if err != nil || p == nil {
		return err
	}
	o.pkg.Format = "E-ARK SIP " + first(p.Version, "2.x")
	x := extra{}
	x.add("Content category", p.Type)
	x.add("Content information type", p.Content)
	x.add("Package created", p.Created)
	x.add("Date", p.Date)
	for _, f := range p.Alt {
		x.add("altRecordID "+f.Label, f.Value)
	}
	for _, a := range p.Agents {
		x.add("Agent "+a.Role, a.Name)
	}
	for _, f := range p.Extra {
		x.add(f.Label, f.Value)
	}
	u := Unit{Metadata: preservation.Metadata{
		Producer:         p.Creator(),
		ProducerRecordID: p.ID,
		Title:            first(p.Title, p.Label),
		Reference:        p.Identifier,
		Creator:          p.Author,
		Extra:            x,
	}}
	for _, f := range p.Files {
		t := file(f.Entry, f.Name, f.Announced)
		if t.Document = f.Representation; !f.Data {
			t.Document = Message
		}
		u.Files = append(u.Files, t)
	}
	o.pkg.Units = []Unit{u}
	return nil
}
