package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// job is one call of Render.
type job struct {
	*Converter
	session *Session
	src     Source
	dir     string

	folders int
	events  []preservation.Event // about the source, and about the rendition once there is one
	own     bool                 // the source is its own rendition
	pdf     string               // the rendition
	verdict string
	flavour string
	text    string
	pages   int
	outputs []Output          // extracted files
	used    []string          // programs that were run
	plain   map[string]string // what withoutIntent made of which PDF
	trial   bool              // on a file of ours, to find out whether a program works
	turn    bool              // of Config.Working
}

// enter waits for the job's turn on a processor.
func (j *job) enter(ctx context.Context) error {
	if j.cfg.Working == nil {
		return nil
	}
	err := j.cfg.Working.Acquire(ctx, 1)
	j.turn = err == nil
	return err
}

// leave ends the turn, if the job has it.
func (j *job) leave() {
	if j.turn {
		j.cfg.Working.Release(1)
		j.turn = false
	}
}

// aside does what does not convert, and lets another job have the turn meanwhile.
func (j *job) aside(ctx context.Context, f func()) error {
	if !j.turn {
		f()
		return nil
	}
	j.leave()
	if err := j.checking.Acquire(ctx, 1); err != nil {
		return err
	}
	func() {
		defer j.checking.Release(1)
		f()
	}()
	return j.enter(ctx)
}

func run(f func(*job, context.Context) error) func(context.Context, *job) error {
	return func(ctx context.Context, j *job) error { return f(j, ctx) }
}

func (j *job) result() Result {
	r := Result{Outputs: j.outputs, Own: j.own, Verdict: j.verdict, Flavour: j.flavour, Text: j.text, Pages: j.pages}
	if j.pdf == "" {
		r.Events = j.events
		return r
	}
	r.Outputs = append([]Output{{
		Path: j.pdf, Name: displayName(j.src.Name, ".pdf"), Kind: Rendition, MIME: "application/pdf",
		Verdict: j.verdict, Flavour: j.flavour, Events: j.events,
	}}, r.Outputs...)
	return r
}

// refuse turns what was done so far into a result without a rendition.
func (j *job) refuse(no *Refusal) {
	j.pdf, j.own, j.verdict, j.flavour, j.pages = "", false, preservation.VerdictNoRendition, "", 0
	outcome := preservation.Failure
	switch no.Code {
	case CodeNoRoute, CodeSigned, CodeLong, CodeUnchecked: // what arrived is in order, as far as anybody can tell
		outcome = preservation.Warning
	}
	j.note(preservation.EventConvert, outcome, no.Code, no.Detail, j.cfg.Agent)
}

func (j *job) note(t preservation.EventType, o preservation.Outcome, code, detail string, a preservation.Agent) {
	j.events = append(j.events, preservation.Event{Type: t, Outcome: o, Code: code, Detail: detail, Agent: a})
}

// folder makes the next private folder of the job: one for each run of a tool,
// so that a tool which was taken over can spoil its own output only.
func (j *job) folder() (string, error) {
	j.folders++
	p := filepath.Join(j.dir, fmt.Sprintf("step-%d", j.folders))
	return p, os.Mkdir(p, 0o700)
}

// tool runs a program in a folder of its own. A limit that it hits is a
// Refusal; what else went wrong is for the caller to judge.
func (j *job) tool(ctx context.Context, c sandbox.Command) (sandbox.Result, error) {
	if !j.trial {
		if err := j.outOfOrder(ctx, c.Name); err != nil {
			return sandbox.Result{}, err
		}
		j.used = append(j.used, c.Name)
	} else if c.Limits.Wall > trialTime {
		c.Limits.Wall = trialTime
	}
	res, err := j.cfg.Sandbox.Run(ctx, c)
	if err != nil {
		return res, err
	}
	if res.Limit != "" {
		return res, limited(c.Name, res.Limit)
	}
	return res, nil
}

