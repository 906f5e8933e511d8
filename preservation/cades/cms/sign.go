package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"
	"sort"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// Signing says what Sign makes.
type Signing struct {
	ContentType asn1.ObjectIdentifier
	Content     []byte      // encapsulated; nil for a detached signature
	Digest      []byte      // of the content under Hash
	Hash        crypto.Hash // SHA-256, SHA-384 or SHA-512
	Attributes  []Attribute // signed, besides content-type, message-digest and signing-certificate-v2

	Signer       crypto.Signer
	Certificate  *x509.Certificate   // of the signer
	Certificates []*x509.Certificate // to include; may be none

	// Unsigned, when set, makes the unsigned attributes from the signature value.
	Unsigned func(signature []byte) ([]Attribute, error)
}

// HashFor is the digest algorithm that goes with a key: one of the strength of
// its curve, and SHA-256 otherwise.
func HashFor(key crypto.PublicKey) crypto.Hash {
	if k, ok := key.(*ecdsa.PublicKey); ok && k.Curve.Params().BitSize > 256 {
		if k.Curve.Params().BitSize > 384 {
			return crypto.SHA512
		}
		return crypto.SHA384
	}
	return crypto.SHA256
}

// PSS is an RSA key that signs by RSASSA-PSS, whatever it is asked for: with MGF1
// over the digest of the content and a salt of its length (RFC 4056, 3).
type PSS struct{ crypto.Signer }

// Sign signs a digest. Of the options the digest algorithm counts.
func (p PSS) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return p.Signer.Sign(random, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: opts.HashFunc()})
}

// Sign writes a ContentInfo with a SignedData of one signer in DER: RSA with
// PKCS #1 v1.5, or with a signer of type PSS by RSASSA-PSS, or ECDSA. It verifies
// the signature before it returns it.
func Sign(s Signing) ([]byte, error) {
	if s.Hash.Size() < 32 || OIDOf(s.Hash) == nil || len(s.Digest) != s.Hash.Size() {
		return nil, fmt.Errorf("sign: digest %v with %d bytes: %w", s.Hash, len(s.Digest), ErrUnsupported)
	}
	if pub, ok := s.Signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(s.Certificate.PublicKey) {
		return nil, fmt.Errorf("sign: key and certificate: %w", ErrMismatch)
	}
	attrs := append([]Attribute{
		{OIDContentType, [][]byte{encode(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(s.ContentType) })}},
		{OIDMessageDigest, [][]byte{encode(func(b *cryptobyte.Builder) { b.AddASN1OctetString(s.Digest) })}},
		signingCertificateV2(s.Certificate, s.Hash),
	}, s.Attributes...)
	signed := setOf(tag.SET, encodeAttributes(attrs))
	h := s.Hash.New()
	h.Write(signed)
	sig, err := s.Signer.Sign(rand.Reader, h.Sum(nil), s.Hash)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var unsigned []Attribute
	if s.Unsigned != nil {
		if unsigned, err = s.Unsigned(sig); err != nil {
			return nil, err
		}
	}
	algorithm, err := signatureAlgorithm(s.Signer, s.Hash)
	if err != nil {
		return nil, err
	}
	info := encode(func(b *cryptobyte.Builder) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(s.Certificate.RawIssuer)
				b.AddASN1BigInt(s.Certificate.SerialNumber)
			})
			addAlgorithm(b, OIDOf(s.Hash), false)
			b.AddBytes(append([]byte{byte(con0)}, signed[1:]...))
			b.AddBytes(algorithm)
			b.AddASN1OctetString(sig)
			if len(unsigned) > 0 {
				b.AddBytes(setOf(con1, encodeAttributes(unsigned)))
			}
		})
	})
	der := s.envelope(info)
	if err := verifyOwn(der, s.Digest, s.Certificate); err != nil {
		return nil, fmt.Errorf("sign: the key gave a signature that does not verify: %w", err)
	}
	return der, nil
}

func (s Signing) envelope(info []byte) []byte {
	version := int64(1)
	if !s.ContentType.Equal(OIDData) {
		version = 3 // RFC 5652, 5.1
	}
	var certs [][]byte
	for _, c := range s.Certificates {
		certs = append(certs, c.Raw)
	}
	return encode(func(b *cryptobyte.Builder) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(OIDSignedData)
			b.AddASN1(con0, func(b *cryptobyte.Builder) {
				b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1Int64(version)
					b.AddASN1(tag.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, OIDOf(s.Hash), false) })
					b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(s.ContentType)
						if s.Content != nil {
							b.AddASN1(con0, func(b *cryptobyte.Builder) { b.AddASN1OctetString(s.Content) })
						}
					})
					if len(certs) > 0 {
						b.AddBytes(setOf(con0, certs))
					}
					b.AddASN1(tag.SET, func(b *cryptobyte.Builder) { b.AddBytes(info) })
				})
			})
		})
	})
}

