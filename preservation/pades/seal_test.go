package pades_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/pades"
	"bestand/preservation/pki"
	"github.com/digitorus/pdf"
	"github.com/pdfcpu/pdfcpu/pkg/api"
)

func codes(all []preservation.Finding, sev preservation.Severity) string {
	var list []string
	for _, f := range all {
		if f.Severity == sev {
			list = append(list, f.Code)
		}
	}
	return strings.Join(list, " ")
}

func verify(t testing.TB, b []byte, trust cades.Trust) []preservation.Finding {
	t.Helper()
	return pades.Verify(t.Context(), bytes.NewReader(b), int64(len(b)), trust)
}

func TestSealVerifies(t *testing.T) {
	for _, a := range []pki.Algorithm{pki.ECP256, pki.RSA3072} {
		r, stranger := newRig(t, a), newRig(t, pki.ECP256)
		for name, doc := range documents() {
			t.Run(string(a)+" "+name, func(t *testing.T) {
				path, sealed := r.seal(t, doc, r.options())
				trust := cades.Trust{Roots: r.Roots(), At: time.Now()}
				found := verify(t, sealed, trust)
				if got := codes(found, preservation.Failed); got != "" {
					t.Errorf("failed: %s: %v", got, found)
				}
				if got := codes(found, preservation.Passed); !strings.Contains(got, "coverage-whole") || strings.Count(got, "chain-trusted") != 2 {
					t.Errorf("passed only: %s", got)
				}
				if got := codes(verify(t, sealed, cades.Trust{Roots: stranger.Roots(), At: time.Now()}), preservation.Failed); got != "chain-untrusted chain-untrusted" {
					t.Errorf("strange roots: failed %q", got)
				}
				foreign(t, path, pades.LevelT)
			})
		}
	}
}

// TestSealDigest seals under other digest algorithms than the usual one.
func TestSealDigest(t *testing.T) {
	for _, a := range []pki.Algorithm{pki.ECP256, pki.ECP384, pki.RSA3072} {
		r := newRig(t, a)
		for _, h := range []crypto.Hash{crypto.SHA384, crypto.SHA512} {
			for name, doc := range documents() {
				o := r.options()
				o.Hash = h
				path, sealed := r.seal(t, doc, o)
				if got := codes(verify(t, sealed, cades.Trust{Roots: r.Roots(), At: time.Now()}), preservation.Failed); got != "" {
					t.Errorf("%s, %s, %s: failed: %s", a, h, name, got)
				}
				foreign(t, path, pades.LevelT)
				if out := mustTool(t, "pdfsig", "-nocert", path); !strings.Contains(out, "Signing Hash Algorithm: "+h.String()) {
					t.Errorf("%s, %s, %s: pdfsig says:\n%s", a, h, name, out)
				}
			}
		}
	}
}

// foreign lets poppler and qpdf judge a sealed file. The last signature covers all
// of it, unless validation data stand behind it.
func foreign(t *testing.T, path string, l pades.Level) {
	t.Helper()
	out := mustTool(t, "pdfsig", "-nocert", path)
	total := "  - Total document signed"
	if l == pades.LevelLT {
		total = "Not total document signed"
	}
	for _, want := range []string{"Signature is Valid", total, "ETSI.CAdES.detached", "not qualified"} {
		if !strings.Contains(out, want) {
			t.Errorf("pdfsig does not say %q:\n%s", want, out)
		}
	}
	if out, err := tool(t, "qpdf", "--check", path); err != nil || strings.Contains(out, "WARNING") {
		t.Errorf("qpdf: %v\n%s", err, out)
	}
}

func TestSealChangesNothing(t *testing.T) {
	r := newRig(t, pki.ECP256)
	for name, doc := range documents() {
		t.Run(name, func(t *testing.T) {
			_, sealed := r.seal(t, doc, r.options())
			was, is := trailer(t, doc), trailer(t, sealed)
			for _, k := range []string{"Info", "ID"} {
				if was.Key(k).String() != is.Key(k).String() {
					t.Errorf("%s: %s becomes %s", k, was.Key(k), is.Key(k))
				}
			}
			form, now := was.Key("Root").Key("AcroForm"), is.Key("Root").Key("AcroForm")
			for _, k := range form.Keys() {
				if k != "Fields" && form.Key(k).String() != now.Key(k).String() {
					t.Errorf("form entry %s: %s becomes %s", k, form.Key(k), now.Key(k))
				}
			}
			v := now.Key("Fields").Index(form.Key("Fields").Len()).Key("V")
			for k, want := range map[string]string{"Name": `Archiv Budyšin (č\ś)`, "Reason": "Archivsiegel", "Location": "Görlitz"} {
				if got := v.Key(k).Text(); got != want {
					t.Errorf("%s is %q, want %q", k, got, want)
				}
			}
		})
	}
}

