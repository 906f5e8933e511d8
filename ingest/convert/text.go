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
	pdf, err := j.soffice(ctx, "writer_pdf_Export", "Text (encoded):UTF8,LF,Liberation Mono,de-DE", ".txt", func(to io.Writer) error {
		_, err := io.WriteString(to, text)
		return err
	})
	if err != nil {
		return err
	}
	return j.accept(ctx, pdf, defaultFlavour, numbers{letters: letters(text), shows: strings.TrimSpace(text) != ""}, tolerances["text"])
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
