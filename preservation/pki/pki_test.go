package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var now = time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)

func openssl(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal("openssl is required (BESTAND_REQUIRE_TOOLS=1) and not installed")
		}
		t.Skip("openssl is not installed")
	}
	out, err := exec.Command("openssl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestOpen(t *testing.T) {
	for _, a := range []Algorithm{"", ECP256, RSA3072} {
		t.Run("algorithm "+string(a), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data", "keys")
			p, err := Open(dir, now, Options{Algorithm: a, Organization: "Stadt Görlitz"})
			if err != nil {
				t.Fatal(err)
			}
			again, err := Open(dir, now.AddDate(1, 0, 0), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, pair := range [][2]Identity{{p.CA, again.CA}, {p.Seal, again.Seal}, {p.TSA, again.TSA}} {
				if !pair[0].Certificate().Equal(pair[1].Certificate()) {
					t.Errorf("identity %d changed when the folder was opened again", i)
				}
				if !strings.Contains(pair[0].Certificate().Subject.String(), "not qualified") {
					t.Errorf("subject %s does not say that it is not qualified", pair[0].Certificate().Subject)
				}
			}
			if len(p.Seal.Chain) != 2 || !p.Seal.Chain[1].Equal(p.CA.Certificate()) {
				t.Error("the chain of the seal does not lead to the authority")
			}
			if want := now.AddDate(5, 0, 0); !p.Expires().Equal(want) {
				t.Errorf("expires %s, want %s", p.Expires(), want)
			}
			for _, f := range []string{"password", "ca.p12", "seal.p12", "tsa.p12"} {
				if fi, err := os.Stat(filepath.Join(dir, f)); err != nil || fi.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v, %v; want mode 0600", f, fi, err)
				}
			}
			rest, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".keys-*"))
			if len(rest) > 0 {
				t.Errorf("left behind: %v", rest)
			}
		})
	}
}

func TestOpenNeverReplacesKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := Open(dir, now, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "seal.p12")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, now, Options{}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("got %v, want ErrIncomplete", err)
	}
}

func TestOpenAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var all [4]*PKI
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			p, err := Open(dir, now, Options{})
			if err != nil {
				t.Error(err)
			}
			all[i] = p
		})
	}
	wg.Wait()
	for _, p := range all {
		if p == nil || !p.CA.Certificate().Equal(all[0].CA.Certificate()) {
			t.Fatal("parallel openers got different keys")
		}
	}
}

func TestCRL(t *testing.T) {
	p, err := Open(filepath.Join(t.TempDir(), "keys"), now, Options{})
	if err != nil {
		t.Fatal(err)
	}
	number := func(at time.Time) int64 {
		der, err := p.CRL(at)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(p.CA.Certificate()); err != nil {
			t.Error(err)
		}
		if !at.Before(list.NextUpdate) {
			t.Errorf("list of %s ended on %s", at, list.NextUpdate)
		}
		return list.Number.Int64()
	}
	for _, c := range []struct {
		days int
		want int64
	}{{0, 1}, {40, 1}, {50, 2}, {51, 2}, {400, 3}} {
		if got := number(now.AddDate(0, 0, c.days)); got != c.want {
			t.Errorf("after %d days: list %d, want %d", c.days, got, c.want)
		}
	}
}

func TestOpensslAccepts(t *testing.T) {
	for _, a := range []Algorithm{ECP256, RSA3072} {
		t.Run(string(a), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			at := time.Now()
			if _, err := Open(dir, at, Options{Algorithm: a, Organization: "Stadt Görlitz"}); err != nil {
				t.Fatal(err)
			}
			file := func(n string) string { return filepath.Join(dir, n) }
			openssl(t, "crl", "-inform", "DER", "-in", file("ca.crl"), "-out", file("crl.pem"))
			for name, purpose := range map[string]string{"seal": "smimesign", "tsa": "timestampsign"} {
				openssl(t, "pkcs12", "-in", file(name+".p12"), "-passin", "file:"+file("password"), "-nokeys", "-clcerts", "-out", file(name+".pem"))
				openssl(t, "verify", "-x509_strict", "-crl_check", "-CRLfile", file("crl.pem"), "-purpose", purpose, "-CAfile", file("ca.pem"), file(name+".pem"))
			}
		})
	}
}

