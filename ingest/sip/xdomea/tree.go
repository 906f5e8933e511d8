package xdomea

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"bestand/ingest/xmltree"
	"bestand/preservation"
)

// skipped are elements without files and without fields that are shown: history
// and extensions make most of a message and stay in it. (They are skipped
// wherever they stand, so none of their names may be that of an object.)
func skipped(local string) bool {
	switch local {
	case "HistorienProtokollInformation", "AnwendungsspezifischeErweiterung", "AnwendungsspezifischeErweiterungXML", "Kontakt", "Verweis":
		return true
	}
	return false
}

const uuid = `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`

var wholeUUID = regexp.MustCompile(`^` + uuid + `$`)

const maxLevels = 5

// object reads an Akte, Vorgang, Dokument or Anlage and all that is in it.
func (r *reader) object(p part, parent *Object, position string, level int) *Object {
	e, kind := p.element, p.kind
	if kind != Anlage && kind != Schriftstueck { // parts of a Dokument are on its level
		level++
	}
	o := &Object{Kind: kind, Parent: parent, Position: position, whole: p.whole}
	o.UUID = strings.ToLower(e.Str("Identifikation/" + r.idName()))
	r.checkUUID(o)
	if level == maxLevels+1 {
		r.found.Fail(TooDeep, "xdomea", o.UUID, "%s lies deeper than %d levels", kind, maxLevels)
	}
	o.Context = isTrue(e.Str("Kontextobjekt"))
	r.describe(o, e)
	for i, c := range parts(e) {
		o.Children = append(o.Children, r.object(c, o, strings.TrimPrefix(fmt.Sprintf("%s.%d", position, i+1), "."), level))
	}
	for _, v := range e.All("Version") {
		for _, p := range v.All("Format/Primaerdokument") {
			o.Primary = append(o.Primary, r.primary(p, v.Str("Nummer"))...)
		}
	}
	return o
}

// part is an object that is not read yet.
type part struct {
	element *xmltree.Element
	kind    Kind
	whole   span // with the element around it if that holds nothing else
}

// parts are the objects right below an element, whatever stands between them:
// Akteninhalt, the choice of 4.0 between two forms of a Dokument, or the circular
// of a Geschaeftsgang, whose notes have Anlagen.
func parts(e *xmltree.Element) []part {
	var all []part
	for _, c := range e.Children {
		kind, whole := Kind(c.Name.Local), span{c.Start, c.End}
		switch kind {
		case "Version", "Identifikation", "AllgemeineMetadaten":
		case Akte, Teilakte, Vorgang, Teilvorgang, Dokument, Schriftstueck:
			all = append(all, part{c, kind, whole})
		case "DokumentMitSchriftstueck":
			all = append(all, part{c, Dokument, whole})
		case "DokumentOderDokumentMitSchriftstueck":
			all = append(all, within(c, "")...)
		case Anlage:
			if c.One("Dokument") == nil && c.One("DokumentMitSchriftstueck") == nil { // 3.x: it is a Dokument itself
				all = append(all, part{c, Anlage, whole})
				continue
			}
			all = append(all, within(c, Anlage)...)
		default:
			all = append(all, parts(c)...)
		}
	}
	return all
}

// within are the parts of an element that, as the schema has it, holds one only;
// as replaces its kind.
func within(e *xmltree.Element, as Kind) []part {
	all := parts(e)
	for i := range all {
		all[i].kind = Kind(or(string(as), string(all[i].kind)))
		if len(all) == 1 {
			all[i].whole = span{e.Start, e.End}
		}
	}
	return all
}

