package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// CheckContent compares the digest of the content, under s.Hash, with the
// signed message-digest, and the signed content type with that of the
// SignedData (RFC 5652, 5.6 and 11). Without signed attributes it has nothing
// to do: CheckSignature then covers the digest.
func (s *Signer) CheckContent(digest []byte) error {
	if s.Hash == 0 {
		return fmt.Errorf("message digest: %w", ErrUnsupported)
	}
	if s.signedRaw == nil {
		return nil
	}
	got := s.MessageDigest()
	if got == nil {
		return fmt.Errorf("message-digest attribute: %w: missing", ErrMalformed)
	}
	var typ asn1.ObjectIdentifier
	t := cryptobyte.String(single(s.Signed, OIDContentType))
	if !t.ReadASN1ObjectIdentifier(&typ) {
		return fmt.Errorf("content-type attribute: %w: missing", ErrMalformed)
	}
	if !typ.Equal(s.contentType) {
		return fmt.Errorf("content-type attribute: %w", ErrMismatch)
	}
	if !bytes.Equal(got, digest) {
		return fmt.Errorf("message digest: %w", ErrMismatch)
	}
	return nil
}

// MessageDigest returns the signed digest of the content under s.Hash; nil without
// signed attributes.
func (s *Signer) MessageDigest() []byte {
	var got cryptobyte.String
	v := cryptobyte.String(single(s.Signed, OIDMessageDigest))
	if !v.ReadASN1(&got, tag.OCTET_STRING) {
		return nil
	}
	return got
}

// CheckSignature verifies the signature value with the key of the signer's
// certificate. The digest is that of the content under s.Hash; it matters only
// where there are no signed attributes.
func (s *Signer) CheckSignature(digest []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrMalformed, p)
		}
	}()
	if s.Certificate == nil {
		return fmt.Errorf("signer's certificate: %w: not included", ErrMismatch)
	}
	if s.Certificate.X509 == nil {
		return fmt.Errorf("signer's key: %w", ErrUnsupported)
	}
	h, pss, err := s.scheme()
	if err != nil {
		return err
	}
	if s.signedRaw != nil && h != 0 {
		w := h.New()
		w.Write(s.signedRaw)
		digest = w.Sum(nil)
	}
	ok := false
	switch key := s.Certificate.X509.PublicKey.(type) {
	case *rsa.PublicKey:
		if pss != nil {
			ok = rsa.VerifyPSS(key, h, digest, s.Signature, pss) == nil
		} else {
			ok = rsa.VerifyPKCS1v15(key, h, digest, s.Signature) == nil
		}
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, digest, s.Signature)
	case ed25519.PublicKey:
		if s.signedRaw == nil {
			return fmt.Errorf("Ed25519 without signed attributes: %w", ErrUnsupported)
		}
		ok = ed25519.Verify(key, s.signedRaw, s.Signature)
	default:
		return fmt.Errorf("key %T: %w", key, ErrUnsupported)
	}
	if !ok {
		return fmt.Errorf("signature: %w", ErrMismatch)
	}
	return nil
}

// SignatureHash is the digest under the signature value; 0 when it is not known, or
// when the algorithm has one of its own, as Ed25519 has.
func (s *Signer) SignatureHash() crypto.Hash {
	h, _, err := s.scheme()
	if err != nil {
		return 0
	}
	return h
}

// scheme returns the digest under the signature and, for RSASSA-PSS, its options.
func (s *Signer) scheme() (crypto.Hash, *rsa.PSSOptions, error) {
	for _, a := range algorithms {
		if s.algorithm.Equal(a.rsa) || s.algorithm.Equal(a.ecc) {
			if s.signedRaw == nil && a.hash != s.Hash {
				return 0, nil, fmt.Errorf("digest algorithms: %w", ErrMismatch)
			}
			return a.hash, nil, nil
		}
	}
	switch {
	case s.algorithm.Equal(oidRSA), s.algorithm.Equal(oidEC):
		if s.Hash != 0 {
			return s.Hash, nil, nil
		}
	case s.algorithm.Equal(oidEd25519):
		return 0, nil, nil
	case s.algorithm.Equal(oidRSAPSS):
		return s.pss()
	}
	return 0, nil, fmt.Errorf("signature algorithm %v: %w", s.algorithm, ErrUnsupported)
}

