package render

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"bestand/ingest/convert"
	"bestand/ingest/image"
	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// ChildArg as the first argument makes the program the child that reads one
// image: decoders of hostile data had better fail in a process apart. The
// program hands the rest of its arguments to Child.
const ChildArg = "image-child"

var imageLimits = sandbox.Limits{Memory: 2 << 30, CPU: 10 * time.Minute, Wall: 15 * time.Minute, FileSize: 8 << 30, Output: 64 << 20}

// answer is what the child says.
type answer struct {
	Pages    int
	Findings []preservation.Finding
	Fault    *image.Fault
}

// image writes a scan or photograph as PDF/A.
func (r *renderer) image(ctx context.Context, src convert.Source, dir string) (out convert.Rendering, err error) {
	o := image.Options{Title: src.Title}
	if r.ocr {
		if err := r.recognise(ctx, src, dir, &o, &out); err != nil {
			return out, err
		}
	}
	options, err := json.Marshal(o)
	if err != nil {
		return out, err
	}
	var said bytes.Buffer
	res, err := r.box.Run(ctx, sandbox.Command{
		Name: sandbox.Self, Args: []string{ChildArg, src.Path, filepath.Join(dir, "image.pdf")},
		Dir: dir, Read: []string{src.Path}, Stdin: bytes.NewReader(options), Stdout: &said, Limits: imageLimits,
	})
	if err != nil {
		return out, err
	}
	if res.Limit != "" {
		return out, &convert.Refusal{Code: "limit-" + res.Limit, Detail: "The image asked for more than the limit of " + res.Limit + "."}
	}
	var a answer
	if err := json.Unmarshal(said.Bytes(), &a); err != nil {
		return out, fmt.Errorf("image: the child ended with %d: %s", res.ExitCode, res.Stderr)
	}
	if a.Fault != nil {
		return out, &convert.Refusal{Code: a.Fault.Code, Detail: a.Fault.Detail}
	}
	if !res.OK() {
		return out, fmt.Errorf("image: the child ended with %d: %s", res.ExitCode, res.Stderr)
	}
	out.PDF, out.Pages = filepath.Join(dir, "image.pdf"), a.Pages
	out.Events = append(out.Events, notices(preservation.EventConvert, own, a.Findings)...)
	out.Events = append(out.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Success,
		Detail: fmt.Sprintf("%d pages, image data without loss", a.Pages), Agent: own})
	return out, nil
}

// recognise reads the text of a scan. A scan that cannot be read has no text,
// which is no reason to refuse it.
func (r *renderer) recognise(ctx context.Context, src convert.Source, dir string, o *image.Options, out *convert.Rendering) error {
	by := preservation.Agent{Type: preservation.Software, Name: "tesseract"}
	text, err := image.OCR(ctx, r.box, dir, src.Path, "deu")
	if ctx.Err() != nil || errors.Is(err, sandbox.ErrMissing) {
		return err
	}
	if err != nil {
		out.Events = append(out.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Warning, Code: "ocr-failed", Detail: err.Error(), Agent: by})
		return nil
	}
	o.Words, out.Text = text.Words, text.Text
	out.Events = append(out.Events, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Success,
		Detail: "text recognised and laid invisibly over the image: a machine's reading, for search only", Agent: by})
	return nil
}

// Child writes the image args[0] as PDF/A to args[1], with the options that
// stdin holds, and says on stdout how it went.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "this command is for the program itself")
		return 2
	}
	var o image.Options
	if err := json.NewDecoder(io.LimitReader(stdin, 256<<20)).Decode(&o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	a, err := child(args[0], args[1], o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(stdout).Encode(a); err != nil {
		return 1
	}
	return 0
}

func child(in, out string, o image.Options) (a answer, err error) {
	f, err := os.Create(out)
	if err != nil {
		return a, err
	}
	defer f.Close()
	info, err := image.Write(context.Background(), f, in, o)
	if errors.As(err, &a.Fault) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	a.Pages, a.Findings = len(info.Pages), info.Findings
	return a, f.Close()
}
