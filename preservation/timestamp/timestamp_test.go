package timestamp_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

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

func keys(t *testing.T, a pki.Algorithm) (*pki.PKI, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	p, err := pki.Open(dir, time.Now(), pki.Options{Algorithm: a})
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

func authority(t *testing.T, p *pki.PKI, now func() time.Time) *timestamp.Authority {
	t.Helper()
	a, err := timestamp.NewAuthority(timestamp.Config{Signer: p.TSA.Signer, Chain: p.TSA.Chain, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// failed returns the codes of the failed findings.
func failed(all []preservation.Finding) string {
	var codes []string
	for _, f := range all {
		if f.Severity == preservation.Failed {
			codes = append(codes, f.Code)
		}
	}
	return strings.Join(codes, " ")
}

func TestStampAndCheck(t *testing.T) {
	digest := sha256.Sum256([]byte("Akte"))
	long := sha512.Sum512([]byte("Akte"))
	for _, a := range []pki.Algorithm{pki.ECP256, pki.RSA3072} {
		t.Run(string(a), func(t *testing.T) {
			p, dir := keys(t, a)
			stranger, _ := keys(t, a)
			srv := httptest.NewServer(authority(t, p, nil))
			defer srv.Close()
			client := &timestamp.Client{URL: srv.URL, Roots: p.Roots()}
			for name, stamp := range map[string]func() ([]byte, error){
				"over HTTP":  func() ([]byte, error) { return client.Stamp(t.Context(), crypto.SHA256, digest[:]) },
				"in process": func() ([]byte, error) { return authority(t, p, nil).Stamp(t.Context(), crypto.SHA256, digest[:]) },
			} {
				der, err := stamp()
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				tok, err := timestamp.Parse(der)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range []struct {
					name   string
					hash   crypto.Hash
					digest []byte
					trust  timestamp.Trust
					want   string
				}{
					{"good", crypto.SHA256, digest[:], timestamp.Trust{Roots: p.Roots()}, ""},
					{"no roots", crypto.SHA256, digest[:], timestamp.Trust{}, ""},
					{"other digest", crypto.SHA512, long[:], timestamp.Trust{Roots: p.Roots()}, "imprint-mismatch"},
					{"strange roots", crypto.SHA256, digest[:], timestamp.Trust{Roots: stranger.Roots()}, "chain-untrusted"},
					{"strange and optional", crypto.SHA256, digest[:], timestamp.Trust{Roots: stranger.Roots(), Optional: true}, ""},
				} {
					if got := failed(tok.Check(c.hash, c.digest, c.trust, "")); got != c.want {
						t.Errorf("%s, %s: failed %q, want %q", name, c.name, got, c.want)
					}
				}
				file := filepath.Join(t.TempDir(), "token")
				if err := os.WriteFile(file, der, 0o600); err != nil {
					t.Fatal(err)
				}
				content := filepath.Join(t.TempDir(), "content")
				if err := os.WriteFile(content, []byte("Akte"), 0o600); err != nil {
					t.Fatal(err)
				}
				openssl(t, "ts", "-verify", "-token_in", "-in", file, "-data", content, "-CAfile", filepath.Join(dir, "ca.pem"))
				changed := exec.Command("openssl", "ts", "-verify", "-token_in", "-in", file, "-data", file, "-CAfile", filepath.Join(dir, "ca.pem"))
				if changed.Run() == nil {
					t.Error("openssl accepts the token for other content")
				}
			}
		})
	}
}

// A query by openssl is answered in a way that openssl accepts, nonce and
// policy included.
func TestOpensslQuery(t *testing.T) {
	p, dir := keys(t, pki.ECP256)
	file := func(n string) string { return filepath.Join(dir, n) }
	if err := os.WriteFile(file("content"), []byte("Akte"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"sha256": {"-sha256", "-cert"},
		"sha512": {"-sha512", "-cert"},
	} {
		t.Run(name, func(t *testing.T) {
			openssl(t, append([]string{"ts", "-query", "-data", file("content"), "-out", file("q")}, args...)...)
			q, err := os.ReadFile(file("q"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file("r"), authority(t, p, nil).Respond(q), 0o600); err != nil {
				t.Fatal(err)
			}
			openssl(t, "ts", "-verify", "-in", file("r"), "-queryfile", file("q"), "-CAfile", file("ca.pem"))
		})
	}
	for name, q := range map[string][]string{"sha1": {"-sha1"}, "policy": {"-sha256", "-tspolicy", "1.2.3"}} {
		openssl(t, append([]string{"ts", "-query", "-data", file("content"), "-out", file("q")}, q...)...)
		b, err := os.ReadFile(file("q"))
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(file("r"), authority(t, p, nil).Respond(b), 0o600)
		if out := openssl(t, "ts", "-reply", "-in", file("r"), "-text"); !strings.Contains(out, "Rejected") {
			t.Errorf("%s was not rejected:\n%s", name, out)
		}
	}
}

func TestTimesStrictlyAscend(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	var mu sync.Mutex
	clock := time.Now().Truncate(time.Second)
	set := func(at time.Time) { mu.Lock(); clock = at; mu.Unlock() }
	a := authority(t, p, func() time.Time { mu.Lock(); defer mu.Unlock(); return clock })
	digest := sha256.Sum256(nil)
	seen := make(map[time.Time]bool)
	var last time.Time
	stamp := func() (time.Time, error) {
		der, err := a.Stamp(context.Background(), crypto.SHA256, digest[:])
		if err != nil {
			return time.Time{}, err
		}
		tok, err := timestamp.Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		return tok.Time, nil
	}
	for range 20 {
		at, err := stamp()
		if err != nil {
			t.Fatal(err)
		}
		if !at.After(last) {
			t.Fatalf("%s after %s", at, last)
		}
		last = at
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			at, err := stamp()
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[at] {
				t.Errorf("%s twice, or %v", at, err)
			}
			seen[at] = true
		})
	}
	wg.Wait()
	set(clock.Add(-500 * time.Millisecond))
	if at, err := stamp(); err != nil || !at.After(last) {
		t.Errorf("a small step back: %s, %v", at, err)
	}
	set(clock.Add(-time.Hour))
	if _, err := stamp(); !errors.Is(err, timestamp.ErrClock) {
		t.Errorf("an hour back: %v, want ErrClock", err)
	}
}

func TestClientRefuses(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	stranger, _ := keys(t, pki.ECP256)
	good := authority(t, p, nil)
	digest := sha256.Sum256([]byte("Akte"))
	other := sha256.Sum256([]byte("andere"))
	stale, err := (&timestamp.Client{URL: serve(t, good.ServeHTTP)}).Stamp(t.Context(), crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	reply := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			w.Write(body)
		}
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		roots   *x509.CertPool
		want    string
	}{
		{"status 500", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 500) }, nil, "status 500"},
		{"a web page", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) }, nil, "content type"},
		{"rubbish", reply([]byte("rubbish")), nil, "malformed"},
		{"endless", reply(make([]byte, 2<<20)), nil, "more than"},
		{"an old answer", reply(append([]byte{0x30, 0x82, byte((len(stale) + 5) >> 8), byte(len(stale) + 5), 0x30, 0x03, 0x02, 0x01, 0x00}, stale...)), nil, "another request"},
		{"no token", reply([]byte{0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00}), nil, "without token"},
		{"strange authority", good.ServeHTTP, stranger.Roots(), "chain-untrusted"},
		{"slow", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Second):
			}
		}, nil, "deadline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := &timestamp.Client{URL: serve(t, c.handler), Roots: c.roots, Timeout: 300 * time.Millisecond}
			_, err := client.Stamp(t.Context(), crypto.SHA256, digest[:])
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	refuse := authority(t, p, func() time.Time { return time.Now() })
	c := &timestamp.Client{URL: serve(t, refuse.ServeHTTP), Policy: []int{1, 2, 3}}
	if _, err := c.Stamp(t.Context(), crypto.SHA256, other[:]); !errors.Is(err, timestamp.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestFreeze(t *testing.T) {
	p, dir := keys(t, pki.RSA3072)
	digest := sha256.Sum256([]byte("Akte"))
	der, err := authority(t, p, nil).Stamp(t.Context(), crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	crl, err := p.CRL(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	frozen, err := timestamp.Freeze(der, crl)
	if err != nil {
		t.Fatal(err)
	}
	again, err := timestamp.Freeze(frozen, crl)
	if err != nil || string(again) != string(frozen) {
		t.Errorf("freezing twice changes the token, or %v", err)
	}
	if len(frozen) < len(der)+len(crl) {
		t.Error("the revocation list is missing")
	}
	file := filepath.Join(dir, "token")
	os.WriteFile(file, frozen, 0o600)
	content := filepath.Join(dir, "content")
	os.WriteFile(content, []byte("Akte"), 0o600)
	openssl(t, "ts", "-verify", "-token_in", "-in", file, "-data", content, "-CAfile", filepath.Join(dir, "ca.pem"))
}

func TestAuthorityNeedsItsCertificate(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	if _, err := timestamp.NewAuthority(timestamp.Config{Signer: p.Seal.Signer, Chain: p.Seal.Chain}); err == nil {
		t.Error("a seal certificate was taken for time-stamping")
	}
}

func FuzzParse(f *testing.F) {
	p, err := pki.Open(filepath.Join(f.TempDir(), "keys"), time.Now(), pki.Options{})
	if err != nil {
		f.Fatal(err)
	}
	a, err := timestamp.NewAuthority(timestamp.Config{Signer: p.TSA.Signer, Chain: p.TSA.Chain})
	if err != nil {
		f.Fatal(err)
	}
	digest := sha256.Sum256([]byte("Akte"))
	der, err := a.Stamp(context.Background(), crypto.SHA256, digest[:])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add([]byte{0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0, 0x80, 0, 0, 0, 0})
	roots := p.Roots()
	f.Fuzz(func(t *testing.T, b []byte) {
		tok, err := timestamp.Parse(b)
		if err != nil {
			return
		}
		if len(tok.Check(crypto.SHA256, digest[:], timestamp.Trust{Roots: roots}, "")) == 0 {
			t.Error("a check without findings")
		}
		if _, err := timestamp.Freeze(b); err != nil {
			t.Errorf("parsed but not frozen: %v", err)
		}
	})
}

func FuzzRespond(f *testing.F) {
	p, err := pki.Open(filepath.Join(f.TempDir(), "keys"), time.Now(), pki.Options{})
	if err != nil {
		f.Fatal(err)
	}
	a, err := timestamp.NewAuthority(timestamp.Config{Signer: p.TSA.Signer, Chain: p.TSA.Chain})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(a.Respond(b)) == 0 {
			t.Error("no answer")
		}
	})
}
