package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/digitorus/pdf"
	"github.com/digitorus/pdfsign/sign"

	"bestand/ingest/draft"
	"bestand/ingest/sandbox"
	"bestand/preservation/pades"
	"bestand/preservation/pki"
	"bestand/preservation/revocation"
	"bestand/preservation/timestamp"
)

// BenchmarkSeal holds a complete seal of a PDF of 48 MB (level B-LT with the embedded
// authorities, the document read in a process apart, everything verified) against
// pdfsign, which signs it in level B at best and holds it in memory. Both take turns;
// the ratio is that of the medians.
func BenchmarkSeal(b *testing.B) {
	dir := b.TempDir()
	in := filepath.Join(dir, "in.pdf")
	if err := os.WriteFile(in, largePDF(48<<20), 0o600); err != nil {
		b.Fatal(err)
	}
	keys, err := pki.Open(filepath.Join(dir, "keys"), time.Now(), pki.Options{})
	if err != nil {
		b.Fatal(err)
	}
	tsa, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain})
	if err != nil {
		b.Fatal(err)
	}
	box, err := sandbox.New(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	drafter := draft.New(box)
	b.Cleanup(func() { drafter.Close() })
	source := &revocation.Source{Now: time.Now, Own: func(*x509.Certificate) ([]byte, error) { return keys.CRL(time.Now()) }}
	var ours, theirs []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := pdfsign(in, filepath.Join(dir, "theirs.pdf"), keys.Seal); err != nil {
			b.Fatal(err)
		}
		theirs = append(theirs, time.Since(start))
		start = time.Now()
		rep, err := pades.Seal(b.Context(), in, filepath.Join(dir, "ours.pdf"), pades.Options{
			Signer: keys.Seal.Signer, Chain: keys.Seal.Chain, Stamper: tsa, Revocation: source.Material, Name: "Bestand", Now: start, Drafter: drafter.Draft,
		})
		if err != nil || rep.Level != pades.LevelLT {
			b.Fatal(rep, err)
		}
		ours = append(ours, time.Since(start))
	}
	if err := drafter.Close(); err != nil {
		b.Fatal(err)
	}
	our, their := median(ours), median(theirs)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(our.Milliseconds()), "ms")
	b.ReportMetric(float64(their.Milliseconds()), "pdfsign-ms")
	b.ReportMetric(float64(our)/float64(their), "ratio")
	b.ReportMetric(float64(drafter.Peak()>>20), "MiB-apart")
}

func pdfsign(in, out string, id pki.Identity) error {
	f, size, err := openSized(in)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := pdf.NewReader(f, size)
	if err != nil {
		return err
	}
	w, err := os.Create(out)
	if err != nil {
		return err
	}
	err = sign.SignWithData(f, w, r, size, sign.SignData{
		Signer: id.Signer, Certificate: id.Certificate(), CertificateChains: [][]*x509.Certificate{id.Chain}, DigestAlgorithm: crypto.SHA256,
		Signature: sign.SignDataSignature{CertType: sign.ApprovalSignature, Info: sign.SignDataSignatureInfo{Name: "Bestand", Date: time.Now()}},
	})
	return errors.Join(err, w.Close())
}

// largePDF is a document of about so many bytes that cannot be compressed.
func largePDF(size int) []byte {
	noise := make([]byte, size)
	rand.Read(noise)
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var at []int
	for i, o := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>",
		fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", size, noise)} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d\n/Root 1 0 R\n>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, xref)
	return b.Bytes()
}
