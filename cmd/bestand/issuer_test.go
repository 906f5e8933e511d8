package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is an OpenID provider (Core 1.0, code flow with PKCE) at which one person is
// logged in. It refuses whatever a provider has to refuse of a client.
type issuer struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey

	mu     sync.Mutex
	claims map[string]any              // of the person who is logged in
	twist  func(map[string]any)        // of the claims of the next token; nil: none
	sign   func(payload []byte) string // of the next token; nil: as it should be
	denies bool
	codes  map[string]url.Values // what was asked for, by the code that was given for it
}

const (
	clientID     = "bestand"
	clientSecret = "ein Geheimnis"
)

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"end_session_endpoint": i.URL + "/logout", "id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}, "code_challenge_methods_supported": []string{"S256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("post_logout_redirect_uri"), http.StatusSeeOther)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// as changes who is logged in.
func (i *issuer) as(subject, name string, groups ...string) *issuer {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = map[string]any{"sub": subject, "preferred_username": name, "name": "Person " + name, "realm_access": map[string]any{"roles": groups}}
	return i
}

func (i *issuer) authorize(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != clientID || back.Path != "/anmelden/dienst/antwort" || q.Get("response_type") != "code" ||
		!slices.Contains(strings.Fields(q.Get("scope")), "openid") || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || len(q.Get("state")) < 22 || len(q.Get("nonce")) < 22 {
		i.t.Errorf("a bad request: %v", q)
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	a := url.Values{"state": {q.Get("state")}, "iss": {i.URL}}
	if i.denies {
		a.Set("error", "access_denied")
	} else {
		code := rand.Text()
		i.codes[code] = q
		a.Set("code", code)
	}
	back.RawQuery = a.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	refuse := func(code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q}`, code)
	}
	id, secret, _ := r.BasicAuth()
	secret, _ = url.QueryUnescape(secret) // RFC 6749 §2.3.1
	asked, known := i.codes[r.PostFormValue("code")]
	delete(i.codes, r.PostFormValue("code"))
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case id != clientID || secret != clientSecret:
		refuse("invalid_client")
		return
	case !known, r.PostFormValue("grant_type") != "authorization_code", r.PostFormValue("redirect_uri") != asked.Get("redirect_uri"),
		base64.RawURLEncoding.EncodeToString(challenge[:]) != asked.Get("code_challenge"):
		refuse("invalid_grant")
		return
	}
	c := map[string]any{"iss": i.URL, "aud": clientID, "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	for name, v := range i.claims {
		c[name] = v
	}
	if i.twist != nil {
		i.twist(c)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		i.t.Error(err)
	}
	sign := i.signed
	if i.sign != nil {
		sign = i.sign
	}
	i.twist, i.sign = nil, nil
	writeJSON(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 300, "id_token": sign(payload)})
}

func (i *issuer) signed(payload []byte) string { return signedWith(i.t, i.key, payload) }

func signedWith(t *testing.T, key *rsa.PrivateKey, payload []byte) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	o, err := s.Sign(payload)
	if err != nil {
		t.Error(err)
		return ""
	}
	text, err := o.CompactSerialize()
	if err != nil {
		t.Error(err)
	}
	return text
}

// answer has the provider answer a browser that it was sent, and returns where it
// sends it back to, as a path of the archive.
func (i *issuer) answer(v *visitor) string {
	v.Helper()
	to := v.header.Get("Location")
	if v.status != http.StatusSeeOther || !strings.HasPrefix(to, i.URL+"/authorize?") {
		v.Fatalf("%s does not lead to the provider: %d %s\n%.400s", v.at, v.status, to, v.page)
	}
	a, err := http.DefaultTransport.RoundTrip(mustRequest(v, to))
	if err != nil {
		v.Fatal(err)
	}
	a.Body.Close()
	back, err := a.Location()
	if err != nil {
		v.Fatal(a.Status, err)
	}
	return back.RequestURI()
}

func mustRequest(v *visitor, url string) *http.Request {
	v.Helper()
	r, err := http.NewRequestWithContext(v.Context(), http.MethodGet, url, nil)
	if err != nil {
		v.Fatal(err)
	}
	return r
}
