package ingest

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"bestand/ingest/draft"
	"bestand/preservation/cades"
	"bestand/preservation/catalog"
	"bestand/preservation/pades"
)

// Sealer seals packages, renditions and receipts with the archive's key.
type Sealer struct {
	// Key returns the key that seals now, with its certificate and those of its issuers:
	// it may get a successor at any time.
	Key func() (crypto.Signer, []*x509.Certificate)
	// Digest chooses the algorithm under which is sealed now; nil means SHA-256.
	Digest func() crypto.Hash
	// Stamper gives time-stamps for level B-T and higher.
	Stamper cades.Stamper
	// Revocation gives the validation data for level B-LT.
	Revocation pades.Revocation
	// Name stands in the PDF seals as the one who sealed.
	Name string
	// Drafter reads the PDFs to be sealed.
	Drafter *draft.Drafter
	// MaxPDF is the size in bytes above which a PDF gets no seal of its own.
	MaxPDF int64
	// Trust holds the roots against which incoming signatures and our own are checked.
	Trust *x509.CertPool
	Now   func() time.Time
}

// Subject names the certificate that seals.
func (s *Sealer) Subject() string { return s.certificate().Subject.String() }

func (s *Sealer) certificate() *x509.Certificate {
	_, chain := s.Key()
	return chain[0]
}

func (s *Sealer) digest() crypto.Hash {
	if s.Digest == nil {
		return crypto.SHA256
	}
	return s.Digest()
}

// stamper is nil where the tenant wants seals without time-stamps.
func (s *Sealer) stamper(set catalog.Settings) cades.Stamper {
	if set.Seal == string(pades.LevelB) {
		return nil
	}
	return s.Stamper
}

// Detached returns the detached CAdES signature over content: METS.xml, which
// through its digests covers the whole package, or a segment of the audit log.
func (s *Sealer) Detached(ctx context.Context, content []byte, set catalog.Settings) ([]byte, error) {
	hash := s.digest()
	h := hash.New()
	h.Write(content)
	signer, chain := s.Key()
	return cades.Sign(ctx, h.Sum(nil), cades.Options{Signer: signer, Chain: chain, Hash: hash, Stamper: s.stamper(set), Time: s.Now()})
}

// PDF writes a copy of a PDF with an invisible PAdES signature and says which level
// it has, and why no higher one where the tenant wants one. Errors as for pades.Seal.
func (s *Sealer) PDF(ctx context.Context, in, out string, set catalog.Settings) (pades.Report, error) {
	signer, chain := s.Key()
	o := pades.Options{
		Signer: signer, Chain: chain, Hash: s.digest(), Stamper: s.stamper(set), Name: s.Name, Reason: "Archivsiegel", Now: s.Now(), MaxBytes: s.MaxPDF, Drafter: s.Drafter.Draft,
	}
	if set.Seal == "" || set.Seal == string(pades.LevelLT) {
		o.Revocation = s.Revocation
	}
	return pades.Seal(ctx, in, out, o)
}

// Archive writes a copy of a PDF that this archive has sealed, in level B-LTA. Errors
// as for pades.Archive.
func (s *Sealer) Archive(ctx context.Context, in, out string) error {
	_, err := pades.Archive(ctx, in, out, pades.ArchiveOptions{Stamper: s.Stamper, Revocation: s.Revocation, Roots: s.Trust, Hash: s.digest(), Now: s.Now()})
	return err
}

// JWS signs a payload in compact form (RFC 7515) with the certificate chain in
// its header.
func (s *Sealer) JWS(payload []byte) (string, error) {
	key, certificates := s.Key()
	alg, err := algorithm(key.Public(), s.digest())
	if err != nil {
		return "", err
	}
	var chain []string
	for _, c := range certificates {
		chain = append(chain, base64.StdEncoding.EncodeToString(c.Raw))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: opaque{key, alg}},
		(&jose.SignerOptions{}).WithType("bestand-receipt+jwt").WithHeader("x5c", chain))
	if err != nil {
		return "", err
	}
	o, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return o.CompactSerialize()
}

// ReadReceipt verifies a receipt of this archive and decodes it.
func (s *Sealer) ReadReceipt(jws string) (Receipt, error) {
	var r Receipt
	payload, err := VerifyJWS(jws, s.Trust)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(payload, &r); err != nil {
		return r, fmt.Errorf("receipt: %w", err)
	}
	return r, nil
}
