package dip

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bestand/preservation"
)

// Codes of what is wrong with an answer.
const (
	AnswerMalformed = "malformed"        // it cannot be read as a message 0502
	AnswerProcess   = "foreign-process"  // it is about another run
	AnswerUnknown   = "unknown-record"   // it decides about what was not offered
	AnswerRepeated  = "repeated-record"  // it decides twice
	AnswerMissing   = "missing-decision" // it does not decide
)

// Answer is what the archive decided about an offer (Bewertungsverzeichnis).
type Answer struct {
	Message   string // nachrichtenUUID; empty before xdomea 4.0
	Created   string // as the message has it
	Decisions []Appraised
}

// Appraised is a decision about a record: A, B or V.
type Appraised struct {
	Record   preservation.RecordID
	Decision string
}

// answerNamespaces are the versions of xdomea that are read.
var answerNamespaces = []string{"urn:xoev-de:xdomea:schema:3.0.0", "urn:xoev-de:xdomea:schema:3.1.0", xdomeaNamespace}

// MaxAnswer is how many bytes of a message are read.
const MaxAnswer = 16 << 20

// maxFindings is how many findings are told one by one.
const maxFindings = 100

// maxAnswerDepth is how deep the elements of a message stand in each other; the schema
// needs fewer than 20.
const maxAnswerDepth = 64

// ReadXdomeaAnswer reads message Aussonderung.Bewertungsverzeichnis.0502 of xdomea 3.0.0,
// 3.1.0 or 4.0.0 about an offer. It has to decide about every record of that that is not
// kept, once, and about nothing else: what is wrong is told by record, and the answer means nothing
// then. An error is one of reading.
func ReadXdomeaAnswer(r io.Reader, o Offer) (Answer, []preservation.Finding, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxAnswer+1))
	if err != nil {
		return Answer{}, nil, err
	}
	if len(data) > MaxAnswer {
		return Answer{}, []preservation.Finding{answerFault("message", AnswerMalformed, fmt.Sprintf("it has more than %d bytes", MaxAnswer))}, nil
	}
	a := answerReader{in: xml.NewDecoder(bytes.NewReader(data)), most: len(o.Records) + maxFindings}
	if err := a.message(); err != nil {
		n, _ := a.in.InputPos()
		var f answerError
		if !errors.As(err, &f) {
			f = answerError(fmt.Sprintf("the XML cannot be read: %v", err))
		}
		return Answer{}, []preservation.Finding{answerFault(fmt.Sprintf("line %d", n), AnswerMalformed, string(f))}, nil
	}
	return a.Answer, a.against(o), nil
}

func answerFault(subject, code, detail string) preservation.Finding {
	return preservation.Finding{Subject: subject, Code: code, Severity: preservation.Failed, Detail: detail, Clause: "xdomea 0502"}
}

// answerError says what is wrong with the form of a message.
type answerError string

func (e answerError) Error() string { return string(e) }

type answerReader struct {
	Answer
	in      *xml.Decoder
	depth   int // of the element that is open
	most    int // objects that are read
	process string
	origin  string // UUIDUrsprungsnachricht
	objects []appraisedObject
}

type appraisedObject struct {
	line         int
	id, decision string
}

// token reads on. There is no document type, and so no entities, and what stands too
// deep for any message is not read.
func (a *answerReader) token() (xml.Token, error) {
	t, err := a.in.Token()
	switch t.(type) {
	case xml.Directive:
		return nil, answerError("it has a document type definition, which is never read")
	case xml.StartElement:
		if a.depth++; a.depth > maxAnswerDepth {
			return nil, answerError(fmt.Sprintf("its elements stand in each other more than %d deep", maxAnswerDepth))
		}
	case xml.EndElement:
		a.depth--
	}
	return t, err
}

// message reads the whole document.
func (a *answerReader) message() error {
	root := false
	for {
		t, err := a.token()
		switch {
		case err == io.EOF && root:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if root || t.Name.Local != "Aussonderung.Bewertungsverzeichnis.0502" || !slices.Contains(answerNamespaces, t.Name.Space) {
				return answerError(fmt.Sprintf("%.100q of %.100q is no Aussonderung.Bewertungsverzeichnis.0502 of xdomea 3.0.0, 3.1.0 or 4.0.0", t.Name.Local, t.Name.Space))
			}
			root = true
			if err := a.body(); err != nil {
				return err
			}
		}
	}
}

