package revocation_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"bestand/preservation/revocation"
)

// TestHugeKey has certificates, and an OCSP answer with one, whose keys take seconds
// for a single check.
func TestHugeKey(t *testing.T) {
	key, now := newKey(t), time.Now()
	certify := func(bits uint) ([]byte, error) {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "huge"}, NotBefore: now, NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}}
		return x509.CreateCertificate(rand.Reader, c, c, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 1<<31 - 1}, key)
	}
	for bits, want := range map[uint]error{revocation.MaxKey: nil, revocation.MaxKey + 1: revocation.ErrKey} {
		der, err := certify(bits)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := revocation.ParseCertificate(der); !errors.Is(err, want) {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
	if _, err := revocation.ParseCertificate([]byte{0x30, 0}); err == nil {
		t.Error("no certificate")
	}

	const bits = 262_144
	der, err := certify(bits)
	if err != nil {
		t.Fatal(err)
	}
	huge, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	signed := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "Siegel"}, NotBefore: now, NotAfter: now.Add(time.Hour)}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: now, NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	path := make([]*x509.Certificate, 2)
	for i, c := range []*x509.Certificate{signed, ca} {
		der, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if path[i], err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ocsp.CreateResponse(path[1], huge, ocsp.Response{Status: ocsp.Good, SerialNumber: path[0].SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Certificate: huge}, padded{small, bits / 8})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if f := (revocation.Material{Answers: [][]byte{answer}}).Check(path, now, now, ""); f.Code != "revocation-unknown" {
		t.Error(f)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("%v", took)
	}
}

// padded makes signatures of the length of another key, that they are checked at all.
type padded struct {
	*rsa.PrivateKey
	size int
}

func (p padded) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	value, err := p.PrivateKey.Sign(r, digest, o)
	return append(make([]byte, p.size-len(value)), value...), err
}

// TestPathChecks has many issuers of one name, of which only the last has signed: the
// search for it ends.
func TestPathChecks(t *testing.T) {
	now := time.Now()
	var among []*x509.Certificate
	issue := func(name string, by crypto.Signer, pub crypto.PublicKey) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now, NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, c, &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}}, pub, by)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c
	}
	right := newKey(t)
	for range 99 {
		k := newKey(t)
		among = append(among, issue("CA", k, k.Public()))
	}
	leaf, ca := issue("Siegel", right, right.Public()), issue("CA", right, right.Public())
	if n := len(revocation.Path(leaf, append(among, ca))); n != 2 {
		t.Errorf("%d certificates, the issuer is the hundredth", n)
	}
	k := newKey(t)
	among = append(among, issue("CA", k, k.Public()))
	if n := len(revocation.Path(leaf, append(among, ca))); n != 1 {
		t.Errorf("%d certificates, the issuer is beyond the hundredth", n)
	}
}
