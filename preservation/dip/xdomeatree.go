package dip

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"bestand/preservation"
)

// node is an object of the tree from the uppermost Akte or Vorgang to the record.
type node struct {
	element string // Akte, Teilakte, Vorgang, Teilvorgang or Dokument
	id      uuid
	context bool
	record  preservation.Record
}

// chain is the way from the uppermost object to the record.
func (x *message) chain() []node {
	r := x.record
	r.Class, _ = x.source.class()
	nodes := ancestry(node{element: elementOf(r.Kind), id: x.id, record: r}, x.source.Filing.Parents)
	if nodes[0].element == "Dokument" { // none may be uppermost: a Vorgang of the same name is around it
		nodes = slices.Insert(nodes, 0, node{element: "Vorgang", id: aroundID(r), context: true, record: r})
	}
	return nodes
}

// aroundID is the xdomeaUUID of the Vorgang around a record that is a Dokument.
func aroundID(r preservation.Record) uuid { return derived("around", string(r.ID)) }

// ancestry is an object with what it is a part of, the uppermost first. Ancestors that
// xdomea cannot have above it are left out.
func ancestry(n node, parents []preservation.Record) []node {
	nodes := []node{n}
	most := maxLevels
	if n.element != "Dokument" { // those are below it
		most--
	}
	for _, p := range slices.Backward(parents) {
		above, below := elementOf(p.Kind), &nodes[0]
		if len(nodes) == most {
			break
		}
		switch {
		case above == "Akte" && below.element == "Akte":
			below.element = "Teilakte"
		case above == "Vorgang" && below.element == "Vorgang":
			below.element = "Teilvorgang"
		case above == "Akte" && (below.element == "Vorgang" || below.element == "Dokument"), above == "Vorgang" && below.element == "Dokument":
		default:
			return nodes
		}
		nodes = slices.Insert(nodes, 0, node{element: above, id: objectID(p), context: true, record: p})
	}
	return nodes
}

const maxLevels = 5 // of a tree (xdomea 2.4)

// elementOf is the element for a kind of record. One that is not told is taken for a file.
func elementOf(kind string) string {
	switch kind {
	case "case":
		return "Vorgang"
	case "document":
		return "Dokument"
	}
	return "Akte"
}

// objects writes the first of nodes with the others in it.
func (x *message) objects(nodes []node) {
	n, rest := nodes[0], nodes[1:]
	if n.element == "Dokument" {
		x.single(n)
		return
	}
	file := n.element == "Akte" || n.element == "Teilakte"
	x.text("<xdomea:" + n.element + ">")
	x.identify(n.id, 0)
	x.text("<xdomea:Kontextobjekt>" + digit(n.context) + "</xdomea:Kontextobjekt>\n")
	x.general(n.record, x.classTitle(n.record), !n.context)
	if !n.context {
		x.disposal(x.source.Filing, x.source.Until, "", "")
	}
	if !file {
		x.closed(n.record)
	}
	x.term(n.record)
	if file {
		x.text("<xdomea:Akteninhalt>\n")
	}
	if !n.context {
		for i, d := range documents(x.record.Files) {
			x.text("<xdomea:DokumentOderDokumentMitSchriftstueck>")
			x.part("Dokument", d, i+1)
			x.text("</xdomea:DokumentOderDokumentMitSchriftstueck>\n")
		}
	}
	if len(rest) > 0 {
		x.objects(rest)
	}
	if file {
		x.text("</xdomea:Akteninhalt>\n")
		x.closed(n.record)
	}
	if !n.context {
		x.extension()
	}
	x.text("</xdomea:" + n.element + ">\n")
}

func digit(b bool) string { // what is fixed in the schema is compared to the letter
	if b {
		return "1"
	}
	return "0"
}

func (p *page) identify(id uuid, number int) {
	p.text("<xdomea:Identifikation>")
	p.element("xdomeaUUID", id.String())
	if number > 0 {
		p.element("NummerImUebergeordnetenContainer", strconv.Itoa(number))
	}
	p.text("</xdomea:Identifikation>")
}

// term writes Laufzeit.
func (p *page) term(r preservation.Record) {
	if !r.Opened.IsZero() {
		p.text("<xdomea:Laufzeit>")
		p.element("Beginn", r.Opened.String())
		p.text("</xdomea:Laufzeit>\n")
	}
}

