package pades_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/pades"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

// padded gives tokens that carry large revocation lists.
type padded struct{ r rig }

func (p padded) Stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	der, err := p.r.stamp.Stamp(ctx, h, digest)
	if err != nil {
		return nil, err
	}
	big := append([]byte{0x30, 0x82, 0x80, 0x00}, bytes.Repeat([]byte{0x05, 0x00}, 0x4000)...)
	return timestamp.Freeze(der, big)
}

// Every byte of a sealed file is under the seal, but for those of the
// signature itself.
func TestEveryFlippedByteIsFound(t *testing.T) {
	r := newRig(t, pki.ECP256)
	_, sealed := r.seal(t, documents()["classic"], r.options())
	trust := cades.Trust{Roots: r.Roots(), At: time.Now()}
	from := bytes.Index(sealed, []byte("/Contents<")) + len("/Contents<")
	to := from + bytes.IndexByte(sealed[from:], '>')
	for i := range sealed {
		if i >= from && i < to {
			continue
		}
		b := append([]byte{}, sealed...)
		b[i] ^= 0x01
		found := verify(t, b, trust)
		if len(found) > 0 && codes(found, preservation.Failed) == "" {
			t.Errorf("byte %d changed and nothing failed: %v", i, found)
		}
		if len(found) == 0 && (i < from-200 || i > to) {
			t.Errorf("byte %d hides the seal", i)
		}
	}
}

func TestTampering(t *testing.T) {
	r := newRig(t, pki.ECP256)
	doc := documents()["classic"]
	_, sealed := r.seal(t, doc, r.options())
	trust := cades.Trust{Roots: r.Roots(), At: time.Now()}
	replace := func(old, with string) []byte { return bytes.Replace(sealed, []byte(old), []byte(with), 1) }
	for _, c := range []struct {
		name           string
		doc            []byte
		failed, notice string
	}{
		{"update appended", appended(sealed), "", "coverage-partial"},
		{"end of line appended", append(append([]byte{}, sealed...), "\r\n"...), "", ""},
		{"text appended", append(append([]byte{}, sealed...), "x"...), "", "coverage-partial"},
		{"end cut off", sealed[:len(sealed)-1], "byterange-invalid", ""},
		{"bytes put before", append([]byte("x"), sealed...), "byterange-invalid", ""},
		{"range widened", replace("/ByteRange [0 ", "/ByteRange [1 "), "byterange-invalid", ""},
		{"a second range", replace("] ", " 1]"), "byterange-invalid", ""},
		{"unknown format", replace("ETSI.CAdES.detached", "ETSI.CAdES.detachef"), "subfilter-unsupported", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := verify(t, c.doc, trust)
			if got := codes(found, preservation.Failed); got != c.failed {
				t.Errorf("failed %q, want %q: %v", got, c.failed, found)
			}
			if got := codes(found, preservation.Notice); !strings.Contains(got, c.notice) {
				t.Errorf("notices %q, want %q", got, c.notice)
			}
			is, err := pades.Signed(t.Context(), bytes.NewReader(c.doc), int64(len(c.doc)))
			if err != nil || !is {
				t.Errorf("signed: %v, %v", is, err)
			}
		})
	}
}

