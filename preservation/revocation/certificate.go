package revocation

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxKey is the largest RSA key, in bits, that signatures are checked with. The work
// for one check grows with the square of it, and anybody can send a certificate.
const MaxKey = 16384

// ErrKey: a certificate has a key beyond MaxKey.
var ErrKey = errors.New("key too large")

// ParseCertificate reads a certificate of anybody in DER, as x509.ParseCertificate
// does for those of our own. The error wraps ErrKey when its key is too large.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > MaxKey {
		return nil, fmt.Errorf("%w: RSA with %d bits, more than %d", ErrKey, k.N.BitLen(), MaxKey)
	}
	return c, nil
}

// checkResponders looks at the keys of the certificates that came in an OCSP answer
// (RFC 6960, 4.2.1): package ocsp uses one before it knows whose it is.
func checkResponders(der []byte) error {
	explicit := tag.Tag(0).ContextSpecific().Constructed()
	malformed := errors.New("malformed OCSP answer")
	var response, bytes, basic, fields, certificates cryptobyte.String
	var has bool
	in := cryptobyte.String(der)
	if !in.ReadASN1(&response, tag.SEQUENCE) || !response.SkipASN1(tag.ENUM) || !response.ReadOptionalASN1(&bytes, &has, explicit) {
		return malformed
	}
	if !has {
		return nil // it says that there is no answer
	}
	if !bytes.ReadASN1(&bytes, tag.SEQUENCE) || !bytes.SkipASN1(tag.OBJECT_IDENTIFIER) || !bytes.ReadASN1(&basic, tag.OCTET_STRING) ||
		!basic.ReadASN1(&fields, tag.SEQUENCE) || !fields.SkipASN1(tag.SEQUENCE) || !fields.SkipASN1(tag.SEQUENCE) || !fields.SkipASN1(tag.BIT_STRING) ||
		!fields.ReadOptionalASN1(&certificates, &has, explicit) {
		return malformed
	}
	if !has {
		return nil
	}
	if !certificates.ReadASN1(&certificates, tag.SEQUENCE) {
		return malformed
	}
	for !certificates.Empty() {
		var one cryptobyte.String
		if !certificates.ReadASN1Element(&one, tag.SEQUENCE) {
			return malformed
		}
		if _, err := ParseCertificate(one); errors.Is(err, ErrKey) {
			return err
		}
	}
	return nil
}