// classTitle is what the file plan calls the class of a record, if that is known here.
func (x *message) classTitle(r preservation.Record) string {
	if class, _ := x.source.class(); r.Class == class {
		return x.source.Filing.ClassTitle
	}
	return ""
}

// general writes AllgemeineMetadaten.
func (p *page) general(r preservation.Record, classTitle string, electronic bool) {
	p.text("<xdomea:AllgemeineMetadaten>")
	p.element("Betreff", r.Title)
	p.element("Kennzeichen", r.Reference)
	p.element("Federfuehrung", r.Creator)
	if code := degree(r.Confidentiality); code != "" {
		p.text("<xdomea:Geheimhaltung>")
		p.code("Geheimhaltungsgrad", "urn:xoev-de:xdomea:codeliste:vertraulichkeitsstufe", "1.0", code, "")
		p.text("</xdomea:Geheimhaltung>")
	}
	if electronic {
		p.code("Medium", "urn:xoev-de:xdomea:codeliste:medium", "1.0", "001", "")
	}
	if r.Class != "" {
		p.text("<xdomea:Aktenplaneinheit>")
		p.element("Kennzeichen", r.Class)
		p.element("Inhaltsangabe", classTitle)
		p.text("</xdomea:Aktenplaneinheit>")
	}
	p.text("</xdomea:AllgemeineMetadaten>\n")
}

// disposal writes Aussonderungsmetadaten, as far as they are known. proposed is A, V or
// nothing, the only codes that the list of proposals has, and why the reason for it.
func (p *page) disposal(f Filing, until preservation.Date, proposed, why string) {
	p.text("<xdomea:Aussonderungsmetadaten>")
	switch {
	case f.Permanent:
		p.text("<xdomea:Aufbewahrungsdauer><xdomea:Unbefristet>1</xdomea:Unbefristet></xdomea:Aufbewahrungsdauer>")
	case f.Years > 0:
		p.text("<xdomea:Aufbewahrungsdauer>")
		p.element("AnzahlJahre", strconv.Itoa(f.Years))
		p.text("</xdomea:Aufbewahrungsdauer>")
	}
	if f.Disposition != "" {
		p.text("<xdomea:Aussonderungsart>")
		p.code("Aussonderungsart", "urn:xoev-de:xdomea:codeliste:aussonderungsart", "1.0", f.Disposition, "")
		p.text("</xdomea:Aussonderungsart>")
	}
	if proposed != "" {
		p.code("Bewertungsvorschlag", "urn:xoev-de:xdomea:codeliste:bewertungsvorschlag", "1.0", proposed, "")
		p.element("BewertungsvorschlagBegruendung", why)
	}
	p.element("Aufbewahrungsende", until.String())
	p.text("</xdomea:Aussonderungsmetadaten>\n")
}

func (p *page) closed(r preservation.Record) {
	if !r.Closed.IsZero() {
		p.element("ZdA", "1")
		p.element("ZdADatum", r.Closed.String())
	}
}

// extension says what xdomea has no element for, a Feld for each value.
func (x *message) extension() {
	r := x.record
	x.text("<xdomea:AnwendungsspezifischeErweiterung><xdomea:Kennung>bestand</xdomea:Kennung><xdomea:Name>Bestand</xdomea:Name>")
	x.field("Record", string(r.ID))
	x.field("Version", strconv.Itoa(r.Version))
	x.field("Received", stamp(r.Received))
	x.field("Producer", r.Producer)
	x.field("Producer record ID", r.ProducerRecordID)
	x.field("Confidentiality", r.Confidentiality)
	x.field("Opened", r.Opened.String())
	x.field("Closed", r.Closed.String())
	_, received := x.source.class()
	x.field("Class as received", received)
	if r.PersonalData {
		x.field("Personal data", "true")
	}
	for i, s := range r.Subjects {
		name := "Subject " + strconv.Itoa(i+1)
		x.field(name, s.Name)
		x.field(name+" born", s.Born.String())
		x.field(name+" died", s.Died.String())
		x.field(name+" ID", s.ID)
	}
	for _, k := range r.Keywords {
		x.field("Keyword", k)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Extra)) {
		x.field("Extra: "+name, r.Extra[name])
	}
	for i, s := range x.source.Statements {
		name := "Counter-statement " + strconv.Itoa(i+1)
		x.field(name, s.Text)
		x.field(name+" recorded", stamp(s.Recorded))
	}
	x.text("</xdomea:AnwendungsspezifischeErweiterung>\n")
}

