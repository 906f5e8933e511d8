package evidence

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation/timestamp"
)

// TestVectors reads the records of others: testdata/vectors/README.md says whose.
func TestVectors(t *testing.T) {
	dir := filepath.Join("testdata", "vectors")
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	anchors, err := os.ReadFile(filepath.Join(dir, "trust.pem"))
	if err != nil || !roots.AppendCertsFromPEM(anchors) {
		t.Fatal("trust anchors: ", err)
	}
	for line := range strings.Lines(string(manifest)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		name, want, options, data := f[0], f[1], f[2], f[3]
		if want == "info" || strings.Contains(options, "--single double") || strings.Contains(options, "--renewal sorted") {
			continue // other readings of the standard, which this package does not share
		}
		t.Run(strings.Join([]string{name, options, data}, " "), func(t *testing.T) {
			c := Check{Trust: timestamp.Trust{Roots: roots}, At: time.Now(), Group: strings.Contains(options, "--exact-group")}
			if _, at, ok := strings.Cut(options, "--at "); ok {
				at, _, _ = strings.Cut(at, " ")
				if c.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
					t.Fatal(err)
				}
			}
			var all []Object
			for id := range strings.SplitSeq(data, ",") {
				path := filepath.Join(dir, "data", id+".txt")
				all = append(all, Object{Name: id, Digest: func(h crypto.Hash) ([]byte, error) {
					r, err := os.Open(path)
					if err != nil {
						return nil, err
					}
					defer r.Close()
					w := h.New()
					_, err = io.Copy(w, r)
					return w.Sum(nil), err
				}})
			}
			r, err := Decode(readVector(t, filepath.Join(dir, name)))
			if err != nil {
				if want == "valid" {
					t.Fatal(err)
				}
				return
			}
			got := failed(r.Verify(all, c))
			t.Log(got)
			if (want == "valid") != (got == nil) {
				t.Errorf("want it %s", want)
			}
		})
	}
}

// readVector reads a record as it is or in base64.
func readVector(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), "")); err == nil {
		return der
	}
	return b
}
