package timestamp

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"sync"
	"time"

	"bestand/preservation/cades/cms"
)

// Token is a parsed time-stamp token (RFC 3161, 2.4.2).
type Token struct {
	Raw      []byte // DER of the ContentInfo
	Hash     crypto.Hash
	Imprint  []byte // the digest that was stamped
	Time     time.Time
	Accuracy time.Duration // 0 when not stated
	Serial   *big.Int
	Nonce    *big.Int // nil when the request had none
	Policy   asn1.ObjectIdentifier

	signed *cms.SignedData
	signer *cms.Signer
	path   func() []*x509.Certificate // the signer's certificate with the issuers that the token carries
}

// tstInfo is TSTInfo (RFC 3161, 2.4.2).
type tstInfo struct {
	Version int
	Policy  asn1.ObjectIdentifier
	Imprint struct {
		Algorithm pkix.AlgorithmIdentifier
		Hashed    []byte
	}
	Serial   *big.Int
	Time     time.Time `asn1:"generalized"`
	Accuracy struct {
		Seconds int `asn1:"optional"`
		Millis  int `asn1:"optional,tag:0"`
		Micros  int `asn1:"optional,tag:1"`
	} `asn1:"optional"`
	Ordering   bool             `asn1:"optional,default:false"`
	Nonce      *big.Int         `asn1:"optional"`
	TSA        asn1.RawValue    `asn1:"optional,explicit,tag:0"`
	Extensions []pkix.Extension `asn1:"optional,tag:1"`
}

// Parse reads a token in BER or DER. It checks the form only; see Token.Check.
func Parse(b []byte) (*Token, error) {
	sd, err := cms.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("time-stamp token: %w", err)
	}
	if !sd.ContentType.Equal(cms.OIDTSTInfo) || sd.Content == nil {
		return nil, fmt.Errorf("time-stamp token: %w: content is no TSTInfo", cms.ErrMalformed)
	}
	if len(sd.Signers) != 1 { // RFC 3161, 2.4.2
		return nil, fmt.Errorf("time-stamp token: %w: %d signers instead of one", cms.ErrMalformed, len(sd.Signers))
	}
	der, rest, err := cms.DER(sd.Content)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("time-stamp token: %w: TSTInfo", cms.ErrMalformed)
	}
	var info tstInfo
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("time-stamp token: %w: TSTInfo: %v", cms.ErrMalformed, err)
	}
	acc := info.Accuracy
	t := &Token{
		Raw:     sd.Raw,
		Hash:    cms.HashOf(info.Imprint.Algorithm.Algorithm),
		Imprint: info.Imprint.Hashed,
		Time:    info.Time,
		Accuracy: time.Duration(acc.Seconds)*time.Second + time.Duration(acc.Millis)*time.Millisecond +
			time.Duration(acc.Micros)*time.Microsecond,
		Serial: info.Serial,
		Nonce:  info.Nonce,
		Policy: info.Policy,
		signed: sd,
		signer: sd.Signers[0],
	}
	t.path = sync.OnceValue(func() []*x509.Certificate { return t.signed.Issued(t.signer) })
	return t, nil
}

// Freeze returns a token in the form that is kept for ever: DER, with the
// given revocation lists added to the unsigned field SignedData.crls. It must
// be called before the token is used, because later time-stamps cover its
// bytes.
func Freeze(token []byte, crls ...[]byte) ([]byte, error) {
	t, err := Parse(token)
	if err != nil {
		return nil, err
	}
	return t.signed.WithCRLs(crls...)
}

// Signer returns the certificate of the authority; nil when the token does not
// carry it or it cannot be read here.
func (t *Token) Signer() *x509.Certificate {
	if t.signer.Certificate == nil {
		return nil
	}
	return t.signer.Certificate.X509
}

// Certificates returns the readable certificates that the token carries.
func (t *Token) Certificates() (all []*x509.Certificate) {
	for _, c := range t.signed.Certificates {
		if c.X509 != nil {
			all = append(all, c.X509)
		}
	}
	return all
}
