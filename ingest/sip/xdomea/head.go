package xdomea

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"bestand/ingest/xmltree"
)

// readHead3 reads the Kopf of 3.x.
func (r *reader) readHead3(doc *xmltree.Element) {
	k := doc.One("Kopf")
	m := &r.msg
	m.Process, m.Created = k.Str("ProzessID"), k.Str("Erstellungszeitpunkt")
	m.Sender, m.Receiver = party3(k.One("Absender")), party3(k.One("Empfaenger"))
	s := k.One("SendendesSystem")
	m.System = line(s.Str("Produktname") + " " + s.Str("Version"))
	r.checkType(k.Str("Nachrichtentyp/code"))
}

func party3(e *xmltree.Element) Party {
	return Party{
		Institution: line(e.Str("Institution/Name")), Short: line(e.Str("Institution/Kurzbezeichnung")), Unit: line(e.Str("Organisationseinheit/Name")),
		Code: e.Str("Behoerdenkennung/Behoerdenschluessel/code"), Prefix: e.Str("Behoerdenkennung/Praefix/code"),
	}
}

// readHead4 reads the nachrichtenkopf of 4.0 and what stands beside it.
func (r *reader) readHead4(doc *xmltree.Element) {
	k := doc.One("nachrichtenkopf")
	m := &r.msg
	m.Process, m.ID, m.Created = k.Str("ProzessID"), strings.ToLower(k.Str("identifikation.nachricht/nachrichtenUUID")), k.Str("identifikation.nachricht/erstellungszeitpunkt")
	m.Sender, m.Receiver = party4(k.One("autor")), party4(k.One("leser"))
	m.System = line(doc.Attribute("", "produkthersteller") + " " + doc.Attribute("", "produkt") + " " + doc.Attribute("", "produktversion"))
	r.checkType(k.Str("identifikation.nachricht/nachrichtentyp/code"))
	if !wholeUUID.MatchString(m.ID) {
		r.found.Fail(BadUUID, "xdomea 2.4", m.Entry.Name, "nachrichtenUUID is missing or no UUID")
	}
	number, total := doc.Str("LfdNrNachrichtProTyp"), doc.Str("GesamtanzahlNachrichtenProTyp")
	if number == "" && total == "" && m.Type != "0503" {
		return
	}
	var err1, err2 error
	m.Number, err1 = strconv.Atoi(number)
	m.Total, err2 = strconv.Atoi(total)
	if err1 != nil || err2 != nil || m.Number < 1 || m.Total < m.Number {
		r.found.Fail(BadSequence, "xdomea 3.3", m.Entry.Name, "LfdNrNachrichtProTyp %q and GesamtanzahlNachrichtenProTyp %q are no numbers of a sequence", number, total)
	}
}

func party4(e *xmltree.Element) Party {
	return Party{
		Institution: line(e.Str("NameInstitution/Name")), Short: line(e.Str("NameInstitution/Kurzbezeichnung")), Unit: line(e.Str("NameOrganisationseinheit/Name")),
		Code: e.Str("Behoerdenkennung/kennung"),
	}
}

func (r *reader) checkType(code string) {
	if code != r.msg.Type {
		r.found.Fail(BadType, "xdomea", r.msg.Entry.Name, "the message is a %s and calls itself %q", r.msg.Type, code)
	}
}

// checkForm4 looks at what 4.0 fixes to the letter and writers get wrong.
func (r *reader) checkForm4(doc *xmltree.Element, prefix string) {
	name := r.msg.Entry.Name
	if got := doc.Attribute("", "standard"); got != "xdomea" {
		r.found.Fail(BadForm, "xdomea 4.0.0", name, `the attribute standard must be "xdomea", it is %q`, got)
	}
	if got := doc.Attribute("", "version"); got != r.msg.Version {
		r.found.Fail(BadForm, "xdomea 4.0.0", name, "the attribute version must be %q, it is %q", r.msg.Version, got)
	}
	if prefix != "xdomea" {
		r.found.Note(BadForm, "xdomea 4.2", name, "the prefix of the namespace should be xdomea, it is %q", prefix)
	}
	id := doc.One("nachrichtenkopf/identifikation.nachricht")
	for _, local := range []string{"nachrichtenUUID", "nachrichtentyp", "erstellungszeitpunkt"} {
		if e := id.One(local); e != nil && e.Name.Space != "" {
			r.found.Fail(BadForm, "xdomea 4.0.0", name, "%s must have no namespace", local)
		}
	}
	if got := doc.Str("Importbestaetigung"); r.msg.Type == "0503" && got != "1" {
		r.found.Note(BadForm, "xdomea 4.0.0", name, `Importbestaetigung must be "1", it is %q`, got)
	}
}

var leadingUUID = regexp.MustCompile(`^` + uuid)

// checkHead holds what the message says of itself against the names and the
// expectations.
func (r *reader) checkHead() {
	m := &r.msg
	if !wholeUUID.MatchString(m.Process) {
		r.found.Fail(BadProcess, "xdomea 2.4", m.Entry.Name, "ProzessID is missing or no UUID")
	} else {
		r.checkName(path.Base(m.Entry.Name), "the message")
		if r.name != "" {
			r.checkName(r.name, "the container")
		}
	}
	if n := messageName.FindStringSubmatch(path.Base(m.Entry.Name)); n != nil {
		if n[2] != m.Type {
			r.found.Fail(BadType, "xdomea", m.Entry.Name, "the message is a %s and is named as a %s", m.Type, n[2])
		}
		if number, err := strconv.Atoi(n[3]); n[3] != "" && m.Number > 0 && (err != nil || number != m.Number) {
			r.found.Fail(BadSequence, "xdomea", m.Entry.Name, "the message has the number %d and is named with %s", m.Number, n[3])
		}
	}
	r.checkReceiver()
}

func (r *reader) checkName(name, what string) {
	switch id := leadingUUID.FindString(name); {
	case id == "":
		r.found.Note(Loose, "xdomea", name, "the name of %s does not begin with the ProzessID", what)
	case !strings.EqualFold(id, r.msg.Process):
		r.found.Fail(BadProcess, "xdomea", name, "the name of %s begins with another ProzessID than that of the message, %s", what, r.msg.Process)
	}
}

func (r *reader) checkReceiver() {
	if len(r.Receivers) == 0 {
		return
	}
	to := r.msg.Receiver
	for _, want := range r.Receivers {
		for _, is := range []string{to.Institution, to.Short, to.Unit, to.Code, to.Prefix + to.Code, to.Prefix + ":" + to.Code} {
			if is != "" && strings.EqualFold(line(want), is) {
				return
			}
		}
	}
	r.found.Fail(BadReceiver, "xdomea", r.msg.Entry.Name, "the message is addressed to %q; this archive is %s", or(to.Institution, to.Code), strings.Join(r.Receivers, " or "))
}
