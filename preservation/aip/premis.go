package aip

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"bestand/preservation"
)

const premisNamespace = "http://www.loc.gov/premis/v3"

// Types of the identifiers in PREMIS. A file is named "<record-id>/<file-id>"
// and a representation "<record-id>/<name>", so that both are unique in the world.
const (
	recordType         = "record"
	representationType = "representation"
	fileType           = "file"
	eventType          = "event"
	agentType          = "agent"
)

// history is what PREMIS tells: the record, what was done to it, and who did it.
type history struct {
	record *preservation.Record
	events []preservation.Event
	agents []preservation.Agent // in the order of their first event
	number map[preservation.Agent]int
	made   map[preservation.FileID]int // the event that made a derived file
}

func newHistory(r *preservation.Record, events []preservation.Event) *history {
	h := &history{record: r, events: events, number: map[preservation.Agent]int{}, made: map[preservation.FileID]int{}}
	derived := make(map[preservation.FileID]bool)
	for _, f := range r.Files {
		if f.DerivedFrom != "" {
			derived[f.ID] = true
		}
	}
	for i, e := range events {
		if _, known := h.number[e.Agent]; !known {
			h.agents = append(h.agents, e.Agent)
			h.number[e.Agent] = len(h.agents)
		}
		switch e.Type {
		case preservation.EventConvert, preservation.EventExtract, preservation.EventUnpack:
			for _, id := range e.Files {
				if _, known := h.made[id]; !known && derived[id] {
					h.made[id] = i
				}
			}
		}
	}
	return h
}

// created is when a file came to be here: when it was made, or else received.
func (h *history) created(id preservation.FileID) time.Time {
	if i, ok := h.made[id]; ok {
		return h.events[i].At
	}
	return h.record.Received
}

// latest is the time of the package: that of the last event in it.
func (h *history) latest() time.Time {
	t := h.record.Received
	for _, e := range h.events {
		if e.At.After(t) {
			t = e.At
		}
	}
	return t
}

// WritePremis writes what is known of a record and what was done to it as a
// PREMIS 3.0 document, as it stands in a package, or with the events since.
// The paths of the files must be set, as in the record of a Reader.
func WritePremis(w io.Writer, r *preservation.Record, events []preservation.Event) error {
	if err := checkRecord(r); err != nil {
		return fmt.Errorf("write PREMIS: %w", err)
	}
	if err := checkEvents(events, r); err != nil {
		return fmt.Errorf("write PREMIS: %w", err)
	}
	return writePremis(w, newHistory(r, events))
}

// writePremis writes the history as a stream.
func writePremis(w io.Writer, h *history) error {
	x := newXMLWriter(w)
	x.start("premis", "xmlns", premisNamespace, "xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance",
		"xsi:schemaLocation", premisNamespace+" https://www.loc.gov/standards/premis/premis.xsd", "version", "3.0")
	x.entity(h.record)
	for _, name := range representations(h.record) {
		x.start("object", "xsi:type", "representation")
		x.identifier("object", representationType, representationID(h.record.ID, name))
		x.relationship(represents, recordType, string(h.record.ID), "")
		x.end()
	}
	for i := range h.record.Files {
		x.file(h, &h.record.Files[i])
	}
	for i := range h.events {
		x.event(h, &h.events[i])
	}
	for i, a := range h.agents {
		x.agent(i+1, a)
	}
	x.end()
	return x.flush()
}

func representationID(r preservation.RecordID, name preservation.Representation) string {
	return string(r) + "/" + string(name)
}

func fileObjectID(r preservation.RecordID, f preservation.FileID) string {
	return string(r) + "/" + string(f)
}

// known lists the representations that a package may have, in their order.
var known = []preservation.Representation{preservation.Original, preservation.Preservation, preservation.Text}