func trailer(t *testing.T, b []byte) pdf.Value {
	t.Helper()
	r, err := pdf.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return r.Trailer()
}

// What LibreOffice, Ghostscript, qpdf and pdfcpu write stays valid PDF/A when
// it is sealed.
func TestSealedPDFAStaysValid(t *testing.T) {
	r := newRig(t, pki.ECP256)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Antrag.html"), []byte("<html lang=de><head><title>Antrag</title></head><body><h1>Antrag auf Baugenehmigung</h1><p>Größe: 120 m²</p></body></html>"))
	mustTool(t, "soffice", "-env:UserInstallation=file://"+dir+"/profile", "--headless", "--convert-to",
		`pdf:writer_web_pdf_Export:{"SelectPdfVersion":{"type":"long","value":"2"},"UseTaggedPDF":{"type":"boolean","value":"true"}}`,
		"--outdir", dir, filepath.Join(dir, "Antrag.html"))
	file := func(n string) string { return filepath.Join(dir, n) }
	mustTool(t, "qpdf", "--newline-before-endstream", "--object-streams=generate", file("Antrag.pdf"), file("streams.pdf"))
	mustTool(t, "qpdf", "--newline-before-endstream", "--linearize", file("Antrag.pdf"), file("linearized.pdf"))
	if err := api.OptimizeFile(file("Antrag.pdf"), file("pdfcpu.pdf"), nil); err != nil {
		t.Fatal(err)
	}
	write(t, file("def.ps"), []byte(pdfaDefinition))
	mustTool(t, "gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "--permit-file-read="+profile, "-sDEVICE=pdfwrite", "-dPDFA=2",
		"-dPDFACompatibilityPolicy=1", "-sColorConversionStrategy=RGB", "-sOutputFile="+file("gs.pdf"), file("def.ps"), file("Antrag.pdf"))
	names := []string{"Antrag.pdf", "streams.pdf", "linearized.pdf", "pdfcpu.pdf", "gs.pdf"}
	var sources, sealed []string
	for _, n := range names {
		out := file("sealed-" + n)
		if _, err := pades.Seal(t.Context(), file(n), out, r.longTerm()); err != nil {
			t.Fatal(err)
		}
		foreign(t, out, pades.LevelLT)
		archived, _ := r.archived(t, out)
		foreign(t, archived, pades.LevelLTA)
		sources, sealed = append(sources, file(n), file(n)), append(sealed, out, archived)
	}
	before, after := verapdf(t, sources...), verapdf(t, sealed...)
	for i, n := range sources {
		if before[i] != after[i] {
			t.Errorf("%s: %q becomes %q", n, before[i], after[i])
		}
		if filepath.Base(n) != "pdfcpu.pdf" && after[i] != "2b valid []" {
			t.Errorf("%s is %q", n, after[i])
		}
	}
}

const profile = "/usr/share/color/icc/ghostscript/srgb.icc"

const pdfaDefinition = `%!
[/_objdef {icc_PDFA} /type /stream /OBJ pdfmark
[{icc_PDFA} << /N 3 >> /PUT pdfmark
[{icc_PDFA} (` + profile + `) (r) file /PUT pdfmark
[/_objdef {OI} /type /dict /OBJ pdfmark
[{OI} << /Type /OutputIntent /S /GTS_PDFA1 /DestOutputProfile {icc_PDFA} /OutputConditionIdentifier (sRGB) >> /PUT pdfmark
[{Catalog} << /OutputIntents [ {OI} ] >> /PUT pdfmark
`

type stamper func() ([]byte, error)

func (s stamper) Stamp(context.Context, crypto.Hash, []byte) ([]byte, error) { return s() }

