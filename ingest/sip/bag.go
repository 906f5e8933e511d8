package sip

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"bestand/ingest/sip/bagit"
	"bestand/preservation"
)

// readBag makes one unit of a bag. RFC 8493 has no fields for a file plan: Class,
// Reference, Title, Creator, Opened and Closed are read where a bag has them,
// under these names or their German ones.
func (o *opening) readBag(ctx context.Context, root string) error {
	b, err := bagit.Read(ctx, o.c, root, &o.found)
	if err != nil || b == nil {
		return err
	}
	o.pkg.Format = "BagIt " + b.Version
	m := preservation.Metadata{
		Producer:         b.Value("Source-Organization"),
		ProducerRecordID: first(b.Value("External-Identifier"), payloadID(b)),
		Class:            b.Value("Class", "Aktenplankennzeichen"),
		Title:            first(b.Value("Title", "Titel", "External-Description", "Internal-Sender-Description"), b.Folder),
		Reference:        b.Value("Reference", "Aktenzeichen"),
		Creator:          b.Value("Creator", "Federführung"),
	}
	m.Opened = o.bagDate(b, "Opened", "Laufzeit-Beginn")
	m.Closed = o.bagDate(b, "Closed", "ZdA-Datum")
	x := extra{}
	for _, f := range b.Info {
		x.add(f.Label, f.Value)
	}
	m.Extra = x
	u := Unit{Metadata: m}
	for _, f := range b.Payload {
		u.Files = append(u.Files, file(f.Entry, f.Name, f.Announced))
	}
	for _, f := range b.Tags {
		t := file(f.Entry, f.Name, f.Announced)
		t.Document = Message
		u.Files = append(u.Files, t)
	}
	o.pkg.Units = []Unit{u}
	return nil
}

func (o *opening) bagDate(b *bagit.Bag, labels ...string) preservation.Date {
	s := b.Value(labels...)
	if s == "" {
		return preservation.Date{}
	}
	d, err := preservation.ParseDate(s)
	if err != nil {
		o.found.Fail(bagit.BadTagFile, "", "bag-info.txt", "%s is no existing day of the form YYYY-MM-DD", strings.Join(labels, " or "))
	}
	return d
}

// payloadID names a bag without identifier by its payload: the name of its folder
// may be that of many.
func payloadID(b *bagit.Bag) string {
	h := sha256.New()
	for _, f := range b.Payload {
		fmt.Fprintf(h, "%s %q\n", f.SHA256, f.Name)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
