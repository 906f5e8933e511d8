package convert

import (
	"bytes"
	"context"
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

func TestOffice(t *testing.T) {
	b := open(t, nil)
	long := strings.Repeat("Der Bauausschuß prüft die Größe. ", 30)
	table := func(s string) string {
		return `<table:table table:name="T"><table:table-row><table:table-cell><text:p>` + s + `</text:p></table:table-cell></table:table-row></table:table>`
	}
	slide := func(s string) string {
		return `<draw:page draw:name="p"><draw:frame svg:x="2cm" svg:y="2cm" svg:width="20cm" svg:height="3cm"><draw:text-box><text:p>` + s + `</text:p></draw:text-box></draw:frame></draw:page>`
	}
	tests := []struct {
		name, mime string
		content    []byte
		text       string
		pages      int
	}{
		{"docx", mimeDocx, docx(paragraph("Grüße aus Köln") + paragraph(long)), "Grüße aus Köln", 1},
		{"docx of two pages", mimeDocx, docx(paragraph("eins") + `<w:p><w:r><w:br w:type="page"/></w:r></w:p>` + paragraph("zwei")), "zwei", 2},
		{"docx with deleted and hidden text", mimeDocx, docx(paragraph("bleibt") + `<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>` + long + `</w:t></w:r></w:p>`), "bleibt", 1},
		{"empty docx", mimeDocx, docx(""), "", 1},
		{"odt", mimeODF + "text", odf("text", "<text:p>Grüße aus Görlitz</text:p><text:p>"+long+"</text:p>"), "Görlitz", 1},
		{"odt with a comment", mimeODF + "text", odf("text", "<text:p>bleibt<office:annotation><text:p>"+long+"</text:p></office:annotation></text:p>"), "bleibt", 1},
		{"xlsx with a hidden sheet", mimeXlsx, xlsx("Straße", "Müllabfuhr"), "Müllabfuhr", 1},
		{"ods", mimeODF + "spreadsheet", odf("spreadsheet", table("Gebührensatzung")), "Gebührensatzung", 1},
		{"pptx", mimePptx, pptx("Haushalt", "Stellenplan"), "Stellenplan", 2},
		{"odp", mimeODF + "presentation", odf("presentation", slide("Haushalt")+slide("Stellenplan")), "Stellenplan", 2},
		{"rtf", "application/rtf", []byte(`{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 Gr\'fc\'dfe aus D\u246?beln\par}`), "Grüße aus Döbeln", 1},
		{"several MIME types", "application/rtf, text/rtf", []byte(`{\rtf1 Akte\par}`), "Akte", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := b.render(t, tt.mime, tt.content)
			o := rendition(t, r)
			if r.Verdict != preservation.VerdictValid || r.Flavour != "2b" || o.Verdict != r.Verdict || r.Own {
				t.Errorf("verdict %q, flavour %q, own %v", r.Verdict, r.Flavour, r.Own)
			}
			if r.Pages != tt.pages || !strings.Contains(r.Text, tt.text) {
				t.Errorf("%d pages, text %q", r.Pages, r.Text)
			}
			if o.Name != "Lageplan Nr. 5.pdf" || o.MIME != "application/pdf" {
				t.Errorf("output %+v", o)
			}
			b.tool(t, "qpdf", "--check", o.Path)
			if info := b.tool(t, "pdfinfo", o.Path); !strings.Contains(info, "Tagged:          yes") {
				t.Error("the rendition is not tagged")
			}
		})
	}
}

