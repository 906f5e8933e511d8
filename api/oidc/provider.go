package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	openid "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ErrUnavailable: the provider does not answer, or not as one does. Try again later.
var ErrUnavailable = errors.New("the OpenID provider does not answer")

// ErrBusy: too many logins wait for the provider. Try again.
var ErrBusy = errors.New("too many logins wait for the OpenID provider")

// Refused is a login that the provider denied or that is not to be believed.
type Refused struct {
	Reason string // one of the codes below
	Err    error
}

// Reasons of Refused.
const (
	ReasonState  = "state"  // not the login that this browser began last
	ReasonDenied = "denied" // the provider says no
	ReasonToken  = "token"  // code or ID token do not hold
)

func (e *Refused) Error() string { return fmt.Sprintf("login refused (%s): %v", e.Reason, e.Err) }

// Unwrap returns what was wrong.
func (e *Refused) Unwrap() error { return e.Err }

// Config says whom to ask, and how the answer is understood.
type Config struct {
	Issuer   string
	ClientID string
	Secret   string         // "" for a public client
	Scopes   []string       // besides openid
	Claim    string         // of the ID token, with what Roles tells roles by; a path with dots
	Roles    Roles          // what its values stand for
	Anchors  *x509.CertPool // roots of the provider's certificate; nil: those of the system
	Now      func() time.Time
}

const (
	patience    = 5 * time.Second  // for each answer of the provider
	answerBytes = 1 << 20          // of each at most
	fresh       = 10 * time.Second // how long what the provider says of itself counts
	atATime     = 8                // logins that the provider is asked about
)

// LoginTime is how long a person may take at the provider.
const LoginTime = 10 * time.Minute

// Provider asks an OpenID provider. It is safe for concurrent use.
type Provider struct {
	Config
	client *http.Client
	asking chan struct{} // of capacity atATime

	mu    sync.Mutex
	known *endpoints
	err   error
	asked time.Time

	used map[[sha256.Size]byte]time.Time // states of logins that ended well or are about to end
}

// endpoints are what the provider says of itself (OpenID Connect Discovery 1.0 §3).
type endpoints struct {
	provider   *openid.Provider
	JWKS       string   `json:"jwks_uri"`
	EndSession string   `json:"end_session_endpoint"`
	Methods    []string `json:"token_endpoint_auth_methods_supported"`
}

// New returns a provider that is asked when somebody logs in, not before.
func New(c Config) *Provider {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: c.Anchors, MinVersion: tls.VersionTLS12}
	return &Provider{Config: c, client: &http.Client{Timeout: patience, Transport: bounded{transport}}, asking: make(chan struct{}, atATime), used: map[[sha256.Size]byte]time.Time{}}
}

// bounded lets no answer be larger than answerBytes.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		a.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(a.Body, answerBytes), a.Body}
	}
	return a, err
}

// Check asks the provider what it is, and says what is wrong with the answer.
func (p *Provider) Check(ctx context.Context) error {
	_, err := p.discover(ctx)
	return err
}

// discover returns the endpoints, asked for a moment ago at most, so that an outage is
// seen here before a browser is sent away, and that many logins ask only once.
func (p *Provider) discover(ctx context.Context) (*endpoints, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	if since := now.Sub(p.asked); p.asked.IsZero() || since < 0 || since >= fresh {
		p.known, p.err = p.ask(context.WithoutCancel(ctx)) // others wait for it, too
		p.asked = now
	}
	return p.known, p.err
}

func (p *Provider) ask(ctx context.Context) (*endpoints, error) {
	provider, err := openid.NewProvider(openid.ClientContext(ctx, p.client), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e := &endpoints{provider: provider}
	if err := provider.Claims(e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	at := provider.Endpoint()
	for name, address := range map[string]string{"authorization_endpoint": at.AuthURL, "token_endpoint": at.TokenURL, "jwks_uri": e.JWKS} {
		if err := CheckURL(address); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrUnavailable, name, err)
		}
	}
	if CheckURL(e.EndSession) != nil {
		e.EndSession = ""
	}
	return e, nil
}

// CheckURL says what is wrong with an address of a provider: it is HTTPS, or on this
// machine.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%q is not an https URL", address)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q: only HTTPS is to be believed", address)
	}
	return nil
}

// Attempt is a login that has begun. Only the browser that began it may know it.
type Attempt struct {
	State, Nonce, Verifier string
	Begun                  time.Time
}

// Begin starts a login and returns where the browser goes for it. The provider sends
// it back to the address redirect.
func (p *Provider) Begin(ctx context.Context, redirect string) (a Attempt, to string, err error) {
	e, err := p.discover(ctx)
	if err != nil {
		return a, "", err
	}
	// Three times 256 random bits.
	a = Attempt{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), Begun: p.Now()}
	return a, p.oauth(e, redirect).AuthCodeURL(a.State, openid.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), nil
}

func (p *Provider) oauth(e *endpoints, redirect string) *oauth2.Config {
	at := e.provider.Endpoint()
	at.AuthStyle = oauth2.AuthStyleInHeader // the default of Discovery 1.0 §3
	if p.Secret == "" || len(e.Methods) > 0 && !slices.Contains(e.Methods, "client_secret_basic") {
		at.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.Secret, Endpoint: at, RedirectURL: redirect, Scopes: append([]string{openid.ScopeOpenID}, p.Scopes...)}
}

