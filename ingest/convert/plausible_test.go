package convert

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"testing"
)

// sheet is a page with black fields of 5 mm at the given places.
func sheet(fields ...[2]int) page {
	return drawn(func(x, y int) bool {
		return slices.Contains(fields, [2]int{x / (field * cellSide), y / (field * cellSide)})
	})
}

// drawn is a page of 200 × 280 mm.
func drawn(black func(x, y int) bool) page {
	p := page{width: 480, height: 660}
	gray := bytes.Repeat([]byte{255}, p.width*p.height)
	for i := range gray {
		if black(i%p.width, i/p.width) {
			gray[i] = 0
		}
	}
	p.reduce(gray)
	return p
}

// prose is a page of lines, one of which lacks so many pixels of stems.
func prose(gap int) page {
	return drawn(func(x, y int) bool {
		lost := y/10 == 20 && x >= 200 && x < 200+gap
		return y%10 < 4 && x%2 == 0 && x > 40 && x < 440 && y > 40 && y < 600 && !lost
	})
}

func shifted(by int) page {
	return drawn(func(x, y int) bool {
		x -= by
		return y%10 < 4 && x%2 == 0 && x > 40 && x < 440 && y > 40 && y < 600
	})
}

func TestImplausible(t *testing.T) {
	text := sheet([2]int{3, 3}, [2]int{4, 3}, [2]int{5, 3}, [2]int{3, 5}, [2]int{4, 5})
	lineLost := sheet([2]int{3, 3}, [2]int{4, 3}, [2]int{5, 3})
	tests := []struct {
		name              string
		row               string
		source, rendition numbers
		hard, soft        bool
	}{
		{"same", "pdf", numbers{pages: 1, letters: 100, raster: []page{text}}, numbers{pages: 1, letters: 100, raster: []page{text}}, false, false},
		{"page lost", "pdf", numbers{pages: 2, raster: []page{text, text}}, numbers{pages: 1, raster: []page{text}}, true, false},
		{"blank page", "pdf", numbers{pages: 1, raster: []page{text}}, numbers{pages: 1, raster: []page{sheet()}}, true, false},
		{"was blank before", "pdf", numbers{pages: 1, raster: []page{sheet()}}, numbers{pages: 1, raster: []page{sheet()}}, false, false},
		{"line lost", "pdf", numbers{pages: 1, raster: []page{text}}, numbers{pages: 1, raster: []page{lineLost}}, true, false},
		{"turned", "pdf", numbers{pages: 1, raster: []page{text}}, numbers{pages: 1, raster: []page{{width: 660, height: 480, cells: text.cells}}}, true, false},
		{"a word lost", "pdf", numbers{pages: 1, raster: []page{prose(0)}}, numbers{pages: 1, raster: []page{prose(40)}}, true, false},
		{"letters moved by a hair", "pdf", numbers{pages: 1, raster: []page{prose(0)}}, numbers{pages: 1, raster: []page{shifted(1)}}, false, false},
		{"text lost, looks the same", "pdf", numbers{pages: 1, letters: 500, raster: []page{text}}, numbers{pages: 1, raster: []page{text}}, false, true},
		{"text lost, not all pages seen", "pdf", numbers{pages: 300, letters: 500, raster: []page{text}}, numbers{pages: 300, raster: []page{text}}, true, false},

		{"letter for letter", "docx", numbers{letters: 1000}, numbers{pages: 1, letters: 1000}, false, false},
		{"half of the text", "docx", numbers{letters: 1000}, numbers{pages: 1, letters: 500}, true, false},
		{"noise", "docx", numbers{letters: 1000}, numbers{pages: 1, letters: 9000}, true, false},
		{"headers on every page", "docx", numbers{letters: 1000, running: 400}, numbers{pages: 20, letters: 9000}, false, false},
		{"numbers not known", "docx", numbers{letters: -1}, numbers{pages: 1, letters: 9000}, false, false},
		{"other fonts, one page more", "docx", numbers{pages: 1, letters: 10}, numbers{pages: 3, letters: 10}, false, false},
		{"many pages more", "docx", numbers{pages: 3, letters: 10}, numbers{pages: 30, letters: 10}, false, true},
		{"blank with text", "docx", numbers{letters: 30}, numbers{pages: 1, letters: 30, raster: []page{sheet()}}, true, false},
		{"blank without text", "docx", numbers{}, numbers{pages: 1, raster: []page{sheet()}}, false, false},
		{"blank, perhaps pictures", "other office", numbers{letters: -1, shows: true}, numbers{pages: 1, raster: []page{sheet()}}, true, false},
		{"one page of two blank", "docx", numbers{letters: 30}, numbers{pages: 2, letters: 30, raster: []page{sheet(), text}}, false, false},

		{"slide lost", "pptx", numbers{pages: 5, letters: 10}, numbers{pages: 4, letters: 10}, true, false},
		{"cells cut", "xlsx", numbers{letters: 2000}, numbers{pages: 1, letters: 1300}, false, true},
		{"line of text lost", "text", numbers{letters: 3000}, numbers{pages: 1, letters: 2900}, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			row, ok := tolerances[tt.row]
			if !ok {
				t.Fatalf("no row %q", tt.row)
			}
			hard, soft := row.implausible(tt.source, tt.rendition)
			if (len(hard) > 0) != tt.hard || (len(soft) > 0) != tt.soft {
				t.Errorf("hard %v, soft %v", hard, soft)
			}
		})
	}
}

