package cades

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"
)

// TestHugeKey has an issuer whose key would take seconds for one check of a signature.
func TestHugeKey(t *testing.T) {
	const bits = 131072
	n := new(big.Int).Lsh(big.NewInt(1), bits)
	huge := &rsa.PublicKey{N: n.Sub(n, big.NewInt(159)), E: 1<<31 - 1}
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	certify := func(name string, pub any, issuer string) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: issuer}}, pub, small)
		if err != nil {
			t.Fatal(err)
		}
		var parts struct {
			TBS, Algorithm asn1.RawValue
			Value          asn1.BitString
		}
		if _, err := asn1.Unmarshal(der, &parts); err != nil {
			t.Fatal(err)
		}
		value := make([]byte, bits/8) // of the length that the check is done at all
		value[0] = 1
		parts.Value = asn1.BitString{Bytes: value, BitLength: bits}
		if der, err = asn1.Marshal(parts); err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	leaf := certify("leaf", ec.Public(), "huge")
	issuer := certify("huge", huge, "root")
	sum := sha256.Sum256([]byte("x"))
	sig, err := Sign(t.Context(), sum[:], Options{Signer: ec, Chain: []*x509.Certificate{leaf, issuer}, Time: now})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	codes := ""
	for _, f := range Verify(sig, bytes.NewReader([]byte("x")), Trust{Roots: x509.NewCertPool(), At: now, Optional: true}) {
		codes += f.Code + " "
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("%v", took)
	}
	if !strings.Contains(codes, "signature-match ") || !strings.Contains(codes, "chain-untrusted ") {
		t.Error(codes)
	}
}
