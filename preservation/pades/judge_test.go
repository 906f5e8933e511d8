package pades_test

import (
	"encoding/pem"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bestand/preservation/evidence/judge"
	"bestand/preservation/pki"
)

// TestLevels has EU DSS name the level of a seal (EN 319 142-1, 6) and judge it.
func TestLevels(t *testing.T) {
	for _, a := range []pki.Algorithm{pki.ECP256, pki.RSA3072} {
		r, stranger := newRig(t, a), newRig(t, a)
		for name, doc := range documents() {
			for level, stamped := range map[string]bool{"PAdES-BASELINE-B": false, "PAdES-BASELINE-T": true} {
				t.Run(string(a)+" "+name+" "+level, func(t *testing.T) {
					o := r.options()
					if !stamped {
						o.Stamper = nil
					}
					path, _ := r.seal(t, doc, o)
					judged := func(trust rig) judge.Signature {
						all := judge.Signatures(t, path, trust.anchors(t), time.Now())
						if len(all) != 1 {
							t.Fatalf("DSS finds %d signatures", len(all))
						}
						return all[0]
					}
					if s := judged(r); s.Level != level || s.Indication != "TOTAL_PASSED" {
						t.Errorf("DSS: %+v", s)
					}
					if s := judged(stranger); s.Indication != "INDETERMINATE" {
						t.Errorf("DSS under another anchor: %+v", s)
					}
				})
			}
		}
	}
}

// anchors is a file with the authority's certificate and its revocation list: up to
// level B-T a verifier fetches that.
func (r rig) anchors(t *testing.T) string {
	t.Helper()
	crl, err := r.CRL(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "trust.pem")
	write(t, path, slices.Concat(r.Anchor(), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl})))
	return path
}
