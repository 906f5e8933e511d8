package ingest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"bestand/preservation/pki"
)

// signer is a sealer with a key of its own.
func signer(t testing.TB, a pki.Algorithm) *Sealer {
	t.Helper()
	keys, err := pki.Open(t.TempDir(), time.Now(), pki.Options{Algorithm: a, Organization: "Stadt Görlitz"})
	if err != nil {
		t.Fatal(err)
	}
	return &Sealer{Key: sealedWith(keys.Seal), Trust: keys.Roots(), Now: time.Now}
}

// sealedWith is a key that stays the same.
func sealedWith(id pki.Identity) func() (crypto.Signer, []*x509.Certificate) {
	return func() (crypto.Signer, []*x509.Certificate) { return id.Signer, id.Chain }
}

// signedNow is a receipt of this moment.
func signedNow(t testing.TB, s *Sealer, more string) (jws, payload string) {
	t.Helper()
	payload = fmt.Sprintf(`{"format":"bestand-receipt/1","time":%q%s}`, time.Now().UTC().Format(time.RFC3339), more)
	jws, err := s.JWS([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return jws, payload
}

// TestForgedReceipts: nothing but the archive's own signature makes a receipt.
func TestForgedReceipts(t *testing.T) {
	ours, theirs := signer(t, pki.ECP256), signer(t, pki.ECP256)
	jws, payload := signedNow(t, ours, "")
	if got, err := VerifyJWS(jws, ours.Trust); err != nil || string(got) != payload {
		t.Fatalf("%s %v", got, err)
	}
	part := strings.Split(jws, ".")
	header, err := base64.RawURLEncoding.DecodeString(part[0])
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	headed := func(change func(map[string]any)) string {
		var h map[string]any
		if err := json.Unmarshal(header, &h); err != nil {
			t.Fatal(err)
		}
		change(h)
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		return encode(text) + "." + part[1] + "." + part[2]
	}
	forged, _ := signedNow(t, theirs, "")
	old, err := ours.JWS([]byte(`{"format":"bestand-receipt/1","time":"1999-01-01T00:00:00Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, jws := range map[string]string{
		"somebody else's key":       forged,
		"their signature, our name": strings.Split(forged, ".")[0] + "." + part[1] + "." + part[2],
		"our header, their words":   part[0] + "." + strings.Split(forged, ".")[1] + "." + strings.Split(forged, ".")[2],
		"no algorithm":              headed(func(h map[string]any) { h["alg"] = "none" }),
		"the key as a secret":       headed(func(h map[string]any) { h["alg"] = "HS256" }),
		"a key in the header":       headed(func(h map[string]any) { delete(h, "x5c"); h["jwk"] = map[string]any{"kty": "oct", "k": "AA"} }),
		"no certificate":            headed(func(h map[string]any) { delete(h, "x5c") }),
		"an extension":              headed(func(h map[string]any) { h["crit"] = []string{"b64"}; h["b64"] = false }),
		"signature cut off":         jws[:len(jws)-4],
		"no signature":              part[0] + "." + part[1] + ".",
		"before the certificate":    old,
		"words that are no JSON":    part[0] + "." + encode([]byte("x")) + "." + part[2],
		"empty":                     "",
	} {
		if got, err := VerifyJWS(jws, ours.Trust); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}

	// What is known of a header is no reason to believe anything else under it.
	v := NewVerifier(ours.Trust)
	for range 2 {
		if got, err := v.Verify(jws); err != nil || string(got) != payload {
			t.Fatalf("%s %v", got, err)
		}
		for name, jws := range map[string]string{
			"somebody else's words":  part[0] + "." + strings.Split(forged, ".")[1] + "." + strings.Split(forged, ".")[2],
			"cut off":                jws[:len(jws)-4],
			"before the certificate": old,
			"somebody else's key":    forged,
		} {
			if got, err := v.Verify(jws); err == nil {
				t.Errorf("%s, to one who knows the header: %s", name, got)
			}
		}
	}
}

// FuzzVerifyJWS: what verifies is what was signed.
func FuzzVerifyJWS(f *testing.F) {
	roots := x509.NewCertPool()
	signed := map[string]bool{}
	for _, a := range []pki.Algorithm{pki.ECP256, pki.RSA3072} {
		s := signer(f, a)
		_, chain := s.Key()
		for _, c := range chain {
			roots.AddCert(c)
		}
		jws, payload := signedNow(f, s, `,"records":[{"record_id":"x"}]`)
		signed[payload] = true
		f.Add(jws)
		f.Add(jws[:len(jws)/2])
		part := strings.Split(jws, ".")
		f.Add(`{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":"` + part[2] + `"}]}`)
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, jws string) {
		payload, err := VerifyJWS(jws, roots)
		if err == nil && !signed[string(bytes.TrimSpace(payload))] {
			t.Errorf("%q verifies", payload)
		}
	})
}