// pss reads RSASSA-PSS-params (RFC 4055, 3.1), whose defaults are SHA-1, a
// salt of 20 bytes and trailer 1.
func (s *Signer) pss() (crypto.Hash, *rsa.PSSOptions, error) {
	var p, field cryptobyte.String
	var has bool
	h, mgf, salt, trailer := crypto.SHA1, crypto.SHA1, 20, 1
	in := cryptobyte.String(s.parameters)
	ok := in.ReadASN1(&p, tag.SEQUENCE)
	if ok = ok && p.ReadOptionalASN1(&field, &has, con0); ok && has {
		h = readHash(&field)
	}
	if ok = ok && p.ReadOptionalASN1(&field, &has, con1); ok && has {
		var alg cryptobyte.String
		var oid asn1.ObjectIdentifier
		ok = field.ReadASN1(&alg, tag.SEQUENCE) && alg.ReadASN1ObjectIdentifier(&oid)
		if mgf = 0; ok && oid.Equal(oidMGF1) {
			mgf = readHash(&alg)
		}
	}
	ok = ok && p.ReadOptionalASN1Integer(&salt, tag.Tag(2).ContextSpecific().Constructed(), 20) &&
		p.ReadOptionalASN1Integer(&trailer, tag.Tag(3).ContextSpecific().Constructed(), 1)
	if !ok {
		return 0, nil, fmt.Errorf("%w: RSASSA-PSS-params", ErrMalformed)
	}
	if h == 0 || h != mgf || trailer != 1 || salt < 1 {
		return 0, nil, fmt.Errorf("RSASSA-PSS parameters: %w", ErrUnsupported)
	}
	if s.signedRaw == nil && h != s.Hash {
		return 0, nil, fmt.Errorf("digest algorithms: %w", ErrMismatch)
	}
	return h, &rsa.PSSOptions{SaltLength: salt, Hash: h}, nil
}

// readHash reads an AlgorithmIdentifier of a digest; 0 when it is unknown.
func readHash(s *cryptobyte.String) crypto.Hash {
	var alg cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&alg, tag.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&oid) {
		return 0
	}
	return HashOf(oid)
}

// ErrMissing: the signed attribute is not there.
var ErrMissing = errors.New("attribute is missing")

// CheckSigningCertificate compares the signing-certificate-v2 attribute (or
// its older form, with SHA-1) with the signer's certificate (RFC 5035, 5.4).
func (s *Signer) CheckSigningCertificate() error {
	h := crypto.SHA256
	raw := single(s.Signed, OIDSigningCertificateV2)
	if raw == nil {
		h, raw = crypto.SHA1, single(s.Signed, OIDSigningCertificate)
	}
	if raw == nil {
		return fmt.Errorf("signing-certificate: %w", ErrMissing)
	}
	if s.Certificate == nil {
		return fmt.Errorf("signer's certificate: %w: not included", ErrMismatch)
	}
	var list, certs, first, hash cryptobyte.String
	v := cryptobyte.String(raw)
	if !v.ReadASN1(&list, tag.SEQUENCE) || !list.ReadASN1(&certs, tag.SEQUENCE) || !certs.ReadASN1(&first, tag.SEQUENCE) {
		return fmt.Errorf("signing-certificate: %w", ErrMalformed)
	}
	if first.PeekASN1Tag(tag.SEQUENCE) {
		var alg cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !first.ReadASN1(&alg, tag.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&oid) {
			return fmt.Errorf("signing-certificate: %w", ErrMalformed)
		}
		if h = HashOf(oid); h == 0 {
			return fmt.Errorf("signing-certificate digest: %w", ErrUnsupported)
		}
	}
	if !first.ReadASN1(&hash, tag.OCTET_STRING) {
		return fmt.Errorf("signing-certificate: %w", ErrMalformed)
	}
	w := h.New()
	w.Write(s.Certificate.Raw)
	if !bytes.Equal(w.Sum(nil), hash) {
		return fmt.Errorf("signing-certificate: %w", ErrMismatch)
	}
	return nil
}

// SigningTime returns the time that the signer claims (RFC 5652, 11.3).
func (s *Signer) SigningTime() (time.Time, bool) {
	raw := single(s.Signed, OIDSigningTime)
	if raw == nil {
		return time.Time{}, false
	}
	var t time.Time
	if _, err := asn1.Unmarshal(raw, &t); err != nil {
		return time.Time{}, false
	}
	return t, true
}

// Weak names what is too weak in an otherwise valid signature: SHA-1 or an RSA
// key of less than 2000 bits (SOG-IS). Empty when nothing is.
func (s *Signer) Weak() string {
	if h, _, err := s.scheme(); s.Hash == crypto.SHA1 || err == nil && h == crypto.SHA1 {
		return "SHA-1"
	}
	if s.Certificate != nil && s.Certificate.X509 != nil {
		if k, ok := s.Certificate.X509.PublicKey.(*rsa.PublicKey); ok && k.N.Cmp(new(big.Int).Lsh(big.NewInt(1), 1999)) < 0 {
			return fmt.Sprintf("RSA with %d bits", k.N.BitLen())
		}
	}
	return ""
}
