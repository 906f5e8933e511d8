package image_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	stdimage "image"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"bestand/ingest/image"
	"bestand/ingest/sandbox"
	"bestand/ingest/verapdf"
)

func box(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(t.Context())
	if err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return s
}

// Every kind of image comes out as PDF/A-2b in the eyes of veraPDF.
func TestPDFA(t *testing.T) {
	dir := t.TempDir()
	v := verapdf.New(verapdf.Config{Sandbox: box(t), Read: []string{dir}, Dir: os.Getenv("BESTAND_VERAPDF")})
	t.Cleanup(func() { v.Close() })
	if err := v.Installed(); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	files := map[string][]byte{}
	for _, c := range imageCases(t) {
		files[c.name] = c.bytes
	}
	for _, c := range tiffCases(t) {
		files[c.name] = c.bytes
	}
	for name, b := range files {
		pdf, _ := write(t, b, image.Options{Title: name, Words: [][]image.Word{{{Text: "Grüße", X: 5, Y: 5, Width: 50, Height: 10}}}})
		at := filepath.Join(dir, "page.pdf")
		if err := os.Rename(pdf, at); err != nil {
			t.Fatal(err)
		}
		verdict, err := v.Validate(t.Context(), at, "2b")
		if err != nil || !verdict.Valid || verdict.Claimed != "2b" {
			t.Errorf("%s: %+v, %v", name, verdict, err)
		}
	}
}

// letter draws lines of text as a scanner would see them at 200 dpi.
func letter(t *testing.T, lines ...string) stdimage.Image {
	t.Helper()
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		t.Fatal(err)
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: 14, DPI: 200})
	if err != nil {
		t.Fatal(err)
	}
	m := stdimage.NewGray(stdimage.Rect(0, 0, 1200, 120+80*len(lines)))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	d := font.Drawer{Dst: m, Src: stdimage.Black, Face: face}
	for i, l := range lines {
		d.Dot = fixed.P(80, 100+80*i)
		d.DrawString(l)
	}
	return m
}

func pdfToText(t *testing.T, pdf string) string {
	t.Helper()
	out, err := exec.Command(tool(t, "pdftotext"), pdf, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWords(t *testing.T) {
	pdf, _ := write(t, pngBytes(t, stdimage.NewGray(stdimage.Rect(0, 0, 400, 100))), image.Options{Words: [][]image.Word{{
		{Text: "Straße", X: 10, Y: 10, Width: 100, Height: 20}, {Text: "(42)\\", X: 130, Y: 10, Width: 60, Height: 20}}}})
	if got := strings.Join(strings.Fields(pdfToText(t, pdf)), " "); got != `Straße (42)\` {
		t.Errorf("text %q", got)
	}
}

func TestOCR(t *testing.T) {
	tool(t, "tesseract")
	dir := t.TempDir()
	src := filepath.Join(dir, "scan")
	b := pngBytes(t, letter(t, "Baugenehmigung für die Straße", "der Gemeinde Großschönau"))
	if err := os.WriteFile(src, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := image.OCR(t.Context(), box(t), dir, src, "deu")
	if err != nil {
		t.Fatal(err)
	}
	const want = "Baugenehmigung für die Straße\nder Gemeinde Großschönau"
	if r.Text != want || len(r.Words) != 1 || len(r.Words[0]) != 7 {
		t.Errorf("read %q in %d pages", r.Text, len(r.Words))
	}
	pdf, _ := write(t, b, image.Options{Words: r.Words})
	if got := pdfToText(t, pdf); strings.TrimSpace(got) != want {
		t.Errorf("text of the page: %q", got)
	}
	if _, err := image.OCR(t.Context(), box(t), dir, src, "deu;x"); err == nil {
		t.Error("a strange language was taken")
	}
}
