package format

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"

	"bestand/preservation"
)

const sniffed = 64 << 10

// look completes what PRONOM left open from the first bytes of the file. It
// reports whether they are the beginning of something that is not there: such a
// file may look like text.
func (r *Result) look(f *os.File, ext string) (cut bool, err error) {
	b, err := head(f, sniffed)
	if err != nil {
		return false, err
	}
	cs, isText := sniffCharset(b)
	weak := r.PUID == "" || r.Basis == BasisText || r.Basis == BasisExtension
	if weak && begun(b, ext) {
		r.Format = preservation.Format{Registry: r.Registry}
		return true, nil
	}
	markup := r.PUID == "fmt/583" || r.MIME == "text/html"
	switch {
	case !isText:
	case (weak || markup) && looksLikeMail(b):
		r.override("fmt/278", "Internet Message Format", "message/rfc822")
	case weak && bytes.HasPrefix(b, []byte(`{\rtf`)):
		r.override("", "Rich Text Format", "application/rtf")
	case weak && (looksLikeHTML(b) || pages[ext] && beginsHTML(b)):
		r.override("", "Hypertext Markup Language", "text/html")
		r.Charset = cs
	case weak || r.MIME == "application/xml" || r.MIME == "text/xml" || r.MIME == "" && !markup:
		root, ok := rootElement(f)
		switch {
		case ok:
			r.Root = root
			if weak {
				r.override("fmt/101", "Extensible Markup Language", "application/xml")
			} else if r.MIME == "" { // PRONOM knows many vocabularies by name alone
				r.MIME = "application/xml"
			}
		case weak && r.PUID == "":
			r.override("x-fmt/111", "Plain Text File", "text/plain")
			r.Charset = cs
			if marked[ext] || pages[ext] || ext == "xml" || ext == "eml" {
				r.add(ExtensionMismatch, preservation.Notice, fmt.Sprintf("the name ends in %q, the bytes are plain text", ext))
			}
		}
	}
	switch {
	case !isText:
	case strings.HasPrefix(r.MIME, "text/") && !markup:
		r.Charset = cs
		if r.Basis == BasisExtension { // the bytes are text, as the name has it
			r.Basis = BasisText
		}
	case r.Basis == BasisExtension && !marked[ext]: // of whatever language, it can be read
		r.override("x-fmt/111", "Plain Text File", "text/plain")
		r.Charset = cs
	}
	return false, nil
}

const compoundMark = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"

// marks are what files begin with, by the extensions that they have.
var marks = []struct{ extensions, mark string }{
	{"pdf", "%PDF-"}, {"rtf", `{\rtf`}, {"png", "\x89PNG\r\n\x1A\n"}, {"gif", "GIF8"}, {"jpg jpeg", "\xFF\xD8\xFF"},
	{"tif tiff", "II*\x00"}, {"tif tiff", "MM\x00*"}, {"doc xls ppt msg", compoundMark},
	{"zip docx xlsx pptx odt ods odp odg", "PK\x03\x04"},
}

// begun reports whether the bytes begin as a format does that PRONOM did not
// find, or end within the mark of the format that the extension names.
func begun(b []byte, ext string) bool {
	for _, m := range marks {
		own := slices.Contains(strings.Fields(m.extensions), ext)
		if own && strings.HasPrefix(m.mark, string(b[:min(len(b), len(m.mark)+1)])) {
			return true
		}
		if m.mark == "%PDF-" && bytes.HasPrefix(b, []byte(m.mark)) {
			return true
		}
	}
	return false
}

func (r *Result) override(puid, name, mime string) {
	r.PUID, r.Name, r.Version, r.MIME, r.Basis = puid, name, "", mime, BasisSniffed
	r.drop(ExtensionMismatch)
	r.drop(AmbiguousFormat)
}

// looksLikeMail reports whether the bytes begin with a header block of RFC 5322:
// only field lines and their continuations, two of the usual fields among them.
func looksLikeMail(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	seen := map[string]bool{}
	for n := 0; n < 500 && len(b) > 0; n++ {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		b = rest
		switch {
		case len(line) == 0:
			return enough(seen)
		case line[0] == ' ' || line[0] == '\t':
			if n == 0 {
				return false
			}
			continue
		case n == 0 && bytes.HasPrefix(line, []byte("From ")): // mbox
			continue
		}
		key, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(key) == 0 || len(key) > 76 {
			return false
		}
		for _, c := range bytes.TrimRight(key, " \t") {
			if c <= ' ' || c > '~' {
				return false
			}
		}
		seen[strings.ToLower(string(bytes.TrimRight(key, " \t")))] = true
	}
	return enough(seen)
}

