// Package timestamp obtains, gives and checks time-stamp tokens (RFC 3161).
//
// A Client asks a time-stamping authority over HTTP; an Authority is one, for
// installations without a contract with a qualified provider. Both have the
// method Stamp, which is all that sealing and evidence records need. Parse and
// Token.Check read the tokens of anybody, bounded and without panic.
//
// Tokens outlive the program: Freeze brings one into the form that is kept.
package timestamp
