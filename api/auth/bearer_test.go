package auth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	home = netip.MustParseAddr("127.0.0.1")
)

func TestAuthenticate(t *testing.T) {
	secret, hash := NewToken()
	other, _ := NewToken()
	for _, c := range []struct {
		name   string
		header []string
		change func(*Credential)
		want   error
	}{
		{"valid", []string{"Bearer " + secret}, nil, nil},
		{"scheme in other case", []string{"bearer " + secret}, nil, nil},
		{"not yet expired", []string{"Bearer " + secret}, func(c *Credential) { c.Expires = noon.Add(1) }, nil},
		{"expired", []string{"Bearer " + secret}, func(c *Credential) { c.Expires = noon }, ErrInvalid},
		{"revoked", []string{"Bearer " + secret}, func(c *Credential) { c.Revoked = noon.Add(-time.Hour) }, ErrInvalid},
		{"unknown", []string{"Bearer " + other}, nil, ErrInvalid},
		{"malformed", []string{"Bearer hunter2"}, nil, ErrInvalid},
		{"no prefix", []string{"Bearer " + strings.TrimPrefix(secret, prefix)}, nil, ErrInvalid},
		{"basic", []string{"Basic " + secret}, nil, ErrMissing},
		{"no token", []string{"Bearer "}, nil, ErrMissing},
		{"no header", nil, nil, ErrMissing},
		{"two headers", []string{"Bearer " + secret, "Bearer " + secret}, nil, ErrMissing},
		{"found another", []string{"Bearer " + secret}, func(c *Credential) { c.Hash = Hash(other) }, ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := Credential{Hash: hash, Principal: Principal{Tenant: "musterstadt", Actor: "erika", Roles: []Role{Reader}}}
			if c.change != nil {
				c.change(&kept)
			}
			b := bearerOf(map[string]Credential{hash: kept})
			got, err := b.Authenticate(request(c.header...), home)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err == nil && got.Actor != "erika" {
				t.Errorf("principal %+v", got)
			}
			if err != nil && got.Tenant != "" {
				t.Errorf("a principal came with error %v", err)
			}
		})
	}
}

func TestThrottle(t *testing.T) {
	secret, hash := NewToken()
	fresh, freshHash := NewToken()
	b := bearerOf(map[string]Credential{hash: {Hash: hash}, freshHash: {Hash: freshHash}})
	now := noon
	b.Now = func() time.Time { return now }
	try := func(secret string, from netip.Addr) error {
		_, err := b.Authenticate(request("Bearer "+secret), from)
		return err
	}
	if err := try(secret, home); err != nil {
		t.Fatal(err)
	}
	for i := range burst {
		guess, _ := NewToken()
		if err := try(guess, home); !errors.Is(err, ErrInvalid) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	guess, _ := NewToken()
	if err := try(guess, home); !errors.Is(err, ErrThrottled) {
		t.Errorf("guess after the burst: %v, want ErrThrottled", err)
	}
	if err := try(secret, home); err != nil {
		t.Errorf("a token in use was shut out: %v", err)
	}
	if err := try(fresh, home); !errors.Is(err, ErrThrottled) {
		t.Errorf("a token not seen before, from the throttled address: %v", err)
	}
	if err := try(fresh, netip.MustParseAddr("192.0.2.7")); err != nil {
		t.Errorf("from another address: %v", err)
	}
	now = now.Add(recovery)
	if err := try(guess, home); !errors.Is(err, ErrInvalid) {
		t.Errorf("after recovery: %v, want ErrInvalid", err)
	}
}

func TestThrottleForgets(t *testing.T) {
	var th throttle
	for i := range mapsAtMax + 500 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		th.failed(a, "", noon)
		th.accepted(a.String(), noon)
	}
	if len(th.failures) > mapsAtMax || len(th.passed) > mapsAtMax {
		t.Errorf("remembers %d addresses and %d tokens", len(th.failures), len(th.passed))
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.7":     "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
	} {
		if got := network(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("network(%s) = %s, want %s", in, got, want)
		}
	}
}

func bearerOf(kept map[string]Credential) *Bearer {
	return &Bearer{
		Now: func() time.Time { return noon },
		Find: func(_ context.Context, hash string) (Credential, error) {
			c, ok := kept[hash]
			if !ok {
				return Credential{}, ErrInvalid
			}
			return c, nil
		},
	}
}

func request(authorization ...string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": authorization}}
}
