package ingest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"
)

// algorithm is the JWS algorithm of a public key (RFC 7518, 3.1): under a digest algorithm
// if the key is RSA, under that of its curve otherwise.
func algorithm(pub crypto.PublicKey, h crypto.Hash) (jose.SignatureAlgorithm, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		switch h {
		case crypto.SHA384:
			return jose.PS384, nil
		case crypto.SHA512:
			return jose.PS512, nil
		}
		return jose.PS256, nil
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return jose.ES256, nil
		case 384:
			return jose.ES384, nil
		case 521:
			return jose.ES512, nil
		}
	}
	return "", fmt.Errorf("sign receipt: a %T cannot sign a JWS", pub)
}

// opaque lets a key that only signs, as in a hardware module, make a JWS.
type opaque struct {
	crypto.Signer
	alg jose.SignatureAlgorithm
}

func (o opaque) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{Key: o.Signer.Public()}
}

func (o opaque) Algs() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{o.alg} }

func (o opaque) SignPayload(payload []byte, alg jose.SignatureAlgorithm) ([]byte, error) {
	hash := map[jose.SignatureAlgorithm]crypto.Hash{
		jose.ES256: crypto.SHA256, jose.ES384: crypto.SHA384, jose.ES512: crypto.SHA512,
		jose.PS256: crypto.SHA256, jose.PS384: crypto.SHA384, jose.PS512: crypto.SHA512,
	}[alg]
	h := hash.New()
	h.Write(payload)
	if _, ok := o.Signer.Public().(*rsa.PublicKey); ok {
		return o.Sign(rand.Reader, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
	}
	der, err := o.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		return nil, err
	}
	// A JWS holds r and s in fixed length (RFC 7518, 3.4), crypto.Signer gives DER.
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, fmt.Errorf("signature of the key: %w", err)
	}
	n := (o.Signer.Public().(*ecdsa.PublicKey).Curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*n)
	sig.R.FillBytes(out[:n])
	sig.S.FillBytes(out[n:])
	return out, nil
}
