package convert

import (
	"context"
	"slices"
	"strings"

	"bestand/preservation"
)

// route says how formats are rendered.
type route struct {
	formats string
	mime    []string // exact, or a prefix that ends in *
	puid    []string // formats that PRONOM gives no MIME type
	needs   []string // programs without which there is no rendition
	run     func(context.Context, *job) error
}

const pictures = "raster image"

// What several routes need.
var (
	byOffice  = []string{"soffice", "pdftotext", "pdftoppm"}
	byBrowser = []string{"chromium-headless-shell", "pdftotext"}
)

// routes is the policy: what becomes of which format. The first that fits is taken.
var routes = []route{
	// Valid PDF/A and signed PDF stay as they are; else metadata are added; else it is written anew.
	{"PDF", []string{"application/pdf"}, nil, []string{"qpdf", "gs", "pdftotext", "pdftoppm"}, run((*job).renderPDF)},

	// LibreOffice, to tagged PDF/A-2b.
	{"word processing", []string{
		"application/msword", "application/rtf", "text/rtf", "application/vnd.ms-word*",
		"application/vnd.openxmlformats-officedocument.wordprocessingml*",
		"application/vnd.oasis.opendocument.text*", "application/vnd.sun.xml.writer*", "application/vnd.stardivision.writer*",
	}, nil, byOffice, office("writer_pdf_Export")},
	{"spreadsheet", []string{
		"application/vnd.ms-excel*",
		"application/vnd.openxmlformats-officedocument.spreadsheetml*",
		"application/vnd.oasis.opendocument.spreadsheet*", "application/vnd.sun.xml.calc*", "application/vnd.stardivision.calc*",
	}, nil, byOffice, office("calc_pdf_Export")},
	{"presentation", []string{
		"application/vnd.ms-powerpoint*",
		"application/vnd.openxmlformats-officedocument.presentationml*",
		"application/vnd.oasis.opendocument.presentation*", "application/vnd.sun.xml.impress*", "application/vnd.stardivision.impress*",
	}, nil, byOffice, office("impress_pdf_Export")},
	{"drawing", []string{
		"application/vnd.visio*", "application/vnd.ms-visio*", "application/vnd.oasis.opendocument.graphics*", "application/vnd.sun.xml.draw*",
	}, nil, byOffice, office("draw_pdf_Export")},

	// As UTF-8 through LibreOffice.
	{"plain text", []string{"text/plain", "text/csv", "text/tab-separated-values", "text/markdown", "text/calendar", "text/x-vcard", "text/vcard"}, nil, byOffice, run((*job).renderText)},

	// Chromium without scripts and network.
	{"HTML", []string{"text/html", "application/xhtml+xml"}, []string{"fmt/583"}, byBrowser, run((*job).renderHTML)},

	// By the packages that know the format.
	{pictures, []string{"image/tiff", "image/jpeg", "image/png", "image/gif", "image/bmp", "image/x-bmp", "image/webp"},
		[]string{"fmt/118"}, []string{"pdftotext"}, injected(func(c Config) Renderer { return c.Image })},
	{"e-mail", []string{"message/rfc822"}, nil, byBrowser, injected(func(c Config) Renderer { return c.Mail })},
	{"Outlook message", []string{"application/vnd.ms-outlook"}, []string{"x-fmt/430"}, append(byBrowser, "perl"), injected(func(c Config) Renderer { return c.MSG })},
	{"XML", []string{"application/xml", "text/xml"}, nil, append(byBrowser, "xmllint"), injected(func(c Config) Renderer { return c.XML })},
}

func routeOf(f preservation.Format) (route, bool) {
	for _, r := range routes {
		if f.PUID != "" && slices.Contains(r.puid, f.PUID) {
			return r, true
		}
		for mime := range strings.SplitSeq(f.MIME, ", ") { // PRONOM names several for some
			if slices.ContainsFunc(r.mime, func(m string) bool { return matches(m, mime) }) {
				return r, true
			}
		}
	}
	// XML vocabularies have types of their own; drawings in SVG are not data.
	if strings.HasSuffix(f.MIME, "+xml") && f.MIME != "image/svg+xml" {
		return routes[len(routes)-1], true
	}
	return route{}, false
}

func matches(pattern, mime string) bool {
	prefix, wild := strings.CutSuffix(pattern, "*")
	return mime == prefix || wild && strings.HasPrefix(mime, prefix)
}

// Needs names the programs without which a file of a format stays pending: none
// where there is no conversion.
func Needs(f preservation.Format) []string {
	r, _ := routeOf(f)
	return r.needs
}

// Programs names all that formats need.
func Programs() []string {
	var all []string
	for _, r := range routes {
		all = append(all, r.needs...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