func enough(seen map[string]bool) bool {
	n := 0
	for _, k := range []string{"from", "to", "cc", "subject", "date", "received", "message-id", "mime-version", "return-path", "content-type"} {
		if seen[k] {
			n++
		}
	}
	return n >= 2 && (seen["from"] || seen["received"] || seen["date"] || seen["message-id"] || seen["mime-version"])
}

func looksLikeHTML(b []byte) bool {
	s := strings.ToLower(string(bytes.TrimLeft(bytes.TrimPrefix(b[:min(len(b), 1024)], []byte("\xef\xbb\xbf")), " \t\r\n")))
	for _, p := range []string{"<!doctype html", "<html", "<head", "<body"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// pages are extensions of HTML.
var pages = map[string]bool{"html": true, "htm": true}

// beginsHTML reports whether the first tag is one of HTML. Pages need not have the
// elements that enclose all others: what mail programs and web editors save often
// begins with its first paragraph.
func beginsHTML(b []byte) bool {
	z := html.NewTokenizer(bytes.NewReader(b))
	for {
		switch z.Next() {
		case html.ErrorToken, html.EndTagToken:
			return false
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			return atom.Lookup(name) != 0
		}
	}
}

// rootElement reads up to the first start tag. Nothing is resolved: a DTD is
// skipped, its entities stay unknown.
func rootElement(f *os.File) (Name, bool) {
	d := xml.NewDecoder(io.NewSectionReader(f, 0, 1<<20))
	d.CharsetReader = charset.NewReaderLabel
	for {
		t, err := d.Token()
		if err != nil {
			return Name{}, false
		}
		switch t := t.(type) {
		case xml.StartElement:
			return Name{t.Name.Space, t.Name.Local}, true
		case xml.CharData:
			if len(bytes.TrimSpace(bytes.TrimPrefix(t, []byte("\xef\xbb\xbf")))) > 0 {
				return Name{}, false
			}
		}
	}
}

// sniffCharset reports whether bytes are text, and the character set if they
// prove it: of what is neither Unicode nor ASCII it is anyone's guess.
func sniffCharset(b []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(b, []byte{0xEF, 0xBB, 0xBF}):
		return "utf-8", true
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}):
		return "utf-16le", true
	case bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		return "utf-16be", true
	}
	if set := wide(b); set != "" {
		return set, true
	}
	high, escape := false, false
	for _, c := range b {
		switch {
		case c == 0x7F, c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1B:
			return "", false
		case c == 0x1B:
			escape = true // ISO 2022, perhaps
		case c >= 0x80:
			high = true
		}
	}
	switch {
	case escape:
		return "", true
	case !high:
		return "us-ascii", true
	}
	whole := b
	for i := 1; i < utf8.UTFMax && i <= len(whole); i++ { // a character cut at the end of the sample
		if utf8.RuneStart(whole[len(whole)-i]) {
			if !utf8.FullRune(whole[len(whole)-i:]) {
				whole = whole[:len(whole)-i]
			}
			break
		}
	}
	if utf8.Valid(whole) {
		return "utf-8", true
	}
	return "", true
}

// wide recognises UTF-16 of Latin text without a byte order mark: every other
// byte is zero, or nearly, and what remains is text.
func wide(b []byte) string {
	b = b[:len(b)&^1]
	var zero [2]int
	for i, c := range b {
		switch {
		case c == 0:
			zero[i%2]++
		case c >= ' ' && c != 0x7F, c == '\t', c == '\n', c == '\r':
		default:
			if i%2 == 0 && b[i+1] == 0 || i%2 == 1 && b[i-1] == 0 {
				return "" // a control character
			}
		}
	}
	half := len(b) / 2
	switch {
	case half < 4:
	case zero[0] == 0 && zero[1] > half*7/10:
		return "utf-16le"
	case zero[1] == 0 && zero[0] > half*7/10:
		return "utf-16be"
	}
	return ""
}
