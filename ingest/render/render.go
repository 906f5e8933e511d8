// Package render makes the renditions of formats that other packages know:
// images, e-mail, invoices and other XML. It gives package convert the
// Renderers for them; convert validates what they make.
package render

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bestand/ingest/convert"
	"bestand/ingest/image"
	"bestand/ingest/invoice"
	"bestand/ingest/mail"
	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// Converter returns a converter that knows all formats. With ocr the text of
// scans is read for search.
func Converter(c convert.Config, ocr bool) *convert.Converter {
	r := &renderer{box: c.Sandbox, ocr: ocr}
	c.Image, c.Mail, c.MSG, c.XML = r.image, r.mail, r.msg, r.xml
	r.Converter = convert.New(c)
	return r.Converter
}

type renderer struct {
	*convert.Converter
	box *sandbox.Sandbox
	ocr bool
}

var own = preservation.Agent{Type: preservation.Software, Name: "bestand"}

// print makes a PDF of a page, and says by what.
func (r *renderer) print(ctx context.Context, page []byte, dir string, out *convert.Rendering) error {
	pdf, err := r.HTML(ctx, page, dir)
	if err != nil {
		return err
	}
	out.PDF = pdf
	out.Events = append(out.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Success,
		Detail: "printed without scripts and network", Agent: r.HTMLAgent(ctx)})
	return nil
}

// notices turns findings into events about the source.
func notices(t preservation.EventType, by preservation.Agent, found []preservation.Finding) []preservation.Event {
	var out []preservation.Event
	for _, f := range found {
		e := preservation.Event{Type: t, Outcome: preservation.Warning, Code: f.Code, Detail: f.Detail, Agent: by}
		if f.Severity == preservation.Passed {
			e.Outcome, e.Code = preservation.Success, ""
		}
		out = append(out, e)
	}
	return out
}

// refusal turns the faults of the format packages into what convert reports.
func refusal(err error) error {
	var m *mail.Fault
	var v *invoice.Fault
	var i *image.Fault
	switch {
	case errors.As(err, &m):
		return &convert.Refusal{Code: m.Code, Detail: m.Detail}
	case errors.As(err, &v):
		return &convert.Refusal{Code: v.Code, Detail: v.Detail}
	case errors.As(err, &i):
		return &convert.Refusal{Code: i.Code, Detail: i.Detail}
	}
	return err
}

// mail prints a message and takes its attachments out.
func (r *renderer) mail(ctx context.Context, src convert.Source, dir string) (out convert.Rendering, err error) {
	return r.message(ctx, src.Path, dir)
}

// msg does so for an Outlook message.
func (r *renderer) msg(ctx context.Context, src convert.Source, dir string) (out convert.Rendering, err error) {
	eml, err := mail.FromMSG(ctx, r.box, dir, src.Path)
	if err != nil {
		return out, refusal(err)
	}
	if out, err = r.message(ctx, eml, dir); err != nil {
		return out, err
	}
	out.Events = append([]preservation.Event{{Type: preservation.EventConvert, Outcome: preservation.Success,
		Detail: "read as a message of RFC 5322", Agent: mail.MSGAgent(ctx, r.box, dir)}}, out.Events...)
	return out, nil
}

func (r *renderer) message(ctx context.Context, path, dir string) (out convert.Rendering, err error) {
	attached, err := os.MkdirTemp(dir, "attached-")
	if err != nil {
		return out, err
	}
	m, err := mail.Parse(ctx, path, mail.Options{Dir: attached})
	if err != nil {
		return out, refusal(err)
	}
	for _, a := range m.Attachments {
		out.Outputs = append(out.Outputs, convert.Output{Path: a.Path, Name: a.Name, Kind: convert.Extracted, Events: []preservation.Event{{
			Type: preservation.EventExtract, Outcome: preservation.Success, Detail: "attachment of the message, byte for byte", Agent: own}}})
	}
	out.Text = m.Text
	out.Events = notices(preservation.EventValidate, own, m.Findings)
	return out, r.print(ctx, m.HTML, dir, &out)
}

// xml prints an invoice as people read it, and any other document as the tree
// that it is.
func (r *renderer) xml(ctx context.Context, src convert.Source, dir string) (out convert.Rendering, err error) {
	found, err := invoice.WellFormed(ctx, r.box, dir, src.Path)
	if err != nil {
		return out, err
	}
	by := invoice.XMLAgent(ctx, r.box, dir)
	if len(found) > 0 {
		return out, &convert.Refusal{Code: found[0].Code, Detail: found[0].Detail}
	}
	out.Events = append(out.Events, preservation.Event{Type: preservation.EventValidate, Outcome: preservation.Success, Detail: "well-formed XML", Agent: by})
	in, err := os.Open(src.Path)
	if err != nil {
		return out, err
	}
	defer in.Close()
	v, err := invoice.Parse(ctx, in)
	var fault *invoice.Fault
	if errors.As(err, &fault) && fault.Code == invoice.NoInvoice {
		return r.plainXML(ctx, src, dir, out)
	}
	if err != nil {
		return out, refusal(err)
	}
	out.Text = v.Text()
	found = v.Check()
	out.Events = append(out.Events, notices(preservation.EventValidate, own, found)...)
	if len(found) == 0 {
		out.Events = append(out.Events, preservation.Event{Type: preservation.EventValidate, Outcome: preservation.Success,
			Detail: fmt.Sprintf("%s: %s", v.Syntax, invoice.Extent), Agent: own})
	}
	return out, r.print(ctx, v.HTML(), dir, &out)
}

func (r *renderer) plainXML(ctx context.Context, src convert.Source, dir string, out convert.Rendering) (convert.Rendering, error) {
	in, err := os.Open(src.Path)
	if err != nil {
		return out, err
	}
	defer in.Close()
	title := src.Title
	if title == "" {
		title = src.Name
	}
	page, found, err := invoice.XMLPage(ctx, in, title)
	if err != nil {
		return out, refusal(err)
	}
	out.Events = append(out.Events, notices(preservation.EventConvert, own, found)...)
	return out, r.print(ctx, page, dir, &out)
}
