package convert

import (
	"path/filepath"
	"strings"
	"testing"

	"bestand/preservation"
)

// What stands on the pages of a PDF stands on those of its rendition, whichever
// part of the file it comes from.
func TestPagesKept(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	const field = "<</Type/Annot/Subtype/Widget/FT/Tx/F 4/T(name)/V(Erika Musterfrau)/DA(/F1 14 Tf 0 g)/Rect[40 320 360 350]/P 3 0 R%s>>"
	form := func(entries string, more ...string) []byte {
		return pdf(append([]string{
			"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[6 0 R]/DA(/F1 14 Tf 0 g)/DR<</Font<</F1 5 0 R>>>>" + entries + ">>>>",
			"<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>/Annots[6 0 R]>>",
			streamObject("", square),
			"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
		}, more...)...)
	}
	stream := "/Type/XObject/Subtype/Form/BBox[0 0 320 30]/Resources<</Font<</F1 5 0 R>>>>"
	shown := streamObject(stream, "/Tx BMC BT /F1 14 Tf 2 8 Td 0 g (Erika Musterfrau) Tj ET EMC")
	stamp := streamObject("/Type/XObject/Subtype/Form/BBox[0 0 60 60]", "0 0 1 rg 0 0 60 60 re f")
	tests := []struct {
		name string
		pdf  []byte
		want string // word of the rendition's text
	}{
		{"field with an appearance", form("", strings.Replace(field, "%s", "/AP<</N 7 0 R>>", 1), shown), "Musterfrau"},
		{"field without", form("", strings.Replace(field, "%s", "", 1)), "Musterfrau"},
		{"field whose appearance is to be made anew", form("/NeedAppearances true", strings.Replace(field, "%s", "", 1)), "Musterfrau"},
		{"form in XFA with fields", form("/XFA(x)", strings.Replace(field, "%s", "/AP<</N 7 0 R>>", 1), shown), "Musterfrau"},
		{"stamp for the screen", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Annots[<</Type/Annot/Subtype/Stamp/Rect[300 300 360 360]/AP<</N 5 0 R>>>>]>>",
			streamObject("", square), stamp), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := Source{Path: b.file(t, tt.pdf), Format: preservation.Format{MIME: "application/pdf"}}
			o := rendition(t, b.source(t, src))
			if text := b.tool(t, "pdftotext", o.Path, "-"); !strings.Contains(text, tt.want) {
				t.Errorf("text %q", text)
			}
			j := &job{Converter: b.Converter, dir: b.folder(t)}
			source, err := j.raster(t.Context(), src.Path)
			if err != nil {
				t.Fatal(err)
			}
			made, err := j.raster(t.Context(), o.Path)
			if err != nil {
				t.Fatal(err)
			}
			if len(source) != 1 || len(made) != 1 || source[0].vanished(made[0]) > 0 || source[0].difference(made[0]) > 0.1 {
				t.Errorf("%d pages of %d, %d places empty", len(made), len(source), source[0].vanished(made[0]))
			}
		})
	}
}

// A form whose pages are built by a viewer has no rendition: there is nothing on
// its pages, or a request to use another program.
func TestDynamicForm(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	for name, catalog := range map[string]string{
		"says so":        "/NeedsRendering true",
		"has no fields":  "/AcroForm 6 0 R",
		"names no field": "/AcroForm<</XFA(x)/Fields 7 0 R>>",
	} {
		t.Run(name, func(t *testing.T) {
			r := b.render(t, "application/pdf", drawing(sentence, catalog, "<</XFA(x)/Fields[]>>", "[]"))
			if r.Verdict != preservation.VerdictNoRendition || !hasCode(r.Events, CodeDynamicForm) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Metadata are added to a PDF however its objects are stored, and what describes
// it is carried over.
func TestMetadataAdded(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	plain := b.file(t, drawing(square+" 0 g "+sentence, "/Lang(de)", "<</Title(Grundst\\374ck 7)/CreationDate(D:20240301120000+01'00')>>"))
	j := &job{Converter: b.Converter, dir: b.folder(t)}
	for name, args := range map[string][]string{
		"as it is":       {"--object-streams=disable"},
		"object streams": {"--object-streams=generate"},
		"linearized":     {"--object-streams=generate", "--linearize"},
	} {
		t.Run(name, func(t *testing.T) {
			src := filepath.Join(b.dir, strings.ReplaceAll(name, " ", "-")+".pdf")
			b.tool(t, "qpdf", append(args, plain, src)...)
			out, err := j.addMetadata(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			if text := b.tool(t, "pdftotext", out, "-"); !strings.Contains(text, "Musterstadt") {
				t.Errorf("text %q", text)
			}
			info := b.tool(t, "pdfinfo", "-meta", out)
			for _, want := range []string{"<pdfaid:part>2<", "pdfaid:conformance>B<"} {
				if !strings.Contains(info, want) {
					t.Errorf("no %s in %s", want, info)
				}
			}
			d, err := j.describe(t.Context(), out)
			if err != nil || d.catalog["/Lang"] != "u:de" || d.catalog["/OutputIntents"] == nil {
				t.Errorf("%+v, %v", d, err)
			}
			b.tool(t, "qpdf", "--check", out)
		})
	}
}

func TestMetadata(t *testing.T) {
	xmp, err := metadata(map[string]any{
		"/Title": "u:Grundstück <7>", "/Author": "b:00ff", "/Creator": 7, "/CreationDate": "u:D:20240301120000+01'00'",
	}, "Titel")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Grundstück &lt;7&gt;", "<xmp:CreateDate>2024-03-01T12:00:00+01:00<"} {
		if !strings.Contains(string(xmp), want) {
			t.Errorf("no %s in %s", want, xmp)
		}
	}
	for date, want := range map[string]string{
		"D:20240301120000Z": "2024-03-01T12:00:00Z", "D:20240301120000Z00'00'": "2024-03-01T12:00:00Z", "D:20240301120000+01": "2024-03-01T12:00:00+01:00",
		"D:20240301120000": "2024-03-01T12:00:00", "D:202403": "2024-03", "D:2024": "2024", "gestern": "", "D:20241301": "", "": "",
	} {
		if got := pdfDate(date); got != want {
			t.Errorf("%s: %q, want %q", date, got, want)
		}
	}
}
