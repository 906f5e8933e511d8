package ingest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
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
	usual      *ecdsa.PublicKey // key, once a receipt by it under ES256 was good
}

// maxCertified bounds what a Verifier keeps: an archive has a key in five years.
const maxCertified = 100

// NewVerifier believes the roots.
func NewVerifier(roots *x509.CertPool) *Verifier {
	return &Verifier{roots: roots, signed: map[string]certified{}}
}

// Verify is VerifyJWS. It may be called concurrently.
func (v *Verifier) Verify(jws string) ([]byte, error) {
	if payload, ok := v.verifyUsual(jws); ok {
		return payload, nil
	}
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
	if public, ok := key.(*ecdsa.PublicKey); ok && o.Signatures[0].Header.Algorithm == string(jose.ES256) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if c, ok := v.signed[header]; ok && public.Equal(c.key) {
			c.usual = public
			v.signed[header] = c
		}
	}
	return payload, nil
}

// verifyUsual verifies a receipt whose header is, to the byte, one that was taken
// apart before. ok is false for any other, and for one that is not good: Verify says
// why.
func (v *Verifier) verifyUsual(jws string) (payload []byte, ok bool) {
	header, rest, _ := strings.Cut(jws, ".")
	v.mu.Lock()
	c := v.signed[header]
	v.mu.Unlock()
	body, encoded, _ := strings.Cut(rest, ".")
	if c.usual == nil || body == "" {
		return nil, false
	}
	strict := base64.RawURLEncoding.Strict()
	signature, err := strict.DecodeString(encoded)
	if err != nil || len(signature) != 64 || strings.ContainsAny(encoded, "\r\n") {
		return nil, false
	}
	if payload, err = strict.DecodeString(body); err != nil || strings.ContainsAny(body, "\r\n") {
		return nil, false
	}
	sum := sha256.Sum256([]byte(jws[:len(header)+1+len(body)]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(c.usual, sum[:], r, s) {
		return nil, false
	}
	var claimed struct{ Time time.Time }
	if err := json.Unmarshal(payload, &claimed); err != nil || claimed.Time.Before(c.from) || claimed.Time.After(c.till) {
		return nil, false
	}
	return payload, true
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
	c = certified{key: chain[0].PublicKey, from: chain[0].NotBefore, till: chain[0].NotAfter}
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
