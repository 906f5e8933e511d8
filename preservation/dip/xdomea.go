package dip

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// XdomeaType is the media type of an xdomea container.
const XdomeaType = "application/zip"

// XdomeaName is the name of an xdomea container without its extension: ProzessID,
// type, number (xdomea 4.0.0).
func XdomeaName(s Source) string {
	return process(s).String() + "_0503_" + strconv.Itoa(s.number())
}

// Xdomea writes a version as message Aussonderung.Aussonderung.0503 of xdomea 4.0.0
// with its files, in a ZIP.
//
// The record is an Akte, a Vorgang or a Dokument, and what it is a part of stands
// around it as Kontextobjekt. The files of one document are a Dokument, which has a
// Version for each file as received, with that and its renditions as Formate. Text
// that was made for the search is left out. A record that came with a UUID keeps it.
func Xdomea(ctx context.Context, w io.Writer, s Source) error {
	h, err := newShelf(s)
	if err != nil {
		return err
	}
	x := &message{source: s, record: s.Package.Record(), id: objectID(s.Package.Record())}
	var files []item
	for _, f := range x.record.Files {
		if f.Representation == preservation.Text {
			continue
		}
		from, err := h.file(ctx, f)
		if err != nil {
			return err
		}
		files = append(files, from.at(x.primaryName(f)))
	}
	name := XdomeaName(s) + ".xml"
	m, err := made(name, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		x.page = page{w: b}
		x.write()
		if x.err != nil {
			return x.err
		}
		return b.Flush()
	})
	if err != nil {
		return err
	}
	z := aip.NewZIP(w)
	if err := pack(ctx, z, "", m); err != nil {
		return err
	}
	if err := pack(ctx, z, "", files...); err != nil {
		return err
	}
	return z.Close()
}

// uuid is an identifier in the form of RFC 9562.
type uuid [16]byte

