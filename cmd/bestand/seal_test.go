package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
