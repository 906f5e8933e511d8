// Package pades seals PDF documents with an invisible PAdES signature and
// checks the signatures that PDF documents carry (EN 319 142-1, levels B-B and
// B-T).
//
// The archive seals only renditions that it made itself, before they are
// stored. Signed documents of others are never touched: Signed finds them,
// Verify reports on them.
//
// A seal is an incremental update behind the unchanged bytes of the document.
// The structure of the update comes from pdfsign; the signature in it is that
// of package cades, because pdfsign's own is not PAdES. What the update did to
// the document is checked afterwards, and a document that it would change in
// any other way is refused.
//
// The update that brings revocation data for level B-LT (a DSS dictionary,
// EN 319 142-1, 5.4.2) would follow the seal in the same file; see Seal.
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
