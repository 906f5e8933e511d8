package fileplan

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// Head names those between whom a message goes.
type Head struct {
	Process  string // ProzessID, a UUID
	Sender   string // names of institutions
	Receiver string
	At       time.Time
}

const (
	namespace = "urn:xoev-de:xdomea:schema:3.1.0"
	lists     = "urn:xoev-de:xdomea:codeliste:"
)

type xCode struct {
	URI     string `xml:"listURI,attr"`
	Version string `xml:"listVersionID,attr"`
	Code    string `xml:"code"`
}

type xInstitution struct {
	Name string `xml:"xdomea:Institution>xdomea:Name"`
}

type xMessage struct {
	XMLName   xml.Name     `xml:"xdomea:Aktenplan.Aktenplan.0301"`
	Namespace string       `xml:"xmlns:xdomea,attr"`
	Process   string       `xml:"xdomea:Kopf>xdomea:ProzessID"`
	Type      xCode        `xml:"xdomea:Kopf>xdomea:Nachrichtentyp"`
	At        string       `xml:"xdomea:Kopf>xdomea:Erstellungszeitpunkt"`
	Sender    xInstitution `xml:"xdomea:Kopf>xdomea:Absender"`
	Receiver  xInstitution `xml:"xdomea:Kopf>xdomea:Empfaenger"`
	Product   string       `xml:"xdomea:Kopf>xdomea:SendendesSystem>xdomea:Produktname"`
	Confirm   int          `xml:"xdomea:Kopf>xdomea:Empfangsbestaetigung"`
	Title     string       `xml:"xdomea:Aktenplan>xdomea:Bezeichnung"`
	Version   string       `xml:"xdomea:Aktenplan>xdomea:Version"`
	Units     []*xUnit     `xml:"xdomea:Aktenplan>xdomea:Einheit"`
}

type xUnit struct {
	Code        string   `xml:"xdomea:Kennzeichen"`
	Scope       string   `xml:"xdomea:Inhaltsangabe,omitempty"`
	Title       string   `xml:"xdomea:BetreffKurz"`
	Disposition xCode    `xml:"xdomea:Aussonderungsart>xdomea:Aussonderungsart"`
	Closed      int      `xml:"xdomea:Stillgelegt"`
	Years       *int     `xml:"xdomea:Aufbewahrungsdauer>xdomea:AnzahlJahre"`
	Unlimited   string   `xml:"xdomea:Aufbewahrungsdauer>xdomea:Unbefristet,omitempty"`
	Units       []*xUnit `xml:"xdomea:Einheit"`
}