func TestPDF(t *testing.T) {
	b := open(t, nil)
	attachment := drawing(square+" 0 g "+sentence, "/Names<</EmbeddedFiles<</Names[(a)6 0 R]>>>>",
		"<</Type/Filespec/F(..\\\\bad/name.txt)/UF(..\\\\bad/name.txt)/EF<</F 7 0 R>>>>", streamObject("/Type/EmbeddedFile", "Inhalt der Anlage"))
	form := drawing(sentence, "/AcroForm<</Fields[6 0 R]/DA(/F1 12 Tf)/DR<</Font<</F1 5 0 R>>>>>>",
		"<</Type/Annot/Subtype/Widget/FT/Tx/T(f)/V(x)/Rect[10 10 100 30]>>")
	tests := []struct {
		name    string
		content []byte
		codes   []string
		agent   string
	}{
		{"metadata suffice", drawing(square, ""), nil, "qpdf"},
		{"font not embedded", drawing(sentence, ""), nil, "Ghostscript"},
		{"attachment", attachment, []string{CodeLossy}, "Ghostscript"},
		{"glyph that the font lacks", drawing(square+" 0 g BT /F1 14 Tf 40 300 Td (Bescheid \001 der Stadt Musterstadt zum Bauantrag) Tj ET", ""), []string{CodeLossy}, "poppler"},
		{"form", form, []string{CodeLossy}, "Ghostscript"},
		{"link with a frame", annotated("/Subtype/Link/Rect[260 260 380 300]/Border[0 0 4]/A<</S/URI/URI(https://example.org)>>"), []string{CodeLossy}, "Ghostscript"},
		{"script", drawing(square, "/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>"), nil, "Ghostscript"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := b.render(t, "application/pdf", tt.content)
			o := rendition(t, r)
			if r.Verdict != preservation.VerdictValid || r.Flavour != "2b" || r.Pages != 1 {
				t.Errorf("result %+v", r)
			}
			if a := o.Events[0].Agent; a.Name != tt.agent {
				t.Errorf("by %v, want %s", a, tt.agent)
			}
			for _, code := range tt.codes {
				if !hasCode(o.Events, code) {
					t.Errorf("no event %s in %v", code, o.Events)
				}
			}
			b.tool(t, "qpdf", "--check", o.Path)
			if got, err := b.cfg.Validator.Validate(t.Context(), o.Path, "2b"); err != nil || !got.Valid {
				t.Errorf("veraPDF: %+v, %v", got, err)
			}
		})
	}

	t.Run("attachment is kept", func(t *testing.T) {
		r := b.render(t, "application/pdf", attachment)
		var kept []Output
		for _, o := range r.Outputs {
			if o.Kind == Extracted {
				kept = append(kept, o)
			}
		}
		if len(kept) != 1 {
			t.Fatalf("outputs %+v", r.Outputs)
		}
		if got, err := os.ReadFile(kept[0].Path); err != nil || string(got) != "Inhalt der Anlage" || !strings.HasSuffix(kept[0].Name, "name.txt") {
			t.Errorf("%q as %q, %v", got, kept[0].Name, err)
		}
	})
	t.Run("valid PDF/A stays", func(t *testing.T) {
		made := rendition(t, b.render(t, "text/plain", []byte("Beleg")))
		content, err := os.ReadFile(made.Path)
		if err != nil {
			t.Fatal(err)
		}
		r := b.render(t, "application/pdf", content)
		if !r.Own || len(r.Outputs) != 0 || r.Verdict != preservation.VerdictValid || r.Flavour != "2b" || !strings.Contains(r.Text, "Beleg") || r.Pages != 1 {
			t.Errorf("result %+v", r)
		}
		broken := bytes.Replace(content, []byte("/OutputIntents"), []byte("/OutputIntentz"), 1)
		r = b.render(t, "application/pdf", broken)
		if r.Own || !hasCode(rendition(t, r).Events, CodeFalseClaim) || r.Verdict != preservation.VerdictValid {
			t.Errorf("false claim: %+v", r)
		}
	})
	t.Run("signed", func(t *testing.T) {
		r := b.render(t, "application/pdf", drawing(sentence, "/AcroForm<</SigFlags 3/Fields[6 0 R]>>",
			"<</FT/Sig/T(s)/Subtype/Widget/Rect[0 0 0 0]/V 7 0 R>>", "<</Type/Sig/Filter/Adobe.PPKLite/ByteRange[0 10 20 30]/Contents<00>>>"))
		if r.Own || len(r.Outputs) != 0 || r.Verdict != preservation.VerdictNoRendition || !hasCode(r.Events, CodeSigned) || r.Text == "" {
			t.Errorf("result %+v", r)
		}
	})
	t.Run("encrypted", func(t *testing.T) {
		for _, tt := range []struct{ user, code string }{{"geheim", CodeEncrypted}, {"", CodeRestricted}} {
			out := filepath.Join(b.dir, "encrypted-"+tt.user+".pdf")
			b.tool(t, "qpdf", "--encrypt", tt.user, "besitzer", "256", "--", b.file(t, drawing(square, "")), out)
			r := b.source(t, Source{Path: out, Format: preservation.Format{MIME: "application/pdf"}})
			if tt.user != "" {
				if r.Verdict != preservation.VerdictNoRendition || !hasCode(r.Events, tt.code) {
					t.Errorf("result %+v", r)
				}
			} else if o := rendition(t, r); r.Verdict != preservation.VerdictValid || !hasCode(o.Events, tt.code) {
				t.Errorf("result %+v", r)
			}
		}
	})
}

