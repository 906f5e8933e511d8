package ingest

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValidateASiC(t *testing.T) {
	vectors := filepath.Join("..", "preservation", "xades", "testdata")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(vectors, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	s := &notary{T: t, dir: t.TempDir(), roots: x509.NewCertPool()}
	s.roots.AppendCertsFromPEM([]byte(read("ca.pem")))
	both := read("akte.asice")
	for _, c := range []struct {
		name, file, content string
		codes               string // of warnings, but for revocation
		signed              string // names of what was signed
	}{
		{"ASiC-E", "akte.asice", both, "signing-time-claimed", "anlage.txt akte.xml"},
		{"ASiC-S", "ANLAGE.ASICS", read("anlage.asics"), "signing-time-claimed", "anlage.txt"},
		{"changed", "akte.asice", repack(t, both, "anlage.txt", "anderes"), "digest-mismatch signing-time-claimed", "akte.xml"},
		{"file is gone", "akte.asice", repack(t, both, "anlage.txt", ""), "signed-content-missing signing-time-claimed", "akte.xml"},
		{"file added", "akte.asice", repack(t, both, "mehr.txt", "neu"), "signing-time-claimed container-partly-covered", "anlage.txt akte.xml"},
		{"CMS signature added", "akte.asice", repack(t, both, "META-INF/signature.p7s", "?"), "signing-time-claimed signature-unsupported", "anlage.txt akte.xml"},
		{"no signature", "akte.asice", repack(t, both, "META-INF/signatures001.xml", ""), "signature-missing", ""},
		{"damaged", "akte.asice", damage(t, both, "anlage.txt"), "container-damaged container-partly-covered", ""},
		{"no ZIP", "akte.asice", "PK", "zip-unreadable", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var codes []string
			said := ""
			for _, e := range s.validateAll(s.file(c.file, c.content)) {
				said += e.Detail + "\n"
				if e.Code != "" && e.Code != "revocation-unknown" {
					codes = append(codes, e.Code)
				}
			}
			if got := strings.Join(codes, " "); got != c.codes {
				t.Errorf("codes %q, want %q:\n%s", got, c.codes, said)
			}
			for name := range strings.FieldsSeq(c.signed) {
				if !strings.Contains(said, name+" is what was signed") {
					t.Errorf("%s is not said to be signed:\n%s", name, said)
				}
			}
		})
	}
}

// repack replaces or adds a file of a ZIP, or leaves it out when it is empty.
func repack(t *testing.T, archive, name, content string) string {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range r.File {
		if f.Name != name {
			if err := w.Copy(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if content != "" {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// damage changes a byte of the packed content of a file.
func damage(t *testing.T, archive, name string) string {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		if f.Name == name {
			at, err := f.DataOffset()
			if err != nil {
				t.Fatal(err)
			}
			b := []byte(archive)
			b[at] ^= 0xff
			return string(b)
		}
	}
	t.Fatal(name)
	return ""
}
