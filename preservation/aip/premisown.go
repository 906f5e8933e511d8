package aip

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"bestand/preservation"
)

// ownPremis is the beginning of every PREMIS document that writePremis writes.
const ownPremis = `<?xml version="1.0" encoding="UTF-8"?>
<premis xmlns="` + premisNamespace + `" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="` +
	premisNamespace + ` https://www.loc.gov/standards/premis/premis.xsd" version="3.0">
`

// maxOwn is the size, in bytes, up to which a document is read at once.
const maxOwn = 1 << 20

// readOwnPremis is readPremis, events only, for a document in exactly the form that
// xmlWriter gives it: in a tenth of the time. ok is false for any other form, about
// which readPremis has to say something.
func readOwnPremis(data []byte, record preservation.RecordID) (facts *premisFacts, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(ownPremis))
	if !ok || !utf8.Valid(data) {
		return nil, false
	}
	facts = &premisFacts{}
	agents := map[string]preservation.Agent{}
	var actors []string
	o := &ownXML{rest: rest}
	for {
		e, end, ok := o.element(0)
		if !ok {
			return nil, false
		}
		if end == "premis" && len(o.rest) == 0 {
			break
		}
		var err error
		switch e.name {
		case "object":
		case "event":
			x := eventOf(&e)
			err = facts.addEvent(&x, record)
			actors = append(actors, x.Agent)
		case "agent":
			x := agentOf(&e)
			err = addAgent(&x, agents)
		default:
			return nil, false
		}
		if err != nil || o.odd {
			return nil, false
		}
	}
	for i, actor := range actors {
		if facts.events[i].Agent, ok = agents[actor]; !ok {
			return nil, false
		}
	}
	return facts, true
}

// ownElement is an element with its text, or with its elements.
type ownElement struct {
	name, text string
	within     []ownElement
	odd        *bool // something does not stand where xmlWriter puts it
}

// at returns the text at a path of names, of the last element that there is.
func (e *ownElement) at(path ...string) (text string) {
	for i := range e.within {
		w := &e.within[i]
		switch {
		case w.name != path[0]:
		case len(path) == 1:
			text = w.text
			*e.odd = *e.odd || len(w.within) > 0
		default:
			*e.odd = *e.odd || text != "" // a second one: which of them counts is for others to say
			text = w.at(path[1:]...)
		}
	}
	return text
}

func eventOf(e *ownElement) (x premisEvent) {
	x.ID = e.at("eventIdentifier", "eventIdentifierValue")
	x.Type = e.at("eventType")
	x.At = e.at("eventDateTime")
	x.Detail = e.at("eventDetailInformation", "eventDetail")
	x.Outcome = e.at("eventOutcomeInformation", "eventOutcome")
	x.Code = e.at("eventOutcomeInformation", "eventOutcomeDetail", "eventOutcomeDetailNote")
	x.Agent = e.at("linkingAgentIdentifier", "linkingAgentIdentifierValue")
	for i := range e.within {
		if w := &e.within[i]; w.name == "linkingObjectIdentifier" {
			x.Objects = append(x.Objects, premisLink{w.at("linkingObjectIdentifierType"), w.at("linkingObjectIdentifierValue")})
		}
	}
	return x
}

func agentOf(e *ownElement) (x premisAgent) {
	x.ID = e.at("agentIdentifier", "agentIdentifierValue")
	x.Name, x.Type, x.Version = e.at("agentName"), e.at("agentType"), e.at("agentVersion")
	return x
}

// ownXML reads what xmlWriter writes: elements that hold text or elements, names
// without prefixes, and nothing else.
type ownXML struct {
	rest []byte
	odd  bool
}

// maxOwnDepth is more than PREMIS has.
const maxOwnDepth = 16

// element reads an element to its end, or the end of the one around it, whose name
// it returns.
func (o *ownXML) element(depth int) (e ownElement, end string, ok bool) {
	o.space()
	tag, ok := o.tag()
	if !ok || depth > maxOwnDepth {
		return e, "", false
	}
	if name, ended := strings.CutPrefix(tag, "/"); ended {
		o.space()
		return e, name, ownName(name)
	}
	tag, empty := strings.CutSuffix(tag, "/")
	name, attributes, _ := strings.Cut(tag, " ")
	e = ownElement{name: name, odd: &o.odd}
	if !ownName(name) || !ownAttributes(attributes) {
		return e, "", false
	}
	if empty {
		return e, "", true
	}
	text := bytes.IndexByte(o.rest, '<')
	if text < 0 {
		return e, "", false
	}
	if e.text, ok = ownText(o.rest[:text]); !ok {
		return e, "", false
	}
	o.rest = o.rest[text:]
	for {
		w, end, ok := o.element(depth + 1)
		if !ok {
			return e, "", false
		}
		if end != "" {
			return e, "", end == name
		}
		e.within = append(e.within, w)
	}
}

func (o *ownXML) space() { o.rest = bytes.TrimLeft(o.rest, " \n") }

// tag reads what is between the brackets.
func (o *ownXML) tag() (string, bool) {
	end := bytes.IndexByte(o.rest, '>')
	if end < 1 || o.rest[0] != '<' {
		return "", false
	}
	tag := string(o.rest[1:end])
	o.rest = o.rest[end+1:]
	return tag, true
}

func ownName(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

// ownAttributes reports whether there are none but those of no interest.
func ownAttributes(s string) bool {
	for s != "" {
		name, rest, ok := strings.Cut(s, `="`)
		value, rest, ended := strings.Cut(rest, `"`)
		if !ok || !ended || name != "valueURI" && name != "xsi:type" {
			return false
		}
		if _, ok := ownText([]byte(value)); !ok {
			return false
		}
		if s, ok = strings.CutPrefix(rest, " "); ok && s == "" || !ok && rest != "" {
			return false
		}
	}
	return true
}

// ownText takes the escapes out of a text.
func ownText(b []byte) (string, bool) {
	escaped := false
	for _, c := range b {
		if c < ' ' && c != '\n' || c == '>' || c == '<' {
			return "", false
		}
		escaped = escaped || c == '&' || c >= utf8.RuneSelf
	}
	if !escaped {
		return string(b), true
	}
	if bytes.Contains(b, []byte("\uFFFE")) || bytes.Contains(b, []byte("\uFFFF")) {
		return "", false
	}
	s := unescape.Replace(string(b))
	return s, strings.Count(s, "&") == bytes.Count(b, []byte("&amp;"))
}

// unescape is what xml.EscapeText does, backwards.
var unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "&#34;", `"`, "&#39;", "'", "&#x9;", "\t", "&#xA;", "\n", "&#xD;", "\r")
