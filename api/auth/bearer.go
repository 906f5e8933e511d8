package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Errors of Authenticate. Any other error is a fault of the look-up.
var (
	// ErrMissing: the request carries no bearer token.
	ErrMissing = errors.New("no bearer token")
	// ErrInvalid: the token is malformed, unknown, expired or revoked.
	ErrInvalid = errors.New("token is not valid")
	// ErrThrottled: too many failures from this address; try again in a while.
	ErrThrottled = errors.New("too many failed attempts")
)

// Credential is what is kept of a token.
type Credential struct {
	Hash    string // as Hash gives it
	Expires time.Time
	Revoked time.Time
	Principal
}

// Bearer authenticates requests by their Authorization header (RFC 6750 §2.1).
type Bearer struct {
	// Find returns the credential kept under a hash, whatever its state, or
	// ErrInvalid when there is none.
	Find func(ctx context.Context, hash string) (Credential, error)
	// Now is the clock.
	Now func() time.Time

	throttle throttle
}

// Authenticate returns the principal of a request that came from addr.
//
// Failures are counted by address. Once an address has used up its failures,
// only tokens that were lately accepted from anywhere are looked up for it, so
// that a flood of guesses neither reaches the catalog nor shuts out the clients
// behind the same proxy.
func (b *Bearer) Authenticate(r *http.Request, addr netip.Addr) (Principal, error) {
	secret, ok := bearer(r.Header)
	if !ok {
		return Principal{}, ErrMissing
	}
	now, hash := b.Now(), Hash(secret)
	if !b.throttle.permits(addr, hash, now) {
		return Principal{}, ErrThrottled
	}
	c, err := b.lookup(r.Context(), secret, hash, now)
	if errors.Is(err, ErrInvalid) {
		b.throttle.failed(addr, hash, now)
	}
	if err != nil {
		return Principal{}, err
	}
	b.throttle.accepted(hash, now)
	return c.Principal, nil
}

func (b *Bearer) lookup(ctx context.Context, secret, hash string, now time.Time) (Credential, error) {
	if !wellFormed(secret) {
		return Credential{}, ErrInvalid
	}
	c, err := b.Find(ctx, hash)
	if err != nil {
		return Credential{}, err
	}
	same := subtle.ConstantTimeCompare([]byte(c.Hash), []byte(hash)) == 1
	expired := !c.Expires.IsZero() && !now.Before(c.Expires)
	if !same || expired || !c.Revoked.IsZero() {
		return Credential{}, ErrInvalid
	}
	return c, nil
}

func bearer(h http.Header) (string, bool) {
	if len(h.Values("Authorization")) != 1 {
		return "", false
	}
	scheme, secret, ok := strings.Cut(h.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	return secret, ok && strings.EqualFold(scheme, "bearer") && secret != ""
}
