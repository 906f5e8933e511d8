package ingest

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// VerifyJWS checks the signature of a compact JWS by the certificate in its
// header, which must lead to one of the roots at the time that the receipt
// says, and returns the payload.
func VerifyJWS(jws string, roots *x509.CertPool) ([]byte, error) {
	return NewVerifier(roots).Verify(jws)
}

// Verifier is VerifyJWS for many receipts: those of one key have the same header,
// whose certificates are verified once.
type Verifier struct {
	roots *x509.CertPool

	mu     sync.Mutex
	signed map[string]certified // by the encoded header
}

// certified is a key whose certificates are good for receipts of some time.
type certified struct {
	key        crypto.PublicKey
	from, till time.Time
}

// maxCertified bounds what a Verifier keeps: an archive has a key in five years.
const maxCertified = 100

// NewVerifier believes the roots.
func NewVerifier(roots *x509.CertPool) *Verifier {
	return &Verifier{roots: roots, signed: map[string]certified{}}
}

// Verify is VerifyJWS. It may be called concurrently.
func (v *Verifier) Verify(jws string) ([]byte, error) {
	o, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.RS256})
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	// A certificate lives five years, a receipt longer: it had to be valid when the
	// receipt was signed. That this is the time is the archive's own word.
	var claimed struct{ Time time.Time }
	if err := json.Unmarshal(o.UnsafePayloadWithoutVerification(), &claimed); err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	header, _, _ := strings.Cut(jws, ".")
	key, err := v.certified(header, o.Signatures[0].Header, claimed.Time)
	if err != nil {
		return nil, fmt.Errorf("receipt: certificate: %w", err)
	}
	payload, err := o.Verify(key)
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	return payload, nil
}

func (v *Verifier) certified(encoded string, h jose.Header, at time.Time) (crypto.PublicKey, error) {
	v.mu.Lock()
	c, ok := v.signed[encoded]
	v.mu.Unlock()
	if ok && !at.Before(c.from) && !at.After(c.till) {
		return c.key, nil
	}
	chains, err := h.Certificates(x509.VerifyOptions{Roots: v.roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, err
	}
	chain := chains[0]
	c = certified{chain[0].PublicKey, chain[0].NotBefore, chain[0].NotAfter}
	for _, issuer := range chain[1:] {
		if issuer.NotBefore.After(c.from) {
			c.from = issuer.NotBefore
		}
		if issuer.NotAfter.Before(c.till) {
			c.till = issuer.NotAfter
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.signed) < maxCertified {
		v.signed[encoded] = c
	}
	return c.key, nil
}