// WriteXdomea writes a classification as message Aktenplan.Aktenplan.0301 of
// xdomea 3.1.0, the last version that has it. The standard wants a period and a
// disposition of every class: they are those of the rule in force on the day of
// the message, in whole years, of which a started one counts. Without a rule they
// are "unbefristet" and B, by which nobody destroys anything.
func WriteXdomea(w io.Writer, s retention.Scheme, rules *retention.Schedule, h Head) error {
	m := xMessage{
		Namespace: namespace, Process: h.Process, Type: xCode{lists + "nachrichtentyp", "2.0", "0301"}, At: h.At.UTC().Format(time.RFC3339),
		Sender: xInstitution{h.Sender}, Receiver: xInstitution{h.Receiver}, Product: "Bestand", Title: s.Title, Version: fmt.Sprint(s.Version),
	}
	units := make(map[string]*xUnit, len(s.Classes))
	day := preservation.DateOf(h.At)
	for _, c := range s.Classes {
		u := &xUnit{Code: c.Code, Title: c.Title, Scope: c.Scope, Disposition: xCode{lists + "aussonderungsart", "1.0", string(retention.Assess)}}
		if c.Closed {
			u.Closed = 1
		}
		r, ok := rules.Governs(c.Code, day)
		if ok {
			u.Disposition.Code = string(r.Disposition)
		}
		if years := r.Duration.Years + (r.Duration.Months+11)/12; ok && !r.Permanent {
			if r.Duration.Days > 0 {
				years += (r.Duration.Days + 364) / 365
			}
			u.Years = &years
		} else {
			u.Unlimited = "1"
		}
		units[c.Code] = u
	}
	for _, c := range s.Classes {
		if above := units[c.Parent]; above != nil {
			above.Units = append(above.Units, units[c.Code])
		} else {
			m.Units = append(m.Units, units[c.Code])
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", " ")
	if err := out.Encode(m); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// carrier reports whether an element is a message with an Aktenplan: that of its
// exchange (3.x), or that of the catalogue that an archive appraises (4.0).
func carrier(name string) bool {
	return strings.HasPrefix(name, "Aktenplan.Aktenplan.") || strings.HasPrefix(name, "Aussonderung.AktenplanZurBewertung.")
}

// versions are those of xdomea that are read.
var versions = []string{"2.0.0", "2.1.0", "2.2.0", "2.3.0", "2.4.0", "3.0.0", "3.1.0", "4.0.0"}

// known reports whether a namespace is that of a version that is read.
func known(space string) bool {
	version, ok := strings.CutPrefix(space, "urn:xoev-de:xdomea:schema:")
	return ok && slices.Contains(versions, version)
}

// dispositions are the codes of the list aussonderungsart, of every version.
var dispositions = []string{string(retention.Archive), string(retention.Assess), string(retention.Destroy)}

// ReadXdomea reads the Aktenplan of a message, of any of the versions of xdomea.
// What messages say of periods and dispositions is not taken over: those of
// Bestand come from rules, and classes that have one keep it. A disposition that the
// standard does not have is a fault all the same. Errors as of ReadCSV.
func ReadXdomea(r io.Reader) (*Plan, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBytes {
		return nil, retention.Invalid{fault("file", "too-large", fmt.Sprintf("at most %d bytes", MaxBytes))}
	}
	d := reader{xml.NewDecoder(bytes.NewReader(data)), &Plan{has: map[property]bool{code: true, parent: true, title: true, scope: true, closed: true}}}
	if err := d.message(); err != nil {
		var bad retention.Invalid
		if errors.As(err, &bad) {
			return nil, err
		}
		n, _ := d.in.InputPos()
		return nil, retention.Invalid{fault(fmt.Sprintf("line %d", n), "malformed", "the XML cannot be read: "+err.Error())}
	}
	return d.plan, d.plan.check(nil)
}

type reader struct {
	in   *xml.Decoder
	plan *Plan
}

func (d *reader) message() error {
	root := ""
	for {
		t, err := d.in.Token()
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		e, ok := t.(xml.StartElement)
		switch {
		case !ok:
		case root == "" && !carrier(e.Name.Local):
			return retention.Invalid{fault("file", "not-an-aktenplan", fmt.Sprintf("%.100q is no xdomea message with an Aktenplan", e.Name.Local))}
		case root == "" && !known(e.Name.Space):
			return retention.Invalid{fault(d.here(), "unknown-version", fmt.Sprintf("the namespace is %.100q: want urn:xoev-de:xdomea:schema: with one of %s", e.Name.Space, strings.Join(versions, ", ")))}
		case e.Name.Local == "Aktenplan":
			return d.aktenplan()
		case root == "":
			root = e.Name.Local
		default:
			if err := d.in.Skip(); err != nil {
				return err
			}
		}
	}
}

// aktenplan reads the element Aktenplan.
func (d *reader) aktenplan() error {
	return d.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "Bezeichnung":
			return d.text(e, &d.plan.Title)
		case "Einheit":
			return d.unit("", 1)
		}
		return d.in.Skip()
	})
}

// maxDepth is more levels than retention permits: those are then named.
const maxDepth = 64

func (d *reader) unit(above string, depth int) error {
	n, _ := d.in.InputPos()
	if depth > maxDepth {
		return retention.Invalid{fault(fmt.Sprintf("line %d", n), "too-deep", "the levels of the Aktenplan are too many")}
	}
	i := len(d.plan.Classes)
	d.plan.Classes = append(d.plan.Classes, retention.Class{Parent: above})
	d.plan.lines = append(d.plan.lines, n)
	return d.children(func(e xml.StartElement) error {
		c := &d.plan.Classes[i]
		switch e.Name.Local {
		case "Kennzeichen":
			return d.text(e, &c.Code)
		case "BetreffKurz":
			return d.text(e, &c.Title)
		case "Inhaltsangabe":
			return d.text(e, &c.Scope)
		case "Stillgelegt":
			var shut string
			err := d.text(e, &shut)
			c.Closed = shut == "1" || shut == "true"
			return err
		case "Aussonderungsart":
			return d.children(func(e xml.StartElement) error {
				if e.Name.Local == "Aussonderungsart" {
					return d.children(d.disposition)
				}
				return d.in.Skip() // AussonderungsartKonfigurierbar: those who exchange agree on it
			})
		case "Einheit":
			return d.unit(c.Code, depth+1)
		}
		return d.in.Skip()
	})
}

// disposition reads what is in an entry of the list aussonderungsart.
func (d *reader) disposition(e xml.StartElement) error {
	if e.Name.Local != "code" {
		return d.in.Skip()
	}
	here, code := d.here(), ""
	if err := d.text(e, &code); err != nil {
		return err
	}
	if !slices.Contains(dispositions, code) {
		return retention.Invalid{fault(here, "unknown-code", fmt.Sprintf("the Aussonderungsart %.40q is not one of %s", code, strings.Join(dispositions, ", ")))}
	}
	return nil
}

// here is where the tag ends that was read last.
func (d *reader) here() string {
	line, column := d.in.InputPos()
	return fmt.Sprintf("line %d, column %d", line, column)
}

// children calls fn with each element in the one that is open. fn reads it to its end.
func (d *reader) children(fn func(xml.StartElement) error) error {
	for {
		t, err := d.in.Token()
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

func (d *reader) text(e xml.StartElement, into *string) error {
	err := d.in.DecodeElement(into, &e)
	*into = strings.Join(strings.Fields(*into), " ")
	return err
}