func TestLoadPKCS12FromElsewhere(t *testing.T) {
	dir := t.TempDir()
	file := func(n string) string { return filepath.Join(dir, n) }
	openssl(t, "req", "-utf8", "-x509", "-newkey", "rsa:3072", "-nodes", "-subj", "/CN=Siegel von außen", "-keyout", file("key.pem"), "-out", file("cert.pem"))
	openssl(t, "req", "-utf8", "-x509", "-newkey", "rsa:3072", "-nodes", "-subj", "/CN=fremd", "-keyout", file("other.pem"), "-out", file("other-cert.pem"))
	if err := os.WriteFile(file("pw"), []byte("geheim\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, "pkcs12", "-export", "-inkey", file("key.pem"), "-in", file("cert.pem"), "-certfile", file("other-cert.pem"), "-passout", "pass:geheim", "-out", file("good.p12"))
	id, err := LoadPKCS12(file("good.p12"), file("pw"))
	if err != nil {
		t.Fatal(err)
	}
	if got := id.Certificate().Subject.CommonName; got != "Siegel von außen" || len(id.Chain) != 1 {
		t.Errorf("loaded %q with %d certificates", got, len(id.Chain))
	}
	if err := os.WriteFile(file("wrong"), []byte("falsch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPKCS12(file("good.p12"), file("wrong")); err == nil {
		t.Error("a wrong password opened the file")
	}
	if _, err := LoadPKCS12(file("cert.pem"), file("pw")); err == nil {
		t.Error("a file that is no PKCS #12 was loaded")
	}
}

func TestRenew(t *testing.T) {
	for _, a := range []Algorithm{ECP256, RSA3072} {
		dir := filepath.Join(t.TempDir(), "keys")
		p, err := Open(dir, now, Options{Algorithm: a, Organization: "Stadt Görlitz"})
		if err != nil {
			t.Fatal(err)
		}
		oldSeal, oldCA := p.Seal, p.CA
		for _, c := range []struct {
			years, months int
			want          int // renewed
		}{{3, 11, 0}, {4, 0, 2}, {4, 1, 0}, {8, 1, 2}, {12, 2, 2}, {16, 3, 2}, {19, 6, 0}} {
			at := now.AddDate(c.years, c.months, 1)
			renewed, err := p.Renew(at)
			if err != nil || len(renewed) != c.want {
				t.Errorf("after %d years, %d months: %v, %v", c.years, c.months, renewed, err)
			}
			again, err := Open(dir, at, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []struct {
				was, is Identity
				use     x509.ExtKeyUsage
			}{{p.Seal, again.Seal, x509.ExtKeyUsageEmailProtection}, {p.TSA, again.TSA, x509.ExtKeyUsageTimeStamping}} {
				if !id.was.Certificate().Equal(id.is.Certificate()) {
					t.Errorf("after %d years the folder has other keys", c.years)
				}
				if _, err := id.is.Certificate().Verify(x509.VerifyOptions{Roots: p.Roots(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{id.use}}); err != nil {
					t.Errorf("after %d years: %v", c.years, err)
				}
				if id.is.Certificate().NotAfter.After(p.CA.Certificate().NotAfter) {
					t.Error("it outlives its authority")
				}
			}
		}
		if p.Seal.Certificate().Equal(oldSeal.Certificate()) || p.Seal.Certificate().Subject.String() != oldSeal.Certificate().Subject.String() {
			t.Errorf("seal of %s follows that of %s", p.Seal.Certificate().Subject, oldSeal.Certificate().Subject)
		}
		if !p.CA.Certificate().Equal(oldCA.Certificate()) {
			t.Error("another authority")
		}
	}
}

// TestRenewDigest: when a digest algorithm is to be used no more, keys and certificates that rest
// on it get successors, once, and the revocation list too. Who does not know of its end, as a
// command without the table of the service, does not go back to it.
func TestRenewDigest(t *testing.T) {
	for _, a := range []Algorithm{ECP256, ECP384, RSA3072} {
		t.Run(string(a), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			digest := func(wanted crypto.Hash) crypto.Hash { return wanted }
			o := Options{Algorithm: a, Digest: func(wanted crypto.Hash) crypto.Hash { return digest(wanted) }}
			p, err := Open(dir, now, o)
			if err != nil {
				t.Fatal(err)
			}
			at := now.AddDate(1, 0, 0)
			if renewed, err := p.Renew(at); len(renewed) > 0 || err != nil {
				t.Errorf("before its time: %v, %v", renewed, err)
			}
			if _, err := p.CRL(at); err != nil {
				t.Fatal(err)
			}
			digest = func(crypto.Hash) crypto.Hash { return crypto.SHA512 }
			if renewed, err := p.Renew(at); len(renewed) != 2 || err != nil {
				t.Errorf("%v, %v", renewed, err)
			}
			if p, err = Open(dir, at, o); err != nil {
				t.Fatal(err)
			}
			if renewed, err := p.Renew(at); len(renewed) > 0 || err != nil {
				t.Errorf("once more: %v, %v", renewed, err)
			}
			der, err := p.CRL(at.AddDate(0, 0, 1))
			if err != nil {
				t.Fatal(err)
			}
			other, err := Open(dir, at, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if renewed, err := other.Renew(at); len(renewed) > 0 || err != nil {
				t.Errorf("without the table: %v, %v", renewed, err)
			}
			if same, err := other.CRL(at.AddDate(0, 0, 2)); !bytes.Equal(same, der) || err != nil {
				t.Errorf("another revocation list without the table, %v", err)
			}
			list, err := x509.ParseRevocationList(der)
			if err != nil {
				t.Fatal(err)
			}
			if err := list.CheckSignatureFrom(p.CA.Certificate()); err != nil {
				t.Error(err)
			}
			signed := []x509.SignatureAlgorithm{list.SignatureAlgorithm}
			for _, id := range []Identity{p.Seal, p.TSA} {
				signed = append(signed, id.Certificate().SignatureAlgorithm)
				if _, err := id.Certificate().Verify(x509.VerifyOptions{Roots: p.Roots(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
					t.Error(err)
				}
				if k, ok := id.Certificate().PublicKey.(*ecdsa.PublicKey); ok && k.Curve != elliptic.P384() {
					t.Errorf("a key of %s, whose receipts rest on SHA-256", k.Curve.Params().Name)
				}
			}
			for _, s := range signed {
				if digestOf(s) != crypto.SHA512 {
					t.Errorf("signed by %s", s)
				}
			}
		})
	}
}
