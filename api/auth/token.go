package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// prefix makes tokens recognisable to people and to scanners for leaked secrets.
const prefix = "bst_"

const secretBytes = 32

// NewToken returns a new secret and the hash under which it is kept.
func NewToken() (secret, hash string) {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	secret = prefix + base64.RawURLEncoding.EncodeToString(b)
	return secret, Hash(secret)
}

// Hash returns the lower-case hex SHA-256 of a secret.
func Hash(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

// wellFormed reports whether a secret can be one of ours, so that no look-up is
// spent on what cannot.
func wellFormed(secret string) bool {
	rest, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(rest) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	return err == nil
}
