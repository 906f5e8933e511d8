package cms

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"bestand/preservation/revocation"
)

// Certificate is a certificate as it came. X509 is nil when the standard
// library cannot read it, brainpool curves for one, or when its key is too large to
// be used; then the names below are all that is known.
type Certificate struct {
	Raw     []byte
	X509    *x509.Certificate
	Subject string // RFC 2253
	issuer  []byte
	serial  *big.Int
}

func (sd *SignedData) readCertificates(s cryptobyte.String) error {
	for !s.Empty() {
		var raw cryptobyte.String
		var t tag.Tag
		if !s.ReadAnyASN1Element(&raw, &t) || len(sd.Certificates) >= maxCertificates {
			return fmt.Errorf("%w: certificates", ErrMalformed)
		}
		if t != tag.SEQUENCE {
			continue // attribute certificates and other formats
		}
		if c, err := ParseCertificate(raw); err == nil {
			sd.Certificates = append(sd.Certificates, c)
		}
	}
	return nil
}

// ParseCertificate reads a certificate in DER. What the standard library cannot read
// or no key of revocation.MaxKey is no error as long as it is a certificate; other errors wrap ErrMalformed.
func ParseCertificate(raw []byte) (*Certificate, error) {
	c := &Certificate{Raw: raw, serial: new(big.Int)}
	if x, err := revocation.ParseCertificate(raw); err == nil {
		c.X509, c.Subject, c.issuer, c.serial = x, x.Subject.String(), x.RawIssuer, x.SerialNumber
		return c, nil
	}
	var cert, tbs, issuer, subject cryptobyte.String
	s := cryptobyte.String(raw)
	if !s.ReadASN1(&cert, tag.SEQUENCE) || !cert.ReadASN1(&tbs, tag.SEQUENCE) ||
		!tbs.SkipOptionalASN1(con0) || !tbs.ReadASN1Integer(c.serial) || !tbs.SkipASN1(tag.SEQUENCE) ||
		!tbs.ReadASN1Element(&issuer, tag.SEQUENCE) || !tbs.SkipASN1(tag.SEQUENCE) ||
		!tbs.ReadASN1Element(&subject, tag.SEQUENCE) {
		return nil, fmt.Errorf("%w: certificate", ErrMalformed)
	}
	c.issuer = issuer
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(subject, &name); err == nil {
		c.Subject = name.String()
	}
	return c, nil
}

// find returns the certificate that a SignerInfo names.
func (sd *SignedData) find(s *Signer) *Certificate {
	for _, c := range sd.Certificates {
		if s.keyID != nil {
			if c.X509 != nil && bytes.Equal(c.X509.SubjectKeyId, s.keyID) {
				return c
			}
			continue
		}
		if bytes.Equal(c.issuer, s.issuer) && c.serial.Cmp(s.serial) == 0 {
			return c
		}
	}
	return nil
}

// Include adds certificates that came beside the SignedData, for Chain and Path.
// Call it before anything else.
func (sd *SignedData) Include(all []*x509.Certificate) {
	for _, c := range all {
		sd.Certificates = append(sd.Certificates, &Certificate{Raw: c.Raw, X509: c, Subject: c.Subject.String(), issuer: c.RawIssuer, serial: c.SerialNumber})
	}
}

// Issued is Path without anchors: the signer's certificate with its issuers as far
// as they are included, whoever stands at the end.
func (sd *SignedData) Issued(s *Signer) []*x509.Certificate {
	if s.Certificate == nil {
		return nil
	}
	var among []*x509.Certificate
	for _, c := range sd.Certificates {
		if c.X509 != nil {
			among = append(among, c.X509)
		}
	}
	return revocation.Path(s.Certificate.X509, among)
}

// Chain checks that a signer's certificate leads to one of the roots at an
// instant and may be used for the purpose. Intermediate certificates are taken
// from the SignedData; nothing is fetched, and revocation is not looked at.
// The error wraps ErrUnsupported when the certificate cannot be read here, and
// is an error of crypto/x509 otherwise.
func (sd *SignedData) Chain(s *Signer, roots *x509.CertPool, at time.Time, use x509.ExtKeyUsage) error {
	_, err := sd.Path(s, roots, at, use)
	return err
}

// Path is Chain, and returns the certificates from that of the signer to the root.
func (sd *SignedData) Path(s *Signer, roots *x509.CertPool, at time.Time, use x509.ExtKeyUsage) ([]*x509.Certificate, error) {
	if s.Certificate == nil {
		return nil, fmt.Errorf("signer's certificate: %w: not included", ErrMismatch)
	}
	if s.Certificate.X509 == nil {
		return nil, fmt.Errorf("signer's certificate: %w", ErrUnsupported)
	}
	between := x509.NewCertPool()
	for _, c := range sd.Certificates {
		if c.X509 != nil {
			between.AddCert(c.X509)
		}
	}
	if roots == nil {
		roots = x509.NewCertPool()
	}
	chains, err := s.Certificate.X509.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return nil, err
	}
	return chains[0], nil
}

// Expired reports whether an error of Chain says that a certificate was not
// valid at the instant, all else being well.
func Expired(err error) bool {
	var e x509.CertificateInvalidError
	return errors.As(err, &e) && e.Reason == x509.Expired
}
