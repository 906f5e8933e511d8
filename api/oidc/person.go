package oidc

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	openid "github.com/coreos/go-oidc/v3/oidc"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// Person is who has logged in.
type Person struct {
	catalog.Vouched
	Values  []string // of the claim that tells the roles, whether they stand for any or not
	IDToken string
}

const (
	labelMax  = 200 // characters of a person's name
	valuesMax = 500 // of the claim
)

func (p *Provider) person(t *openid.IDToken, c claims, raw string) Person {
	w := Person{IDToken: raw, Values: c.list(p.Claim)}
	w.Issuer, w.Subject, w.Roles = p.Issuer, t.Subject, p.Roles.Of(w.Values)
	// The same one in every tenant, and one that no other account has.
	mark := fmt.Sprintf("%x", sha256.Sum256([]byte(w.Issuer+"\x00"+w.Subject)))[:8]
	w.Name = accountName(c.text("preferred_username"))
	if w.Name == "" {
		w.Name = "oidc-" + mark
	}
	w.Otherwise = w.Name[:min(len(w.Name), 55)] + "-" + mark
	if w.Label = legible(c.text("name")); w.Label == "" {
		w.Label = w.Name
	}
	return w
}

// german writes the letters of German names as account names do.
var german = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss")

// accountName is a name as accounts here have them, or "".
func accountName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._@-", r) {
			return r
		}
		return '-'
	}, german.Replace(strings.ToLower(s)))
	s = strings.TrimLeft(s[:min(len(s), 64)], "._@-")
	if !auth.ValidName(s) {
		return ""
	}
	return s
}

// legible is a text in one line, without what reverses its direction.
func legible(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.Is(unicode.Cf, r) {
			return -1
		}
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	r := []rune(strings.Join(strings.Fields(s), " "))
	return string(r[:min(len(r), labelMax)])
}

// claims are those of an ID token by name.
type claims map[string]json.RawMessage

func claimsOf(t *openid.IDToken) (c claims, err error) { return c, t.Claims(&c) }

// text is a claim that is a string, or "".
func (c claims) text(name string) (s string) {
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return s
}

// list are the values of a claim that is a string or a list of them. Its name is taken
// as it stands, such as https://example.de/roles, or else as a path through objects,
// such as realm_access.roles.
func (c claims) list(path string) []string {
	raw, ok := c[path]
	for at := c; !ok; {
		name, rest, more := strings.Cut(path, ".")
		raw = at[name]
		if !more {
			break
		}
		at, path = nil, rest
		if json.Unmarshal(raw, &at) != nil {
			return nil
		}
	}
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	var all []string
	for _, m := range many[:min(len(many), valuesMax)] {
		if json.Unmarshal(m, &one) == nil && one != "" && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

// Host is the provider as people are told of it.
func (p *Provider) Host() string {
	u, err := url.Parse(p.Issuer)
	if err != nil {
		return p.Issuer
	}
	return u.Host
}
