// Package revocation gathers what authorities say about their certificates, and
// judges certificates by it: revocation lists (RFC 5280, 5) and OCSP answers
// (RFC 6960).
//
// Such material is gathered when a seal or a time-stamp is made and is kept
// beside it, because nobody gives it out any more when the seal is questioned.
// It authenticates itself by the signatures on it, wherever it was found.
package revocation