func limited(program, limit string) *Refusal {
	return &Refusal{codeLimit + limit, fmt.Sprintf("%s was stopped: it passed the limit on %s.", program, limit)}
}

var versionPattern = regexp.MustCompile(`\d+(?:\.\d+)+`)

// agent names a program with its version, which it is asked for once.
func (c *Converter) agent(ctx context.Context, name, program, flag string) preservation.Agent {
	a := preservation.Agent{Type: preservation.Software, Name: name}
	c.mu.Lock()
	v, known := c.versions[program]
	c.mu.Unlock()
	if !known {
		dir, err := os.MkdirTemp("", "version-")
		if err != nil {
			return a
		}
		defer os.RemoveAll(dir)
		var out bytes.Buffer
		res, err := c.cfg.Sandbox.Run(ctx, sandbox.Command{
			Name: program, Args: []string{flag}, Dir: dir, Stdout: &out, Limits: sandbox.Limits{Wall: 20 * time.Second, Output: 64 << 10},
		})
		if err != nil {
			return a // not installed, or the context ended: ask again next time
		}
		v = versionPattern.FindString(out.String() + res.Stderr)
		c.mu.Lock()
		c.versions[program] = v
		c.mu.Unlock()
	}
	a.Version = v
	return a
}

func (c *Converter) libreOffice(ctx context.Context) preservation.Agent {
	return c.agent(ctx, "LibreOffice", "soffice", "--version")
}

func (c *Converter) ghostscript(ctx context.Context) preservation.Agent {
	return c.agent(ctx, "Ghostscript", "gs", "--version")
}

func (c *Converter) qpdf(ctx context.Context) preservation.Agent {
	return c.agent(ctx, "qpdf", "qpdf", "--version")
}

func (c *Converter) poppler(ctx context.Context) preservation.Agent {
	return c.agent(ctx, "poppler", "pdfinfo", "-v")
}

func (c *Converter) chromium(ctx context.Context) preservation.Agent {
	return c.agent(ctx, "Chromium", "chromium-headless-shell", "--version")
}

// Tools lists the programs that conversion uses, for the doctor: name, program
// and version, which is empty where the program is not installed.
func (c *Converter) Tools(ctx context.Context) []preservation.Agent {
	return []preservation.Agent{c.libreOffice(ctx), c.ghostscript(ctx), c.poppler(ctx), c.chromium(ctx)}
}

// injected calls the Renderer of another package and validates what it gives.
func injected(of func(Config) Renderer) func(context.Context, *job) error {
	return func(ctx context.Context, j *job) error {
		render := of(j.cfg)
		if render == nil {
			return &Refusal{CodeNoRoute, "No converter for this format is set up. The original is kept as it is."}
		}
		dir, err := j.folder()
		if err != nil {
			return err
		}
		r, err := render(ctx, j.src, dir)
		if err != nil {
			return err
		}
		j.events, j.outputs, j.text = append(j.events, r.Events...), append(j.outputs, r.Outputs...), bounded(r.Text, j.cfg.TextLimit)
		if r.PDF == "" {
			return &Refusal{CodeNoRoute, "The format is kept as it is."}
		}
		f := numbers{letters: -1, pages: r.Pages}
		if r.Letters > 0 {
			f.letters = r.Letters
		}
		return j.accept(ctx, r.PDF, or(r.Flavour, defaultFlavour), f, tolerances["rendering"])
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func bounded(s string, n int64) string {
	if int64(len(s)) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// produced returns the path of a file that a tool left in its folder, or "" if
// there is none. A tool that was taken over could leave a link to elsewhere.
func produced(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	st, err := root.Lstat(name)
	if err != nil || !st.Mode().IsRegular() {
		return "", nil
	}
	return filepath.Join(dir, name), nil
}

// copyTo copies the source: a link would let a tool that was taken over write to
// the original.
func copyTo(out io.Writer, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(out, in)
	return err
}

// writeFile makes a new file of what fill writes.
func writeFile(to string, fill func(io.Writer) error) (err error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return fill(out)
}
