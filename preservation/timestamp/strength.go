package timestamp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades/cms"
)

// Algorithm names a digest, or a signature algorithm with its key size.
type Algorithm struct {
	Name string // "SHA-256", "RSA", "ECDSA", "Ed25519"
	Bits int    // of the key; 0 for digests
}

func (a Algorithm) String() string {
	if a.Bits == 0 {
		return a.Name
	}
	return fmt.Sprintf("%s with %d bits", a.Name, a.Bits)
}

// Algorithms are those on which the token rests: of its imprint and its
// signature, and of the keys and signatures of the certificates that it
// carries. A kind of key that is not known here is left out.
func (t *Token) Algorithms() []Algorithm {
	var all []Algorithm
	add := func(a Algorithm) {
		for _, b := range all {
			if a == b {
				return
			}
		}
		all = append(all, a)
	}
	for _, h := range []crypto.Hash{t.Hash, t.signer.Hash} {
		if h != 0 {
			add(Algorithm{Name: h.String()})
		}
	}
	for _, c := range t.path() {
		switch k := c.PublicKey.(type) {
		case *rsa.PublicKey:
			add(Algorithm{"RSA", k.N.BitLen()})
		case *ecdsa.PublicKey:
			add(Algorithm{"ECDSA", k.Curve.Params().BitSize})
		case ed25519.PublicKey:
			add(Algorithm{"Ed25519", 256})
		}
	}
	return all
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

// path is the signer's certificate with the issuers that the token carries.
func (t *Token) path() (path []*x509.Certificate) {
	all := t.Certificates()
	for c := t.Signer(); c != nil && len(path) <= len(all); {
		path = append(path, c)
		var issuer *x509.Certificate
		for _, i := range all {
			if i != c && c.CheckSignatureFrom(i) == nil {
				issuer = i
			}
		}
		c = issuer
	}
	return path
}

// CheckUntil judges whether the token could still be relied on at a later
// instant: that of the time-stamp that took over from it, or that of the
// check. Certificates must have been valid until then, and the revocation
// lists that the token carries must not name them.
func (t *Token) CheckUntil(at time.Time, trust Trust, subject string) []preservation.Finding {
	unknown := preservation.Failed
	if trust.Optional {
		unknown = preservation.Notice
	}
	var all []preservation.Finding
	add := func(code string, sev preservation.Severity, detail, clause string) {
		all = append(all, preservation.Finding{Code: code, Severity: sev, Subject: subject, Detail: detail, Clause: clause})
	}
	if trust.Roots != nil {
		day := at.UTC().Format(time.RFC3339)
		switch err := t.signed.Chain(t.signer, trust.Roots, at, x509.ExtKeyUsageTimeStamping); {
		case err == nil:
			add("still-valid", preservation.Passed, "the authority's certificates were valid on "+day, "RFC 4998, 5.2")
		case errors.Is(err, cms.ErrUnsupported):
			add("still-valid-unsupported", unknown, err.Error()+": check it with another verifier", "RFC 5280, 6")
		case cms.Expired(err):
			add("renewal-late", unknown, fmt.Sprintf("a certificate had ended before %s, when the next time-stamp or this check came: %v", day, err), "RFC 4998, 5.2")
		default:
			add("chain-untrusted", unknown, err.Error(), "RFC 5280, 6")
		}
	}
	code, sev, detail := t.revocation()
	add(code, sev, detail, "RFC 5280, 6.3")
	return all
}

// revocation looks for the authority's certificates in the revocation lists
// that the token carries.
func (t *Token) revocation() (code string, sev preservation.Severity, detail string) {
	path := t.path()
	if len(path) == 0 {
		return "revocation-unknown", preservation.Notice, "the token carries no certificate that can be read"
	}
	listed := 0
	for i, c := range path[:max(len(path)-1, 1)] {
		for _, der := range t.signed.CRLs {
			list, err := x509.ParseRevocationList(der)
			if err != nil || i+1 >= len(path) || list.CheckSignatureFrom(path[i+1]) != nil {
				continue
			}
			listed++
			for _, e := range list.RevokedCertificateEntries {
				if e.SerialNumber.Cmp(c.SerialNumber) == 0 {
					return "certificate-revoked", preservation.Failed, fmt.Sprintf("%s was revoked on %s", c.Subject, e.RevocationTime.UTC().Format(time.RFC3339))
				}
			}
			break
		}
	}
	if listed == 0 {
		return "revocation-unknown", preservation.Notice, "the token carries no revocation list of its authority"
	}
	return "revocation-checked", preservation.Passed, "the revocation lists in the token do not name the authority's certificates"
}