// representations lists those that have a file, the original first.
func representations(r *preservation.Record) (names []preservation.Representation) {
	for _, name := range known {
		for _, f := range r.Files {
			if f.Representation == name {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// identifier writes objectIdentifier, linkingAgentIdentifier and the like.
func (x *xmlWriter) identifier(name, kind, value string) {
	x.start(name + "Identifier")
	x.leaf(name+"IdentifierType", kind)
	x.leaf(name+"IdentifierValue", value)
	x.end()
}

func (x *xmlWriter) relationship(r relation, kind, value, event string) {
	x.start("relationship")
	x.leaf("relationshipType", r.kind, "valueURI", vocabulary+"relationshipType/"+r.kindURI)
	x.leaf("relationshipSubType", r.sub, "valueURI", vocabulary+"relationshipSubType/"+r.subURI)
	x.identifier("relatedObject", kind, value)
	if event != "" {
		x.identifier("relatedEvent", eventType, event)
	}
	x.end()
}

// entity writes the record as intellectual entity (PREMIS 3.0, 1.1).
func (x *xmlWriter) entity(r *preservation.Record) {
	x.start("object", "xsi:type", "intellectualEntity")
	x.identifier("object", recordType, string(r.ID))
	if r.ProducerRecordID != "" {
		x.leaf("originalName", r.ProducerRecordID)
	}
	for _, name := range representations(r) {
		x.relationship(representedBy, representationType, representationID(r.ID, name), "")
	}
	x.end()
}

func (x *xmlWriter) file(h *history, f *preservation.File) {
	x.start("object", "xsi:type", "file")
	x.identifier("object", fileType, fileObjectID(h.record.ID, f.ID))
	x.start("objectCharacteristics")
	x.leaf("compositionLevel", "0")
	x.fixity("SHA-256", f.SHA256)
	x.fixity("SHA-512", f.SHA512)
	x.leaf("size", strconv.FormatInt(f.Size, 10))
	x.format(f)
	if !xmlHolds(f.Name) {
		x.raw("objectCharacteristicsExtension", "originalName", f.Name)
	}
	x.end()
	if f.Name != "" {
		x.leaf("originalName", f.Name)
	}
	x.start("storage")
	x.start("contentLocation")
	if f.HeldIn == 0 {
		x.leaf("contentLocationType", locationHere)
		x.leaf("contentLocationValue", f.Path)
	} else {
		x.leaf("contentLocationType", locationEarlier)
		x.leaf("contentLocationValue", heldLocation(f))
	}
	x.end()
	x.end()
	x.relationship(includedIn, representationType, representationID(h.record.ID, f.Representation), "")
	if f.DerivedFrom != "" {
		event := ""
		if i, ok := h.made[f.ID]; ok {
			event = h.events[i].ID
		}
		x.relationship(hasSource, fileType, fileObjectID(h.record.ID, f.DerivedFrom), event)
	}
	x.end()
}

// Types of contentLocation: a path in this package, or "<version>/<path>".
const (
	locationHere    = "path in this package"
	locationEarlier = "version and path in the package of that version"
)

func heldLocation(f *preservation.File) string { return strconv.Itoa(f.HeldIn) + "/" + f.Path }

func (x *xmlWriter) fixity(algorithm, digest string) {
	x.start("fixity")
	x.leaf("messageDigestAlgorithm", algorithm)
	x.leaf("messageDigest", digest)
	x.end()
}

func (x *xmlWriter) format(f *preservation.File) {
	x.start("format")
	x.start("formatDesignation")
	switch {
	case f.Format.Name != "":
		x.leaf("formatName", f.Format.Name)
	case f.Format.MIME != "":
		x.leaf("formatName", f.Format.MIME)
	default:
		x.leaf("formatName", "unknown")
	}
	if f.Format.Version != "" {
		x.leaf("formatVersion", f.Format.Version)
	}
	x.end()
	if f.Format.PUID != "" {
		x.start("formatRegistry")
		x.leaf("formatRegistryName", "PRONOM")
		x.leaf("formatRegistryKey", f.Format.PUID)
		x.leaf("formatRegistryRole", "specification")
		x.end()
	}
	note := func(label, text string) {
		if text != "" {
			x.leaf("formatNote", label+": "+text)
		}
	}
	note("media type", f.Format.MIME)
	note("identified by", f.Format.Basis)
	note("identified with", f.Format.Registry)
	note("PDF/A flavour", f.Flavour)
	note("verdict", f.Verdict)
	x.end()
}

func (x *xmlWriter) event(h *history, e *preservation.Event) {
	x.start("event")
	x.identifier("event", eventType, e.ID)
	x.term("eventType", string(e.Type), eventURI[e.Type])
	x.leaf("eventDateTime", timestamp(e.At))
	if e.Detail != "" {
		x.start("eventDetailInformation")
		x.leaf("eventDetail", e.Detail)
		if !xmlHolds(e.Detail) {
			x.raw("eventDetailExtension", "detail", e.Detail)
		}
		x.end()
	}
	if e.Outcome != "" {
		x.start("eventOutcomeInformation")
		x.term("eventOutcome", string(e.Outcome), outcomeURI[e.Outcome])
		if e.Code != "" {
			x.start("eventOutcomeDetail")
			x.leaf("eventOutcomeDetailNote", e.Code)
			x.end()
		}
		x.end()
	}
	x.identifier("linkingAgent", agentType, strconv.Itoa(h.number[e.Agent]))
	for _, id := range e.Files {
		x.identifier("linkingObject", fileType, fileObjectID(h.record.ID, id))
	}
	if len(e.Files) == 0 {
		x.identifier("linkingObject", recordType, string(h.record.ID))
	}
	x.end()
}

func (x *xmlWriter) agent(number int, a preservation.Agent) {
	x.start("agent")
	x.identifier("agent", agentType, strconv.Itoa(number))
	if a.Name != "" {
		x.leaf("agentName", a.Name)
	}
	if a.Type != "" {
		x.term("agentType", string(a.Type), agentURI[a.Type])
	}
	if a.Version != "" {
		x.leaf("agentVersion", a.Version)
	}
	if !xmlHolds(a.Name) {
		x.raw("agentExtension", "name", a.Name)
	}
	if !xmlHolds(a.Version) {
		x.raw("agentExtension", "version", a.Version)
	}
	x.end()
}

// term writes a word of a vocabulary, with its URI where there is one.
func (x *xmlWriter) term(name, text, uri string) {
	if uri == "" {
		x.leaf(name, text)
		return
	}
	x.leaf(name, text, "valueURI", uri)
}

// timestamp writes an instant in UTC, without losing a nanosecond.
func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
