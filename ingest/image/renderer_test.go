package image_test

import (
	"os"
	"path/filepath"
	"testing"

	"bestand/ingest/convert"
	"bestand/ingest/image"
	"bestand/preservation"
)

func TestRenderer(t *testing.T) {
	tool(t, "pdftotext")
	dir := t.TempDir()
	c := convert.New(convert.Config{Sandbox: box(t), Image: image.Renderer(box(t), "deu")})
	for _, s := range []struct {
		name    string
		bytes   []byte
		verdict string
		code    string
	}{
		{"scan", pngBytes(t, letter(t, "Bescheid")), preservation.VerdictNotValidated, ""},
		{"damaged", pngBytes(t, picture(90, 90, false))[:500], preservation.VerdictNoRendition, image.Damaged},
	} {
		src, work := filepath.Join(dir, s.name), filepath.Join(dir, s.name+"-work")
		if err := os.WriteFile(src, s.bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(work, 0o700); err != nil {
			t.Fatal(err)
		}
		r, err := c.Render(t.Context(), convert.Source{Path: src, Name: "scan.png", Format: preservation.Format{MIME: "image/png"}}, work)
		if err != nil || r.Verdict != s.verdict {
			t.Errorf("%s: %+v, %v", s.name, r, err)
		}
		found := s.code == ""
		for _, e := range r.Events {
			found = found || e.Code == s.code
		}
		if !found {
			t.Errorf("%s: no event says %s: %+v", s.name, s.code, r.Events)
		}
		if s.name == "scan" && (r.Pages != 1 || len(r.Outputs) != 1 || r.Text != "Bescheid") {
			t.Errorf("scan: %+v", r)
		}
	}
}
