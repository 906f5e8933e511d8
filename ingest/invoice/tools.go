package invoice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

var lineNumber = regexp.MustCompile(`:([0-9]+): `)

// WellFormed asks xmllint, in the sandbox and without network or entities,
// whether the file at path is well-formed XML. No finding means that it is.
// It wraps sandbox.ErrMissing when xmllint is not installed.
func WellFormed(ctx context.Context, box *sandbox.Sandbox, dir, path string) ([]preservation.Finding, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("check XML: %w", err)
	}
	res, err := box.Run(ctx, sandbox.Command{Name: "xmllint", Args: []string{"--nonet", "--noout", path}, Dir: dir, Read: []string{path}})
	if err != nil {
		return nil, fmt.Errorf("check XML: %w", err)
	}
	switch {
	case res.OK():
		return nil, nil
	case res.Limit != "":
		return []preservation.Finding{{Code: TooLarge, Severity: preservation.Failed, Detail: "xmllint exceeded its limit of " + res.Limit}}, nil
	}
	detail := "xmllint says that the file is not well-formed"
	if m := lineNumber.FindStringSubmatch(res.Stderr); m != nil {
		detail += ", line " + m[1]
	}
	return []preservation.Finding{{Code: Malformed, Severity: preservation.Failed, Detail: detail}}, nil
}

// XMLAgent names xmllint and its version for the events.
func XMLAgent(ctx context.Context, box *sandbox.Sandbox, dir string) preservation.Agent {
	a := preservation.Agent{Type: preservation.Software, Name: "xmllint"}
	res, err := box.Run(ctx, sandbox.Command{Name: "xmllint", Args: []string{"--version"}, Dir: dir})
	if _, v, ok := strings.Cut(res.Stderr, "version "); err == nil && ok {
		a.Version = strings.Fields(v + " ?")[0]
	}
	return a
}

// maxEmbedded is how many bytes an invoice inside of a PDF may have: it is in memory.
const maxEmbedded = 16 << 20

// ErrNone says that a PDF carries no invoice.
var ErrNone = errors.New("no embedded invoice")

// Names that ZUGFeRD and Factur-X prescribe, in the order of preference.
var prescribed = []string{"factur-x.xml", "xrechnung.xml", "zugferd-invoice.xml"}

// Embedded is the XML inside of a PDF.
type Embedded struct {
	Name string // as the PDF calls it
	XML  []byte
}

// FromPDF takes the invoice out of a ZUGFeRD or Factur-X file with qpdf, in the
// sandbox. The error is ErrNone when there is none under any of the prescribed
// names, and wraps sandbox.ErrMissing when qpdf is not installed.
func FromPDF(ctx context.Context, box *sandbox.Sandbox, dir, path string) (Embedded, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Embedded{}, fmt.Errorf("take invoice out of PDF: %w", err)
	}
	run := func(out io.Writer, args ...string) (sandbox.Result, error) {
		return box.Run(ctx, sandbox.Command{Name: "qpdf", Args: append(args, path), Dir: dir, Read: []string{path}, Stdout: out,
			Limits: sandbox.Limits{Output: maxEmbedded}})
	}
	var list bytes.Buffer
	res, err := run(&list, "--list-attachments")
	if err != nil {
		return Embedded{}, fmt.Errorf("take invoice out of PDF: %w", err)
	}
	// qpdf ends with 3 after warnings, with the list complete.
	if res.Limit != "" || res.ExitCode != 0 && res.ExitCode != 3 {
		return Embedded{}, ErrNone
	}
	name := choose(list.String())
	if name == "" {
		return Embedded{}, ErrNone
	}
	var out bytes.Buffer
	if res, err = run(&out, "--show-attachment="+name); err != nil {
		return Embedded{}, fmt.Errorf("take invoice out of PDF: %w", err)
	}
	if res.Limit != "" || res.ExitCode != 0 && res.ExitCode != 3 || out.Len() == 0 {
		return Embedded{}, fmt.Errorf("take invoice out of PDF: %w", &Fault{Malformed, "the embedded invoice cannot be taken out"})
	}
	return Embedded{Name: name, XML: out.Bytes()}, nil
}

// choose picks from qpdf's list, whose lines are "name -> object,generation".
func choose(list string) string {
	best, rank := "", len(prescribed)
	for l := range strings.Lines(list) {
		name, _, ok := strings.Cut(strings.TrimRight(l, "\r\n"), " -> ")
		if !ok {
			continue
		}
		for i, p := range prescribed[:rank] {
			if strings.EqualFold(name, p) {
				best, rank = name, i
			}
		}
	}
	return best
}
