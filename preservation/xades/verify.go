package xades

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
)

// dsig is the namespace of XML signatures.
const dsig = "http://www.w3.org/2000/09/xmldsig#"

// Options say how signatures are judged.
type Options struct {
	Trust cades.Trust
	// Open gives the bytes of a file beside the document by the relative name in the
	// signature, in which the caller believes no more than in any other: it may lead
	// upwards. It returns fs.ErrNotExist for a file that is not there. An error of it, or
	// of reading, that is ErrDamaged or ErrTooMuch is a finding; Verify returns all others.
	// Nil: there is no file.
	Open func(name string) (io.ReadCloser, error)
}

// Errors of reading a file that a signature names and that stay the same however often
// it is read.
var (
	ErrDamaged = errors.New("it cannot be read")
	ErrTooMuch = errors.New("not supported: too many bytes")
)

// Verify checks every XML signature in a document and returns a finding for every
// check, passed ones included; none for a document without signatures. A signature
// stands when none about it is of Severity Failed. The files are those beside the
// document that are what a signature covers whose value is right, by their names for
// Open. It takes bytes of anybody; its error is one of reading them, or of the context.
func Verify(ctx context.Context, r io.Reader, o Options) (found []preservation.Finding, files []string, err error) {
	v := &verification{ctx: ctx, options: o, left: maxCanonical, sums: make(map[sum][]byte)}
	v.document, err = parse(ctx, r)
	var u unsupported
	var m malformed
	switch {
	case errors.As(err, &u), errors.As(err, &m):
		s := &signature{verification: v, trust: o.Trust}
		code := "xml-signature-unsupported"
		if errors.As(err, &m) {
			code = "xml-signature-malformed"
		}
		s.add(code, o.Trust.Unknown(), err.Error()+": no signature in it was judged: check it with another verifier", "")
		return s.found, nil, nil
	case err != nil:
		return nil, nil, err
	}
	var all []*node
	v.document.walk(func(n *node) {
		if n.is(dsig, "Signature") {
			all = append(all, n)
		}
	})
	v.ids = identifiers(v.document)
	for i, n := range all {
		s := &signature{verification: v, node: n, trust: o.Trust}
		if len(all) > 1 {
			s.subject = fmt.Sprintf("signature %d", i+1)
		}
		if i == maxSignatures {
			s.subject = ""
			s.add("xml-signature-unsupported", o.Trust.Unknown(), fmt.Sprintf("not supported: more than %d signatures: check the rest with another verifier", maxSignatures), "")
			return append(found, s.found...), files, nil
		}
		s.check()
		if s.err != nil {
			return nil, nil, s.err
		}
		found = append(found, s.found...)
		if s.proven {
			files = append(files, s.files...)
		}
	}
	return found, files, nil
}

// verification is that of one document.
type verification struct {
	ctx      context.Context
	options  Options
	document *node
	ids      map[string][]*node
	left     int // bytes that transforms may still write
	referred int // references so far
	stamps   int // time-stamps so far
	sums     map[sum][]byte
}

// signature is one that is being checked.
type signature struct {
	*verification
	node    *node
	subject string
	trust   cades.Trust // with what the signature brings for its validation
	found   []preservation.Finding
	named   []*node           // what its references lead to, be it as it was signed or not
	covered map[*node][]cover // by apex
	files   []string          // beside the document, that are as they were signed
	proven  bool              // the value is that of the signer's key
	hashes  []crypto.Hash
	err     error // of reading
}

func (s *signature) add(code string, sev preservation.Severity, detail, clause string) {
	if len(detail) > maxDetail { // documents may have names without end
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "…"
	}
	s.found = append(s.found, preservation.Finding{Code: code, Severity: sev, Subject: s.subject, Detail: detail, Clause: clause})
}

func (s *signature) failed(code, detail, clause string) {
	s.add(code, preservation.Failed, detail, clause)
}

func (s *signature) part(name string) string {
	if s.subject == "" {
		return name
	}
	return s.subject + ", " + name
}

func (s *signature) used(h crypto.Hash) {
	if !slices.Contains(s.hashes, h) {
		s.hashes = append(s.hashes, h)
	}
}

