package sip

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/xdomea"
	"bestand/preservation"
)

// readXdomea makes one unit of every record in a message.
func (o *opening) readXdomea(ctx context.Context, root string) error {
	scratch, err := os.MkdirTemp(o.dir, "scratch-") // nothing else may be written by what validates
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	msg, err := xdomea.Read(ctx, o.c, root, o.name, xdomea.Options{Receivers: o.Receivers, Schemas: o.Schemas, Scratch: scratch}, &o.found)
	if err != nil || msg == nil || o.found.Failed() {
		return err
	}
	o.pkg.Format = "xdomea " + msg.Version
	o.pkg.Process, o.pkg.Message = strings.ToLower(msg.Process), msg.Type
	records := msg.Records()
	left := o.Limits.WithDefaults().Bytes
	for _, e := range o.c.Entries {
		left -= e.Size
	}
	for i, record := range records {
		if left -= msg.ExcerptSize(record); len(records) > 1 && left < 0 {
			o.found.Fail(container.TooLarge, "", msg.Entry.Name, "unpacked, with the parts of the message for each of %d records, it is beyond the limit; divide the message", len(records))
			return nil
		}
		u := Unit{Metadata: describe(msg, record)}
		for of, p := range record.All() {
			u.Files = append(u.Files, primary(of, p, record))
		}
		for _, p := range msg.Enclosures {
			f := file(p.Entry, p.Entry.Name, announced(p))
			f.Document = Message
			u.Files = append(u.Files, f)
		}
		m := file(msg.Entry, msg.Entry.Name, nil)
		if len(records) > 1 {
			u.Metadata.Extra["Nachricht SHA-256"] = msg.Entry.SHA256
			if m, err = o.excerpt(ctx, msg, record, i); err != nil {
				return err
			}
		}
		m.Document = Message
		m.Title = "xdomea-Nachricht " + msg.Type
		u.Files = append(u.Files, m)
		o.pkg.Units = append(o.pkg.Units, u)
	}
	return nil
}

// excerpt writes the part of the message that concerns one record.
func (o *opening) excerpt(ctx context.Context, msg *xdomea.Message, record *xdomea.Object, n int) (File, error) {
	f := File{Name: msg.Entry.Name, Path: filepath.Join(o.dir, fmt.Sprintf("message-%06d", n+1))}
	out, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return f, err
	}
	defer out.Close()
	h256, h512 := sha256.New(), sha512.New()
	if err := msg.Excerpt(ctx, io.MultiWriter(out, h256, h512), record); err != nil {
		return f, err
	}
	f.SHA256, f.SHA512 = hex.EncodeToString(h256.Sum(nil)), hex.EncodeToString(h512.Sum(nil))
	if f.Size, err = out.Seek(0, io.SeekCurrent); err != nil {
		return f, err
	}
	return f, out.Close()
}

// primary returns a file that an object names. Its document is the place of the
// object in the record, as 2.1 for the first Dokument of the second Vorgang.
func primary(of *xdomea.Object, p *xdomea.Primary, record *xdomea.Object) File {
	f := file(p.Entry, p.Entry.Name, announced(p))
	f.Document = first(strings.TrimPrefix(strings.TrimPrefix(of.Position, record.Position), "."), "0")
	f.Title = first(of.Subject, p.Original, of.Reference)
	if p.Signature {
		f.Title = strings.TrimSpace(f.Title + " (Signatur)")
	}
	return f
}

func announced(p *xdomea.Primary) map[string]string {
	a := map[string]string{}
	switch alg := p.Announced.Canonical(); alg {
	case "sha256":
		a[alg] = p.Announced.Hex(sha256.Size)
	case "sha512":
		a[alg] = p.Announced.Hex(sha512.Size)
	}
	return a
}

// terms are the codes of Vertraulichkeitsstufe in the words of the archive.
var terms = map[string]string{
	"001": "secret", "002": "restricted", "003": "open", "004": "top secret", "005": "confidential",
}

var kinds = map[xdomea.Kind]string{
	xdomea.Akte: "file", xdomea.Teilakte: "file", xdomea.Vorgang: "case", xdomea.Teilvorgang: "case",
	xdomea.Dokument: "document", xdomea.Schriftstueck: "document", xdomea.Anlage: "document",
}

// inherited are the fields that a context object hands down to its parts ("Die
// Aussonderungsart vererbt sich", schema of AussonderungsmetadatenType).
var inherited = map[string]bool{"Aufbewahrungsdauer": true, "Aussonderungsart": true, "Aktenplaneinheit": true}

// describe turns an object into metadata. The end of Laufzeit is not taken for
// the closure: only ZdADatum says when a file was closed.
func describe(msg *xdomea.Message, record *xdomea.Object) preservation.Metadata {
	s := msg.Sender
	x := extra{}
	for _, f := range record.Extra {
		x.add(f.Label, f.Value)
	}
	m := preservation.Metadata{
		Producer:         first(s.Institution, s.Short, s.Code, s.Unit),
		ProducerRecordID: record.UUID,
		Kind:             kinds[record.Kind],
		Class:            record.Class,
		Title:            first(record.Subject, record.File),
		Reference:        record.Reference,
		Creator:          first(record.Responsible, record.Keeper, s.Unit, s.Institution),
		Opened:           record.Opened,
		Closed:           record.Closed,
		Confidentiality:  terms[record.Confidentiality.Code],
		Extra:            x,
	}
	for up := record.Parent; up != nil; up = up.Parent {
		m.Class = first(m.Class, up.Class)
		x.add("Übergeordnet", strings.Join(strings.Fields(string(up.Kind)+" "+up.Reference+" "+up.Subject+" ("+up.UUID+")"), " "))
		for _, f := range up.Extra {
			if inherited[f.Label] && x[f.Label] == "" {
				x[f.Label] = f.Value
			}
		}
	}
	if m.Class == "" {
		m.Class = common(record)
	}
	x.add("Aktenbetreff", record.File)
	x.add("Aktenführung", record.Keeper)
	x.add("ProzessID", strings.ToLower(msg.Process))
	x.add("NachrichtenUUID", msg.ID)
	x.add("Nachricht", path.Base(msg.Entry.Name))
	x.add("Nachrichtentyp", msg.Type)
	x.add("Nachricht erstellt", msg.Created)
	x.add("Absender", strings.Trim(s.Institution+", "+s.Unit, ", "))
	x.add("Empfänger", first(msg.Receiver.Institution, msg.Receiver.Short, msg.Receiver.Code))
	x.add("Sendendes System", msg.System)
	if msg.Total > 1 {
		x.add("Nachricht Nummer", fmt.Sprintf("%d von %d", msg.Number, msg.Total))
	}
	return m
}

// common returns the class that all parts agree on when the record itself has
// none, or nothing.
func common(record *xdomea.Object) string {
	class := ""
	for o := range record.Objects() {
		if o.Class != "" && class != "" && o.Class != class {
			return ""
		}
		class = first(class, o.Class)
	}
	return class
}
