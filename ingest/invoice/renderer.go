package invoice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bestand/ingest/convert"
	"bestand/ingest/sandbox"
	"bestand/preservation"
)

var agent = preservation.Agent{Type: preservation.Software, Name: "bestand invoice reader"}

// ChildArg as the first argument makes the program the child that reads one XML
// file: a document is a tree in memory. The program hands the rest of its
// arguments to Child.
const ChildArg = "xml-child"

// Child reads the file that stdin names.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	return convert.ReadingChild(args, stdin, stdout, read)
}

// Renderer renders XML for package convert: invoices as such, everything else
// as its elements. Supporting documents inside of an invoice become files of
// their own.
func Renderer(box *sandbox.Sandbox, print *convert.Converter) convert.Renderer {
	return func(ctx context.Context, src convert.Source, dir string) (r convert.Rendering, err error) {
		if err := validate(ctx, box, &r, src, dir); err != nil {
			return r, err
		}
		x, err := convert.Apart(ctx, box, ChildArg, src, dir)
		r.Events = append(r.Events, x.Events...)
		if err != nil {
			return r, err
		}
		r.Flavour, r.Text, r.Letters, r.Outputs = "2b", x.Text, x.Letters, x.Outputs
		if r.PDF, err = print.Print(ctx, x, dir); err != nil {
			return r, err
		}
		r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Success,
			Detail: "Readable pages; the XML file stays the record.", Agent: print.HTMLAgent(ctx)})
		return r, nil
	}
}

// validate lets a second parser judge the file before ours reads it.
func validate(ctx context.Context, box *sandbox.Sandbox, r *convert.Rendering, src convert.Source, dir string) error {
	findings, err := WellFormed(ctx, box, dir, src.Path)
	e := preservation.Event{Type: preservation.EventValidate, Outcome: preservation.Success, Detail: "Well-formed XML.", Agent: XMLAgent(ctx, box, dir)}
	switch {
	case errors.Is(err, sandbox.ErrMissing):
		e.Outcome, e.Code, e.Detail = preservation.Warning, "not-validated", "xmllint is not installed."
	case err != nil:
		return err
	case len(findings) > 0:
		e.Outcome, e.Code, e.Detail = preservation.Failure, findings[0].Code, findings[0].Detail
	}
	r.Events = append(r.Events, e)
	return nil
}

// read makes the page of the file and says what else is known of it. It runs in
// the child.
func read(ctx context.Context, src convert.Source, dir string) (r convert.Reading, err error) {
	page, err := readPage(ctx, &r, src, dir)
	if f, ok := errors.AsType[*Fault](err); ok {
		return r, &convert.Refusal{Code: f.Code, Detail: f.Detail}
	}
	if err != nil {
		return r, err
	}
	r.Letters, r.Page = convert.PageLetters(page), filepath.Join(dir, "page.html")
	return r, os.WriteFile(r.Page, page, 0o600)
}

func readPage(ctx context.Context, r *convert.Reading, src convert.Source, dir string) ([]byte, error) {
	f, err := os.Open(src.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	v, err := Parse(ctx, f)
	if err == nil {
		return v.HTML(), describe(r, v, dir)
	}
	if fault, ok := errors.AsType[*Fault](err); !ok || fault.Code == Malformed {
		return nil, err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil, err
	}
	page, findings, err := XMLPage(ctx, f, src.Title)
	for _, x := range findings {
		r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Warning, Code: x.Code, Detail: x.Detail, Agent: agent})
	}
	return page, err
}

// describe adds the events, the text and the supporting documents of an invoice.
func describe(r *convert.Reading, v *Invoice, dir string) error {
	r.Text = v.Text()
	findings := v.Check()
	// That it was checked, and how; what was found stands in events of its own.
	r.Events = append(r.Events, preservation.Event{Type: preservation.EventValidate, Outcome: preservation.Success,
		Detail: fmt.Sprintf("%s: %s; %d findings.", v.Syntax, Extent, len(findings)), Agent: agent})
	for _, x := range findings {
		r.Events = append(r.Events, preservation.Event{Type: preservation.EventValidate, Outcome: preservation.Warning, Code: x.Code,
			Detail: x.Detail + " (" + x.Clause + ").", Agent: agent})
	}
	for i, d := range v.Documents {
		if d.Content == nil {
			continue
		}
		p := filepath.Join(dir, fmt.Sprintf("document-%04d", i+1))
		if err := os.WriteFile(p, d.Content, 0o600); err != nil {
			return err
		}
		r.Outputs = append(r.Outputs, convert.Output{Path: p, Name: first(d.Name, d.ID, fmt.Sprintf("document-%d", i+1)), Kind: convert.Extracted,
			Events: []preservation.Event{{Type: preservation.EventExtract, Outcome: preservation.Success, Agent: agent,
				Detail: fmt.Sprintf("Supporting document %d of the invoice (BG-24).", i+1)}}})
	}
	return nil
}
