package convert

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestIntents finds the entry of a catalog wherever it stands, and nothing that
// only looks like it.
func TestIntents(t *testing.T) {
	fill := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name, content string
		at            []int64
	}{
		{"nothing", "%PDF-1.7 " + fill(1000), nil},
		{"array", "<</OutputIntents[5 0 R]>>", []int64{2}},
		{"array apart", "<</OutputIntents\r\n [<<", []int64{2}},
		{"reference", "<</OutputIntents 12 0 R/X", []int64{2}},
		{"text", "(/OutputIntents are explained)", nil},
		{"longer name", "/OutputIntentsX [", nil},
		{"at the end", "/OutputIntents", nil},
		{"twice", "/OutputIntents[/OutputIntents[", []int64{0, 15}},
		{"across windows", fill(256<<10-5) + "/OutputIntents [" + fill(10), []int64{256<<10 - 5}},
		{"at the edge of a window", fill(256<<10-64) + "/OutputIntents [" + fill(300<<10), []int64{256<<10 - 64}},
		{"late", fill(3<<20) + "/OutputIntents 1 0 R" + fill(1<<20), []int64{3 << 20}},
	} {
		path := filepath.Join(t.TempDir(), "a.pdf")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if at, err := findIntents(path); err != nil || !slices.Equal(at, tt.at) {
			t.Errorf("%s: %v %v, want %v", tt.name, at, err, tt.at)
		}
	}
}

// TestWithoutIntent reads a rendition both ways: text and pictures are the same.
func TestWithoutIntent(t *testing.T) {
	b := open(t, nil)
	pdf := rendition(t, b.render(t, mimeDocx, docx(paragraph("Grüße aus Köln")+`<w:p><w:r><w:br w:type="page"/></w:r></w:p>`+paragraph("zwei")))).Path
	before, err := os.ReadFile(pdf)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func(as string) *job {
		j := &job{Converter: b.Converter, dir: b.folder(t)}
		if as != "" {
			j.plain = map[string]string{pdf: as}
		}
		return j
	}
	as, without := fresh(pdf), fresh("")
	plain, err := without.withoutIntent(pdf)
	if err != nil || plain == pdf {
		t.Fatalf("%s, %v: want a copy", plain, err)
	}
	if after, err := os.ReadFile(pdf); err != nil || !bytes.Equal(before, after) {
		t.Fatal("the rendition was changed")
	}
	want, err := as.pdfText(t.Context(), pdf)
	if err != nil {
		t.Fatal(err)
	}
	got, err := without.pdfText(t.Context(), pdf)
	if err != nil || got.String() != want.String() || got.letters == 0 {
		t.Errorf("text %q %v, want %q", got, err, want)
	}
	pictures, err := as.raster(t.Context(), pdf)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := without.raster(t.Context(), pdf)
	if err != nil || len(seen) != 2 || !same(pictures, seen) {
		t.Errorf("%d pages %v, want %d that look the same", len(seen), err, len(pictures))
	}
}