// Every office format has its row.
func TestTables(t *testing.T) {
	for _, f := range officeFormats {
		if _, ok := tolerances[f.kind]; !ok {
			t.Errorf("%s: no tolerance %q", f.mime, f.kind)
		}
	}
	for _, r := range routes {
		if r.formats == "" || r.run == nil {
			t.Errorf("incomplete route %+v", r)
		}
	}
}

func TestPGM(t *testing.T) {
	gray := strings.Repeat("\n", 6) // pixels that look like the header's line ends
	two := "P5\n# by a program\n3 2\n255\n" + gray + "P5\n1 1\n255\n\x80"
	pages, err := pgm(bufio.NewReader(strings.NewReader(two)))
	if err != nil || len(pages) != 2 || pages[0].width != 3 || pages[0].cells[0].hi != '\n' || pages[1].cells[0].mean != 0x80 {
		t.Errorf("%v, %v", pages, err)
	}
	for _, bad := range []string{"P5\n3 2\n255\nab", "P6\n1 1\n255\nabc", "P5\n99999999 99999999\n255\n", "#", "P5\n-1 2\n255\n", "P5"} {
		if _, err := pgm(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestDisplayName(t *testing.T) {
	for in, want := range map[string]string{
		"Bauantrag.docx": "Bauantrag.pdf", "Anlage 1.2": "Anlage 1.pdf", "ohne": "ohne.pdf", "": "rendition.pdf",
		`C:\x\y.doc`: "y.pdf", "../../etc/passwd": "passwd.pdf", ".profile": ".profile.pdf",
	} {
		if got := displayName(in, ".pdf"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCounter(t *testing.T) {
	c := &counter{limit: 7}
	for _, b := range []byte("Grüße, 東京 99\xff!") { // byte by byte: runes are torn apart
		c.Write([]byte{b})
	}
	if c.letters != 7 || c.String() != "Grüße" {
		t.Errorf("%d letters, %q", c.letters, c.String())
	}
}

func FuzzNumbers(f *testing.F) {
	f.Add([]byte(`{\rtf1\ansi{\*\generator x}Gr\'fc\u246?{\pict 00}\bin3 abc}`))
	f.Add(docx(paragraph("a")))
	f.Add(odf("text", "<text:p>a</text:p>"))
	f.Add([]byte("P5\n1 1\n255\n\x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := &bench{dir: t.TempDir()}
		file := dir.file(t, b)
		for _, o := range officeFormats {
			n, err := officeNumbers(file, o.kind)
			if err == nil && n.letters < -1 {
				t.Errorf("%s: %+v", o.kind, n)
			}
			_ = whole(file, o.ext) // must not panic
		}
		_, _ = pgm(bufio.NewReader(bytes.NewReader(b)))
		decode(b, "")
		htmlContent(b)
	})
}
