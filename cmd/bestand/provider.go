package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"bestand/api/oidc"
	"bestand/preservation/verdict"
)

// checkProvider returns the problems of the OpenID provider.
func (c *Config) checkProvider() (out []error) {
	bad := func(name, format string, args ...any) {
		out = append(out, fmt.Errorf(name+": "+format, args...))
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || oidc.CheckURL(c.PublicURL) != nil || u.Path != "" || u.RawQuery != "" {
			bad("public-url", "%q: want https:// and the host, without a path", c.PublicURL)
		}
	}
	if c.OIDCIssuer == "" {
		for name, v := range map[string]string{"oidc-client-id": c.OIDCClientID, "oidc-client-secret-file": c.OIDCClientSecret, "oidc-roles-file": c.OIDCRoles, "oidc-ca-file": c.OIDCCAFile} {
			if v != "" {
				bad(name, "belongs to --oidc-issuer, which is not given")
			}
		}
		return out
	}
	if err := oidc.CheckURL(c.OIDCIssuer); err != nil {
		bad("oidc-issuer", "%v", err)
	}
	if c.OIDCClientID == "" {
		bad("oidc-client-id", "with --oidc-issuer the name of this archive there is needed")
	}
	if c.OIDCRoles == "" {
		bad("oidc-roles-file", "with --oidc-issuer a file must say which values stand for which roles: nobody could log in without")
	} else if _, err := oidc.ReadRoles(c.OIDCRoles); err != nil {
		bad("oidc-roles-file", "%v", err)
	}
	if c.OIDCClaim == "" {
		bad("oidc-claim", "is empty")
	}
	if c.TrustedProxy && c.PublicURL == "" {
		bad("public-url", "behind a trusted proxy the OpenID provider has to be told where people reach the pages")
	}
	return out
}

// provider is the OpenID provider by which people can log in; nil when there is none.
func (c *Config) provider(now func() time.Time) (*oidc.Provider, error) {
	if c.OIDCIssuer == "" {
		return nil, nil
	}
	secret, err := readSecret(c.OIDCClientSecret)
	if err != nil {
		return nil, fmt.Errorf("oidc-client-secret-file: %w", err)
	}
	roles, err := oidc.ReadRoles(c.OIDCRoles)
	if err != nil {
		return nil, fmt.Errorf("oidc-roles-file: %w", err)
	}
	anchors, err := verdict.Anchors(c.OIDCCAFile)
	if err != nil {
		return nil, fmt.Errorf("oidc-ca-file: %w", err)
	}
	return oidc.New(oidc.Config{Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, Secret: secret, Scopes: several(c.OIDCScopes), Claim: c.OIDCClaim,
		Roles: roles, Anchors: anchors, Now: now}), nil
}

// examineProvider asks the OpenID provider, if there is one.
func examineProvider(ctx context.Context, cfg *Config) external {
	p := external{Name: "OpenID provider", Lost: "only people with a password of the archive can log in", Get: "--oidc-issuer as the provider writes itself, a network path to it, and --oidc-ca-file for a certificate of your own authority"}
	asked, err := cfg.provider(time.Now)
	switch {
	case err == nil && asked == nil:
		p.Found, p.Version = true, "not configured (--oidc-issuer): people log in with passwords of the archive"
		return p
	case err == nil:
		err = asked.Check(ctx)
	}
	if err != nil {
		p.Lost += "; " + err.Error()
		return p
	}
	p.Found, p.Version = true, cfg.OIDCIssuer
	return p
}
