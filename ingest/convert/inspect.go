package convert

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bestand/ingest/sandbox"
)

var readLimits = sandbox.Limits{Memory: 1 << 30, CPU: time.Minute, Wall: 2 * time.Minute, Output: 64 << 20, FileSize: 1 << 20}

// pdfFacts is what poppler says of a PDF.
type pdfFacts struct {
	pages, attached          int // attached: embedded files
	restricted, tagged, form bool
}

// Inspect reads the PDF's structure. A PDF that cannot be read is a Refusal.
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

// Broken says what is wrong with a PDF that poppler cannot read.
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

// Read runs a program that reads one PDF and writes standard output only.
func (j *job) read(ctx context.Context, name string, out io.Writer, pdf string, args ...string) (sandbox.Result, error) {
	dir, err := j.folder()
	if err != nil {
		return sandbox.Result{}, err
	}
	defer os.Remove(dir)
	return j.tool(ctx, sandbox.Command{Name: name, Args: args, Dir: dir, Read: []string{pdf}, Stdout: out, Limits: readLimits})
}

// counter keeps the start of a text and counts its letters.
type counter struct {
	text    bytes.Buffer
	limit   int64
	letters int
	rest    []byte // of a rune
}

func (c *counter) Write(p []byte) (int, error) {
	if room := c.limit - int64(c.text.Len()); room > 0 {
		c.text.Write(p[:min(room, int64(len(p)))])
	}
	n := len(p)
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

func (c *counter) String() string { return strings.ToValidUTF8(c.text.String(), "") }

// PDFText extracts the text of a PDF.
func (j *job) pdfText(ctx context.Context, pdf string) (text string, letters int, err error) {
	c := &counter{limit: j.cfg.TextLimit}
	_, err = j.read(ctx, "pdftotext", c, pdf, "-enc", "UTF-8", "-nopgbrk", pdf, "-")
	var no *Refusal
	if errors.As(err, &no) && no.Code == codeLimit+sandbox.LimitOutput {
		err = nil // more text than anyone searches
	}
	return c.String(), c.letters, err
}

// Page is one page at a resolution that shows whether something is on it.
type page struct {
	width, height int
	gray          []byte
}

const (
	rasterDPI   = 20
	rasterPages = 200 // of one document
	maxPixels   = 32 << 20
)

// Raster draws the first pages.
func (j *job) raster(ctx context.Context, pdf string) ([]page, error) {
	r, w := io.Pipe()
	var pages []page
	var parse error
	done := make(chan struct{})
	go func() { // ends when the writer is closed
		defer close(done)
		pages, parse = pgm(bufio.NewReader(r))
		_, _ = io.Copy(io.Discard, r) // what a broken image left must not block the program
	}()
	res, err := j.read(ctx, "pdftoppm", w, pdf, "-gray", "-r", fmt.Sprint(rasterDPI), "-l", fmt.Sprint(rasterPages), pdf)
	w.Close()
	<-done
	switch {
	case err != nil:
		return nil, err
	case parse != nil:
		return nil, &Refusal{CodeDamaged, "A page cannot be drawn."}
	case res.ExitCode != 0 && len(pages) == 0:
		return nil, &Refusal{CodeDamaged, "No page can be drawn."}
	}
	return pages, nil
}

// PGM reads portable gray maps (netpbm, P5, 8 bit), one after the other.
func pgm(r *bufio.Reader) ([]page, error) {
	var pages []page
	for pixels := 0; ; {
		if _, err := r.Peek(1); err == io.EOF {
			return pages, nil
		}
		var header string
		for range 3 {
			line, err := r.ReadSlice('\n') // short lines only: the buffer is the bound
			if err != nil {
				return pages, errors.New("not a gray map")
			}
			header += string(line)
		}
		var p page
		if _, err := fmt.Sscanf(header, "P5\n%d %d\n255\n", &p.width, &p.height); err != nil ||
			p.width <= 0 || p.height <= 0 || p.width > maxPixels/p.height {
			return pages, errors.New("not a gray map")
		}
		if pixels += p.width * p.height; pixels > maxPixels*4 {
			return pages, errors.New("gray maps too large")
		}
		p.gray = make([]byte, p.width*p.height)
		if _, err := io.ReadFull(r, p.gray); err != nil {
			return pages, fmt.Errorf("read gray map: %w", err)
		}
		pages = append(pages, p)
	}
}

// Blank reports whether the page is of one shade.
func (p page) blank() bool {
	if len(p.gray) == 0 {
		return true
	}
	lo, hi := p.gray[0], p.gray[0]
	for _, g := range p.gray {
		lo, hi = min(lo, g), max(hi, g)
	}
	return hi-lo < 8
}

// Difference returns the share of the page's marked area that is clearly
// lighter or darker on the other page. It looks at fields of 5 mm, so that a
// line of text shifted by a hair is the same and a missing one is not. Pages
// of other sizes differ fully.
func (p page) difference(q page) float64 {
	if abs(p.width-q.width) > 2+p.width/50 || abs(p.height-q.height) > 2+p.height/50 {
		return 1
	}
	const field = 4 // pixels
	marked, differ := 0, 0
	for y := 0; y < min(p.height, q.height); y += field {
		for x := 0; x < min(p.width, q.width); x += field {
			a, b := p.mean(x, y, field), q.mean(x, y, field)
			if min(a, b) < 250 {
				marked++
			}
			if abs(a-b) > 24 {
				differ++
			}
		}
	}
	if differ == 0 {
		return 0
	}
	return float64(differ) / float64(max(marked, 1))
}

// Mean returns the mean shade of a field, cut at the edge of the page.
func (p page) mean(x0, y0, size int) int {
	sum, n := 0, 0
	for y := y0; y < min(y0+size, p.height); y++ {
		for x := x0; x < min(x0+size, p.width); x++ {
			sum, n = sum+int(p.gray[y*p.width+x]), n+1
		}
	}
	return sum / max(n, 1)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