// Redeem ends a login with what the provider sent the browser back with, and returns
// who the person is. It succeeds once for an attempt: that is remembered
// for as long as the attempt is good, whatever others try meanwhile. Errors are Refused,
// ErrUnavailable or ErrBusy.
func (p *Provider) Redeem(ctx context.Context, a Attempt, answer url.Values, redirect string) (Person, error) {
	state := answer.Get("state")
	if a.State == "" || p.Now().Sub(a.Begun) > LoginTime || subtle.ConstantTimeCompare([]byte(state), []byte(a.State)) != 1 || !p.first(state) {
		return Person{}, &Refused{ReasonState, errors.New("the state is not the one of this browser's last attempt, or was used, or is too old")}
	}
	who, err := p.redeem(ctx, a, answer, redirect)
	if err != nil { // whoever was not let in could fill the memory with attempts
		p.mu.Lock()
		delete(p.used, sha256.Sum256([]byte(state)))
		p.mu.Unlock()
	}
	return who, err
}

// redeem does so for a state that nobody else has in hand.
func (p *Provider) redeem(ctx context.Context, a Attempt, answer url.Values, redirect string) (Person, error) {
	if iss := answer.Get("iss"); iss != "" && iss != p.Issuer { // RFC 9207 §2.4
		return Person{}, &Refused{ReasonToken, fmt.Errorf("the answer is of %.200q", iss)}
	}
	if code := answer.Get("error"); code != "" {
		return Person{}, &Refused{ReasonDenied, fmt.Errorf("%.100q %.300q", code, answer.Get("error_description"))}
	}
	e, err := p.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	if err := p.turn(ctx); err != nil {
		return Person{}, err
	}
	defer func() { <-p.asking }()
	ctx = openid.ClientContext(ctx, p.client)
	tokens, err := p.oauth(e, redirect).Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(a.Verifier))
	var said *oauth2.RetrieveError
	switch {
	case errors.As(err, &said) && said.Response.StatusCode == http.StatusUnauthorized: // RFC 6749 §5.2
		return Person{}, &Refused{ReasonToken, fmt.Errorf("the provider does not accept the client ID with its secret: %d %.100q", said.Response.StatusCode, said.ErrorCode)}
	case errors.As(err, &said) && said.Response.StatusCode < 500:
		return Person{}, &Refused{ReasonToken, fmt.Errorf("the provider gives no token: %d %.100q", said.Response.StatusCode, said.ErrorCode)}
	case err != nil:
		return Person{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return p.verify(ctx, e, tokens, a.Nonce)
}

// turn waits until the provider may be asked about one more login.
func (p *Provider) turn(ctx context.Context) error {
	ctx, end := context.WithTimeout(ctx, patience)
	defer end()
	select {
	case p.asking <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ErrBusy
	}
}

// verify checks an ID token (Core 1.0 §3.1.3.7).
func (p *Provider) verify(ctx context.Context, e *endpoints, tokens *oauth2.Token, nonce string) (Person, error) {
	refuse := func(format string, args ...any) (Person, error) {
		return Person{}, &Refused{ReasonToken, fmt.Errorf(format, args...)}
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return refuse("there is no ID token")
	}
	// Signature, algorithm (never none), issuer, audience and times.
	t, err := e.provider.Verifier(&openid.Config{ClientID: p.ClientID, Now: p.Now}).Verify(ctx, raw)
	var network *url.Error
	if errors.As(err, &network) {
		return Person{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return refuse("%w", err)
	}
	if subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(nonce)) != 1 {
		return refuse("the nonce is not the one of this login")
	}
	c, err := claimsOf(t)
	if err != nil {
		return refuse("claims: %w", err)
	}
	if azp := c.text("azp"); azp != "" && azp != p.ClientID || azp == "" && len(t.Audience) > 1 {
		return refuse("the token is meant for %.200q", azp)
	}
	if t.AccessTokenHash != "" {
		if err := t.VerifyAccessToken(tokens.AccessToken); err != nil {
			return refuse("%w", err)
		}
	}
	if t.Subject == "" || len(t.Subject) > 255 { // §2
		return refuse("a subject of %d bytes", len(t.Subject))
	}
	return p.person(t, c, raw), nil
}

// first reports whether a state is used for the first time.
func (p *Provider) first(state string) bool {
	key, now := sha256.Sum256([]byte(state)), p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, again := p.used[key]; again {
		return false
	}
	for k, at := range p.used {
		if now.Sub(at) > LoginTime {
			delete(p.used, k)
		}
	}
	p.used[key] = now
	return true
}

// LogoutURL is where the browser goes to end the session at the provider as well, and
// comes back to an address here; "" when the provider has no such place.
func (p *Provider) LogoutURL(ctx context.Context, idToken, back string) string {
	e, err := p.discover(ctx)
	if err != nil || e.EndSession == "" {
		return ""
	}
	u, err := url.Parse(e.EndSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", back)
	if idToken != "" {
		q.Set("id_token_hint", idToken)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
