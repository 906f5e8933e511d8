package convert

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	textunicode "golang.org/x/text/encoding/unicode"

	"bestand/preservation"
)

const maxText = 32 << 20 // bytes of a text that is put on paper: some 10,000 pages

// renderText puts plain text on pages, in a face of fixed width so that columns stay columns.
func (j *job) renderText(ctx context.Context) error {
	b, err := readBounded(j.src.Path, maxText)
	if err != nil {
		return err
	}
	text, charset, sure := decode(b, j.src.Charset)
	if share := controls(text); share > 0.05 {
		return &Refusal{CodeUnconvertible, "The file is not text in a known character set."}
	}
	if !sure {
		j.note(preservation.EventIdentify, preservation.Warning, CodeCharset, "Nothing in the file proves its character set; read as "+charset+".", j.cfg.Agent)
	}
	text = printable(text)
	j.text = bounded(text, j.cfg.TextLimit)
	pdf, err := j.soffice(ctx, "writer_pdf_Export", "Text (encoded):UTF8,LF,Liberation Mono,de-DE", ".txt", func(to string) error {
		return os.WriteFile(to, []byte(text), 0o600)
	})
	if err != nil {
		return err
	}
	return j.accept(ctx, pdf, defaultFlavour, numbers{letters: letters(text)}, tolerances["text"])
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &Refusal{codeLimit + "filesize", fmt.Sprintf("More than %d MiB of text are not put on pages.", limit>>20)}
	}
	return b, nil
}

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
	if utf8.Valid(b) {
		return string(b), "UTF-8", true
	}
	if e, err := htmlindex.Get(hint); err == nil && hint != "" {
		return with(e, hint, true)
	}
	if bytes.Count(b, []byte{0x40})*10 > len(b) && bytes.Count(b, []byte{' '})*100 < len(b) {
		return with(charmap.CodePage037, "EBCDIC", false) // a mainframe's space is 0x40
	}
	return with(charmap.Windows1252, "windows-1252", false)
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

// controls returns the share of characters that no text has.
func controls(s string) float64 {
	n, all := 0, 0
	for _, r := range s {
		if all++; unprintable(r) || r == utf8.RuneError {
			n++
		}
	}
	return float64(n) / float64(max(all, 1))
}

func unprintable(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' && r != '\f' || r >= 0x7F && r < 0xA0
}

// printable makes every line end a line feed and shows what cannot be printed as U+FFFD.
func printable(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r', r == 0x85:
			return '\n'
		case unprintable(r):
			return utf8.RuneError
		}
		return r
	}, s)
}
