package convert

import (
	"archive/zip"
	"bytes"
	"testing"

	"bestand/ingest/format"
	"bestand/preservation"
)

// A package of XML parts is no XML, whatever its type ends in.
func TestPackageRoute(t *testing.T) {
	for mime, want := range map[string]string{
		"application/vnd.ms-visio.drawing.main+xml":               "drawing",
		"application/vnd.ms-visio.template.macroEnabled.main+xml": "drawing",
		"application/vnd.visio":                                   "drawing",
		mimePptx:                                                  "presentation",
		"application/vnd.ms-excel.sheet.binary.macroEnabled.12":   "spreadsheet",
		"application/vnd.oasis.opendocument.text":                 "word processing",
		"application/vnd.mozilla.xul+xml":                         "XML",
	} {
		f := preservation.Format{MIME: mime}
		if r, ok := routeOf(f); !ok || r.formats != want {
			t.Errorf("%s: by way of %q, want %q", mime, r.formats, want)
		}
		if xml := format.FamilyOf(f) == format.XML; xml != (want == "XML") {
			t.Errorf("%s: XML is %t", mime, xml)
		}
	}
}

// A presentation may be blank if it has no slide, not if a slide has a picture.
func TestEmptyPresentation(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	with := func(slides ...string) numbers {
		n, err := officeNumbers(b.file(t, withPart(t, pptx(slides...), "ppt/media/image1.png")), "pptx")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := with(); n.shows || n.pages != 0 {
		t.Errorf("no slide: %+v", n)
	}
	if n := with(""); !n.shows || n.pages != 1 {
		t.Errorf("one slide: %+v", n)
	}
}

// withPart adds a part to a package.
func withPart(t *testing.T, raw []byte, name string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range in.File {
		if err := z.Copy(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := z.Create(name); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