// each calls fn with the elements in the one that is open; fn reads each to its end.
func (a *answerReader) each(fn func(xml.StartElement) error) error {
	for {
		t, err := a.token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := fn(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// skip leaves out what stands in the element that is open.
func (a *answerReader) skip() error {
	return a.each(func(xml.StartElement) error { return a.skip() })
}

// text reads the element that is open as text. What is said twice could mean either.
func (a *answerReader) text(e xml.StartElement, into *string) error {
	if *into != "" {
		return answerError(fmt.Sprintf("it has %s twice where one belongs", e.Name.Local))
	}
	var b strings.Builder
	for {
		t, err := a.token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.StartElement:
			return answerError(fmt.Sprintf("%s has the element %.100q in it where text belongs", e.Name.Local, t.Name.Local))
		case xml.EndElement:
			*into = strings.TrimSpace(b.String())
			return nil
		}
	}
}

func (a *answerReader) body() error {
	return a.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "Kopf", "nachrichtenkopf":
			return a.head()
		case "UUIDUrsprungsnachricht":
			return a.text(e, &a.origin)
		case "BewertetesSGO", "BewertetesObjekt": // 4.0, 3.x
			return a.object()
		}
		return a.skip()
	})
}

func (a *answerReader) head() error {
	return a.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "ProzessID":
			return a.text(e, &a.process)
		case "identifikation.nachricht":
			return a.head()
		case "nachrichtenUUID":
			return a.text(e, &a.Message)
		case "erstellungszeitpunkt", "Erstellungszeitpunkt":
			return a.text(e, &a.Created)
		}
		return a.skip()
	})
}

func (a *answerReader) object() error {
	if len(a.objects) == a.most {
		return answerError(fmt.Sprintf("it decides about more than %d objects, and the run has fewer", a.most))
	}
	line, _ := a.in.InputPos()
	o := appraisedObject{line: line}
	err := a.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "xdomeaUUID", "ID": // 4.0, 3.x
			return a.text(e, &o.id)
		case "Aussonderungsart":
			return a.each(func(e xml.StartElement) error {
				if e.Name.Local != "Aussonderungsart" {
					return a.skip() // what archives configure for themselves decides nothing here
				}
				return a.each(func(e xml.StartElement) error {
					if e.Name.Local == "code" {
						return a.text(e, &o.decision)
					}
					return a.skip()
				})
			})
		}
		return a.skip()
	})
	a.objects = append(a.objects, o)
	return err
}

// against holds what was read against what was offered.
func (a *answerReader) against(o Offer) (found []preservation.Finding) {
	if want := runProcess(o.Run).String(); !strings.EqualFold(a.process, want) {
		return []preservation.Finding{answerFault("ProzessID", AnswerProcess, fmt.Sprintf("the message has %.60q, and this run %s", a.process, want))}
	}
	if want := offerMessage(o.Run).String(); a.origin != "" && !strings.EqualFold(a.origin, want) {
		return []preservation.Finding{answerFault("UUIDUrsprungsnachricht", AnswerProcess, fmt.Sprintf("the message answers %.60q, and the offer of this run is %s", a.origin, want))}
	}
	open := make(map[string]preservation.RecordID, len(o.Records))
	ids := identities(o.Records)
	kept := make(map[preservation.RecordID]bool)
	for i, r := range o.Records {
		open[ids[i].String()], kept[r.Record.ID] = r.Record.ID, r.Kept
	}
	more := 0
	fault := func(subject, code, format string, v ...any) {
		if len(found) == maxFindings {
			more++
			return
		}
		found = append(found, answerFault(subject, code, fmt.Sprintf(format, v...)))
	}
	lines := make(map[string]int, len(a.objects))
	for _, b := range a.objects {
		id := strings.ToLower(b.id)
		record, offered := open[id]
		subject := fmt.Sprintf("%.60s", b.id)
		switch {
		case offered:
			subject = string(record)
		case b.id == "":
			fault(fmt.Sprintf("line %d", b.line), AnswerUnknown, "it does not say about which record it decides: its UUID is missing")
			continue
		}
		switch {
		case lines[id] > 0:
			fault(subject, AnswerRepeated, "line %d decides about it, and line %d as well", lines[id], b.line)
		case !offered:
			fault(subject, AnswerUnknown, "line %d: no record that this run offers and that is open has this UUID", b.line)
		case b.decision != "A" && b.decision != "B" && b.decision != "V":
			fault(subject, AnswerMissing, "line %d: its Aussonderungsart is %.20q and has to be A, B or V", b.line, b.decision)
		case !kept[record]:
			a.Decisions = append(a.Decisions, Appraised{Record: record, Decision: b.decision})
		}
		lines[id] = b.line
	}
	for i, r := range o.Records {
		if id := ids[i].String(); lines[id] == 0 && !r.Kept {
			fault(string(r.Record.ID), AnswerMissing, "the message does not decide about it, whose UUID is %s", id)
		}
	}
	if more > 0 {
		found = append(found, answerFault("message", AnswerMalformed, fmt.Sprintf("%d more findings", more)))
	}
	return found
}
