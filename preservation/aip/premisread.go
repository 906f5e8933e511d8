package aip

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"bestand/preservation"
)

// premisFacts is what PREMIS says that record.json or METS says too, and the
// events, which only PREMIS has.
type premisFacts struct {
	record string // identifier of the intellectual entity
	files  int
	events []preservation.Event
}

type premisFile struct {
	id       preservation.FileID
	name     string
	size     int64
	sha256   string
	sha512   string
	puid     string
	location string // "<type> <value>" of contentLocation
	source   preservation.FileID
}

// maxElement bounds one object, event or agent, in bytes of XML.
const maxElement = 256 << 20

// Elements of PREMIS, as far as they are read.
type (
	premisID struct {
		Kind  string `xml:"objectIdentifierType"`
		Value string `xml:"objectIdentifierValue"`
	}
	premisRaw struct {
		Field string `xml:"field,attr"`
		Text  string `xml:",chardata"`
	}
	premisObject struct {
		Type            string   `xml:"http://www.w3.org/2001/XMLSchema-instance type,attr"`
		ID              premisID `xml:"objectIdentifier"`
		Name            string   `xml:"originalName"`
		Characteristics struct {
			Fixity []struct {
				Algorithm string `xml:"messageDigestAlgorithm"`
				Digest    string `xml:"messageDigest"`
			} `xml:"fixity"`
			Size string      `xml:"size"`
			PUID string      `xml:"format>formatRegistry>formatRegistryKey"`
			Raw  []premisRaw `xml:"objectCharacteristicsExtension>raw"`
		} `xml:"objectCharacteristics"`
		LocationType  string `xml:"storage>contentLocation>contentLocationType"`
		LocationValue string `xml:"storage>contentLocation>contentLocationValue"`
		Relationships []struct {
			SubType string `xml:"relationshipSubType"`
			Related string `xml:"relatedObjectIdentifier>relatedObjectIdentifierValue"`
		} `xml:"relationship"`
	}
	premisEvent struct {
		ID      string       `xml:"eventIdentifier>eventIdentifierValue"`
		Type    string       `xml:"eventType"`
		At      string       `xml:"eventDateTime"`
		Detail  string       `xml:"eventDetailInformation>eventDetail"`
		Raw     []premisRaw  `xml:"eventDetailInformation>eventDetailExtension>raw"`
		Outcome string       `xml:"eventOutcomeInformation>eventOutcome"`
		Code    string       `xml:"eventOutcomeInformation>eventOutcomeDetail>eventOutcomeDetailNote"`
		Agent   string       `xml:"linkingAgentIdentifier>linkingAgentIdentifierValue"`
		Objects []premisLink `xml:"linkingObjectIdentifier"`
	}
	premisLink struct {
		Kind  string `xml:"linkingObjectIdentifierType"`
		Value string `xml:"linkingObjectIdentifierValue"`
	}
	premisAgent struct {
		ID      string      `xml:"agentIdentifier>agentIdentifierValue"`
		Name    string      `xml:"agentName"`
		Type    string      `xml:"agentType"`
		Version string      `xml:"agentVersion"`
		Raw     []premisRaw `xml:"agentExtension>raw"`
	}
)

// readPremis reads a PREMIS document that writePremis wrote, as a stream. What it
// says of each file is handed to file, unless that is nil, and not kept.
func readPremis(r io.Reader, record preservation.RecordID, file func(premisFile)) (*premisFacts, error) {
	facts := &premisFacts{}
	agents := map[string]preservation.Agent{}
	var actors []string // the agent of each event, known only further down
	pace := &paced{r: r, left: maxElement}
	dec := xml.NewDecoder(pace)
	depth := 0
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, premisError("%w", err)
		}
		var element xml.StartElement
		switch t := token.(type) {
		case xml.Directive:
			return nil, premisError("a document type declaration")
		case xml.EndElement:
			depth--
			continue
		case xml.StartElement:
			element = t
		default:
			continue
		}
		if element.Name.Space != premisNamespace {
			return nil, premisError("element %s of %q", element.Name.Local, element.Name.Space)
		}
		if depth == 0 {
			if element.Name.Local != "premis" {
				return nil, premisError("root element %s", element.Name.Local)
			}
			depth++
			continue
		}
		pace.left = maxElement
		switch element.Name.Local {
		case "object":
			if file == nil {
				err = dec.Skip()
				break
			}
			err = facts.object(dec, &element, record, file)
		case "event":
			var actor string
			actor, err = facts.event(dec, &element, record)
			actors = append(actors, actor)
		case "agent":
			err = readAgent(dec, &element, agents)
		default:
			err = dec.Skip()
		}
		if err != nil {
			return nil, premisError("%w", err)
		}
	}
	for i, actor := range actors {
		agent, ok := agents[actor]
		if !ok {
			return nil, premisError("event %s has no agent", facts.events[i].ID)
		}
		facts.events[i].Agent = agent
	}
	return facts, nil
}