func TestHTML(t *testing.T) {
	b := open(t, nil)
	tests := []struct {
		name, page, text, absent string
	}{
		{"UTF-8", "<!DOCTYPE html><meta charset=utf-8><title>T</title><p>Grüße aus Leipzig", "Grüße aus Leipzig", ""},
		{"declared Latin 1", "<html><head><meta charset=iso-8859-1></head><body>Gr\xFC\xDFe</body></html>", "Grüße", ""},
		{"script", "<p>bleibt<script>document.write('fremd'.repeat(100))</script>", "bleibt", "fremd"},
		{"foreign frame", `<p>bleibt<iframe src="file:///etc/passwd"></iframe><object data="file:///etc/passwd"></object>`, "bleibt", "job:"},
		{"foreign pictures", `<p>bleibt<img src="http://127.0.0.1:1/x.png"><link rel=stylesheet href="file:///x.css">`, "bleibt", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := b.render(t, "text/html", []byte(tt.page))
			o := rendition(t, r)
			if r.Verdict != preservation.VerdictValid || !strings.Contains(r.Text, tt.text) || tt.absent != "" && strings.Contains(r.Text, tt.absent) {
				t.Errorf("verdict %q, text %q", r.Verdict, r.Text)
			}
			b.tool(t, "qpdf", "--check", o.Path)
		})
	}
	t.Run("for other packages", func(t *testing.T) {
		p, err := b.HTML(t.Context(), strings.NewReader("<title>Quittung &amp; Beleg</title><h1>Quittung</h1>"), b.folder(t))
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.cfg.Validator.Validate(t.Context(), p, verapdf.Auto)
		if err != nil || !got.Valid || got.Claimed != "2b" {
			t.Errorf("%+v, %v", got, err)
		}
		if content, err := os.ReadFile(p); err != nil || !bytes.Contains(content, []byte("Quittung &amp; Beleg")) {
			t.Errorf("the title is not in the metadata: %v", err)
		}
	})
}

// What cannot be converted is said, with its reason, and nothing is passed off as a rendition.
func TestRefusal(t *testing.T) {
	b := open(t, nil)
	noise := bytes.Repeat([]byte("\x01\x8f\x99\xfe\x07abc\x00"), 3000)
	text := docx(paragraph(strings.Repeat("Text ", 1000)))
	page := drawing(sentence, "")
	tests := []struct {
		name, mime string
		content    []byte
		code       string
	}{
		{"empty", mimeDocx, nil, CodeEmpty},
		{"truncated docx", mimeDocx, text[:len(text)-200], CodeTruncated},
		{"encrypted odt", mimeODF + "text", pack("mimetype", mimeODF+"text", "META-INF/manifest.xml", manifest("text", `<manifest:encryption-data/>`), "content.xml", "\x01\x02"), CodeEncrypted},
		{"noise as doc", "application/msword", noise, CodeDamaged},
		{"noise as xls", "application/vnd.ms-excel", noise, CodeDamaged},
		{"noise as rtf", "application/rtf", noise, CodeDamaged},
		{"start of an OLE file", "application/msword", []byte(oleMagic + "abc"), CodeTruncated},
		{"package of nothing", mimeDocx, pack("a", "b"), CodeUnconvertible},
		{"noise as text", "text/plain", noise, CodeUnconvertible},
		{"truncated PDF", "application/pdf", page[:150], CodeTruncated},
		{"damaged PDF", "application/pdf", []byte("%PDF-1.4\nhello\n%%EOF\n"), CodeDamaged},
		{"annotation that no tool keeps", "application/pdf", annotated("/Subtype/Underline/Rect[250 250 390 390]/C[0 0 1]/QuadPoints[260 380 380 380 260 260 380 260]"), CodeImplausible},
		{"text that unfolds to 600 MB", mimeODF + "text", odf("text", "<text:p>"+strings.Repeat("x", 600<<20)+"</text:p>"), codeLimit + sandbox.LimitMemory},
		{"film", "video/mp4", noise, CodeNoRoute},
		{"picture without a converter", "image/png", noise, CodeNoRoute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := b.render(t, tt.mime, tt.content)
			if r.Verdict != preservation.VerdictNoRendition || len(r.Outputs) != 0 || !hasCode(r.Events, tt.code) {
				t.Errorf("%s %v, want %s", r.Verdict, r.Events, tt.code)
			}
			for _, e := range r.Events {
				if e.Type == "" || e.Outcome == "" || e.Agent.Name == "" || e.Detail == "" {
					t.Errorf("incomplete event %+v", e)
				}
			}
		})
	}
	t.Run("found encrypted before", func(t *testing.T) {
		r := b.source(t, Source{Path: b.file(t, noise), Format: preservation.Format{MIME: "application/msword"}, Encrypted: true})
		if !hasCode(r.Events, CodeEncrypted) {
			t.Errorf("%+v", r)
		}
	})
}

