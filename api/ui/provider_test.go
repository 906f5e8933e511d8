package ui

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"

	"bestand/api/oidc"
)

// TestAttempt believes a browser only what this program gave it.
func TestAttempt(t *testing.T) {
	read := func(u *UI, value []byte) attempt {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, answerPath, nil)
		r.AddCookie(&http.Cookie{Name: attemptCookie, Value: base64.RawURLEncoding.EncodeToString(value)})
		return (&visit{ui: u, r: r}).attempt()
	}
	text := []byte(`{"State":"s","Nonce":"n","Verifier":"v","Begun":"2026-01-02T03:04:05Z","Next":"/suche"}`)
	u, other := &UI{sealing: [32]byte{1}}, &UI{sealing: [32]byte{2}}
	sealed := u.seal(text)
	if a := read(u, sealed); a.State != "s" || a.Next != "/suche" {
		t.Errorf("%+v", a)
	}
	changed := append([]byte(nil), sealed...)
	changed[len(changed)-3]++
	for name, forged := range map[string][]byte{"unsealed": text, "changed": changed, "of another program": other.seal(text), "short": sealed[:10], "nothing": nil} {
		if a := read(u, forged); a.Attempt != (oidc.Attempt{}) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
