package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bestand/ingest/convert"
	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// OCRFailed says that the pages were not searched for text.
const OCRFailed = "ocr-failed"

var agent = preservation.Agent{Type: preservation.Software, Name: "bestand image writer"}

// Renderer renders raster images for package convert. With a language, such as
// "deu", text is recognised and laid over the pages; that it could not be is a
// warning in the events, never a reason for no rendition.
func Renderer(box *sandbox.Sandbox, lang string) convert.Renderer {
	return func(ctx context.Context, src convert.Source, dir string) (r convert.Rendering, err error) {
		o := Options{Title: src.Title}
		if lang != "" {
			read, err := OCR(ctx, box, dir, src.Path, lang)
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if errors.Is(err, sandbox.ErrKilled) {
				return r, err
			}
			tesseract := OCRAgent(ctx, box, dir)
			if err != nil {
				r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Warning, Code: OCRFailed,
					Detail: "Text was not recognised.", Agent: tesseract})
			} else {
				o.Words, r.Text = read.Words, read.Text
				r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Success,
					Detail: "Text recognised by machine and laid over the pages invisibly.", Agent: tesseract})
			}
		}
		info, err := apart(ctx, box, dir, filepath.Join(dir, "rendition.pdf"), src.Path, o)
		if f, ok := errors.AsType[*Fault](err); ok {
			return r, &convert.Refusal{Code: f.Code, Detail: f.Error()}
		}
		if err != nil {
			return r, err
		}
		through := 0
		for _, p := range info.Pages {
			if p.PassedThrough {
				through++
			}
		}
		r.PDF, r.Flavour, r.Pages = filepath.Join(dir, "rendition.pdf"), "2b", len(info.Pages)
		r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Success, Agent: agent,
			Detail: fmt.Sprintf("%d pages, of which %d hold the coded image data unchanged; the others were packed again without loss.", len(info.Pages), through)})
		for _, f := range info.Findings {
			r.Events = append(r.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Warning, Code: f.Code,
				Detail: f.Subject + ": " + f.Detail, Agent: agent})
		}
		return r, nil
	}
}

func writeFile(ctx context.Context, dst, src string, o Options) (Info, error) {
	f, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return Info{}, err
	}
	info, err := Write(ctx, f, src, o)
	if e := f.Close(); err == nil {
		err = e
	}
	return info, err
}

// OCRAgent names tesseract and its version for the events.
func OCRAgent(ctx context.Context, box *sandbox.Sandbox, dir string) preservation.Agent {
	a := preservation.Agent{Type: preservation.Software, Name: "tesseract"}
	var out bytes.Buffer
	res, err := box.Run(ctx, sandbox.Command{Name: "tesseract", Args: []string{"--version"}, Dir: dir, Stdout: &out})
	if line, _, ok := strings.Cut(out.String()+res.Stderr, "\n"); err == nil && ok {
		a.Version = strings.TrimSpace(strings.TrimPrefix(line, "tesseract "))
	}
	return a
}
