package ingest

import (
	"crypto/x509"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
)

// notary signs files with openssl.
type notary struct {
	*testing.T
	dir   string
	roots *x509.CertPool
}

func newNotary(t *testing.T) *notary {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := &notary{T: t, dir: t.TempDir(), roots: x509.NewCertPool()}
	s.openssl("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "30", "-subj", "/CN=Notarin", "-keyout", "key.pem", "-out", "cert.pem")
	s.roots.AppendCertsFromPEM([]byte(s.read("cert.pem")))
	return s
}

// vectors reads what foreign programs signed with XAdES, whose authority the notary trusts.
func vectors(t *testing.T) (s *notary, read func(name string) string) {
	t.Helper()
	read = func(name string) string {
		b, err := os.ReadFile(filepath.Join("..", "preservation", "xades", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	s = &notary{T: t, dir: t.TempDir(), roots: x509.NewCertPool()}
	s.roots.AppendCertsFromPEM([]byte(read("ca.pem")))
	return s, read
}

func (s *notary) openssl(args ...string) {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), "openssl", args...)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

// read returns a file of the notary.
func (s *notary) read(name string) string {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.Fatal(err)
	}
	return string(b)
}

func (s *notary) write(name, content string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *notary) sign(content string, args ...string) string {
	s.Helper()
	s.write("content", content)
	s.openssl(append([]string{"cms", "-sign", "-binary", "-cades", "-in", "content", "-signer", "cert.pem", "-inkey", "key.pem", "-out", "sig"}, args...)...)
	return s.read("sig")
}

// stamp returns a time-stamp token by an authority that has a key and a certificate.
func (s *notary) stamp(by, content string, args ...string) string {
	s.Helper()
	s.write("content", content)
	s.write("tsa.cnf", "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\ndefault_policy=1.2.3\ndigests=sha256,sha512\nsigner_digest=sha256\ness_cert_id_alg=sha256\n")
	s.openssl(append([]string{"ts", "-query", "-data", "content", "-cert", "-out", "query"}, args...)...)
	s.openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", by+".pem", "-inkey", by+".key", "-token_out", "-out", "token")
	return s.read("token")
}

// validateAll has the step look at files, and returns its events.
func (s *notary) validateAll(files ...*file) []preservation.Event {
	s.Helper()
	w := &work{p: &Pipeline{Now: time.Now, Sealer: &Sealer{Trust: s.roots}, Log: slog.Default()}}
	for _, f := range files {
		w.add(f)
	}
	if err := validate(s.Context(), w); err != nil {
		s.Fatal(err)
	}
	return w.events
}

func (s *notary) file(name, content string) *file {
	s.Helper()
	f := &file{File: preservation.File{Name: name, Representation: preservation.Original, Size: int64(len(content))}}
	f.path = filepath.Join(s.TempDir(), "f")
	if err := os.WriteFile(f.path, []byte(content), 0o600); err != nil {
		s.Fatal(err)
	}
	return f
}

func TestValidateCMS(t *testing.T) {
	s := newNotary(t)
	const text = "Satzung über die Gebühren"
	detached, enclosed := s.sign(text, "-outform", "DER"), s.sign(text, "-outform", "DER", "-nodetach")
	for _, c := range []struct {
		name, file, sig string
		document        string // its name
		content         string
		codes           string // of warnings
		passed          bool   // the content is what was signed
		both            bool   // events name the document, too
	}{
		{"beside", "satzung.pdf.p7s", detached, "satzung.pdf", text, "signing-time-claimed", true, true},
		{"beside, by another extension", "satzung.P7S", detached, "satzung.pdf", text, "signing-time-claimed", true, true},
		{"under another name", "signatur.p7s", detached, "satzung.pdf", text, "signing-time-claimed", true, true},
		{"SHA-512", "satzung.pdf.p7s", s.sign(text, "-outform", "DER", "-md", "sha512"), "satzung.pdf", text, "signing-time-claimed", true, true},
		{"PEM", "satzung.pdf.p7s", s.sign(text, "-outform", "PEM"), "satzung.pdf", text, "signing-time-claimed", true, true},
		{"around, streamed BER", "satzung.pdf.p7s", s.sign(text, "-outform", "DER", "-stream"), "satzung.pdf", text, "signing-time-claimed", true, false},
		{"around", "satzung.pdf.p7m", enclosed, "anlage.txt", "anderes", "signing-time-claimed", true, false},
		{"changed", "satzung.pdf.p7s", detached, "satzung.pdf", text + "!", "digest-mismatch signing-time-claimed", false, true},
		{"changed inside", "satzung.pdf.p7m", strings.Replace(enclosed, "Satzung", "Zatzung", 1), "anlage.txt", "anderes", "digest-mismatch signing-time-claimed", false, false},
		{"document missing", "satzung.pdf.p7s", detached, "anlage.txt", "anderes", "signed-content-missing", false, false},
		{"cut off", "satzung.pdf.p7s", detached[:200], "satzung.pdf", text, "cms-malformed", false, false},
		{"empty", "satzung.pdf.p7s", "", "satzung.pdf", text, "cms-malformed", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			sig, document := s.file(c.file, c.sig), s.file(c.document, c.content)
			var codes []string
			passed, both := false, false
			for _, e := range s.validateAll(document, sig) {
				if e.Code != "" {
					codes = append(codes, e.Code)
				}
				passed = passed || strings.Contains(e.Detail, "the content is what was signed")
				both = both || slices.Equal(e.Files, []preservation.FileID{sig.ID, document.ID})
				if !slices.Contains(e.Files, sig.ID) {
					t.Errorf("event about %v", e.Files)
				}
			}
			if got := strings.Join(codes, " "); got != c.codes || passed != c.passed || both != c.both {
				t.Errorf("codes %q, passed %v, both %v; want %q, %v, %v", got, passed, both, c.codes, c.passed, c.both)
			}
		})
	}
}
