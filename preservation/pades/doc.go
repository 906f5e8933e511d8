// Package pades seals PDF documents with an invisible PAdES signature and
// checks the signatures that PDF documents carry (EN 319 142-1, levels B-B to
// B-LTA).
//
// The archive seals only renditions that it made itself, before they are
// stored. Signed documents of others are never touched: Signed finds them,
// Verify reports on them.
//
// A seal is an incremental update behind the unchanged bytes of the document:
// its signature field and the catalog that names it. Draft has pdfsign make it, with
// room for the signature, and makes sure that a reader finds nothing else changed; a
// document that it would change in any other way is refused. For level B-LT a
// second update, which is written here, brings what the certification authorities
// say about the certificates (DSS dictionary, 5.4.2). Both are there before the
// document is stored. Level B-LTA, a time-stamp over all of it, is for copies: Archive.
package pades

import "errors"

var (
	// ErrTooLarge: the document is above Options.MaxBytes. Leave the seal out
	// and say so; the seal of the package covers the file.
	ErrTooLarge = errors.New("document too large to seal")
	// ErrSigned: the document carries a signature and must not be touched.
	ErrSigned = errors.New("document is signed already")
	// ErrUnsupported: the document cannot be sealed without changing more than
	// the seal: it is broken, encrypted or an interactive form. Leave the seal
	// out and say so.
	ErrUnsupported = errors.New("document cannot be sealed")
)
