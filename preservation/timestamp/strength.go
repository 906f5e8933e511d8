package timestamp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades/cms"
	"bestand/preservation/revocation"
)

// Algorithm names a digest, or a signature algorithm with its key size.
type Algorithm struct {
	Name string `json:"name"`           // "SHA-256", "RSA", "ECDSA", "Ed25519"
	Bits int    `json:"bits,omitempty"` // of the key; 0 for digests
}

func (a Algorithm) String() string {
	if a.Bits == 0 {
		return a.Name
	}
	return fmt.Sprintf("%s with %d bits", a.Name, a.Bits)
}

// Include adds certificates that came beside the token and complete its path. Call
// it before anything else.
func (t *Token) Include(all []*x509.Certificate) { t.signed.Include(all) }

// CheckRevocation judges whether the authority's certificates had been revoked
// before the instant until, by the material and the lists that the token carries.
func (t *Token) CheckRevocation(m revocation.Material, roots *x509.CertPool, until time.Time, subject string) preservation.Finding {
	return t.signed.CheckRevocation(t.signer, m, roots, t.Time, until, x509.ExtKeyUsageTimeStamping, subject)
}

// Algorithms are those on which the token rests: the digests of its imprint and of its
// signature, and those of the certificates that it carries (PathAlgorithms).
func (t *Token) Algorithms() []Algorithm {
	var all []Algorithm
	for _, h := range []crypto.Hash{t.Hash, t.signer.Hash, t.signer.SignatureHash()} {
		if h != 0 {
			all = with(all, Algorithm{Name: h.String()})
		}
	}
	for _, a := range PathAlgorithms(t.path()) {
		all = with(all, a)
	}
	return all
}

// PathAlgorithms are those on which certificates rest: the digests of their signatures,
// then their keys. A kind of key or signature that is not known here is left out. The
// signature of a certificate on itself proves nothing and is not among them.
func PathAlgorithms(path []*x509.Certificate) (all []Algorithm) {
	for _, c := range path {
		if h := certificateHash[c.SignatureAlgorithm]; h != 0 && !bytes.Equal(c.RawIssuer, c.RawSubject) {
			all = with(all, Algorithm{Name: h.String()})
		}
	}
	for _, c := range path {
		switch k := c.PublicKey.(type) {
		case *rsa.PublicKey:
			all = with(all, Algorithm{"RSA", k.N.BitLen()})
		case *ecdsa.PublicKey:
			all = with(all, Algorithm{"ECDSA", k.Curve.Params().BitSize})
		case ed25519.PublicKey:
			all = with(all, Algorithm{"Ed25519", 256})
		}
	}
	return all
}

// with adds an algorithm that is not among some yet.
func with(all []Algorithm, a Algorithm) []Algorithm {
	if slices.Contains(all, a) {
		return all
	}
	return append(all, a)
}

// certificateHash is the digest under the signature of a certificate.
var certificateHash = map[x509.SignatureAlgorithm]crypto.Hash{
	x509.MD5WithRSA: crypto.MD5, x509.SHA1WithRSA: crypto.SHA1, x509.ECDSAWithSHA1: crypto.SHA1, x509.DSAWithSHA1: crypto.SHA1,
	x509.SHA256WithRSA: crypto.SHA256, x509.SHA384WithRSA: crypto.SHA384, x509.SHA512WithRSA: crypto.SHA512,
	x509.SHA256WithRSAPSS: crypto.SHA256, x509.SHA384WithRSAPSS: crypto.SHA384, x509.SHA512WithRSAPSS: crypto.SHA512,
	x509.ECDSAWithSHA256: crypto.SHA256, x509.ECDSAWithSHA384: crypto.SHA384, x509.ECDSAWithSHA512: crypto.SHA512,
}

// Expires is when the first certificate of the authority's chain, as far as
// the token carries it, ends; zero when it carries none.
func (t *Token) Expires() (first time.Time) {
	for _, c := range t.path() {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// Path returns the certificate of the authority with its issuers, as far as the
// token carries them.
func (t *Token) Path() []*x509.Certificate { return t.path() }

// CheckUntil judges whether the token could still be relied on at a later
// instant: that of the time-stamp that took over from it, or that of the
// check. Certificates must have been valid until then, and not revoked by then as
// far as the revocation lists tell that the token carries.
func (t *Token) CheckUntil(at time.Time, trust Trust, subject string) []preservation.Finding {
	unknown := preservation.Failed
	if trust.Optional {
		unknown = preservation.Notice
	}
	var all []preservation.Finding
	add := func(code string, sev preservation.Severity, detail, clause string) {
		all = append(all, preservation.Finding{Code: code, Severity: sev, Subject: subject, Detail: detail, Clause: clause})
	}
	path := t.path()
	if trust.Roots != nil {
		day := at.UTC().Format(time.RFC3339)
		chain, err := t.signed.Path(t.signer, trust.Roots, at, x509.ExtKeyUsageTimeStamping)
		switch {
		case err == nil:
			path = chain
			add("still-valid", preservation.Passed, "the authority's certificates were valid on "+day, "RFC 4998, 5.2")
		case errors.Is(err, cms.ErrUnsupported):
			add("still-valid-unsupported", unknown, err.Error()+": check it with another verifier", "RFC 5280, 6")
		case cms.Expired(err):
			add("renewal-late", unknown, fmt.Sprintf("a certificate had ended before %s, when the next time-stamp or this check came: %v", day, err), "RFC 4998, 5.2")
		default:
			add("chain-untrusted", unknown, err.Error(), "RFC 5280, 6")
		}
	}
	return append(all, revocation.Material{Lists: t.signed.CRLs}.Check(path, t.Time, at, subject))
}
