package xades

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
)

const dsigMore = "http://www.w3.org/2001/04/xmldsig-more#"

// digests by their identifiers (RFC 9231, 2.1). SHA-1 is told to be weak.
var digests = map[string]crypto.Hash{
	dsig + "sha1": crypto.SHA1,
	"http://www.w3.org/2001/04/xmlenc#sha256": crypto.SHA256,
	dsigMore + "sha384":                       crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512": crypto.SHA512,
}

// Digest is the digest that an identifier of XML Signature stands for, as far as it is
// known here.
func Digest(uri string) (crypto.Hash, bool) {
	h, ok := digests[uri]
	return h, ok
}

// digestMethod reads the digest that an element with a DigestMethod asks for.
func digestMethod(n *node) (crypto.Hash, error) {
	uri, _ := n.one(dsig, "DigestMethod").attr("Algorithm")
	h, ok := Digest(uri)
	if !ok {
		return 0, unsupported("the digest " + uri)
	}
	return h, nil
}

type scheme uint8

const (
	pkcs1 scheme = iota
	pss          // with MGF1 over the same digest and a salt of its length
	ecc
)

type algorithm struct {
	scheme
	hash crypto.Hash
}

// signatures by their identifiers (RFC 9231, 2.3).
var algorithms = map[string]algorithm{
	dsig + "rsa-sha1":       {pkcs1, crypto.SHA1},
	dsigMore + "rsa-sha256": {pkcs1, crypto.SHA256},
	dsigMore + "rsa-sha384": {pkcs1, crypto.SHA384},
	dsigMore + "rsa-sha512": {pkcs1, crypto.SHA512},
	"http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1":   {pss, crypto.SHA1},
	"http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1": {pss, crypto.SHA256},
	"http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1": {pss, crypto.SHA384},
	"http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1": {pss, crypto.SHA512},
	dsigMore + "ecdsa-sha1":                                  {ecc, crypto.SHA1},
	dsigMore + "ecdsa-sha256":                                {ecc, crypto.SHA256},
	dsigMore + "ecdsa-sha384":                                {ecc, crypto.SHA384},
	dsigMore + "ecdsa-sha512":                                {ecc, crypto.SHA512},
}

func signatureMethod(info *node) (algorithm, error) {
	uri, _ := info.one(dsig, "SignatureMethod").attr("Algorithm")
	a, ok := algorithms[uri]
	if !ok {
		return a, unsupported("the signature algorithm " + uri)
	}
	return a, nil
}

var errMismatch = errors.New("does not match")

// check verifies a signature value. It is of type unsupported when the key cannot be
// used here.
func (a algorithm) check(key crypto.PublicKey, digest, value []byte) error {
	good := false
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch a.scheme {
		case pkcs1:
			good = rsa.VerifyPKCS1v15(key, a.hash, digest, value) == nil
		case pss:
			good = rsa.VerifyPSS(key, a.hash, digest, value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
	case *ecdsa.PublicKey: // r and s of equal length (XML Signature 1.1, 6.4.3)
		if a.scheme == ecc && len(value) > 0 && len(value)%2 == 0 {
			r, s := new(big.Int).SetBytes(value[:len(value)/2]), new(big.Int).SetBytes(value[len(value)/2:])
			good = ecdsa.Verify(key, digest, r, s)
		}
	default:
		return unsupported(fmt.Sprintf("a key of type %T", key))
	}
	if !good {
		return errMismatch
	}
	return nil
}

// weak names what is too weak in a key; empty when nothing is.
func weak(key crypto.PublicKey) string {
	if k, ok := key.(*rsa.PublicKey); ok && k.N.BitLen() < 2000 {
		return fmt.Sprintf("RSA with %d bits", k.N.BitLen())
	}
	return ""
}
