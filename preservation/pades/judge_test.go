package pades_test

import (
	"encoding/pem"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
	"bestand/preservation/evidence/judge"
	"bestand/preservation/pades"
	"bestand/preservation/pki"
)

// TestLevels has EU DSS name the level of a seal (EN 319 142-1, 6) and judge it. From
// level B-LT on it is given the anchor alone.
func TestLevels(t *testing.T) {
	for _, a := range []pki.Algorithm{pki.ECP256, pki.RSA3072} {
		r, stranger := newRig(t, a), newRig(t, a)
		alone := filepath.Join(t.TempDir(), "anchor.pem")
		write(t, alone, r.Anchor())
		plain := r.options()
		plain.Stamper = nil
		for name, doc := range documents() {
			for level, c := range map[string]struct {
				with  pades.Options
				trust string
			}{
				"PAdES-BASELINE-B":   {plain, r.anchors(t)},
				"PAdES-BASELINE-T":   {r.options(), r.anchors(t)},
				"PAdES-BASELINE-LT":  {r.longTerm(), alone},
				"PAdES-BASELINE-LTA": {r.longTerm(), alone},
			} {
				t.Run(string(a)+" "+name+" "+level, func(t *testing.T) {
					path, _ := r.seal(t, doc, c.with)
					if level == "PAdES-BASELINE-LTA" {
						path, _ = r.archived(t, path)
					}
					judged := func(trust string) judge.Signature {
						all := judge.Signatures(t, path, trust, time.Now())
						if len(all) != 1 {
							t.Fatalf("DSS finds %d signatures", len(all))
						}
						return all[0]
					}
					if s := judged(c.trust); s.Level != level || s.Indication != "TOTAL_PASSED" {
						t.Errorf("DSS: %+v", s)
					}
					if s := judged(stranger.anchors(t)); s.Indication != "INDETERMINATE" {
						t.Errorf("DSS under another anchor: %+v", s)
					}
				})
			}
		}
	}
}

// TestPSS has poppler, qpdf and EU DSS judge a seal by RSASSA-PSS.
func TestPSS(t *testing.T) {
	r := newRig(t, pki.RSA3072)
	r.Seal.Signer = cms.PSS{Signer: r.Seal.Signer}
	for name, doc := range documents() {
		t.Run(name, func(t *testing.T) {
			path, sealed := r.seal(t, doc, r.longTerm())
			foreign(t, path, pades.LevelLT)
			if got := codes(verify(t, sealed, cades.Trust{Roots: r.Roots(), At: time.Now()}), preservation.Failed); got != "" {
				t.Errorf("failed: %s", got)
			}
			all := judge.Signatures(t, path, r.anchors(t), time.Now())
			if len(all) != 1 || all[0].Level != "PAdES-BASELINE-LT" || all[0].Indication != "TOTAL_PASSED" {
				t.Errorf("DSS: %+v", all)
			}
		})
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
