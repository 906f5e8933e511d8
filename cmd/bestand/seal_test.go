package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"bestand/preservation/pki"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

// softToken puts a seal key into a token of SoftHSM and returns the flags for it.
func softToken(t *testing.T, a pki.Algorithm) (flags []string, pin string) {
	t.Helper()
	if _, err := exec.LookPath("softhsm2-util"); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal("softhsm2 is required (BESTAND_REQUIRE_TOOLS=1) and not installed")
		}
		t.Skip("softhsm2 is not installed")
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("SOFTHSM2_CONF", write("conf", []byte("directories.tokendir = "+dir+"\nlog.level = ERROR\n")))
	keys, err := pki.Open(filepath.Join(dir, "keys"), time.Now(), pki.Options{Algorithm: a, Organization: "Stadt Görlitz"})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(keys.Seal.Signer)
	if err != nil {
		t.Fatal(err)
	}
	key := write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for _, args := range [][]string{
		{"--init-token", "--free", "--label", "archiv", "--so-pin", "87654321", "--pin", "123456"},
		{"--import", key, "--token", "archiv", "--label", "siegel", "--id", "01", "--pin", "123456"},
	} {
		if out, err := exec.Command("softhsm2-util", args...).CombinedOutput(); err != nil {
			t.Fatalf("softhsm2-util %v: %v\n%s", args, err, out)
		}
	}
	var chain []byte
	for _, c := range keys.Seal.Chain {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	pin = write("pin", []byte("123456\n"))
	return []string{"--seal-pkcs11-module", softHSM, "--seal-pkcs11-token", "archiv", "--seal-pkcs11-key", "siegel",
		"--seal-pkcs11-pin-file", pin, "--seal-chain", write("chain.pem", chain)}, pin
}

// TestSealInModule archives with a seal key that lives in a PKCS#11 token.
func TestSealInModule(t *testing.T) {
	t.Run("EC", func(t *testing.T) { sealInModule(t, pki.ECP256) })
	t.Run("RSASSA-PSS", func(t *testing.T) { sealInModule(t, pki.RSA3072, "--seal-pss") })
}

func sealInModule(t *testing.T, a pki.Algorithm, more ...string) {
	flags, pin := softToken(t, a)
	flags = append(flags, more...)
	doctor := func() string {
		var out bytes.Buffer
		_ = run(context.Background(), append([]string{"doctor"}, flags...), &out, &out) // fails where any part is missing
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "seal key") {
				return line
			}
		}
		t.Fatalf("doctor says nothing of it:\n%s", &out)
		return ""
	}
	if got := doctor(); !strings.HasPrefix(got, "ok") || !strings.Contains(got, "Stadt Görlitz") {
		t.Error(got)
	}
	in := install(t, flags...).serve(t)
	c := in.admin(t)
	sub := c.send(about("siegel", "63.10", "Vermerk"), file("daten.bin", blob("siegel"))).accepted(t)
	s := c.await(sub)
	if s.Status != "archived" {
		t.Fatalf("%+v", s)
	}
	c.verified(s.RecordID)
	if err := os.WriteFile(pin, []byte("000000"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := doctor(); !strings.HasPrefix(got, "MISSING") || !strings.Contains(got, "the PIN of token \"archiv\" is wrong") {
		t.Error(got)
	}
}

// TestDoctorTellsLevel: of a seal key whose certificate names nobody that says whether it was
// revoked, and of services for time-stamps, doctor tells what comes of it.
func TestDoctorTellsLevel(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var list []byte
	lists := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(list) }))
	defer lists.Close()
	certificate := func(serial int64, issuer *x509.Certificate, points ...string) *x509.Certificate {
		t.Helper()
		c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint("Stadt Görlitz ", serial)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), BasicConstraintsValid: true, CRLDistributionPoints: points}
		if issuer == nil {
			issuer, c.IsCA, c.KeyUsage = c, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		}
		der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca := certificate(1, nil)
	if list, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}, ca, key); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(dir, "password")
	doctor := func(name string, c *x509.Certificate, issuers ...*x509.Certificate) string {
		t.Helper()
		p12, err := pkcs12.Modern2023.Encode(key, c, issuers, "geheim")
		if err != nil {
			t.Fatal(err)
		}
		cfg := &Config{Data: dir, SealKey: filepath.Join(dir, name), SealPassword: password}
		for path, b := range map[string][]byte{cfg.SealKey: p12, password: []byte("geheim\n")} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p := examineSeal(t.Context(), cfg)
		if !p.Found {
			t.Fatalf("%s: %+v", name, p)
		}
		return p.Version
	}
	anchor := func(c *x509.Certificate) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, laterAnchors), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if said := doctor("whole", certificate(2, ca, lists.URL), ca); strings.Contains(said, "level") || strings.Contains(said, "waits") {
		t.Error(said)
	}
	for name, said := range map[string]string{"no list": doctor("none", certificate(3, ca), ca), "no issuer": doctor("alone", certificate(4, ca, lists.URL))} {
		if !strings.Contains(said, "stay at level B-T") || !strings.Contains(said, "--trust-file") {
			t.Errorf("%s: %s", name, said)
		}
	}
	anchor(ca)
	if said := doctor("alone", certificate(4, ca, lists.URL)); strings.Contains(said, "level") || strings.Contains(said, "waits") {
		t.Errorf("its issuer came with a restore: %s", said)
	}
	if said := doctor("away", certificate(5, ca, "http://127.0.0.1:1/"), ca); !strings.Contains(said, "waits as long") {
		t.Error(said)
	}

	tsa, url, roots := tsaIn(t)
	stamps := func() external {
		t.Helper()
		return examineStamps(t.Context(), &Config{TSAURL: "http://127.0.0.1:1/," + url, TrustFile: roots})
	}
	if p := stamps(); !p.Found || !strings.Contains(p.Version, "refused") || !strings.Contains(p.Version, "Zeitstempel Bestand") || !strings.Contains(p.Version, "stay at level B-T") {
		t.Errorf("%+v", p)
	}
	tsa.set("garbage")
	if p := stamps(); p.Found || !strings.Contains(p.Lost, "malformed answer") {
		t.Errorf("%+v", p)
	}
}
