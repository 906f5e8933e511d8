package format_test

import (
	"archive/zip"
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"bestand/ingest/format"
	"bestand/preservation"
)

func zipOf(t testing.TB, flags uint16, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: parts[i], Flags: flags})
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(parts[i+1]))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func docx(t testing.TB) []byte {
	return zipOf(t, 0, "[Content_Types].xml", `<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
		"_rels/.rels", "<x/>", "word/document.xml", "<x/>")
}

func pictures(t testing.TB) (pngBytes, jpegBytes []byte) {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 4, 4))
	var p, j bytes.Buffer
	if err := png.Encode(&p, m); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&j, m, nil); err != nil {
		t.Fatal(err)
	}
	return p.Bytes(), j.Bytes()
}

const (
	pdf      = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R/Size 2>>\nstartxref\n0\n%%EOF"
	locked   = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R/Encrypt 5 0 R/Size 2>>\nstartxref\n0\n%%EOF"
	mail     = "Received: by host\r\nFrom: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n\r\n<html><body>Hallo</body></html>\r\n"
	ubl      = `<?xml version="1.0" encoding="UTF-8"?><!-- x --><ubl:Invoice xmlns:ubl="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"/>`
	manifest = `<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry></manifest:manifest>`
)

func TestIdentify(t *testing.T) {
	pngBytes, jpegBytes := pictures(t)
	cases := []struct {
		name, file string
		bytes      []byte
		puid       string
		basis      string
		family     format.Family
		findings   []string
	}{
		{"empty", "leer.pdf", nil, "", "", format.Other, []string{format.Empty}},
		{"pdf", "a.pdf", []byte(pdf), "fmt/18", format.BasisSignature, format.PDF, nil},
		{"encrypted pdf", "a.pdf", []byte(locked), "fmt/18", format.BasisSignature, format.PDF, nil},
		{"cut off docx", "a.docx", []byte("PK\x03\x04\x14\x00\x06\x00\x08\x00"), "", "", format.Other, []string{format.Damaged}},
		{"pdf named docx", "a.docx", []byte(pdf), "fmt/18", format.BasisSignature, format.PDF, []string{format.ExtensionMismatch}},
		{"docx", "Bauantrag.docx", docx(t), "fmt/412", format.BasisContainer, format.Office, nil},
		{"docx without a name", "", docx(t), "fmt/412", format.BasisContainer, format.Office, []string{format.ExtensionMismatch}},
		{"png", "a.png", pngBytes, "fmt/11", format.BasisSignature, format.Image, nil},
		{"jpeg", "a.jpg", jpegBytes, "fmt/41", format.BasisSignature, format.Image, nil},
		{"zip", "a.zip", zipOf(t, 0, "a.txt", "hallo"), "x-fmt/263", format.BasisContainer, format.Archive, nil},
		{"encrypted zip", "a.zip", zipOf(t, 1, "a.txt", "hallo"), "x-fmt/263", format.BasisContainer, format.Archive, []string{format.Encrypted}},
		{"encrypted odt", "a.zip", zipOf(t, 0, "META-INF/manifest.xml", manifest), "x-fmt/263", format.BasisContainer, format.Archive, []string{format.Encrypted}},
		{"text", "a.txt", []byte("Grüße aus der Verwaltung\n"), "x-fmt/111", format.BasisText, format.Text, nil},
		{"rtf", "a.rtf", []byte(`{\rtf1\ansi hallo}`), "fmt/45", format.BasisSignature, format.Office, nil},
		{"mail with html body", "a.eml", []byte(mail), "fmt/278", format.BasisSniffed, format.Mail, nil},
		{"page without the elements around", "a.html", []byte("<!-- a --><p>Hallo<table>"), "", format.BasisSniffed, format.HTML, nil},
		{"xml named html", "a.html", []byte("<rechnung><p>Hallo</p></rechnung>"), "fmt/101", format.BasisSniffed, format.XML, nil},
		{"pdf cut off within text", "a.pdf", []byte("%PDF-1.7\n1 0 obj\n<</Type/Catalog"), "", "", format.Other, []string{format.Damaged}},
		{"the same named txt", "a.txt", []byte("%PDF-1.7\n1 0 obj\n<</Type/Catalog"), "", "", format.Other, []string{format.Damaged}},
		{"png cut off within its mark", "a.png", []byte("\x89PN"), "", "", format.Other, []string{format.Damaged}},
		{"text named docx", "a.docx", []byte("Hallo Welt"), "x-fmt/111", format.BasisSniffed, format.Text, []string{format.ExtensionMismatch}},
		{"xml cut off within its first tag", "a.xml", []byte("<Invoi"), "x-fmt/111", format.BasisSniffed, format.Text, []string{format.ExtensionMismatch}},
		{"ubl", "a.xml", []byte(ubl), "fmt/101", format.BasisSignature, format.XML, nil},
		{"xdomea", "a.xml", []byte(`<?xml version="1.0" encoding="UTF-8"?><xdomea:Aussonderung.Aussonderung.0503 xmlns:xdomea="urn:xoev-de:xdomea:schema:4.0.0"/>`), "fmt/2081", format.BasisSignature, format.XML, nil},
		{"xml without declaration", "a.xml", []byte(`<a xmlns="urn:b"/>`), "fmt/101", format.BasisSniffed, format.XML, nil},
		{"random bytes named docx", "a.docx", []byte("\x00\x01\x02\xff\xfe random \x00"), "", "", format.Other, []string{format.Damaged}},
		{"hostile name", "../../etc/passwd\x00;rm -rf /.\xff\xfe", []byte(pdf), "fmt/18", format.BasisSignature, format.PDF, []string{format.ExtensionMismatch}},
	}
	id, err := format.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(p, c.bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := id.Identify(context.Background(), p, c.file)
			if err != nil {
				t.Fatal(err)
			}
			if r.PUID != c.puid || r.Basis != c.basis || r.Family != c.family {
				t.Errorf("got %q %q %q, want %q %q %q", r.PUID, r.Basis, r.Family, c.puid, c.basis, c.family)
			}
			if r.Registry == "" {
				t.Error("no signature release named")
			}
			if got := codes(r.Findings); !equal(got, c.findings) {
				t.Errorf("findings %v, want %v", r.Findings, c.findings)
			}
		})
	}
}

func TestXMLRoot(t *testing.T) {
	r := identify(t, "a.xml", []byte(ubl))
	want := format.Name{Space: "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2", Local: "Invoice"}
	if r.Root != want {
		t.Errorf("root %v, want %v", r.Root, want)
	}
}

func TestCharset(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"ascii":        {"Gruesse aus der Verwaltung\n", "us-ascii"},
		"utf-8":        {"Grüße aus der Verwaltung\n", "utf-8"},
		"bom":          {"\xef\xbb\xbfGrüße aus der Verwaltung\n", "utf-8"},
		"latin-1":      {"Gr\xfc\xdfe aus der Verwaltung\n", ""},
		"windows-1252": {"Gr\xfc\xdfe \x84aus\x93 der Verwaltung\n", ""},
		"DOS":          {"Gr\x81\xe1e aus der Verwaltung\n", ""},
		"ISO 2022":     {"\x1b$BEl5~\x1b(B\n", ""},
		"utf-16":       {"G\x00r\x00\xfc\x00\xdf\x00e\x00 \x00a\x00u\x00s\x00\n\x00", "utf-16le"},
	} {
		if r := identify(t, "a.txt", []byte(c.text)); r.Charset != c.want || r.Family != format.Text {
			t.Errorf("%s: %q %q, want %q as text", name, r.Charset, r.Family, c.want)
		}
	}
}

// One Identifier serves all workers.
func TestConcurrent(t *testing.T) {
	id, err := format.New()
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(p, docx(t), 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				r, err := id.Identify(context.Background(), p, "a.docx")
				if err != nil || r.PUID != "fmt/412" {
					t.Errorf("got %v %v", r, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzIdentify(f *testing.F) {
	f.Add([]byte(pdf), "a.pdf")
	f.Add(docx(f), "a.docx")
	f.Add([]byte(mail), "a.eml")
	f.Add([]byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "a.doc")
	f.Add([]byte(ubl), "a.xml")
	id, err := format.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		p := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := id.Identify(context.Background(), p, name)
		if err != nil {
			t.Fatal(err)
		}
		if r.Family == "" {
			t.Error("no family")
		}
	})
}

func identify(t *testing.T, name string, b []byte) format.Result {
	t.Helper()
	id, err := format.New()
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(p, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := id.Identify(context.Background(), p, name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func codes(fs []preservation.Finding) (out []string) {
	for _, f := range fs {
		out = append(out, f.Code)
	}
	return out
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
