package xdomea

import (
	"bestand/ingest/sip/container"
	"bestand/preservation"
)

// Codes of findings besides those of packages container and xmltree.
const (
	NoMessage     = "xdomea-no-message"      // no message, or more than one
	BadVersion    = "xdomea-version"         // a version that is not read here
	BadType       = "xdomea-message-type"    // a message that hands no records over, or contradicts its type
	BadProcess    = "xdomea-process-id"      // ProzessID missing, or another one than in the names
	BadName       = "xdomea-name"            // a name that is not UTF-8 or does not begin with a UUID
	BadUUID       = "xdomea-uuid"            // an object without UUID, or two with the same
	TooDeep       = "xdomea-depth"           // more than five levels
	MissingFile   = "xdomea-missing-file"    // the message names it, the container does not have it
	SurplusFile   = "xdomea-surplus-file"    // the container has it, the message does not name it
	NoFile        = "xdomea-no-file"         // an electronic Dokument without Primaerdokument
	BadReceiver   = "xdomea-receiver"        // addressed to somebody else
	BadDate       = "xdomea-date"            // a day that does not exist
	BadSequence   = "xdomea-sequence"        // LfdNr and Gesamtanzahl contradict each other or the name
	BadForm       = "xdomea-form"            // attributes, namespaces or elements that are not as the standard has them
	NoRecord      = "xdomea-no-record"       // nothing in it is to be taken over
	TooMany       = "xdomea-too-many"        // more records than are taken of one message
	Mismatch      = "digest-mismatch"        // bytes that do not fit Hash
	UnknownDigest = "unknown-digest"         // notice: an algorithm that is not computed here
	WeakDigest    = "weak-digest"            // notice: MD5 or SHA-1
	Loose         = "xdomea-name-variant"    // notice: named in another way than the standard or the container does
	SharedFile    = "xdomea-shared-file"     // notice: two objects name the same file
	PaperPart     = "xdomea-paper"           // notice: a part of the record is on paper
	Classified    = "xdomea-classified"      // notice: marked as classified information
	ForDestroying = "xdomea-for-destruction" // notice: marked V, and handed over all the same
	InvalidSchema = "xdomea-schema"          // the schema of the standard says no
	NoSchema      = "xdomea-not-validated"   // notice: schemas or xmllint are missing
)

// Kind is an element of the tree.
type Kind string

const (
	Akte          Kind = "Akte"
	Teilakte      Kind = "Teilakte"
	Vorgang       Kind = "Vorgang"
	Teilvorgang   Kind = "Teilvorgang"
	Dokument      Kind = "Dokument"
	Schriftstueck Kind = "Schriftstueck" // 4.0: a Dokument within a Dokument
	Anlage        Kind = "Anlage"
)

// Message is a message that hands records over.
type Message struct {
	Version  string // 3.0.0, 3.1.0 or 4.0.0
	Type     string // 0503 or 0701
	Process  string // ProzessID, as written
	ID       string // 4.0: nachrichtenUUID
	Created  string // as written
	Number   int    // 4.0: LfdNrNachrichtProTyp
	Total    int    // 4.0: GesamtanzahlNachrichtenProTyp
	Sender   Party
	Receiver Party
	System   string // the software that wrote the message
	Entry    *container.Entry
	Objects  []*Object // the uppermost, in the order of the message
	// Enclosures belong to the message and not to one of its objects: the covering
	// letter (Anschreiben) and the files of the Aktenplan.
	Enclosures []*Primary
}

// Party is a sender or receiver.
type Party struct {
	Institution string
	Short       string // Kurzbezeichnung
	Unit        string // Organisationseinheit
	Code        string // Behoerdenschluessel, 4.0: Kennung
	Prefix      string // 3.x: Praefix of the code
}

// Object is an Akte, Vorgang, Dokument or a part of them.
type Object struct {
	Kind     Kind
	UUID     string // lower-case
	Context  bool   // 4.0: sent for information only, not handed over
	Position string // its place within the record or message, such as 2.1
	Subject  string // Betreff
	File     string // Aktenbetreff of a Vorgang that comes without its Akte

	Reference       string // Kennzeichen
	Responsible     string // Federfuehrung
	Keeper          string // Aktenfuehrung
	Class           string // Aktenplaneinheit/Kennzeichen
	Opened          preservation.Date
	Ended           preservation.Date // Laufzeit/Ende
	Closed          preservation.Date // ZdADatum
	Confidentiality Code              // Vertraulichkeitsstufe, 4.0: Geheimhaltungsgrad
	Medium          Code
	Disposal        Code    // Aussonderungsart: A, B or V
	Extra           []Field // what else it tells, in German terms

	Parent   *Object
	Children []*Object
	Primary  []*Primary

	held  bool  // is a record, or the context of one
	whole span  // its place in the message, with what holds nothing else
	after int64 // of an uppermost one: where the element before ends
}

// Code is an entry of a code list.
type Code struct{ Code, Name string }

// Field is a named value.
type Field struct{ Label, Value string }

// Primary is a file that an object names.
type Primary struct {
	*container.Entry           // nil when it is missing
	Name             string    // Dateiname, as the message writes it
	Original         string    // DateinameOriginal
	Version          string    // Nummer of the Version
	Signature        bool      // a signature or seal of the file before it
	Announced        Announced // Hash
}

// Announced is a digest that the message gives.
type Announced struct{ Algorithm, Value string }

type span struct{ from, to int64 }

// Records returns the objects that are to become records: the uppermost ones
// that are handed over. What is sent as context only is left out, its parts are not.
func (m *Message) Records() []*Object {
	var records []*Object
	for _, o := range m.Objects {
		records = append(records, o.records()...)
	}
	return records
}

func (o *Object) records() []*Object {
	if !o.Context {
		if (o.Kind == Dokument || o.Kind == Anlage) && o.Parent != nil && !o.carries() {
			return nil // told of a document in a context object, without its file
		}
		return []*Object{o}
	}
	var records []*Object
	for _, c := range o.Children {
		records = append(records, c.records()...)
	}
	return records
}

// carries reports whether the object or a part of it has a file.
func (o *Object) carries() bool {
	for range o.All() {
		return true
	}
	return false
}