func (u uuid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// derived is the same for the same parts: version 8 (RFC 9562, 5.8), by SHA-256.
func derived(parts ...string) (u uuid) {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	copy(u[:], sum[:])
	u[6], u[8] = u[6]&0x0F|0x80, u[8]&0x3F|0x80
	return u
}

// parseUUID reads the form that xdomea wants.
func parseUUID(s string) (u uuid, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	n, err := hex.Decode(u[:], []byte(strings.ReplaceAll(s, "-", "")))
	return u, err == nil && n == len(u)
}

// objectID is the xdomeaUUID of a record, the same in every message: the one that it
// was handed over with if it was one.
func objectID(r preservation.Record) uuid {
	if u, ok := parseUUID(r.ProducerRecordID); ok {
		return u
	}
	return derived("record", string(r.ID))
}

// process is the ProzessID: that of the disposal run, or of one hand-over.
func process(s Source) uuid {
	if s.Handover.Run != "" {
		return runProcess(s.Handover.Run)
	}
	r := s.Package.Record()
	return derived("process", string(r.ID), strconv.Itoa(r.Version), strconv.FormatInt(s.At.UnixNano(), 10))
}

// runProcess is the ProzessID of all messages about a disposal run.
func runProcess(run string) uuid { return derived("disposal", run) }

// number is the LfdNr of the message.
func (s Source) number() int { return max(s.Handover.Number, 1) }

// message writes a message.
type message struct {
	page
	source Source
	record preservation.Record
	id     uuid // of the record
}

// primaryName is the Dateiname of a file: a UUID of its own and as much of the name as
// a file system takes. DateinameOriginal has all of it.
func (x *message) primaryName(f preservation.File) string {
	const most = 200 // bytes; with the UUID below what a name may have
	id := derived("file", string(x.record.ID), string(f.ID)).String()
	base := path.Base(legible(f.Name))
	if device(path.Base(f.Name)) { // which it is not behind the UUID
		base = strings.TrimPrefix(base, string(mark))
	}
	end := path.Ext(base)
	if len(end) > 20 {
		end = ""
	}
	base = strings.TrimSuffix(base, end)
	if len(base)+len(end) > most {
		for len(base)+len(end) > most {
			_, n := utf8.DecodeLastRuneInString(base)
			base = base[:len(base)-n]
		}
		base = strings.TrimRightFunc(base, func(r rune) bool { return r == '.' || unicode.IsSpace(r) }) // file systems drop them
	}
	return id + "_" + base + end
}

// original is a name in XML: as it is, or where XML does not keep it so, legible. One
// that has a character of legible names could be taken for such a one, and is made one.
func original(name string) string {
	keeps := utf8.ValidString(name) && strings.TrimSpace(name) == name && !strings.ContainsFunc(name, func(r rune) bool {
		return standsFor(r) || unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF
	})
	if keeps && name != "" {
		return name
	}
	return legible(name)
}

const xdomeaNamespace = "urn:xoev-de:xdomea:schema:4.0.0"

func (x *message) write() {
	s := x.source
	l := letter{kind: "Aussonderung.Aussonderung.0503", process: process(s), id: derived("message", process(s).String(), strconv.Itoa(s.number()), strconv.FormatInt(s.At.UnixNano(), 10)), archive: s.Archive, reader: s.Handover.Receiver, agent: s.Agent, at: s.At}
	x.begin(l)
	x.text(`<xdomea:Importbestaetigung>1</xdomea:Importbestaetigung><xdomea:RueckmeldungArchivkennung>0</xdomea:RueckmeldungArchivkennung><xdomea:Empfangsbestaetigung>0</xdomea:Empfangsbestaetigung>`)
	x.number(s.number(), max(s.Handover.Total, 1))
	x.text("<xdomea:Schriftgutobjekt>\n")
	x.objects(x.chain())
	x.text("</xdomea:Schriftgutobjekt>\n")
	x.end(l)
}

// letter is what stands around every message.
type letter struct {
	kind        string // ends with the number of its type
	process, id uuid
	archive     string // who writes
	reader      string // to whom, as far as that is known
	agent       preservation.Agent
	at          time.Time
}

func (p *page) begin(l letter) {
	p.text(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	p.text(`<xdomea:`+l.kind+` xmlns:xdomea="`+xdomeaNamespace+`" produkt="%s" produkthersteller="%s" produktversion="%s" standard="xdomea" version="4.0.0">`+"\n",
		"Bestand", "Bestand", cmp.Or(l.agent.Version, "-"))
	p.text(`<xdomea:nachrichtenkopf><xdomea:identifikation.nachricht><nachrichtenUUID>%s</nachrichtenUUID>`+
		`<nachrichtentyp listURI="urn:xoev-de:xdomea:codeliste:nachrichtentyp" listVersionID="3.0"><code>%s</code><name>%s</name></nachrichtentyp>`+
		`<erstellungszeitpunkt>%s</erstellungszeitpunkt></xdomea:identifikation.nachricht>`+"\n", l.id.String(), l.kind[len(l.kind)-4:], l.kind, stamp(l.at))
	p.contact("leser", l.reader)
	p.contact("autor", l.archive)
	p.text(`<xdomea:ProzessID>%s</xdomea:ProzessID></xdomea:nachrichtenkopf>`+"\n", l.process.String())
}

// contact writes an element that names an institution. The schema wants it even where
// there is nobody to name.
func (p *page) contact(element, name string) {
	p.text("<xdomea:" + element + ">")
	if name != "" {
		p.text("<xdomea:NameInstitution>")
		p.element("Name", name)
		p.text("</xdomea:NameInstitution>")
	}
	p.text("</xdomea:" + element + ">")
}

func (p *page) end(l letter) { p.text("</xdomea:" + l.kind + ">\n") }

// number says which message of its type in the process this is.
func (p *page) number(n, total int) {
	p.element("LfdNrNachrichtProTyp", strconv.Itoa(n))
	p.element("GesamtanzahlNachrichtenProTyp", strconv.Itoa(total))
	p.text("\n")
}

// element writes an element of xdomea, or nothing for nothing.
func (p *page) element(name, value string) {
	if value != "" {
		p.text("<xdomea:"+name+">%s</xdomea:"+name+">", value)
	}
}

// code writes an element that is an entry of a code list.
func (p *page) code(element, list, version, code, name string) {
	p.text(`<xdomea:`+element+` listURI="%s" listVersionID="%s"><code>%s</code>`, list, version, code)
	if name != "" {
		p.text(`<name>%s</name>`, name)
	}
	p.text(`</xdomea:` + element + `>`)
}

// document is a Dokument: versions of one file each, with their renditions.
type document struct {
	key      string
	versions [][]preservation.File
}

// documents sorts the files by the document that they belong to. A file without one is
// a document of its own; what was made of a file goes with it.
func documents(files []preservation.File) []*document {
	byID := make(map[preservation.FileID]preservation.File, len(files))
	for _, f := range files {
		byID[f.ID] = f
	}
	var all []*document
	known := map[string]*document{}
	versions := map[preservation.FileID]int{} // of a file as received, in its document
	for _, f := range files {
		if f.Representation == preservation.Text {
			continue
		}
		root := f
		for range len(files) {
			from, ok := byID[root.DerivedFrom]
			if !ok {
				break
			}
			root = from
		}
		key := "file " + string(root.ID)
		if root.Document != "" {
			key = "document " + root.Document
		}
		d := known[key]
		if d == nil {
			d = &document{key: key}
			known[key], all = d, append(all, d)
		}
		n, ok := versions[root.ID]
		if !ok {
			n = len(d.versions)
			versions[root.ID], d.versions = n, append(d.versions, nil)
		}
		d.versions[n] = append(d.versions[n], f)
	}
	return all
}
