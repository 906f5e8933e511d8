package cades

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades/cms"
	"bestand/preservation/revocation"
	"bestand/preservation/timestamp"
)

// Trust says whom a signature may come from, and when it is judged.
type Trust struct {
	// Roots are the trust anchors of signers. Without them the chain stays
	// unjudged, which is a notice.
	Roots *x509.CertPool
	// Stamps are the trust anchors of time-stamping authorities; nil means Roots.
	Stamps *x509.CertPool
	// At is the instant at which certificates must be valid, unless a trusted
	// time-stamp proves that the signature is older.
	At time.Time
	// Material came beside the signature for its validation: in a PDF that of its
	// security store. What the signature carries itself counts as well.
	Material revocation.Material
	// Optional is for the signatures of strangers: signers outside Roots, and
	// algorithms that cannot be checked here, are a notice instead of a failure.
	Optional bool
}

func (t Trust) stamps() timestamp.Trust {
	roots := t.Stamps
	if roots == nil {
		roots = t.Roots
	}
	return timestamp.Trust{Roots: roots, Optional: t.Optional}
}

// Unknown is how what cannot be checked here, or leads to no trust anchor, counts.
func (t Trust) Unknown() preservation.Severity {
	if t.Optional {
		return preservation.Notice
	}
	return preservation.Failed
}

// Verify checks a detached CMS signature, in DER or BER, over content, which
// is read to its end once. It returns a finding for every check, passed ones
// included; the signature stands when none is of Severity Failed. It takes
// bytes of anybody.
func Verify(signature []byte, content io.Reader, t Trust) []preservation.Finding {
	found, _ := Prove(signature, content, t)
	return found
}

// Prove is Verify, and says whether the digest of the content and the signature value
// of every signer were compared and are right. With Trust.Optional nothing of it may
// have failed only because nothing could be checked here.
func Prove(signature []byte, content io.Reader, t Trust) (found []preservation.Finding, proven bool) {
	sd, err := cms.Parse(signature)
	if err != nil {
		return []preservation.Finding{failed("cms-malformed", "", err.Error(), "RFC 5652, 5.1")}, false
	}
	sd.Include(t.Material.Certificates)
	if len(sd.Signers) == 0 {
		return []preservation.Finding{failed("signer-missing", "", "nobody has signed", "RFC 5652, 5.1")}, false
	}
	digests := make(map[crypto.Hash]hash.Hash)
	var all []io.Writer
	for _, s := range sd.Signers {
		if _, ok := digests[s.Hash]; !ok && s.Hash != 0 {
			digests[s.Hash] = s.Hash.New()
			all = append(all, digests[s.Hash])
		}
	}
	if _, err := io.Copy(io.MultiWriter(all...), content); err != nil {
		return []preservation.Finding{failed("content-unreadable", "", err.Error(), "")}, false
	}
	proven = true
	for i, s := range sd.Signers {
		subject := ""
		if len(sd.Signers) > 1 {
			subject = fmt.Sprintf("signer %d", i+1)
		}
		var digest []byte
		if h := digests[s.Hash]; h != nil {
			digest = h.Sum(nil)
		}
		of := s.Check(digest, t.Unknown(), subject)
		proven = proven && passed(of, "digest-match") && passed(of, "signature-match")
		found = append(found, of...)
		found = append(found, check(sd, s, digest, t, subject)...)
	}
	return found, proven
}

// maxStamps bounds the time-stamps that are looked at on one signature.
const maxStamps = 32

func passed(found []preservation.Finding, code string) bool {
	return slices.ContainsFunc(found, func(f preservation.Finding) bool { return f.Code == code && f.Severity == preservation.Passed })
}

// check judges what is beside the value of a signature: content within it, time-stamps,
// and whom its certificate is from.
func check(sd *cms.SignedData, s *cms.Signer, digest []byte, t Trust, subject string) (found []preservation.Finding) {
	if sd.Content != nil && s.Hash != 0 {
		h := s.Hash.New()
		h.Write(sd.Content)
		if !bytes.Equal(h.Sum(nil), digest) {
			found = append(found, failed("content-enclosed", subject, "the signature encloses other content than it is checked against", "RFC 5652, 5.2"))
		}
	}
	if at, ok := s.SigningTime(); ok {
		found = append(found, preservation.Finding{Code: "signing-time-claimed", Severity: preservation.Notice, Subject: subject,
			Detail: "the signer claims " + at.UTC().Format(time.RFC3339), Clause: "RFC 5652, 11.3"})
	}
	var named []string // each once, however many of its kind there are
	for _, a := range slices.Concat(s.Signed, s.Unsigned) {
		if name := unvalidated(a.Type); name != "" && !slices.Contains(named, name) {
			named = append(named, name)
			found = append(found, preservation.Finding{Code: "timestamp-unsupported", Severity: preservation.Notice, Subject: subject,
				Detail: "not supported: " + name + " is present and was not validated: check it with another verifier", Clause: "EN 319 122-1, 5.5"})
		}
	}
	at := t.At
	n := 0
	for _, a := range s.Unsigned {
		if !a.Type.Equal(cms.OIDSignatureTimeStamp) {
			continue
		}
		for _, v := range a.Values {
			if n++; n == maxStamps+1 {
				found = append(found, preservation.Finding{Code: "timestamp-unsupported", Severity: t.Unknown(), Subject: subject,
					Detail: fmt.Sprintf("not supported: more than %d time-stamps on one signature: check the rest with another verifier", maxStamps), Clause: "EN 319 122-1, 5.3"})
			}
			if n > maxStamps {
				break
			}
			stamps, proven := t.CheckStamp(v, s.Signature, join(subject, "time-stamp"))
			found = append(found, stamps...)
			if !proven.IsZero() && (at.IsZero() || proven.Before(at)) {
				at = proven
			}
		}
	}
	found = append(found, sd.CheckChain(s, t.Roots, at, x509.ExtKeyUsageAny, t.Unknown(), subject)...)
	if t.asksRevocation(sd.CRLs) {
		found = append(found, sd.CheckRevocation(s, t.Material, t.Roots, at, at, x509.ExtKeyUsageAny, subject))
	}
	return found
}