// check judges one signature: what it covers, its value, its certificate.
func (s *signature) check() {
	if len(s.node.all(dsig, "SignedInfo")) != 1 || len(s.node.all(dsig, "SignatureValue")) != 1 {
		s.failed("xml-signature-malformed", "it has not one SignedInfo and one SignatureValue", "XML Signature, 4.1")
		return
	}
	p := s.properties()
	s.references(s.node.one(dsig, "SignedInfo"), true)
	if s.err != nil {
		return
	}
	s.checkCover(p)
	named, signed := s.checkProperties(p)
	certificates := s.certificates()
	m := p.material(certificates)
	m.Add(s.trust.Material)
	s.trust.Material = m
	c := s.checkValue(certificates, named, signed)
	proven := s.checkStamps(p)
	if s.err != nil {
		return
	}
	if slices.Contains(s.hashes, crypto.SHA1) {
		s.weak("SHA-1")
	}
	if c == nil {
		return
	}
	at := s.trust.At
	if !proven.IsZero() && (at.IsZero() || proven.Before(at)) {
		at = proven
	}
	s.found = append(s.found, s.trust.CheckCertificate(c, at, s.subject)...)
}

func (s *signature) weak(with string) {
	s.add("algorithm-weak", preservation.Notice, "made with "+with+", which no longer proves anything by itself", "SOG-IS ACM")
}

// checkValue judges the signature value and the certificate that belongs to it, and
// returns this; nil when there is none. The digests name it, unless the properties
// were not signed.
func (s *signature) checkValue(certificates []*cms.Certificate, named []certDigest, signed bool) *cms.Certificate {
	info := s.node.one(dsig, "SignedInfo")
	if len(certificates) == 0 {
		s.add("signer-certificate-missing", s.trust.Unknown(), "it carries no certificate of its signer: check it with another verifier", "EN 319 132-1, 6.3")
		return nil
	}
	verify, err := s.value(info)
	if err != nil {
		s.judge(err, "signature", "", "XML Signature, 3.2.2")
		return nil
	}
	// The certificate is the one that the signature names and that its key belongs to;
	// failing that, one of them, so that the findings say what is wrong.
	is := func(c *cms.Certificate) bool {
		return slices.ContainsFunc(named, func(d certDigest) bool { return d.of(c.Raw) })
	}
	best, rank := certificates[0], -1
	for _, c := range certificates {
		now := 0
		if is(c) {
			now = 2
		}
		if c.X509 != nil && verify(c.X509.PublicKey) == nil {
			now++
		}
		if now > rank {
			best, rank = c, now
		}
	}
	err = unsupported("the key of " + best.Subject)
	if best.X509 != nil {
		err = verify(best.X509.PublicKey)
		s.proven = err == nil
	}
	s.judge(err, "signature", "the signature value is that of "+best.Subject, "XML Signature, 3.2.2")
	switch clause := "EN 319 132-1, 5.2.2"; {
	case !signed: // what its properties say does not count
	case len(named) == 0:
		s.add("signing-certificate-missing", preservation.Notice, "the signature does not name its certificate, as XAdES asks", clause)
	case is(best):
		s.judge(nil, "signing-certificate", "the signature names its certificate", clause)
	case slices.ContainsFunc(named, func(d certDigest) bool { return d.hash == 0 }):
		s.judge(unsupported("the digest that names the certificate"), "signing-certificate", "", clause)
	default:
		s.judge(errMismatch, "signing-certificate", "", clause)
	}
	if i := slices.IndexFunc(named, func(d certDigest) bool { return d.of(best.Raw) }); i >= 0 {
		s.used(named[i].hash)
	}
	if best.X509 != nil {
		if w := weak(best.X509.PublicKey); w != "" {
			s.weak(w)
		}
	}
	return best
}

// value returns how a key is held against the signature value.
func (s *signature) value(info *node) (func(crypto.PublicKey) error, error) {
	a, err := signatureMethod(info)
	if err != nil {
		return nil, err
	}
	f, err := canonicalForm(info.one(dsig, "CanonicalizationMethod"))
	if err != nil {
		return nil, err
	}
	value, err := s.node.one(dsig, "SignatureValue").binary()
	if err != nil {
		return nil, err
	}
	digest, err := s.digest(s.canonical(data{apex: info, comments: true}, f), a.hash)
	if err != nil {
		return nil, err
	}
	s.used(a.hash)
	return func(key crypto.PublicKey) error { return a.check(key, digest, value) }, nil
}

// judge turns the outcome of one check into a finding.
func (s *signature) judge(err error, code, good, clause string) {
	var u unsupported
	switch {
	case err == nil:
		s.add(code+"-match", preservation.Passed, good, clause)
	case errors.As(err, &u):
		s.add(code+"-unsupported", s.trust.Unknown(), err.Error()+": check it with another verifier", clause)
	default:
		s.failed(code+"-mismatch", code+": "+err.Error(), clause)
	}
}