// describe reads the metadata of an object.
func (r *reader) describe(o *Object, e *xmltree.Element) {
	m := e.One("AllgemeineMetadaten")
	o.Subject, o.File = line(m.Str("Betreff")), line(e.Str("Aktenbetreff"))
	o.Reference, o.Responsible, o.Keeper = line(m.Str("Kennzeichen")), line(m.Str("Federfuehrung")), line(m.Str("Aktenfuehrung"))
	o.Class = line(m.Str("Aktenplaneinheit/Kennzeichen"))
	o.Confidentiality = code(m.One("Vertraulichkeitsstufe"))
	if o.Confidentiality.Code == "" {
		o.Confidentiality = code(m.One("Geheimhaltung/Geheimhaltungsgrad"))
	}
	o.Medium = code(m.One("Medium"))
	o.Opened, o.Ended = r.date(o, e, "Laufzeit/Beginn"), r.date(o, e, "Laufzeit/Ende")
	o.Closed = r.date(o, e, "ZdADatum")
	if !o.Closed.IsZero() && o.Closed.Before(o.Opened) {
		r.found.Fail(BadDate, "xdomea", o.UUID, "ZdADatum %s is before the beginning of Laufzeit, %s", o.Closed, o.Opened)
	}
	a := e.One("ArchivspezifischeMetadaten") // 3.x
	if a == nil {
		a = e.One("Aussonderungsmetadaten") // 4.0
	}
	years := a.Str("Aufbewahrungsdauer/AnzahlJahre")
	if isTrue(a.Str("Aufbewahrungsdauer/Unbefristet")) {
		years = "unbefristet"
	}
	kind := a.One("Aussonderungsart")
	o.Disposal = code(kind.One("Aussonderungsart"))
	for _, f := range []Field{
		{"Aktenplaneinheit", m.Str("Aktenplaneinheit/Inhaltsangabe")},
		{"Bemerkung", m.Str("Bemerkung")},
		{"Datenschutzstufe", or(m.Str("Datenschutzstufe"), code(m.One("DatenschutzstufeCode")).String())},
		{"Einstufungsfrist", m.Str("Geheimhaltung/Einstufungsfrist")},
		{"Medium", o.Medium.String()},
		{"Vertraulichkeitsstufe", o.Confidentiality.String()},
		{"Laufzeit Ende", o.Ended.String()},
		{"ZdA", e.Str("ZdA")},
		{"Standort", e.Str("Standort")},
		{"Typ", e.Str("Typ")},
		{"Datum des Schreibens", e.Str("DatumDesSchreibens")},
		{"Posteingangsdatum", e.Str("Posteingangsdatum")},
		{"Postausgangsdatum", e.Str("Postausgangsdatum")},
		{"Fremdes Geschäftszeichen", e.Str("FremdesGeschaeftszeichen")},
		{"Aufbewahrungsdauer", years},
		{"Aufbewahrungsende", a.Str("Aufbewahrungsende")},
		{"Transferfristende", a.Str("Transferfristende")},
		{"Aussonderungsart", or(o.Disposal.String(), kind.Str("AussonderungsartKonfigurierbar"))},
		{"Bewertungsvorschlag", code(a.One("Bewertungsvorschlag")).String()},
		{"Bewertungsvorschlag Begründung", a.Str("BewertungsvorschlagBegruendung")},
	} {
		if f.Value = line(f.Value); f.Value != "" {
			o.Extra = append(o.Extra, f)
		}
	}
}

// date reads a day; its zone is left out (XML Schema part 2, 3.2.9).
func (r *reader) date(o *Object, e *xmltree.Element, path string) preservation.Date {
	s := e.Str(path)
	if s == "" {
		return preservation.Date{}
	}
	day, zone := s[:min(len(s), 10)], s[min(len(s), 10):]
	d, err := preservation.ParseDate(day)
	if err != nil || zone != "" && zone != "Z" && !zonePattern.MatchString(zone) {
		r.found.Fail(BadDate, "xdomea", o.UUID, "%s of %s is no existing day of the form YYYY-MM-DD", path, o.Kind)
		return preservation.Date{}
	}
	return d
}

var zonePattern = regexp.MustCompile(`^[+-][0-9]{2}:[0-9]{2}$`)

// code reads an entry of a code list.
func code(e *xmltree.Element) Code { return Code{e.Str("code"), line(e.Str("name"))} }

func (c Code) String() string {
	if c.Name == "" {
		return c.Code
	}
	return strings.TrimSpace(c.Code + " " + c.Name)
}

// line makes one line of a text.
func line(s string) string { return strings.Join(strings.Fields(s), " ") }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func isTrue(s string) bool { return s == "1" || s == "true" }

// All returns every file of the object with the object that names it, in the
// order of the message.
func (o *Object) All() iter.Seq2[*Object, *Primary] {
	return func(yield func(*Object, *Primary) bool) { o.each(yield) }
}

func (o *Object) each(yield func(*Object, *Primary) bool) bool {
	for _, p := range o.Primary {
		if !yield(o, p) {
			return false
		}
	}
	for _, c := range o.Children {
		if !c.each(yield) {
			return false
		}
	}
	return true
}

// Objects returns the object and all its parts.
func (o *Object) Objects() iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		open := []*Object{o}
		for len(open) > 0 {
			next := open[len(open)-1]
			open = open[:len(open)-1]
			if !yield(next) {
				return
			}
			for _, c := range slices.Backward(next.Children) {
				open = append(open, c)
			}
		}
	}
}
