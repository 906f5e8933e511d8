package xades

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades/cms"
	"bestand/preservation/revocation"
)

// xadesSpaces are the namespaces of the properties: of EN 319 132-1 and XAdES 1.3.2,
// and of the versions before.
var xadesSpaces = []string{"http://uri.etsi.org/01903/v1.3.2#", "http://uri.etsi.org/01903/v1.2.2#", "http://uri.etsi.org/01903/v1.1.1#"}

// properties are the QualifyingProperties of a signature (EN 319 132-1, 4.3).
type properties struct {
	node     *node
	space    string
	signed   *node // SignedProperties
	unsigned *node // UnsignedSignatureProperties
}

// properties finds those in the signature itself; nil when it has none.
func (s *signature) properties() *properties {
	var found []*properties
	for _, object := range s.node.all(dsig, "Object") {
		for _, space := range xadesSpaces {
			for _, n := range object.all(space, "QualifyingProperties") {
				found = append(found, &properties{n, space, n.one(space, "SignedProperties"), n.one(space, "UnsignedProperties", "UnsignedSignatureProperties")})
			}
		}
	}
	switch {
	case len(found) == 0:
		return nil
	case len(found) > 1 || len(found[0].node.all(found[0].space, "SignedProperties")) > 1:
		s.failed("xml-signature-malformed", "several properties in one signature", "EN 319 132-1, 4.4")
		return nil
	}
	p := found[0]
	id, _ := s.node.attr("Id")
	if target, _ := p.node.attr("Target"); id == "" || target != "#"+id {
		s.failed("xml-signature-malformed", "its properties are those of another signature", "EN 319 132-1, 4.3")
	}
	return p
}

// checkProperties judges what the signer says of the signature, which counts only
// when it is signed itself, and returns the digests that the certificate must have.
// signed is false when it is not.
func (s *signature) checkProperties(p *properties) (named []certDigest, signed bool) {
	if p == nil || p.signed == nil {
		return nil, true
	}
	if !slices.ContainsFunc(s.covered[p.signed], func(c cover) bool { return len(c.without) == 0 && !c.decoded }) {
		if !slices.Contains(s.named, p.signed) { // else it was said already what is wrong
			s.failed("signed-properties-uncovered", "its signed properties are not signed", "EN 319 132-1, 4.4.2")
		}
		return nil, false
	}
	properties := p.signed.one(p.space, "SignedSignatureProperties")
	if n := properties.one(p.space, "SigningTime"); n != nil {
		said := "a time that cannot be read"
		if at, err := time.Parse(time.RFC3339, strings.TrimSpace(n.value())); err == nil {
			said = at.UTC().Format(time.RFC3339)
		} else if at, err := time.Parse("2006-01-02T15:04:05", strings.TrimSpace(n.value())); err == nil {
			said = at.Format("2006-01-02T15:04:05") + " of an unknown time zone"
		}
		s.add("signing-time-claimed", preservation.Notice, "the signer claims "+said, "EN 319 132-1, 5.2.1")
	}
	for _, name := range []string{"SigningCertificateV2", "SigningCertificate"} {
		for _, c := range properties.one(p.space, name).all(p.space, "Cert") {
			n := c.one(p.space, "CertDigest")
			hash, err := digestMethod(n)
			if err != nil {
				named = append(named, certDigest{})
				continue
			}
			value, _ := n.one(dsig, "DigestValue").binary() // of what cannot be read no certificate has it
			named = append(named, certDigest{hash, value})
		}
	}
	return named, true
}

// certDigest names a certificate; without a hash by an algorithm that is not known.
type certDigest struct {
	hash  crypto.Hash
	value []byte
}

func (d certDigest) of(raw []byte) bool {
	if d.hash == 0 {
		return false
	}
	h := d.hash.New()
	h.Write(raw)
	return bytes.Equal(h.Sum(nil), d.value)
}

