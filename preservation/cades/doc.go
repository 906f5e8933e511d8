// Package cades seals bytes with detached CAdES signatures and checks them
// (EN 319 122-1, levels B-B and B-T, over RFC 5652).
//
// The archive seals the METS document of every package with it, and through
// the digests in METS every file. Package pades puts the same signatures into
// PDF. Content is only ever hashed, never held.
//
// Long-term material (B-LT) is not part of these signatures: evidence records
// carry the long term, and a PDF gets its revocation data beside the signature.
package cades