func TestSealRefuses(t *testing.T) {
	r := newRig(t, pki.ECP256)
	docs := documents()
	good := docs["classic"]
	_, sealed := r.seal(t, good, r.options())
	down := errors.New("authority is down")
	for _, c := range []struct {
		name string
		doc  []byte
		with func(*pades.Options)
		want error
	}{
		{"signed already", sealed, nil, pades.ErrSigned},
		{"too large", good, func(o *pades.Options) { o.MaxBytes = int64(len(good)) - 1 }, pades.ErrTooLarge},
		{"no PDF", []byte("<html>"), nil, pades.ErrUnsupported},
		{"empty", nil, nil, pades.ErrUnsupported},
		{"truncated", good[:len(good)/2], nil, pades.ErrUnsupported},
		{"no pages", build("", "<< /Type /Catalog >>"), nil, pades.ErrUnsupported},
		{"encrypted", build("/Encrypt 5 0 R", "<< /Type /Catalog /Pages 2 0 R >>", pages, page, draw, "<< /Filter /Standard /V 5 >>"), nil, pades.ErrUnsupported},
		{"field of the same name", build("", "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] >> >>", pages, page, draw, "<< /FT /Sig /T (Signature 1) >>"), nil, pades.ErrUnsupported},
		{"authority down", good, func(o *pades.Options) { o.Stamper = stamper(func() ([]byte, error) { return nil, down }) }, down},
		{"token is rubbish", good, func(o *pades.Options) { o.Stamper = stamper(func() ([]byte, error) { return []byte{0x30, 0}, nil }) }, nil},
		{"key of another", good, func(o *pades.Options) { o.Signer = r.TSA.Signer }, nil},
		{"no key", good, func(o *pades.Options) { o.Signer = nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out.pdf")
			write(t, in, c.doc)
			o := r.options()
			if c.with != nil {
				c.with(&o)
			}
			_, err := pades.Seal(t.Context(), in, out, o)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if c.want == nil && errors.Is(err, pades.ErrUnsupported) {
				t.Errorf("a fault of the keys is blamed on the document: %v", err)
			}
			if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a file was left behind: %v", err)
			}
		})
	}
	in := filepath.Join(t.TempDir(), "in.pdf")
	write(t, in, good)
	if _, err := pades.Seal(t.Context(), in, in, r.options()); err == nil {
		t.Error("a document was sealed in its own place")
	}
	if b, err := os.ReadFile(in); err != nil || !bytes.Equal(b, good) {
		t.Error("the document was changed")
	}
}

// A token larger than the room that was kept makes a second attempt, which
// fits.
func TestSealWithLargeToken(t *testing.T) {
	r := newRig(t, pki.ECP256)
	o := r.options()
	o.Stamper = padded{r}
	_, sealed := r.seal(t, documents()["xref stream"], o)
	if got := codes(verify(t, sealed, cades.Trust{Roots: r.Roots(), At: time.Now()}), preservation.Failed); got != "" {
		t.Errorf("failed %q", got)
	}
}

// gapped is a document with so many bytes of nothing before its cross-reference.
type gapped struct {
	head, tail []byte
	gap        int64
}

func newGapped(doc []byte, gap int64) gapped {
	i := bytes.LastIndex(doc, []byte("startxref\n"))
	at, _ := strconv.Atoi(strings.Fields(string(doc[i:]))[1]) // build wrote it
	return gapped{doc[:at], fmt.Appendf(bytes.Clone(doc[at:i]), "startxref\n%d\n%%%%EOF\n", int64(at)+gap), gap}
}

func (g gapped) size() int64 { return int64(len(g.head)+len(g.tail)) + g.gap }

func (g gapped) ReadAt(p []byte, at int64) (n int, err error) {
	for ; n < len(p); n++ {
		switch i := at + int64(n); {
		case i < int64(len(g.head)):
			p[n] = g.head[i]
		case i < int64(len(g.head))+g.gap:
			p[n] = ' '
		case i < g.size():
			p[n] = g.tail[i-int64(len(g.head))-g.gap]
		default:
			return n, io.EOF
		}
	}
	return n, nil
}

// A draft takes as much memory for a document of 5 GB as for a small one.
func TestDraftOfLargeDocument(t *testing.T) {
	for name, doc := range documents() {
		t.Run(name, func(t *testing.T) {
			g := newGapped(doc, 5_000_000_000)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			u, err := pades.Draft(g, g.size(), pades.Form{Name: "Archiv", Now: time.Now(), Room: 4000})
			runtime.ReadMemStats(&after)
			if err != nil || len(u) < 8000 {
				t.Fatalf("%d bytes, %v", len(u), err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
				t.Errorf("it takes %d bytes of memory", took)
			}
		})
	}
}
