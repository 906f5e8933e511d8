package cms

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/revocation"
)

// Check judges one signer against the digest of the content under s.Hash and
// returns a finding for each check: message digest, signature value, binding
// of the certificate, strength. Whether the certificate is to be trusted is
// CheckChain's question. What cannot be checked here counts as failed, or as a
// notice when that is what unknown says: for the signatures of strangers.
func (s *Signer) Check(digest []byte, unknown preservation.Severity, subject string) []preservation.Finding {
	f := findings{subject: subject, unknown: unknown}
	f.judge(s.CheckContent(digest), "digest", "the content is what was signed", "RFC 5652, 5.4")
	f.judge(s.CheckSignature(digest), "signature", "the signature value is that of "+s.Name(), "RFC 5652, 5.6")
	switch err := s.CheckSigningCertificate(); {
	case errors.Is(err, ErrMissing):
		f.add("signing-certificate-missing", preservation.Notice, "the signature does not name its certificate, as CAdES and PAdES ask", "EN 319 122-1, 5.2.2")
	default:
		f.judge(err, "signing-certificate", "the signature names its certificate", "EN 319 122-1, 5.2.2")
	}
	if weak := s.Weak(); weak != "" {
		f.add("algorithm-weak", preservation.Notice, "made with "+weak+", which no longer proves anything by itself", "SOG-IS ACM")
	}
	return f.all
}

// CheckChain judges where a signer's certificate leads. Without roots nothing
// is known about it, which is a notice; a chain to none of the given roots is
// graded as unknown says: Failed, or Notice for the signatures of strangers.
func (sd *SignedData) CheckChain(s *Signer, roots *x509.CertPool, at time.Time, use x509.ExtKeyUsage, unknown preservation.Severity, subject string) []preservation.Finding {
	f := findings{subject: subject}
	if roots == nil {
		f.add("chain-unknown", preservation.Notice, "no trust anchors were given for "+s.Name(), "RFC 5280, 6")
		return f.all
	}
	err := sd.Chain(s, roots, at, use)
	switch {
	case err == nil:
		f.add("chain-trusted", preservation.Passed, s.Name()+" leads to a trust anchor, valid on "+at.UTC().Format(time.RFC3339), "RFC 5280, 6")
	case errors.Is(err, ErrUnsupported):
		f.add("chain-unsupported", unknown, err.Error()+": check it with another verifier", "RFC 5280, 6")
	case Expired(err):
		f.add("certificate-expired", unknown, fmt.Sprintf("%s on %s: %v", s.Name(), at.UTC().Format(time.RFC3339), err), "RFC 5280, 6")
	default:
		f.add("chain-untrusted", unknown, s.Name()+": "+err.Error(), "RFC 5280, 6")
	}
	return f.all
}

// CheckRevocation judges whether the certificates of a signer had been revoked
// before the instant until, by the material and the lists that the SignedData
// carries; see revocation.Material.Check.
func (sd *SignedData) CheckRevocation(s *Signer, m revocation.Material, roots *x509.CertPool, made, until time.Time, use x509.ExtKeyUsage, subject string) preservation.Finding {
	path, err := sd.Path(s, roots, made, use)
	if err != nil {
		path = sd.Issued(s)
	}
	m.Lists = slices.Concat(sd.CRLs, m.Lists)
	return m.Check(path, made, until, subject)
}

// Name returns the subject of the signer's certificate.
func (s *Signer) Name() string {
	if s.Certificate == nil {
		return "an unknown signer"
	}
	return s.Certificate.Subject
}

type findings struct {
	subject string
	unknown preservation.Severity
	all     []preservation.Finding
}

func (f *findings) add(code string, sev preservation.Severity, detail, clause string) {
	f.all = append(f.all, preservation.Finding{Code: code, Severity: sev, Subject: f.subject, Detail: detail, Clause: clause})
}

// judge turns the outcome of one check into a finding: code-match or
// code-mismatch; code-unsupported where it could not be done.
func (f *findings) judge(err error, code, good, clause string) {
	switch {
	case err == nil:
		f.add(code+"-match", preservation.Passed, good, clause)
	case errors.Is(err, ErrUnsupported):
		f.add(code+"-unsupported", f.unknown, err.Error()+": check it with another verifier", clause)
	default:
		f.add(code+"-mismatch", preservation.Failed, err.Error(), clause)
	}
}
