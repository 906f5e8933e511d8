package revocation

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"bestand/preservation"
)

// Material is what is kept for the validation of signatures. Nothing in it is
// believed because it is there.
type Material struct {
	Certificates []*x509.Certificate
	Lists        [][]byte // certificate revocation lists in DER
	Answers      [][]byte // OCSP answers in DER
}

// Add takes over what other has and m has not.
func (m *Material) Add(other Material) {
	for _, c := range other.Certificates {
		if !slices.ContainsFunc(m.Certificates, c.Equal) {
			m.Certificates = append(m.Certificates, c)
		}
	}
	m.Lists = union(m.Lists, other.Lists)
	m.Answers = union(m.Answers, other.Answers)
}

func union(all, more [][]byte) [][]byte {
	for _, b := range more {
		if !slices.ContainsFunc(all, func(have []byte) bool { return bytes.Equal(have, b) }) {
			all = append(all, b)
		}
	}
	return all
}

// Path returns a certificate with its issuers as far as the given ones have
// them. It is a path by names and signatures only, whoever stands at its end.
func Path(c *x509.Certificate, among []*x509.Certificate) (path []*x509.Certificate) {
	checks := 0
	for c != nil && len(path) < maxPath {
		path = append(path, c)
		i := slices.IndexFunc(among, func(i *x509.Certificate) bool {
			if !bytes.Equal(i.RawSubject, c.RawIssuer) || slices.ContainsFunc(path, i.Equal) || checks == maxChecks {
				return false
			}
			checks++
			return c.CheckSignatureFrom(i) == nil
		})
		if i < 0 {
			break
		}
		c = among[i]
	}
	return path
}

const (
	maxPath   = 10  // certificates between a signer and its anchor
	maxChecks = 100 // of signatures, on the way there or of lists and answers about one certificate
)

// SelfSigned says that a certificate stands for itself, by its own key: nobody revokes
// it. That its issuer has the same name is not enough, as with a new key of an authority
// that the former one has signed.
func SelfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// Check judges whether the certificates of a path, which leads from a signer to
// its anchor, had not been revoked before the instant until. Nobody revokes an
// anchor. Material counts that was in force at the instant made, when they were
// used. It returns one finding: revocation-checked, revocation-unknown (a notice)
// or certificate-revoked.
func (m Material) Check(path []*x509.Certificate, made, until time.Time, subject string) preservation.Finding {
	f := preservation.Finding{Code: "revocation-unknown", Severity: preservation.Notice, Subject: subject, Clause: "RFC 5280, 6.3"}
	if len(path) == 0 {
		f.Detail = "there is no certificate that can be read"
		return f
	}
	for i, c := range path {
		if SelfSigned(c) || i > 0 && i+1 == len(path) {
			continue
		}
		if len(path) == 1 {
			f.Detail = "the issuer of " + c.Subject.String() + " is not known"
			return f
		}
		switch known, revoked := m.status(c, path[i+1], made); {
		case !revoked.IsZero() && revoked.Before(until):
			f.Code, f.Severity = "certificate-revoked", preservation.Failed
			f.Detail = fmt.Sprintf("%s was revoked on %s", c.Subject, revoked.UTC().Format(time.RFC3339))
			return f
		case !known && f.Detail == "": // a later one may be revoked all the same
			f.Detail = "nothing that was in force says whether " + c.Subject.String() + " was revoked"
		}
	}
	if f.Detail == "" {
		f.Code, f.Severity = "revocation-checked", preservation.Passed
		f.Detail = "its authorities did not name the certificates as revoked"
	}
	return f
}

// status says whether the material knows a certificate, and when it was revoked.
func (m Material) status(c, issuer *x509.Certificate, made time.Time) (known bool, revoked time.Time) {
	checks := 0
	for _, der := range m.Lists {
		list, err := x509.ParseRevocationList(der)
		if err != nil || !bytes.Equal(list.RawIssuer, c.RawIssuer) || !speaksOf(list, c) {
			continue
		}
		if checks++; checks > maxChecks {
			return false, time.Time{} // what is not looked at may name it
		}
		if list.CheckSignatureFrom(issuer) != nil {
			continue
		}
		for _, e := range list.RevokedCertificateEntries {
			if e.SerialNumber.Cmp(c.SerialNumber) == 0 {
				return true, e.RevocationTime
			}
		}
		known = known || list.NextUpdate.IsZero() || !list.NextUpdate.Before(made)
	}
	for _, der := range m.Answers {
		if checks++; checks > maxChecks {
			return false, time.Time{}
		}
		a, err := answer(der, c, issuer)
		switch {
		case err != nil:
		case a.Status == ocsp.Revoked:
			return true, a.RevokedAt
		case a.Status == ocsp.Good:
			known = known || a.NextUpdate.IsZero() || !a.NextUpdate.Before(made)
		}
	}
	return known, time.Time{}
}

// answer reads an OCSP answer about a certificate, signed by its issuer or by one
// whom the issuer has named for it (RFC 6960, 4.2.2.2).
func answer(der []byte, c, issuer *x509.Certificate) (*ocsp.Response, error) {
	if err := checkResponders(der); err != nil {
		return nil, err
	}
	a, err := ocsp.ParseResponseForCert(der, c, issuer)
	if err != nil {
		return nil, err
	}
	if a.Certificate != nil && !a.Certificate.Equal(issuer) && !slices.Contains(a.Certificate.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
		return nil, fmt.Errorf("%s may not answer for %s", a.Certificate.Subject, issuer.Subject)
	}
	return a, nil
}
