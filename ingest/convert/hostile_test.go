package convert

import (
	"testing"
	"time"

	"bestand/preservation"
)

// TestTime gives all programs together less of a processor than a file needs.
func TestTime(t *testing.T) {
	b := open(t, func(c *Config) { c.Time = time.Millisecond })
	for mime, content := range map[string][]byte{mimeDocx: docx(paragraph("Hallo")), "application/pdf": drawing(sentence, ""), "text/html": []byte("<p>Hallo")} {
		r := b.render(t, mime, content)
		if r.Verdict != preservation.VerdictNoRendition || !hasCode(r.Events, codeLimit+limitTime) {
			t.Errorf("%s: %+v", mime, r)
		}
	}
}

// TestOutside counts what a page would show of other files.
func TestOutside(t *testing.T) {
	for page, want := range map[string]int{
		`<p>a<a href="http://example.org">b</a>`: 0,
		`<img src="data:image/png;base64,AA"><iframe src="about:blank"></iframe><link rel="icon" href="a.ico">`: 0,
		`<img src=a.png><link href="a.css" rel="alternate StyleSheet"><object data="a.svg"></object>`:           3,
		`<svg><image xlink:href="file:///a.png"/><image href="#a"/></svg>`:                                      1,
	} {
		if _, _, n := htmlContent([]byte(page)); n != want {
			t.Errorf("%s: %d, want %d", page, n, want)
		}
	}
}