func premisError(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrInvalid, PremisPath, fmt.Errorf(format, args...))
}

func (p *premisFacts) object(dec *xml.Decoder, start *xml.StartElement, record preservation.RecordID, file func(premisFile)) error {
	var o premisObject
	if err := dec.DecodeElement(&o, start); err != nil {
		return err
	}
	switch o.Type {
	case "intellectualEntity":
		p.record = o.ID.Value
		return nil
	case "file":
	default:
		return nil
	}
	if p.files++; p.files > MaxEntries {
		return fmt.Errorf("more than %d files", MaxEntries)
	}
	f := premisFile{id: fileOf(o.ID.Value, record), name: o.Name, puid: o.Characteristics.PUID,
		location: o.LocationType + " " + o.LocationValue}
	var err error
	if f.size, err = strconv.ParseInt(o.Characteristics.Size, 10, 64); err != nil {
		return fmt.Errorf("file %q: size %q", o.ID.Value, o.Characteristics.Size)
	}
	for _, d := range o.Characteristics.Fixity {
		switch d.Algorithm {
		case "SHA-256":
			f.sha256 = d.Digest
		case "SHA-512":
			f.sha512 = d.Digest
		}
	}
	if err := exact(o.Characteristics.Raw, "originalName", &f.name); err != nil {
		return err
	}
	for _, r := range o.Relationships {
		if r.SubType == hasSource.sub {
			f.source = fileOf(r.Related, record)
		}
	}
	file(f)
	return nil
}

func (p *premisFacts) event(dec *xml.Decoder, start *xml.StartElement, record preservation.RecordID) (actor string, err error) {
	var x premisEvent
	if err := dec.DecodeElement(&x, start); err != nil {
		return "", err
	}
	return x.Agent, p.addEvent(&x, record)
}

func (p *premisFacts) addEvent(x *premisEvent, record preservation.RecordID) (err error) {
	e := preservation.Event{ID: x.ID, Type: preservation.EventType(x.Type), Detail: x.Detail,
		Outcome: preservation.Outcome(x.Outcome), Code: x.Code}
	if e.At, err = time.Parse(time.RFC3339Nano, x.At); err != nil {
		return fmt.Errorf("event %q: time %q", x.ID, x.At)
	}
	if err := exact(x.Raw, "detail", &e.Detail); err != nil {
		return err
	}
	for _, o := range x.Objects {
		if o.Kind == fileType {
			e.Files = append(e.Files, fileOf(o.Value, record))
		}
	}
	p.events = append(p.events, e)
	return nil
}

func readAgent(dec *xml.Decoder, start *xml.StartElement, agents map[string]preservation.Agent) error {
	var x premisAgent
	if err := dec.DecodeElement(&x, start); err != nil {
		return err
	}
	return addAgent(&x, agents)
}

func addAgent(x *premisAgent, agents map[string]preservation.Agent) error {
	a := preservation.Agent{Type: preservation.AgentType(x.Type), Name: x.Name, Version: x.Version}
	if err := exact(x.Raw, "name", &a.Name); err != nil {
		return err
	}
	if err := exact(x.Raw, "version", &a.Version); err != nil {
		return err
	}
	agents[x.ID] = a
	return nil
}

// exact replaces a text by its bytes where the writer kept them apart.
func exact(raws []premisRaw, field string, text *string) error {
	for _, r := range raws {
		if r.Field == field {
			b, err := base64.StdEncoding.DecodeString(r.Text)
			if err != nil {
				return fmt.Errorf("%s: %w", field, err)
			}
			*text = string(b)
		}
	}
	return nil
}

// fileOf is the inverse of fileObjectID; an identifier of another record stays as it
// is. It is a copy: there may be very many, which would keep as many whole values.
func fileOf(value string, record preservation.RecordID) preservation.FileID {
	return preservation.FileID(strings.Clone(strings.TrimPrefix(value, string(record)+"/")))
}

// paced fails when more is read than left allows; its owner raises left again
// with each element.
type paced struct {
	r    io.Reader
	left int64
}

func (p *paced) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, fmt.Errorf("an element is longer than %d bytes", maxElement)
	}
	n, err := p.r.Read(b)
	p.left -= int64(n)
	return n, err
}