// verifyOwn makes sure that no signature leaves which a faulty key or module
// has spoilt.
func verifyOwn(der, digest []byte, cert *x509.Certificate) error {
	sd, err := Parse(der)
	if err != nil {
		return err
	}
	s := sd.Signers[0]
	if s.Certificate == nil { // not included on request
		if s.Certificate, err = ParseCertificate(cert.Raw); err != nil {
			return err
		}
	}
	if err := s.CheckContent(digest); err != nil {
		return err
	}
	return s.CheckSignature(digest)
}

// WithCRLs returns the SignedData in DER with revocation lists added to its
// unsigned field crls; those that it carries already are not repeated.
func (sd *SignedData) WithCRLs(crls ...[]byte) ([]byte, error) {
	p, err := split(sd.Raw)
	if err != nil {
		return nil, err
	}
	all := append([][]byte{}, sd.CRLs...)
	for _, crl := range crls {
		known := false
		for _, have := range all {
			known = known || bytes.Equal(have, crl)
		}
		if !known {
			all = append(all, crl)
		}
	}
	der := encode(func(b *cryptobyte.Builder) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(OIDSignedData)
			b.AddASN1(con0, func(b *cryptobyte.Builder) {
				b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(p.version)
					b.AddBytes(p.digests)
					b.AddBytes(p.content)
					if len(p.certificates) > 0 {
						b.AddASN1(con0, func(b *cryptobyte.Builder) { b.AddBytes(p.certificates) })
					}
					if len(all) > 0 {
						b.AddBytes(setOf(con1, all))
					}
					b.AddASN1(tag.SET, func(b *cryptobyte.Builder) { b.AddBytes(p.signers) })
				})
			})
		})
	})
	if len(der) > MaxSize {
		return nil, fmt.Errorf("add revocation lists: %w: more than %d bytes", ErrMalformed, MaxSize)
	}
	return der, nil
}

// signingCertificateV2 binds the signer's certificate (RFC 5035, 3). SHA-256
// is the default algorithm and therefore left out.
func signingCertificateV2(c *x509.Certificate, h crypto.Hash) Attribute {
	w := h.New()
	w.Write(c.Raw)
	return Attribute{OIDSigningCertificateV2, [][]byte{encode(func(b *cryptobyte.Builder) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
					if h != crypto.SHA256 {
						addAlgorithm(b, OIDOf(h), false)
					}
					b.AddASN1OctetString(w.Sum(nil))
				})
			})
		})
	})}}
}

func signatureAlgorithm(signer crypto.Signer, h crypto.Hash) ([]byte, error) {
	_, pss := signer.(PSS)
	for _, a := range algorithms {
		if a.hash != h {
			continue
		}
		switch signer.Public().(type) {
		case *rsa.PublicKey:
			if pss {
				return pssAlgorithm(h), nil
			}
			return encode(func(b *cryptobyte.Builder) { addAlgorithm(b, a.rsa, true) }), nil
		case *ecdsa.PublicKey:
			return encode(func(b *cryptobyte.Builder) { addAlgorithm(b, a.ecc, false) }), nil
		}
	}
	return nil, fmt.Errorf("sign with %T: %w", signer.Public(), ErrUnsupported)
}

// pssAlgorithm names RSASSA-PSS with its parameters (RFC 4055, 3.1).
func pssAlgorithm(h crypto.Hash) []byte {
	return encode(func(b *cryptobyte.Builder) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidRSAPSS)
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(con0, func(b *cryptobyte.Builder) { addAlgorithm(b, OIDOf(h), true) })
				b.AddASN1(con1, func(b *cryptobyte.Builder) {
					b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidMGF1)
						addAlgorithm(b, OIDOf(h), true)
					})
				})
				b.AddASN1(tag.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(h.Size())) })
			})
		})
	})
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, null bool) {
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
}

func encodeAttributes(attrs []Attribute) (all [][]byte) {
	for _, a := range attrs {
		all = append(all, encode(func(b *cryptobyte.Builder) {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(a.Type)
				b.AddBytes(setOf(tag.SET, a.Values))
			})
		}))
	}
	return all
}

// setOf writes a SET OF in the order that DER asks (X.690, 11.6).
func setOf(t tag.Tag, elements [][]byte) []byte {
	sorted := append([][]byte{}, elements...)
	sort.Slice(sorted, func(i, j int) bool { return bytes.Compare(sorted[i], sorted[j]) < 0 })
	return encode(func(b *cryptobyte.Builder) {
		b.AddASN1(t, func(b *cryptobyte.Builder) {
			for _, e := range sorted {
				b.AddBytes(e)
			}
		})
	})
}

// encode runs a builder over values that are known to be encodable.
func encode(f func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	f(&b)
	return b.BytesOrPanic()
}
