package mail

import (
	"context"
	"errors"
	"fmt"
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

// Renderer renders messages of RFC 5322 for package convert: the page printed
// by print, and the attachments as files of their own.
func Renderer(print *convert.Converter) convert.Renderer {
	return func(ctx context.Context, src convert.Source, dir string) (convert.Rendering, error) {
		return render(ctx, print, src.Path, dir)
	}
}

// MSGRenderer renders Outlook messages.
func MSGRenderer(box *sandbox.Sandbox, print *convert.Converter) convert.Renderer {
	return func(ctx context.Context, src convert.Source, dir string) (convert.Rendering, error) {
		eml, err := FromMSG(ctx, box, dir, src.Path)
		if err != nil {
			return convert.Rendering{}, refused(err)
		}
		r, err := render(ctx, print, eml, dir)
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

func render(ctx context.Context, print *convert.Converter, path, dir string) (r convert.Rendering, err error) {
	m, err := Parse(ctx, path, Options{Dir: dir})
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
	r.Text, r.Letters, r.Flavour = m.Text, convert.PageLetters(m.HTML), "2b"
	if r.PDF, err = print.HTML(ctx, m.HTML, dir); err != nil {
		return r, err
	}
	r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Success,
		Detail: "Header, list of attachments and body on pages; links, scripts and remote pictures left out.", Agent: print.HTMLAgent(ctx)})
	return r, nil
}
