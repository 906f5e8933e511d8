package convert

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"bestand/preservation"
)

// maxPlain is how many bytes of plain text are put on pages: some 700 of them.
// veraPDF keeps something of every letter, and comes to no end with twice as many
// in its memory.
const maxPlain = 2 << 20

// renderText puts plain text on pages, in a face of fixed width so that columns stay
// columns. Longer text stays as it is, which needs no program to be read, and is
// found by its beginning.
func (j *job) renderText(ctx context.Context) error {
	b, whole, err := beginning(j.src.Path, maxPlain)
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
	if !whole {
		return &Refusal{CodeLong, fmt.Sprintf("More than %d MiB of plain text are not put on pages; the text is kept as it is.", maxPlain>>20)}
	}
	pdf, err := j.soffice(ctx, "writer_pdf_Export", "Text (encoded):UTF8,LF,Liberation Mono,de-DE", ".txt", func(to io.Writer) error {
		_, err := io.WriteString(to, text)
		return err
	})
	if err != nil {
		return err
	}
	return j.accept(ctx, pdf, defaultFlavour, numbers{letters: letters(text), shows: strings.TrimSpace(text) != ""}, tolerances["text"])
}

// beginning reads a file up to so many bytes, to the end of a letter of UTF-8.
func beginning(path string, limit int64) (b []byte, whole bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	b, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil || int64(len(b)) <= limit {
		return b, true, err
	}
	b = b[:limit]
	for range utf8.UTFMax - 1 {
		if r, size := utf8.DecodeLastRune(b); r == utf8.RuneError && size == 1 {
			b = b[:len(b)-1]
		}
	}
	return b, false, nil
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
