package convert

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bestand/ingest/sandbox"
	"bestand/ingest/verapdf"
	"bestand/preservation"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ChildArg {
		os.Exit(Child(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// bench is a converter with a folder to work in.
type bench struct {
	*Converter
	dir string
	n   int
}

// open returns a converter whose tools are all there.
func open(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	s, err := sandbox.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	v := verapdf.New(verapdf.Config{Sandbox: s, Read: []string{dir}})
	t.Cleanup(func() { v.Close() })
	missing := v.Installed()
	for _, p := range []string{"soffice", "gs", "qpdf", "pdfinfo", "chromium-headless-shell"} {
		_, err := sandbox.LookPath(p)
		missing = errors.Join(missing, err)
	}
	if missing != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	cfg := Config{Sandbox: s, Validator: v}
	if change != nil {
		change(&cfg)
	}
	c := New(cfg)
	t.Cleanup(func() { c.Close() })
	return &bench{Converter: c, dir: dir}
}

func (b *bench) file(t *testing.T, content []byte) string {
	t.Helper()
	b.n++
	p := filepath.Join(b.dir, fmt.Sprintf("in-%d", b.n))
	if err := os.WriteFile(p, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *bench) folder(t *testing.T) string {
	t.Helper()
	p, err := os.MkdirTemp(b.dir, "job-")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// render renders content of a MIME type.
func (b *bench) render(t *testing.T, mime string, content []byte) Result {
	t.Helper()
	return b.source(t, Source{Path: b.file(t, content), Name: "Lageplan Nr. 5.alt", Format: preservation.Format{MIME: mime}})
}

func (b *bench) source(t *testing.T, src Source) Result {
	t.Helper()
	before, err := os.ReadFile(src.Path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Render(t.Context(), src, b.folder(t))
	if err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(src.Path); err != nil || !bytes.Equal(before, after) {
		t.Error("the source was changed")
	}
	return r
}

// rendition returns the one rendition of a result.
func rendition(t *testing.T, r Result) Output {
	t.Helper()
	for _, o := range r.Outputs {
		if o.Kind == Rendition {
			return o
		}
	}
	t.Fatalf("no rendition: %s %v", r.Verdict, r.Events)
	return Output{}
}

// check runs a foreign program on a PDF and returns what it says.
func (b *bench) tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	res, err := b.cfg.Sandbox.Run(t.Context(), sandbox.Command{Name: name, Args: args, Dir: b.dir, Stdout: &out})
	if err != nil || !res.OK() {
		t.Fatalf("%s %v: %+v %v %s", name, args, res, err, out.String())
	}
	return out.String()
}

func hasCode(events []preservation.Event, code string) bool {
	for _, e := range events {
		if e.Code == code {
			return true
		}
	}
	return false
}

// pack writes a ZIP package; an entry is "name", "content".
func pack(entries ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		method := zip.Deflate
		if entries[i] == "mimetype" { // stored and first, as OpenDocument wants it
			method = zip.Store
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: entries[i], Method: method})
		if err != nil {
			panic(err) // a Buffer takes everything
		}
		w.Write([]byte(entries[i+1]))
	}
	z.Close()
	return b.Bytes()
}

const (
	declaration = `<?xml version="1.0" encoding="UTF-8"?>`
	typesNS     = `xmlns="http://schemas.openxmlformats.org/package/2006/content-types"`
	relsNS      = `xmlns="http://schemas.openxmlformats.org/package/2006/relationships"`
	officeRel   = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	ooxml       = "application/vnd.openxmlformats-officedocument."
	mimeDocx    = ooxml + "wordprocessingml.document"
	mimeXlsx    = ooxml + "spreadsheetml.sheet"
	mimePptx    = ooxml + "presentationml.presentation"
	mimeODF     = "application/vnd.oasis.opendocument."
)

func rootRels(target string) string {
	return declaration + `<Relationships ` + relsNS + `><Relationship Id="rId1" Type="` + officeRel + `/officeDocument" Target="` + target + `"/></Relationships>`
}

func docx(body string) []byte {
	return pack(
		"[Content_Types].xml", declaration+`<Types `+typesNS+`><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="`+mimeDocx+`.main+xml"/></Types>`,
		"_rels/.rels", rootRels("word/document.xml"),
		"word/document.xml", declaration+`<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>`+body+`</w:body></w:document>`,
	)
}

func paragraph(text string) string { return `<w:p><w:r><w:t>` + text + `</w:t></w:r></w:p>` }

func xlsx(cells ...string) []byte {
	var shared, row strings.Builder
	for i, c := range cells {
		fmt.Fprintf(&shared, `<si><t>%s</t></si>`, c)
		fmt.Fprintf(&row, `<row r="%d"><c r="A%d" t="s"><v>%d</v></c><c r="B%d"><v>%d.5</v></c></row>`, i+1, i+1, i, i+1, i)
	}
	main := `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	sheet := func(rows string) string {
		return declaration + `<worksheet ` + main + `><sheetData>` + rows + `</sheetData></worksheet>`
	}
	return pack(
		"[Content_Types].xml", declaration+`<Types `+typesNS+`><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="`+mimeXlsx+`.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="`+ooxml+`spreadsheetml.worksheet+xml"/><Override PartName="/xl/worksheets/sheet2.xml" ContentType="`+ooxml+`spreadsheetml.worksheet+xml"/><Override PartName="/xl/sharedStrings.xml" ContentType="`+ooxml+`spreadsheetml.sharedStrings+xml"/></Types>`,
		"_rels/.rels", rootRels("xl/workbook.xml"),
		"xl/workbook.xml", declaration+`<workbook `+main+` xmlns:r="`+officeRel+`"><sheets><sheet name="Gebühren" sheetId="1" r:id="rId1"/><sheet name="Verborgen" sheetId="2" state="hidden" r:id="rId2"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", declaration+`<Relationships `+relsNS+`><Relationship Id="rId1" Type="`+officeRel+`/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="`+officeRel+`/worksheet" Target="worksheets/sheet2.xml"/><Relationship Id="rId3" Type="`+officeRel+`/sharedStrings" Target="sharedStrings.xml"/></Relationships>`,
		"xl/sharedStrings.xml", declaration+`<sst `+main+`>`+shared.String()+`</sst>`,
		"xl/worksheets/sheet1.xml", sheet(row.String()),
		"xl/worksheets/sheet2.xml", sheet(`<row r="1"><c r="A1" t="inlineStr"><is><t>`+strings.Repeat("unsichtbar ", 100)+`</t></is></c></row>`),
	)
}

func pptx(slides ...string) []byte {
	ns := `xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="` + officeRel + `" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"`
	var overrides, ids, rels strings.Builder
	entries := []string{}
	for i, text := range slides {
		n := i + 1
		fmt.Fprintf(&overrides, `<Override PartName="/ppt/slides/slide%d.xml" ContentType="%spresentationml.slide+xml"/>`, n, ooxml)
		fmt.Fprintf(&ids, `<p:sldId id="%d" r:id="rId%d"/>`, 255+n, n)
		fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="%s/slide" Target="slides/slide%d.xml"/>`, n, officeRel, n)
		entries = append(entries, fmt.Sprintf("ppt/slides/slide%d.xml", n), declaration+`<p:sld `+ns+`><p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/><p:sp><p:nvSpPr><p:cNvPr id="2" name="t"/><p:cNvSpPr txBox="1"/><p:nvPr/></p:nvSpPr><p:spPr><a:xfrm><a:off x="500000" y="500000"/><a:ext cx="8000000" cy="1000000"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr><p:txBody><a:bodyPr/><a:p><a:r><a:t>`+text+`</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>`)
	}
	return pack(append(entries,
		"[Content_Types].xml", declaration+`<Types `+typesNS+`><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/ppt/presentation.xml" ContentType="`+mimePptx+`.main+xml"/>`+overrides.String()+`</Types>`,
		"_rels/.rels", rootRels("ppt/presentation.xml"),
		"ppt/presentation.xml", declaration+`<p:presentation `+ns+`><p:sldIdLst>`+ids.String()+`</p:sldIdLst><p:sldSz cx="9144000" cy="6858000"/><p:notesSz cx="6858000" cy="9144000"/></p:presentation>`,
		"ppt/_rels/presentation.xml.rels", declaration+`<Relationships `+relsNS+`>`+rels.String()+`</Relationships>`,
	)...)
}

// odf writes an OpenDocument file of the kind text, spreadsheet or presentation.
func odf(kind, body string) []byte {
	return pack(
		"mimetype", mimeODF+kind,
		"META-INF/manifest.xml", manifest(kind, ""),
		"content.xml", declaration+`<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/" office:version="1.2"><office:body><office:`+kind+`>`+body+`</office:`+kind+`></office:body></office:document-content>`,
	)
}

func manifest(kind, inside string) string {
	return declaration + `<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2"><manifest:file-entry manifest:full-path="/" manifest:media-type="` + mimeODF + kind + `"/><manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml">` + inside + `</manifest:file-entry></manifest:manifest>`
}

// pdf writes objects, numbered from 1, of which the first is the catalog.
func pdf(objects ...string) []byte {
	var b, xref bytes.Buffer
	b.WriteString("%PDF-1.6\n%\xE2\xE3\xCF\xD3\n")
	for i, o := range objects {
		fmt.Fprintf(&xref, "%010d 00000 n \n", b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d/Root 1 0 R/ID[<00112233445566778899AABBCCDDEEFF><00112233445566778899AABBCCDDEEFF>]>>\nstartxref\n%d\n%%%%EOF\n",
		len(objects)+1, xref.String(), len(objects)+1, start)
	return b.Bytes()
}

func streamObject(dict, content string) string {
	return fmt.Sprintf("<<%s/Length %d>>stream\n%s\nendstream", dict, len(content), content)
}

// drawing is a PDF of one page with content; more goes into the catalog, objects from number 6 on.
func drawing(content, catalog string, objects ...string) []byte {
	return pdf(append([]string{
		"<</Type/Catalog/Pages 2 0 R" + catalog + ">>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
		streamObject("", content),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
	}, objects...)...)
}

// annotated is a drawing with one annotation on its page.
func annotated(annotation string) []byte {
	return pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Annots[<</Type/Annot"+annotation+">>]>>",
		streamObject("", square))
}

const (
	square   = "1 0 0 rg 50 50 200 200 re f"
	sentence = "BT /F1 14 Tf 40 300 Td (Bescheid der Stadt Musterstadt zum Bauantrag) Tj ET"
)