// unvalidated names an attribute that proves a time in a way that is not judged here;
// empty for all others.
func unvalidated(attribute asn1.ObjectIdentifier) string {
	switch {
	case attribute.Equal(oidContentTimeStamp):
		return "the content time-stamp"
	case attribute.Equal(oidEscTimeStamp):
		return "the time-stamp over signature and references"
	case attribute.Equal(oidReferencesTimeStamp):
		return "the time-stamp over references"
	case attribute.Equal(oidArchiveTimeStamp), attribute.Equal(oidArchiveTimeStampV2), attribute.Equal(oidArchiveTimeStampV3),
		attribute.Equal(oidLongTermValidation):
		return "the archive time-stamp"
	case attribute.Equal(oidInternalEvidence), attribute.Equal(oidExternalEvidence):
		return "the evidence record"
	}
	return ""
}

// Attributes of EN 319 122-1, 5.2.8, 5.5.3 and annex A, of the versions before, and of
// RFC 4998, 5.
var (
	oidContentTimeStamp    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 20}
	oidEscTimeStamp        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 25}
	oidReferencesTimeStamp = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 26}
	oidArchiveTimeStamp    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 27}
	oidArchiveTimeStampV2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 48}
	oidInternalEvidence    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 49}
	oidExternalEvidence    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 50}
	oidArchiveTimeStampV3  = asn1.ObjectIdentifier{0, 4, 0, 1733, 2, 4}
	oidLongTermValidation  = asn1.ObjectIdentifier{0, 4, 0, 1733, 2, 2} // encloses one of the archive (TS 101 733)
)

// CheckCertificate judges where the certificate of a signature in another form than
// CMS leads at an instant, and whether it was revoked by then.
func (t Trust) CheckCertificate(c *cms.Certificate, at time.Time, subject string) []preservation.Finding {
	sd, s := &cms.SignedData{}, &cms.Signer{Certificate: c}
	sd.Include(t.Material.Certificates)
	found := sd.CheckChain(s, t.Roots, at, x509.ExtKeyUsageAny, t.Unknown(), subject)
	if t.asksRevocation(nil) {
		found = append(found, sd.CheckRevocation(s, t.Material, t.Roots, at, at, x509.ExtKeyUsageAny, subject))
	}
	return found
}

// asksRevocation: of the signatures of strangers everything is said. Our own
// packages carry no revocation data; evidence records do.
func (t Trust) asksRevocation(lists [][]byte) bool {
	return t.Optional || len(lists)+len(t.Material.Lists)+len(t.Material.Answers) > 0
}

// CheckStamp checks a time-stamp over bytes, such as a signature value, and returns
// its time when it is good and trusted.
func (t Trust) CheckStamp(token, covered []byte, subject string) ([]preservation.Finding, time.Time) {
	found, at, _ := t.CheckStampOver(token, bytes.NewReader(covered), subject)
	return found, at
}

// CheckStampOver is CheckStamp over a stream, of which it returns the errors.
func (t Trust) CheckStampOver(token []byte, covered io.Reader, subject string) ([]preservation.Finding, time.Time, error) {
	tok, err := timestamp.Parse(token)
	if err != nil {
		return []preservation.Finding{failed("timestamp-malformed", subject, err.Error(), "RFC 3161, 2.4.2")}, time.Time{}, nil
	}
	if tok.Hash == 0 {
		return []preservation.Finding{{Code: "imprint-unsupported", Severity: t.Unknown(), Subject: subject,
			Detail: "digest algorithm of the imprint: check it with another verifier", Clause: "RFC 3161, 2.4.2"}}, time.Time{}, nil
	}
	tok.Include(t.Material.Certificates)
	h := tok.Hash.New()
	if _, err := io.Copy(h, covered); err != nil {
		return nil, time.Time{}, err
	}
	found := tok.Check(tok.Hash, h.Sum(nil), t.stamps(), subject)
	if t.asksRevocation(nil) {
		found = append(found, tok.CheckRevocation(t.Material, t.stamps().Roots, t.At, subject))
	}
	trusted := false
	for _, f := range found {
		if f.Severity == preservation.Failed {
			return found, time.Time{}, nil
		}
		trusted = trusted || f.Code == "chain-trusted"
	}
	if !trusted {
		return found, time.Time{}, nil
	}
	return found, tok.Time, nil
}

// Stamps returns the time-stamps over the signatures in a CMS. A broken one is
// left out; Verify tells.
func Stamps(signature []byte) (all []*timestamp.Token, err error) {
	sd, err := cms.Parse(signature)
	if err != nil {
		return nil, err
	}
	for _, s := range sd.Signers {
		for _, a := range s.Unsigned {
			for _, v := range a.Values {
				if tok, err := timestamp.Parse(v); err == nil && a.Type.Equal(cms.OIDSignatureTimeStamp) {
					all = append(all, tok)
				}
			}
		}
	}
	return all, nil
}

func failed(code, subject, detail, clause string) preservation.Finding {
	return preservation.Finding{Code: code, Severity: preservation.Failed, Subject: subject, Detail: detail, Clause: clause}
}

func join(subject, part string) string {
	if subject == "" {
		return part
	}
	return subject + ", " + part
}
