package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A document is a PDF/A file in the making: one page an image.
type document struct {
	*pdf
	title    string
	pages    []int
	root     int
	parent   int
	font     int // of the invisible text; 0 while there is none
	profiles map[[32]byte]int
	srgb     int
}

func newDocument(w io.Writer, title string) *document {
	d := &document{pdf: newPDF(w), title: title, profiles: map[[32]byte]int{}}
	d.root, d.parent = d.reserve(), d.reserve()
	d.srgb, _ = d.profile(SRGB(), 3)
	return d
}

// profile writes an ICC profile once and returns its object.
func (d *document) profile(b []byte, components int) (int, error) {
	key := sha256.Sum256(b)
	if id, ok := d.profiles[key]; ok {
		return id, nil
	}
	id := d.reserve()
	d.profiles[key] = id
	return id, d.deflate(id, fmt.Sprintf("/N %d", components), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// A place says how an image lies on its page.
type place struct {
	width, height int // pixels as stored
	dpiX, dpiY    float64
	orientation   int // EXIF and TIFF: 1 to 8
}

// Page sizes in points that ISO 19005-2 6.1.13 and common sense allow.
const (
	minPoints = 3
	maxPoints = 14400
)

// size gives the page in units, and how many points a unit has (UserUnit).
func (p place) size() (w, h, unit float64) {
	w, h = float64(p.width)*72/p.dpiX, float64(p.height)*72/p.dpiY
	unit = 1
	if m := max(w, h); m > maxPoints {
		unit = m / maxPoints
	}
	return max(w/unit, minPoints), max(h/unit, minPoints), unit
}

// turn returns the clockwise rotation and whether the image is mirrored
// before it (EXIF 2.3, tag 0x0112).
func (p place) turn() (degrees int, mirrored bool) {
	switch p.orientation {
	case 2:
		return 0, true
	case 3:
		return 180, false
	case 4:
		return 180, true
	case 5:
		return 270, true
	case 6:
		return 90, false
	case 7:
		return 90, true
	case 8:
		return 270, false
	}
	return 0, false
}

// page adds a page that shows the image object, with invisible text over it.
func (d *document) page(image int, p place, words []Word) error {
	w, h, unit := p.size()
	turn, mirrored := p.turn()
	var c bytes.Buffer
	if mirrored {
		fmt.Fprintf(&c, "q -%s 0 0 %s %s 0 cm /I Do Q\n", num(w), num(h), num(w))
	} else {
		fmt.Fprintf(&c, "q %s 0 0 %s 0 0 cm /I Do Q\n", num(w), num(h))
	}
	fonts := ""
	if len(words) > 0 {
		if d.font == 0 {
			d.font = d.reserve()
			d.object(d.font, "%s", fontDict)
		}
		fonts = fmt.Sprintf("/Font<</T %d 0 R>>", d.font)
		writeWords(&c, words, w/float64(p.width), h/float64(p.height), h)
	}
	content, id := d.reserve(), d.reserve()
	if err := d.deflate(content, "", func(out io.Writer) error { _, err := out.Write(c.Bytes()); return err }); err != nil {
		return err
	}
	extra := ""
	if turn != 0 {
		extra += fmt.Sprintf("/Rotate %d", turn)
	}
	if unit != 1 {
		extra += "/UserUnit " + num(unit)
	}
	d.object(id, "<</Type/Page/Parent %d 0 R/MediaBox[0 0 %s %s]%s/Resources<</XObject<</I %d 0 R>>%s>>/Contents %d 0 R>>",
		d.parent, num(w), num(h), extra, image, fonts, content)
	d.pages = append(d.pages, id)
	return d.err
}

// finish writes what names the file as PDF/A-2b: metadata and output intent.
func (d *document) finish() error {
	kids := make([]string, len(d.pages))
	for i, id := range d.pages {
		kids[i] = fmt.Sprintf("%d 0 R", id)
	}
	d.object(d.parent, "<</Type/Pages/Count %d/Kids[%s]>>", len(kids), strings.Join(kids, " "))
	meta := d.reserve()
	if err := d.stream(meta, "/Type/Metadata/Subtype/XML", func(w io.Writer) error {
		_, err := io.WriteString(w, xmp(d.title))
		return err
	}); err != nil {
		return err
	}
	d.object(d.root, "<</Type/Catalog/Pages %d 0 R/Metadata %d 0 R/OutputIntents[<</Type/OutputIntent/S/GTS_PDFA1"+
		"/OutputConditionIdentifier(sRGB IEC61966-2.1)/Info(sRGB IEC61966-2.1)/DestOutputProfile %d 0 R>>]>>", d.parent, meta, d.srgb)
	return d.pdf.finish(d.root)
}

func xmp(title string) string {
	var t strings.Builder
	if title = printable(title); title != "" {
		t.WriteString(`<dc:title><rdf:Alt><rdf:li xml:lang="x-default">`)
		xml.EscapeText(&t, []byte(title)) // a strings.Builder takes everything
		t.WriteString(`</rdf:li></rdf:Alt></dc:title>`)
	}
	return "<?xpacket begin=\"\uFEFF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n" +
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" xmlns:dc="http://purl.org/dc/elements/1.1/">` +
		`<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>` + t.String() +
		"</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>"
}

// printable leaves out what XML cannot hold and bounds the length.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 500 {
		s = string(r[:500])
	}
	return s
}

// num writes a number as PDF wants it: no exponent, no needless zeros.
func num(f float64) string {
	s := fmt.Sprintf("%.5f", f)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
