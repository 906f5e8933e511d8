// Package aip writes and reads archival information packages (AIP, ISO 14721):
// the one object in which a version of a record is kept.
//
// A package is an uncompressed ZIP with the layout of the E-ARK common
// specification (CSIP 2.2): the files under neutral names, PREMIS 3.0 for what
// is known of them and was done to them, record.json as the exact source for a
// rebuild, METS for the digests of it all, and a detached seal over METS. The
// same record gives the same bytes, seal aside, on any machine and any build.
//
// Write verifies every file against the digests of the record while it copies,
// and has the seal made last, over bytes that were read. Open trusts nothing:
// it accepts the ZIP that Write writes and no other. Verify reads everything
// and returns all findings. Entries are stored, so that a range of a file is a
// range of the object (Entry.Offset).
//
// FORMAT.md describes the stored format. Its promise: every package that a
// released version wrote stays readable and verifiable by every later version.
package aip