// certificates returns those in the KeyInfo, in their order.
func (s *signature) certificates() (all []*cms.Certificate) {
	for _, k := range s.node.all(dsig, "KeyInfo") {
		for _, x := range k.all(dsig, "X509Data") {
			for _, n := range x.all(dsig, "X509Certificate") {
				b, err := n.binary()
				if err != nil || len(all) == maxCertificates {
					continue
				}
				if c, err := cms.ParseCertificate(b); err == nil {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// material is what the signature carries for its validation (EN 319 132-1, 5.4).
func (p *properties) material(certificates []*cms.Certificate) (m revocation.Material) {
	for _, c := range certificates {
		if c.X509 != nil {
			m.Certificates = append(m.Certificates, c.X509)
		}
	}
	if p == nil || p.unsigned == nil {
		return m
	}
	p.unsigned.walk(func(n *node) {
		if n.kind != element || n.name.space != p.space || !strings.HasPrefix(n.name.local, "Encapsulated") {
			return
		}
		b, err := n.binary()
		if err != nil || len(m.Certificates)+len(m.Lists)+len(m.Answers) > maxCertificates {
			return
		}
		switch n.name.local {
		case "EncapsulatedX509Certificate":
			if c, err := revocation.ParseCertificate(b); err == nil {
				m.Certificates = append(m.Certificates, c)
			}
		case "EncapsulatedCRLValue":
			m.Lists = append(m.Lists, b)
		case "EncapsulatedOCSPValue":
			m.Answers = append(m.Answers, b)
		}
	})
	return m
}

// checkStamps judges the time-stamps over the signature value, and returns the
// earliest time that a good and trusted one proves.
func (s *signature) checkStamps(p *properties) (proven time.Time) {
	if p == nil {
		return proven
	}
	for _, n := range p.stamps() {
		tokens := n.all(p.space, "EncapsulatedTimeStamp")
		if s.stamps += max(1, len(tokens)); s.stamps > maxStamps {
			s.add("timestamp-unsupported", preservation.Notice, fmt.Sprintf("not supported: more than %d time-stamps in one document: check the rest with another verifier", maxStamps), "EN 319 132-1, 5.3")
			return proven
		}
		if !n.is(p.space, "SignatureTimeStamp") {
			s.add("timestamp-unsupported", preservation.Notice, "not supported: "+n.name.local+" is present and was not validated: check it with another verifier", "EN 319 132-1, 5.5")
			continue
		}
		covered, err := s.stamped(n)
		if err != nil {
			s.add("timestamp-unsupported", preservation.Notice, err.Error(), "EN 319 132-1, 5.3")
			continue
		}
		if len(tokens) == 0 {
			s.add("timestamp-unsupported", preservation.Notice, "not supported: a time-stamp that is no RFC 3161 token", "EN 319 132-1, 5.3")
		}
		for _, t := range tokens {
			if s.err = s.ctx.Err(); s.err != nil {
				return proven
			}
			token, err := t.binary()
			if err != nil {
				s.failed("timestamp-malformed", err.Error(), "EN 319 132-1, 5.3")
				continue
			}
			found, at := s.trust.CheckStamp(token, covered, s.part("time-stamp"))
			s.found = append(s.found, found...)
			if !at.IsZero() && (proven.IsZero() || at.Before(proven)) {
				proven = at
			}
		}
	}
	return proven
}

// stamps are the time-stamps on the signature and, among what is signed, on the content
// before it was signed (EN 319 132-1, 5.2.8, 5.3, 5.5 and annex A).
func (p *properties) stamps() (all []*node) {
	for _, of := range []*node{p.signed.one(p.space, "SignedDataObjectProperties"), p.unsigned} {
		if of == nil {
			continue
		}
		for _, n := range of.elements() {
			if strings.HasSuffix(strings.TrimSuffix(n.name.local, "V2"), "TimeStamp") {
				all = append(all, n)
			}
		}
	}
	return all
}

// stamped are the bytes under a signature time-stamp: the element SignatureValue in
// the canonical form that the time-stamp names.
func (s *signature) stamped(stamp *node) ([]byte, error) {
	var f form
	if method := stamp.one(dsig, "CanonicalizationMethod"); method != nil {
		var err error
		if f, err = canonicalForm(method); err != nil {
			return nil, err
		}
	}
	return s.hold(s.canonical(data{apex: s.node.one(dsig, "SignatureValue"), comments: true}, f).octets)
}