func TestSigned(t *testing.T) {
	r := newRig(t, pki.ECP256)
	_, sealed := r.seal(t, documents()["xref stream"], r.options())
	zeros := "<< /Type /Sig /ByteRange [0 10 20 30] /Contents <0000> >>"
	for _, c := range []struct {
		name string
		doc  []byte
		want bool
	}{
		{"not signed", documents()["classic"], false},
		{"form", documents()["classic with form"], false},
		{"empty field", build("", "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] >> >>", pages, page, draw, "<< /FT /Sig /T (S) >>"), false},
		{"prepared and not filled", build("", "<< /Type /Catalog /Pages 2 0 R >>", pages, page, draw, zeros), false},
		{"the words in a text", build("", "<< /Type /Catalog /Pages 2 0 R >>", pages, page, "<< /Length 30 >>\nstream\n(/ByteRange [0 1 2 3]) Tj\nendstream"), false},
		{"sealed", sealed, true},
		{"range broken by saving again", build("", "<< /Type /Catalog /Pages 2 0 R >>", pages, page, draw, strings.Replace(zeros, "0000", "3003020101", 1)), true},
		{"no PDF", []byte("/ByteRange"), false},
		{"nothing", nil, false},
	} {
		got, err := pades.Signed(t.Context(), bytes.NewReader(c.doc), int64(len(c.doc)))
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

// A key on the border of two reads is found.
func TestSignedAtEveryOffset(t *testing.T) {
	sig := []byte("\n1 0 obj\n<< /ByteRange [0 10 20 30] /Contents <3003020101> >>\nendobj\n")
	for n := 256<<10 - len(sig) - 2; n < 256<<10+2; n++ {
		b := append(bytes.Repeat([]byte("."), n), sig...)
		if got, err := pades.Signed(t.Context(), bytes.NewReader(b), int64(len(b))); err != nil || !got {
			t.Fatalf("behind %d bytes: %v, %v", n, got, err)
		}
	}
}

func TestForeignSignatures(t *testing.T) {
	dir := t.TempDir()
	file := func(n string) string { return filepath.Join(dir, n) }
	mustTool(t, "openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "30", "-subj", "/CN=Notarin", "-keyout", file("key.pem"), "-out", file("cert.pem"))
	pem, err := os.ReadFile(file("cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	openssl := func(args ...string) func([]byte) []byte {
		return func(content []byte) []byte {
			write(t, file("content"), content)
			mustTool(t, "openssl", append([]string{"cms", "-sign", "-binary", "-outform", "DER", "-in", file("content"), "-signer", file("cert.pem"), "-inkey", file("key.pem"), "-out", file("sig")}, args...)...)
			sig, err := os.ReadFile(file("sig"))
			if err != nil {
				t.Fatal(err)
			}
			return sig
		}
	}
	r := newRig(t, pki.RSA3072)
	roots.AddCert(r.CA.Certificate())
	for _, c := range []struct {
		name, filter string
		sign         func([]byte) []byte
		notices      string
	}{
		{"Adobe", "adbe.pkcs7.detached", openssl(), "signing-time-claimed signing-certificate-missing signing-time-claimed"},
		{"Adobe, streamed BER", "adbe.pkcs7.detached", openssl("-stream"), "signing-time-claimed signing-certificate-missing signing-time-claimed"},
		{"PAdES", "ETSI.CAdES.detached", openssl("-cades"), "signing-time-claimed signing-time-claimed"},
		{"Adobe, SHA-1 enclosed", "adbe.pkcs7.sha1", func(b []byte) []byte {
			sum := sha1.Sum(b)
			return openssl("-nodetach")(sum[:])
		}, "signing-time-claimed algorithm-weak signing-certificate-missing signing-time-claimed"},
		{"document time-stamp", "ETSI.RFC3161", func(b []byte) []byte {
			sum := sha256.Sum256(b)
			der, err := r.stamp.Stamp(t.Context(), crypto.SHA256, sum[:])
			if err != nil {
				t.Fatal(err)
			}
			return der
		}, "signing-time-claimed revocation-unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := signedBy(t, c.filter, c.sign)
			trust := cades.Trust{Roots: roots, At: time.Now(), Optional: true}
			found := verify(t, doc, trust)
			if got := codes(found, preservation.Failed); got != "" {
				t.Errorf("failed %q: %v", got, found)
			}
			if got := codes(found, preservation.Notice); got != c.notices {
				t.Errorf("notices %q, want %q", got, c.notices)
			}
			path := filepath.Join(t.TempDir(), "doc.pdf")
			write(t, path, doc)
			if out := mustTool(t, "pdfsig", "-nocert", path); c.name == "Adobe" && !strings.Contains(out, "Signature is Valid") {
				t.Errorf("pdfsig judges otherwise:\n%s", out)
			}
			unknown := verify(t, doc, cades.Trust{Roots: x509.NewCertPool(), At: time.Now(), Optional: true})
			if got := codes(unknown, preservation.Failed); got != "" || !strings.Contains(codes(unknown, preservation.Notice), "chain-untrusted") {
				t.Errorf("signer unknown: %v", unknown)
			}
			doc[20] ^= 1
			if codes(verify(t, doc, trust), preservation.Failed) == "" {
				t.Error("a changed document passed")
			}
		})
	}
}

// The CMS in a sealed PDF is one that openssl verifies on its own.
func TestOpensslVerifiesTheSeal(t *testing.T) {
	r := newRig(t, pki.RSA3072)
	_, sealed := r.seal(t, documents()["classic"], r.options())
	var a, b, c int
	at := bytes.LastIndex(sealed, []byte("/ByteRange ["))
	if _, err := fmt.Sscanf(string(sealed[at:]), "/ByteRange [0 %d %d %d", &a, &b, &c); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cms := make([]byte, (b-a-2)/2)
	if _, err := fmt.Sscanf(string(sealed[a+1:b-1]), "%x", &cms); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sig"), cms)
	write(t, filepath.Join(dir, "content"), append(append([]byte{}, sealed[:a]...), sealed[b:]...))
	mustTool(t, "openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", filepath.Join(dir, "sig"), "-content", filepath.Join(dir, "content"),
		"-CAfile", filepath.Join(r.dir, "ca.pem"), "-purpose", "smimesign", "-out", os.DevNull)
}

func TestBounds(t *testing.T) {
	// Look-alikes without number cost no more than the search for them.
	many := bytes.Repeat([]byte("1 0 obj<</ByteRange [0 10 20 30] /Contents <3003020101>>>endobj\n"), 20000)
	found := verify(t, many, cades.Trust{})
	if got := codes(found, preservation.Failed); strings.Count(got, "byterange-invalid") != 32 || !strings.HasSuffix(got, "signatures-too-many") {
		t.Errorf("%d findings: %.200s", len(found), got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pades.Signed(ctx, bytes.NewReader(many), int64(len(many))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if got := codes(pades.Verify(ctx, bytes.NewReader(many), int64(len(many)), cades.Trust{}), preservation.Failed); got != "content-unreadable" {
		t.Errorf("failed %q", got)
	}
}

func FuzzVerify(f *testing.F) {
	r := newRig(f, pki.ECP256)
	dir := f.TempDir()
	for name, doc := range documents() {
		in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out.pdf")
		write(f, in, doc)
		if _, err := pades.Seal(context.Background(), in, out, r.longTerm()); err != nil {
			f.Fatal(name, err)
		}
		_, archived := r.archived(f, out)
		f.Add(archived)
		sealed, err := os.ReadFile(out)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
		f.Add(appended(sealed))
	}
	f.Add([]byte("1 0 obj<</ByteRange [0 10 20 30] /Contents <3003020101>>>endobj\n"))
	trust := cades.Trust{Roots: r.Roots(), At: time.Now()}
	f.Fuzz(func(t *testing.T, b []byte) {
		found := verify(t, b, trust)
		is, err := pades.Signed(t.Context(), bytes.NewReader(b), int64(len(b)))
		if err != nil || is != (len(found) > 0) {
			t.Errorf("signed: %v, %v, and %d findings", is, err, len(found))
		}
	})
}
