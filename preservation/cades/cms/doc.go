// Package cms reads, checks and writes CMS SignedData (RFC 5652): the common
// ground of detached seals (package cades), of time-stamps (package timestamp)
// and of PDF signatures (package pades).
//
// Reading is for outside bytes: it accepts BER, is bounded in size and depth,
// never panics, and keeps what it cannot judge (a certificate on a curve that
// the standard library does not know) instead of refusing the whole. Writing
// gives DER, and never a signature that does not verify.
//
// Content is never held: callers hash it and hand over the digest.
package cms

import "errors"

// MaxSize bounds one SignedData in bytes. Signatures with embedded revocation
// lists reach some megabytes.
const MaxSize = 16 << 20

const (
	maxDepth        = 64  // of nested BER elements
	maxCertificates = 256 // in one SignedData
	maxSigners      = 32
	maxAttributes   = 1000 // and their values, of one signer, signed or not
)

var (
	// ErrMalformed: the bytes are not a SignedData, or one beyond the bounds.
	ErrMalformed = errors.New("malformed CMS")
	// ErrUnsupported: the signature may be good, but its algorithm or key
	// cannot be checked here. Ask another verifier.
	ErrUnsupported = errors.New("algorithm not supported")
	// ErrMismatch: the check was done and failed.
	ErrMismatch = errors.New("does not match")
)
