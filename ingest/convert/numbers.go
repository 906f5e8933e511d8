package convert

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"unicode"

	"bestand/ingest/bound"
)

// numbers are what a source says of itself, to be compared with its rendition.
type numbers struct {
	pages   int    // 0 when not known
	hidden  int    // slides that are not shown
	letters int    // of the text that must show; -1 when not known
	running int    // letters of headers and footers, which may show on every page
	shows   bool   // it holds pictures, digits or signs, so that it cannot be blank even without letters
	pdf     string // path, where it is a PDF whose pages are compared
	raster  []page // of pdf
}

// letters counts Unicode letters: they survive conversion, whereas spaces,
// digits (numbering, number formats) and signs are written anew by every tool.
func letters(s string) (n int) {
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// Bounds on reading a package. A document that passes them is converted all
// the same; its numbers are then not known.
const (
	maxEntries = 20_000
	maxPart    = 64 << 20
	maxParts   = 256 << 20 // together
	maxToken   = 1 << 20   // of XML
	maxStrings = 1_000_000 // shared by the cells of a workbook
)

// parts reads a ZIP package with bounds.
type parts struct {
	*zip.Reader
	left int64
}

var errBounds = errors.New("package passes the bounds")

// each calls f with every part that matches the pattern of path.Match.
func (p *parts) each(pattern string, f func(name string, r io.Reader) error) error {
	for _, e := range p.File {
		if ok, _ := path.Match(pattern, e.Name); !ok {
			continue
		}
		if err := p.open(e, func(r io.Reader) error { return f(e.Name, r) }); err != nil {
			return err
		}
	}
	return nil
}

func (p *parts) open(e *zip.File, f func(io.Reader) error) error {
	n := int64(min(e.UncompressedSize64, maxPart+1))
	if p.left -= n; n > maxPart || p.left < 0 {
		return errBounds
	}
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return f(io.LimitReader(r, maxPart))
}

// officeNumbers reads the numbers of an office document. Only what makes a
// conversion pointless is an error (a Refusal): what cannot be read otherwise
// is not known.
func officeNumbers(file, kind string) (numbers, error) {
	unknown := numbers{letters: -1, shows: true}
	if kind == "rtf" {
		return rtfNumbers(file)
	}
	read, ok := map[string]func(*parts) (numbers, error){
		"docx": docxNumbers, "xlsx": xlsxNumbers, "pptx": pptxNumbers, "odt": odfNumbers, "ods": odfNumbers, "odp": odfNumbers, "odg": odfNumbers,
	}[kind]
	if !ok {
		return unknown, nil
	}
	in, err := os.Open(file)
	if err != nil {
		return unknown, err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return unknown, err
	}
	z, err := bound.ZIP(in, st.Size())
	switch {
	case errors.Is(err, bound.ErrTooMuch), err == nil && len(z.File) > maxEntries:
		return unknown, &Refusal{CodeTooLarge, fmt.Sprintf("The document is a ZIP package of more than %d parts, as no program writes it.", maxEntries)}
	case errors.Is(err, zip.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF):
		return unknown, &Refusal{CodeTruncated, "The document is a ZIP package whose end is missing."}
	case err != nil:
		return unknown, &Refusal{CodeDamaged, "The document is a ZIP package whose directory cannot be read."}
	}
	p := &parts{z, maxParts}
	pictures := false
	for _, e := range z.File {
		if e.Flags&1 != 0 { // APPNOTE 4.4.4
			return unknown, &Refusal{CodeEncrypted, "The document is encrypted."}
		}
		dir, _ := path.Split(e.Name)
		pictures = pictures || strings.HasSuffix(dir, "/media/") || dir == "Pictures/" || strings.HasPrefix(e.Name, "Object")
	}
	n, err := read(p)
	n.shows = n.shows || pictures && !(kind == "pptx" && n.pages == 0 && n.hidden == 0) // layouts without a slide show nothing
	var no *Refusal
	if errors.As(err, &no) {
		return unknown, no
	}
	if err != nil {
		n.letters, n.shows = -1, true // broken XML or beyond the bounds: LibreOffice may still read it
	}
	return n, nil
}

// walk reads an XML part, without its entities, and calls f with every token.
// Depth counts the elements around the token.
func walk(r io.Reader, f func(t xml.Token, depth int)) error {
	in := &bound.Tokens{R: r, Most: maxToken}
	d := xml.NewDecoder(in)
	depth := 0
	for {
		t, err := d.Token()
		in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read XML: %w", err)
		}
		if _, ok := t.(xml.EndElement); ok {
			depth--
		}
		f(t, depth)
		if _, ok := t.(xml.StartElement); ok {
			if depth++; depth > 1000 {
				return errBounds
			}
		}
	}
}

func attribute(e xml.StartElement, local string) string {
	for _, a := range e.Attr {
		if a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

func number(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// skipping remembers the element whose content does not count.
type skipping struct {
	on bool
	at int
}

func (s *skipping) start(depth int, skip bool) {
	if !s.on && skip {
		s.on, s.at = true, depth
	}
}

func (s *skipping) end(depth int) {
	if s.on && depth == s.at {
		s.on = false
	}
}