// field writes a Feld, or nothing for nothing.
func (p *page) field(name, value string) {
	if value != "" {
		p.text("<xdomea:Feld>")
		p.element("Name", name)
		p.element("Wert", value)
		p.text("</xdomea:Feld>")
	}
}

// single writes a record that is itself a Dokument. One with several documents in it
// has Schriftstücke.
func (x *message) single(n node) {
	x.text("<xdomea:DokumentOderDokumentMitSchriftstueck>")
	element, all := "Dokument", documents(x.record.Files)
	if len(all) > 1 {
		element = "DokumentMitSchriftstueck"
	}
	x.text("<xdomea:" + element + ">")
	x.identify(n.id, 0)
	x.general(n.record, x.classTitle(n.record), true)
	x.extension()
	if len(all) == 1 {
		x.versions(all[0])
	} else {
		for i, d := range all {
			x.part("Schriftstueck", d, i+1)
		}
	}
	x.text("</xdomea:" + element + "></xdomea:DokumentOderDokumentMitSchriftstueck>\n")
}

// part writes a document of the record.
func (x *message) part(element string, d *document, number int) {
	first := d.versions[0][0]
	x.text("<xdomea:" + element + ">")
	x.identify(derived("document", string(x.record.ID), d.key), number)
	x.text("<xdomea:AllgemeineMetadaten>")
	title := first.Title
	if title == "" {
		title = path.Base(original(first.Name))
	}
	x.element("Betreff", title)
	x.code("Medium", "urn:xoev-de:xdomea:codeliste:medium", "1.0", "001", "")
	x.text("</xdomea:AllgemeineMetadaten>\n")
	x.versions(d)
	x.text("</xdomea:" + element + ">")
}

// versions writes the files of a document.
func (x *message) versions(d *document) {
	for i, files := range d.versions {
		x.text("<xdomea:Version>")
		x.element("Nummer", strconv.Itoa(i+1))
		for _, f := range files {
			x.format(f)
		}
		x.text("</xdomea:Version>\n")
	}
}

// formats are the codes of Dateiformat. archivalPDF is PDF/A.
var formats = map[string]string{
	"image/bmp": "001", "text/csv": "002", "application/msword": "003", "message/rfc822": "006", "text/html": "008", "image/jpeg": "011", "application/vnd.ms-outlook": "012",
	"application/vnd.oasis.opendocument.presentation": "013", "application/vnd.oasis.opendocument.spreadsheet": "014", "application/vnd.oasis.opendocument.text": "015",
	"application/pdf": "018", "image/png": "019", "application/vnd.ms-powerpoint": "020", "application/postscript": "021", "application/rtf": "022", "text/rtf": "022", "image/tiff": "024",
	"application/vnd.ms-excel": "028", "application/xml": "030", "text/xml": "030", "text/plain": "045",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   "035",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         "036",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": "037",
}

const archivalPDF = "044"

// format writes one file with its digest.
func (x *message) format(f preservation.File) {
	x.text("<xdomea:Format>")
	known := formats[f.Format.MIME]
	if known == formats["application/pdf"] && f.Flavour != "" {
		known = archivalPDF
	}
	x.code("Name", "urn:xoev-de:xdomea:codeliste:dateiformat", "2.0", cmp.Or(known, "100"), "")
	if known == "" { // PRONOM has more formats than the list
		x.element("SonstigerName", strings.TrimSpace(f.Format.Name+" "+f.Format.PUID))
	}
	x.text("<xdomea:Version>%s</xdomea:Version><xdomea:Primaerdokument>", f.Format.Version)
	x.element("Dateiname", x.primaryName(f))
	x.element("DateinameOriginal", original(f.Name))
	x.text("<xdomea:Hash>")
	x.element("Wert", f.SHA256)
	x.code("Algorithmus", "urn:xoev-de:kosit:codeliste:xta.serviceprofile.kryptographische-algorithmen", "1.0.0", "SHA-256", sha256URI)
	x.text("</xdomea:Hash></xdomea:Primaerdokument></xdomea:Format>\n")
}
