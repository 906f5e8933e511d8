package convert

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/gogs/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	textunicode "golang.org/x/text/encoding/unicode"
)

// decode turns text of any character set into UTF-8. sure says whether the
// bytes or the hint prove the set, which they do for a byte order mark and for UTF-8.
func decode(b []byte, hint string) (text, charset string, sure bool) {
	with := func(e encoding.Encoding, name string, sure bool) (string, string, bool) {
		out, err := e.NewDecoder().Bytes(b)
		if err != nil {
			return strings.ToValidUTF8(string(b), "\uFFFD"), name, false
		}
		return strings.ToValidUTF8(string(out), "\uFFFD"), name, sure
	}
	switch {
	case bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")):
		return strings.ToValidUTF8(string(b[3:]), "\uFFFD"), "UTF-8", true
	case bytes.HasPrefix(b, []byte("\xFF\xFE")), bytes.HasPrefix(b, []byte("\xFE\xFF")):
		return with(textunicode.UTF16(textunicode.LittleEndian, textunicode.UseBOM), "UTF-16", true)
	}
	if little, big := zeros(b); little || big {
		order := textunicode.BigEndian
		if little {
			order = textunicode.LittleEndian
		}
		return with(textunicode.UTF16(order, textunicode.IgnoreBOM), "UTF-16", true)
	}
	if utf8.Valid(b) && !bytes.ContainsRune(b, 0x1B) { // with escapes it may be ISO 2022
		return string(b), "UTF-8", true
	}
	if e, err := htmlindex.Get(hint); err == nil && hint != "" {
		return with(e, hint, true)
	}
	e, name := guess(b, false)
	return with(e, name, false)
}

// zeros reports whether every other byte tends to be zero, as in UTF-16 of
// Latin text without a byte order mark.
func zeros(b []byte) (little, big bool) {
	b = b[:min(len(b), 4096)&^1]
	if len(b) < 8 {
		return false, false
	}
	var even, odd int
	for i, c := range b {
		if c == 0 && i%2 == 0 {
			even++
		} else if c == 0 {
			odd++
		}
	}
	return odd > len(b)/5 && even == 0, even > len(b)/5 && odd == 0
}

// guess takes the most likely character set of bytes that are neither UTF-8
// nor say what they are. German texts come first: ICU's statistics, to which the
// rest is left, know no DOS and take short German ones for Hungarian.
func guess(b []byte, markup bool) (encoding.Encoding, string) {
	if bytes.Count(b, []byte{0x40})*10 > len(b) && bytes.Count(b, []byte{' '})*100 < len(b) {
		return charmap.CodePage037, "EBCDIC" // a mainframe's space is 0x40
	}
	b = b[:min(len(b), 1<<20)]
	switch high, dos, western := census(b); {
	case dos*5 > high*4: // the rest draws lines
		return charmap.CodePage850, "IBM850"
	case western == high && !bytes.ContainsRune(b, 0x1B):
		return charmap.Windows1252, "windows-1252"
	}
	d := chardet.NewTextDetector()
	if markup {
		d = chardet.NewHtmlDetector()
	}
	const sure = 30 // of 100; below, it is a matter of luck
	if best, err := d.DetectBest(b); err == nil && best.Confidence >= sure {
		if e, err := htmlindex.Get(strings.TrimSuffix(strings.Replace(best.Charset, "GB-18030", "GB18030", 1), "-I")); err == nil {
			if name, err := htmlindex.Name(e); err == nil && e != encoding.Replacement {
				return e, name
			}
		}
	}
	return charmap.Windows1252, "windows-1252"
}

// Bytes of umlauts and ß in code page 850, and of what German texts hold beyond
// ASCII in windows-1252.
const (
	germanDOS  = "\x81\x84\x94\x8E\x99\x9A\xE1"
	germanANSI = "\xE4\xF6\xFC\xC4\xD6\xDC\xDF" + "\xE9\xE8\xEA\xE0\xE2\xE7\xC9" + "\xA7\xB0\xB2\xB3\xB5\xA9\xAE\xAB\xBB\xB4\xB7\xA0\xBD\xBC\xBE" +
		"\x80\x82\x84\x85\x91\x92\x93\x94\x95\x96\x97"
)

// census counts the bytes beyond ASCII: those that are German in a DOS text,
// where they stand in words, and those that are German in a Windows text.
func census(b []byte) (high, dos, western int) {
	letter := func(i int) bool {
		return i >= 0 && i < len(b) && (b[i]|0x20 >= 'a' && b[i]|0x20 <= 'z' || strings.IndexByte(germanDOS, b[i]) >= 0)
	}
	c1 := false
	for i, c := range b {
		if c < 0x80 {
			continue
		}
		high++
		before, after := letter(i-1), letter(i+1)
		switch c {
		case 0x84, 0x94: // quotation marks of Windows, which no letter follows and none precedes
			if before && after {
				dos, c1 = dos+1, true
			}
		case 0x81, 0x8E, 0x99, 0x9A:
			if before || after {
				dos, c1 = dos+1, true
			}
		case 0xE1:
			if before {
				dos++
			}
		}
		if strings.IndexByte(germanANSI, c) >= 0 {
			western++
		}
	}
	if !c1 { // ß alone is á elsewhere
		dos = 0
	}
	return high, dos, western
}
