package cades

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"time"

	"bestand/preservation/cades/cms"
)

// Stamper gives time-stamp tokens (RFC 3161) in DER over a digest. An error is
// worth another try later.
type Stamper interface {
	Stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
}

// Options say how a seal is made.
type Options struct {
	Signer crypto.Signer       // RSA or ECDSA; may live in a hardware module
	Chain  []*x509.Certificate // the first belongs to Signer, the rest lead to the root
	Hash   crypto.Hash         // SHA-256, SHA-384 or SHA-512; 0 means SHA-256

	// Stamper adds a time-stamp over the signature value: level B-T instead of B-B.
	Stamper Stamper

	// Time is the claimed time of signing. The CAdES baseline asks for it
	// (EN 319 122-1, 6.3); in a PDF it must be zero, because there the entry M
	// says it (EN 319 142-1, 6.3).
	Time time.Time
}

func (o Options) hash() crypto.Hash {
	if o.Hash == 0 {
		return crypto.SHA256
	}
	return o.Hash
}

// SignReader hashes the content up to its end and seals it; see Sign.
func SignReader(ctx context.Context, content io.Reader, o Options) ([]byte, error) {
	if !o.hash().Available() {
		return nil, fmt.Errorf("seal: digest %v: %w", o.hash(), cms.ErrUnsupported)
	}
	h := o.hash().New()
	if _, err := io.Copy(h, content); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return Sign(ctx, h.Sum(nil), o)
}

// Sign seals content by its digest under o.Hash and returns a detached CMS
// signature in DER. It is complete: verified, and with its time-stamp where
// one was asked for; otherwise there is an error and no signature.
func Sign(ctx context.Context, digest []byte, o Options) ([]byte, error) {
	if o.Signer == nil || len(o.Chain) == 0 {
		return nil, errors.New("seal: key or certificate is missing")
	}
	s := cms.Signing{
		ContentType: cms.OIDData, Digest: digest, Hash: o.hash(),
		Signer: o.Signer, Certificate: o.Chain[0], Certificates: o.Chain,
	}
	if !o.Time.IsZero() {
		t, err := asn1.Marshal(o.Time.UTC())
		if err != nil {
			return nil, fmt.Errorf("seal: signing time: %w", err)
		}
		s.Attributes = []cms.Attribute{{Type: cms.OIDSigningTime, Values: [][]byte{t}}}
	}
	if o.Stamper != nil {
		s.Unsigned = func(signature []byte) ([]cms.Attribute, error) {
			h := o.hash().New()
			h.Write(signature)
			token, err := o.Stamper.Stamp(ctx, o.hash(), h.Sum(nil))
			if err != nil {
				return nil, fmt.Errorf("seal: %w", err)
			}
			return []cms.Attribute{{Type: cms.OIDSignatureTimeStamp, Values: [][]byte{token}}}, nil
		}
	}
	der, err := cms.Sign(s)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return der, nil
}