func TestRenderer(t *testing.T) {
	var give func(dir string) (Rendering, error)
	b := open(t, func(c *Config) {
		c.Image = func(_ context.Context, _ Source, dir string) (Rendering, error) { return give(dir) }
	})
	write := func(dir string, content []byte) string {
		p := filepath.Join(dir, "x.pdf")
		if err := os.WriteFile(p, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	image := Source{Path: b.file(t, []byte("picture")), Format: preservation.Format{MIME: "image/png"}}

	give = func(dir string) (Rendering, error) {
		p, err := b.HTML(t.Context(), strings.NewReader("<p>Bild"), dir)
		return Rendering{PDF: p, Pages: 1, Text: "gelesen", Events: []preservation.Event{{Type: preservation.EventConvert}}}, err
	}
	r := b.source(t, image)
	if o := rendition(t, r); r.Verdict != preservation.VerdictValid || r.Text != "gelesen" || len(o.Events) != 3 {
		t.Errorf("%+v", r)
	}
	give = func(dir string) (Rendering, error) { return Rendering{PDF: write(dir, drawing(square, ""))}, nil }
	if o := rendition(t, b.source(t, image)); !hasCode(o.Events, CodeInvalid) || o.Verdict != preservation.VerdictValid {
		t.Errorf("one that only Ghostscript made valid: %+v", o)
	}
	give = func(dir string) (Rendering, error) {
		return Rendering{PDF: write(dir, drawing(square, "")), Pages: 3}, nil
	}
	if r := b.source(t, image); r.Verdict != preservation.VerdictNoRendition || !hasCode(r.Events, CodeImplausible) {
		t.Errorf("pages missing: %+v", r)
	}
	give = func(string) (Rendering, error) { return Rendering{}, &Refusal{"no-picture", "It is none."} }
	if r := b.source(t, image); !hasCode(r.Events, "no-picture") {
		t.Errorf("refused: %+v", r)
	}
	give = func(string) (Rendering, error) { return Rendering{}, fmt.Errorf("x: %w", sandbox.ErrMissing) }
	if _, err := b.Render(t.Context(), image, b.folder(t)); !errors.Is(err, ErrMissing) {
		t.Errorf("error %v, want ErrMissing", err)
	}
	fault := errors.New("disk")
	give = func(string) (Rendering, error) { return Rendering{}, fault }
	if _, err := b.Render(t.Context(), image, b.folder(t)); !errors.Is(err, fault) || errors.Is(err, ErrMissing) {
		t.Errorf("error %v", err)
	}
}

func TestWithoutValidator(t *testing.T) {
	b := open(t, func(c *Config) { c.Validator = verapdf.New(verapdf.Config{Dir: t.TempDir(), Read: []string{"/tmp"}}) })
	r := b.render(t, mimeDocx, docx(paragraph("Akte")))
	if o := rendition(t, r); r.Verdict != preservation.VerdictNotValidated || o.Verdict != r.Verdict || r.Flavour != "" || !hasCode(o.Events, CodeNotValidated) {
		t.Errorf("%+v", r)
	}
	r = b.render(t, "application/pdf", drawing(sentence, ""))
	if r.Verdict != preservation.VerdictNotValidated || r.Own || len(r.Outputs) != 0 || !strings.Contains(r.Text, "Musterstadt") {
		t.Errorf("%+v", r)
	}
}

func TestCancelled(t *testing.T) {
	b := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src := Source{Path: b.file(t, docx("")), Format: preservation.Format{MIME: mimeDocx}}
	if _, err := b.Render(ctx, src, b.folder(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A tool that was taken over may leave a link to somewhere else.
func TestProduced(t *testing.T) {
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "good"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": secret, "folder": filepath.Dir(secret), "inside": "good"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"good": true, "link": false, "folder/secret": false, "inside": false, "none": false, ".": false} {
		if got, err := produced(dir, name); err != nil || (got != "") != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	s, err := sandbox.New(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	v := verapdf.New(verapdf.Config{Sandbox: s, Read: []string{dir}})
	defer v.Close()
	c := New(Config{Sandbox: s, Validator: v})
	for name, content := range map[string][]byte{"docx": docx(paragraph("Akte")), "pdf": drawing(square, ""), "pdf rewritten": drawing(sentence, "")} {
		mime := mimeDocx
		if name != "docx" {
			mime = "application/pdf"
		}
		in := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(in, content, 0o600); err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				job, err := os.MkdirTemp(dir, "")
				if err != nil {
					b.Fatal(err)
				}
				if r, err := c.Render(b.Context(), Source{Path: in, Format: preservation.Format{MIME: mime}}, job); err != nil || r.Verdict != preservation.VerdictValid {
					b.Fatal(r, err)
				}
			}
		})
	}
}
