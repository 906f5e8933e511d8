// Package auth says who is asking: bearer tokens, the principal they stand
// for, and the roles that decide what it may do.
//
// A token is 256 random bits behind the prefix "bst_", shown once and kept as
// its SHA-256 only. A plain hash is enough here, unlike for passwords: there is
// nothing to guess. Whether a token is unknown, expired or revoked is never
// told to the one who presents it.
package auth
