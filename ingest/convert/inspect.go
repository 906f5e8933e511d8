package convert

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bestand/ingest/sandbox"
)

var readLimits = sandbox.Limits{Memory: 1 << 30, CPU: time.Minute, Output: 64 << 20, FileSize: 1 << 20}

// pdfFacts is what poppler says of a PDF.
type pdfFacts struct {
	pages, attached          int // attached: embedded files
	restricted, tagged, form bool
}

// inspect reads the PDF's structure. A PDF that cannot be read is a Refusal.
func (j *job) inspect(ctx context.Context, pdf string) (pdfFacts, error) {
	var out bytes.Buffer
	res, err := j.read(ctx, "pdfinfo", &out, pdf, pdf)
	if err != nil {
		return pdfFacts{}, err
	}
	if strings.Contains(res.Stderr, "Incorrect password") {
		return pdfFacts{}, &Refusal{CodeEncrypted, "The PDF needs a password to be read."}
	}
	var f pdfFacts
	for line := range strings.Lines(out.String()) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "Pages":
			f.pages = number(value)
		case "Encrypted":
			f.restricted = strings.HasPrefix(value, "yes")
		case "Tagged":
			f.tagged = value == "yes"
		case "Form":
			f.form = value != "none"
		}
	}
	if res.ExitCode != 0 || f.pages == 0 {
		return f, broken(pdf)
	}
	return f, nil
}

// broken says what is wrong with a PDF that poppler cannot read.
func broken(pdf string) error {
	f, err := os.Open(pdf)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	tail := make([]byte, min(st.Size(), 2048))
	if _, err := f.ReadAt(tail, st.Size()-int64(len(tail))); err != nil {
		return err
	}
	if !bytes.Contains(tail, []byte("%%EOF")) {
		return &Refusal{CodeTruncated, "The PDF cannot be read; its end is missing."}
	}
	return &Refusal{CodeDamaged, "The PDF cannot be read."}
}

// read runs a program that reads one PDF and writes standard output only.
func (j *job) read(ctx context.Context, name string, out io.Writer, pdf string, args ...string) (sandbox.Result, error) {
	dir, err := j.folder()
	if err != nil {
		return sandbox.Result{}, err
	}
	defer os.Remove(dir)
	return j.tool(ctx, sandbox.Command{Name: name, Args: args, Dir: dir, Read: []string{pdf}, Stdout: out, Limits: readLimits})
}

// counter keeps the start of a text and counts its letters and pages.
type counter struct {
	text    bytes.Buffer
	limit   int64
	letters int
	pages   int    // 0 when not known
	rest    []byte // of a rune
}

func (c *counter) Write(p []byte) (int, error) {
	if room := c.limit - int64(c.text.Len()); room > 0 {
		c.text.Write(p[:min(room, int64(len(p)))])
	}
	n := len(p)
	c.pages += bytes.Count(p, []byte{'\f'})
	p = append(c.rest, p...)
	for len(p) > 0 && (utf8.FullRune(p) || len(p) >= utf8.UTFMax) {
		r, size := utf8.DecodeRune(p)
		if unicode.IsLetter(r) {
			c.letters++
		}
		p = p[size:]
	}
	c.rest = append([]byte(nil), p...)
	return n, nil
}

func (c *counter) String() string {
	return strings.ReplaceAll(strings.ToValidUTF8(c.text.String(), ""), "\f", "")
}

// pdfText extracts the text of a PDF. Pages are told apart in it by form feeds,
// one at the end of each.
func (j *job) pdfText(ctx context.Context, pdf string) (*counter, error) {
	c := &counter{limit: j.cfg.TextLimit}
	pdf, err := j.withoutIntent(pdf)
	if err != nil {
		return nil, err
	}
	_, err = j.read(ctx, "pdftotext", c, pdf, "-enc", "UTF-8", "-cropbox", pdf, "-")
	var no *Refusal
	if errors.As(err, &no) && no.Code == codeLimit+sandbox.LimitOutput {
		c.pages, err = 0, nil // more text than anyone searches
	}
	return c, err
}
