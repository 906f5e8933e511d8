package revocation_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/revocation"
)

// FuzzCheck has lists and answers of anybody judged: none may end the program, and
// none that the issuer has not signed may say anything.
func FuzzCheck(f *testing.F) {
	key, now := newKey(f), time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	certify := func(c, issuer *x509.Certificate) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), key)
		if err != nil {
			f.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			f.Fatal(err)
		}
		return c
	}
	ca := certify(c, c)
	path := []*x509.Certificate{certify(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Siegel"}, NotBefore: c.NotBefore, NotAfter: c.NotAfter}, ca), ca}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(3), RevocationTime: now}}}, ca, key)
	if err != nil {
		f.Fatal(err)
	}
	own := revocation.Material{Lists: [][]byte{list}}
	if got := own.Check(path, now, now, ""); got.Code != "revocation-checked" {
		f.Fatal(got)
	}
	f.Add(list)
	f.Add([]byte("0\x82\x01\x00\n\x01\x00\xa0\x0b0\x09\x06\x09+\x06\x01\x05\x05\x070\x01\x01"))
	f.Fuzz(func(t *testing.T, der []byte) {
		m := revocation.Material{Lists: [][]byte{der}, Answers: [][]byte{der}}
		if got := m.Check(path, now, now, ""); got.Severity == preservation.Failed {
			t.Errorf("%+v", got)
		}
	})
}
