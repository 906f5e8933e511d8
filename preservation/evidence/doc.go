// Package evidence makes, reads and checks evidence records (RFC 4998): the
// proof that data have not changed since a time, which is kept alive over
// decades while certificates end and algorithms age.
//
// A Tree covers many records with one time-stamp. Each leaf is a data group,
// the digests of all files of one record (GroupDigest), and Path leads from it
// to the root that was stamped: enough for the record of one without the
// others. A Record is what is handed out: chains of archive time-stamps, of
// which the first covers the data and every later one what was there before.
//
// Two things keep it valid. Time-stamp renewal (RFC 4998, 5.2) stamps the
// tokens again, before a certificate ends, and reads no data. Hash-tree
// renewal (also 5.2) begins a new chain under a new digest algorithm, from the data
// and all earlier chains (Renewed), before the old algorithm is broken.
//
// Encoding gives DER. Reading accepts BER of anybody, bounded, and never
// panics. Verify returns a finding for every check with its clause, and needs
// nothing but the record, the data and trust anchors: no archive, no network.
package evidence
