package timestamp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"time"

	"bestand/preservation"
)

// Trust says which authorities a token may come from.
type Trust struct {
	// Roots are the trust anchors. Without them the chain stays unjudged,
	// which is a notice.
	Roots *x509.CertPool
	// Optional is for the tokens of strangers: an authority outside Roots, and
	// algorithms that cannot be checked here, are a notice instead of a failure.
	Optional bool
}

// Check judges a token against the digest that it should cover and returns a
// finding for each check: imprint, signature, certificate and its purpose,
// chain at the time that the token states.
func (t *Token) Check(h crypto.Hash, digest []byte, trust Trust, subject string) []preservation.Finding {
	var all []preservation.Finding
	add := func(code string, sev preservation.Severity, detail, clause string) {
		all = append(all, preservation.Finding{Code: code, Severity: sev, Subject: subject, Detail: detail, Clause: clause})
	}
	if t.Hash == h && bytes.Equal(t.Imprint, digest) {
		add("imprint-match", preservation.Passed, "the token covers the digest, "+h.String(), "RFC 3161, 2.4.2")
	} else {
		add("imprint-mismatch", preservation.Failed, "the token covers another digest", "RFC 3161, 2.4.2")
	}
	unknown := preservation.Failed
	if trust.Optional {
		unknown = preservation.Notice
	}
	if t.signer.Hash == 0 {
		add("digest-unsupported", unknown, "digest algorithm of the signature: check it with another verifier", "RFC 5652, 5.4")
	} else {
		w := t.signer.Hash.New()
		w.Write(t.signed.Content)
		all = append(all, t.signer.Check(w.Sum(nil), unknown, subject)...)
	}
	if c := t.Signer(); c != nil {
		if err := timeStamping(c); err != nil {
			add("key-usage-invalid", preservation.Failed, err.Error(), "RFC 3161, 2.3")
		} else {
			add("key-usage-valid", preservation.Passed, "the certificate is for time-stamping alone", "RFC 3161, 2.3")
		}
	}
	all = append(all, t.signed.CheckChain(t.signer, trust.Roots, t.Time, x509.ExtKeyUsageTimeStamping, unknown, subject)...)
	add("stamped", preservation.Passed, fmt.Sprintf("token %v says %s", t.Serial, t.Time.UTC().Format(time.RFC3339Nano)), "RFC 3161, 2.4.2")
	return all
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

// timeStamping checks that the extended key usage is there, critical and
// nothing but time-stamping (RFC 3161, 2.3).
func timeStamping(c *x509.Certificate) error {
	if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(c.UnknownExtKeyUsage) != 0 {
		return fmt.Errorf("certificate of %s is not for time-stamping alone", c.Subject)
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(oidExtKeyUsage) && !e.Critical {
			return fmt.Errorf("certificate of %s: the extended key usage is not critical", c.Subject)
		}
	}
	return nil
}

// failures returns the findings that failed.
func failures(all []preservation.Finding) (failed []preservation.Finding) {
	for _, f := range all {
		if f.Severity == preservation.Failed {
			failed = append(failed, f)
		}
	}
	return failed
}
