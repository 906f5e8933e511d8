// Package sip opens submission packages: what a producer hands over as one ZIP
// instead of single files. It knows bags (RFC 8493), E-ARK SIPs and messages of
// xdomea, finds out by itself which of them it has, and returns what it holds as
// Units, each of which becomes one record.
//
// A package is taken whole or refused with everything that is wrong with it.
// Nothing in a taken package is lost: what describes it (the xdomea message,
// METS, manifests) stays among the files of the record, under the document
// Message. A message with several records is divided: each keeps its own part to
// the letter and no other's, so that one can be destroyed without traces in the
// rest. Folders without files are not kept. Every file has the digests of what was unpacked, and those that the
// package announced were compared with them.
//
// The readers below know the standards (bagit, eark, xdomea); container takes the
// ZIP apart and trusts nothing in it; this package says what becomes metadata.
package sip
