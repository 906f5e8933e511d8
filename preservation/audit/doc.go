// Package audit is the form of the audit log outside the catalog: entries that are
// chained by their hashes, in segments that are sealed and stamped.
//
// A segment is an object audit/<yyyy>/<first>-<last>.jsonl with one entry a line.
// Each entry names the hash of the one before, across segments as well, so that none
// can be changed, left out, put in or moved without all that follow being made anew.
// That is what the other two are against: a detached seal of the archive
// (<segment>.p7s, CAdES) and an evidence record (RFC 4998) over segment and seal.
//
// A segment of the bucket that does not go with the log is a branch. It stays where it is;
// an entry (AcceptFork) in which a person accepts it names both by their hashes.
//
// A Chain verifies segments one after the other and needs nothing but them and trust
// anchors: no archive, no network.
//
// The promise of the form: fields are only ever added to entries, and the hash of an
// entry stays what Entry.Sum says.
package audit
