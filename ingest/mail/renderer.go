package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"bestand/ingest/convert"
	"bestand/ingest/sandbox"
	"bestand/preservation"
)

var agent = preservation.Agent{Type: preservation.Software, Name: "bestand mail reader", Version: parserVersion()}

// parserVersion names the release of enmime that the program was built with.
func parserVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/jhillyerd/enmime/v2" {
				return "enmime " + m.Version
			}
		}
	}
	return "enmime"
}

// ChildArg as the first argument makes the program the child that reads one
// message: a message is taken apart in memory. The program hands the rest of its
// arguments to Child.
const ChildArg = "mail-child"

// Child reads the message that stdin names.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	return convert.ReadingChild(args, stdin, stdout, read)
}

// Renderer renders messages of RFC 5322 for package convert: the page printed
// by print, and the attachments as files of their own.
func Renderer(box *sandbox.Sandbox, print *convert.Converter) convert.Renderer {
	return func(ctx context.Context, src convert.Source, dir string) (convert.Rendering, error) {
		return render(ctx, box, print, src, dir)
	}
}

// MSGRenderer renders Outlook messages.
func MSGRenderer(box *sandbox.Sandbox, print *convert.Converter) convert.Renderer {
	return func(ctx context.Context, src convert.Source, dir string) (convert.Rendering, error) {
		eml, err := FromMSG(ctx, box, dir, src.Path)
		if err != nil {
			return convert.Rendering{}, refused(err)
		}
		src.Path = eml
		r, err := render(ctx, box, print, src, dir)
		r.Events = append([]preservation.Event{{Type: preservation.EventConvert, Outcome: preservation.Success,
			Detail: "Outlook message read as a message of RFC 5322.", Agent: MSGAgent(ctx, box, dir)}}, r.Events...)
		return r, err
	}
}

func refused(err error) error {
	if f, ok := errors.AsType[*Fault](err); ok {
		return &convert.Refusal{Code: f.Code, Detail: f.Detail}
	}
	return err
}

// read runs in the child.
func read(ctx context.Context, src convert.Source, dir string) (r convert.Reading, err error) {
	m, err := Parse(ctx, src.Path, Options{Dir: dir})
	if err != nil {
		return r, refused(err)
	}
	for i, a := range m.Attachments {
		r.Outputs = append(r.Outputs, convert.Output{Path: a.Path, Name: a.Name, Kind: convert.Extracted,
			Events: []preservation.Event{{Type: preservation.EventExtract, Outcome: preservation.Success, Agent: agent,
				Detail: fmt.Sprintf("Attachment %d of the message.", i+1)}}})
	}
	for _, f := range m.Findings {
		r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Warning, Code: f.Code, Detail: f.Detail, Agent: agent})
	}
	r.Text, r.Letters, r.Page = m.Text, convert.PageLetters(m.HTML), filepath.Join(dir, "page.html")
	return r, os.WriteFile(r.Page, m.HTML, 0o600)
}

func render(ctx context.Context, box *sandbox.Sandbox, print *convert.Converter, src convert.Source, dir string) (r convert.Rendering, err error) {
	m, err := convert.Apart(ctx, box, ChildArg, src, dir)
	if err != nil {
		return r, err
	}
	r = convert.Rendering{Flavour: "2b", Text: m.Text, Letters: m.Letters, Outputs: m.Outputs, Events: m.Events}
	if r.PDF, err = print.Print(ctx, m, dir); err != nil {
		return r, err
	}
	r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Success,
		Detail: "Header, list of attachments and body on pages; links, scripts and remote pictures left out.", Agent: print.HTMLAgent(ctx)})
	return r, nil
}
