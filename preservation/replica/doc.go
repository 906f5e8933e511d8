// Package replica keeps a second copy of the archive's buckets at another S3 endpoint:
// the same keys, the same bytes, the same locks and holds.
//
// It follows. A Store notes in the catalog each key that was written, locked for
// longer or held; the Copier brings what is noted over, whenever the second endpoint
// is there, and reads it back. Nothing waits for it: while the endpoint is away the
// notes grow, and afterwards they are worked off. What was never noted, such as
// everything from before there was a second copy, a survey finds.
//
// A copy counts when its bytes were read back with the digest of the catalog. What is
// damaged is never copied: the bytes are compared on their way.
//
// Destruction is no business of the Copier. A Vault destroys in both places, the
// second copy first, and lists both, so that nothing counts as gone that one of them
// still has.
package replica
