// Package oidc has an OpenID provider say who somebody is, and what role the person
// has: OpenID Connect Core 1.0 by the authorization code (§3.1) with PKCE (RFC 7636),
// and the logout that a relying party begins (OpenID Connect RP-Initiated Logout 1.0).
//
// A person is named by issuer and subject and by nothing else. The roles come from one
// claim of the ID token through a table of this installation; who has none is not let
// in. Nothing here is kept: what a login needs until its end is an Attempt, which the
// browser holds.
package oidc
