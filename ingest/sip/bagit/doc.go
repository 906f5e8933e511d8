// Package bagit reads bags: BagIt 1.0 (RFC 8493) and the drafts from 0.93 on,
// which tools still write.
//
// A bag is taken only when it is valid in the sense of RFC 8493 section 3: it is
// complete and every checksum fits. Bags that would have to be fetched from
// elsewhere (fetch.txt) are refused, since the archive opens no connection that
// a sender names. Where writers are known to be careless and nothing is lost by
// it, the reader goes on and notes it: names in another normalisation or
// encoding, unescaped percent signs, a bag without a folder of its own.
package bagit
