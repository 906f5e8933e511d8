package convert

import (
	"bytes"
	"unicode"

	"golang.org/x/net/html"
)

// PageLetters counts the letters in the body of a page that a Renderer made: what
// its print must show (Rendering.Letters).
func PageLetters(page []byte) (n int) {
	_, body, _ := bytes.Cut(page, []byte("<body>"))
	z := html.NewTokenizer(bytes.NewReader(body))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return n
		case html.TextToken:
			for _, r := range string(z.Text()) {
				if unicode.IsLetter(r) {
					n++
				}
			}
		}
	}
}
