// Package proof keeps the evidence of a tenant's records: it has every version
// stamped, renews what ages, and makes the evidence record of one on request.
//
// A stamp is one hash tree with one time-stamp (package evidence). Its leaves are
// the data groups of record versions, the digests of all files in a package, METS
// and its seal among them, and those of the sealed segments of the audit log. Two
// objects in the bucket hold it for good, the leaves below er/<yyyy>/<stamp>/ and
// then the token; the catalog holds what finds a record in it again. Nobody stores
// evidence records: Notary.Record puts one together from one package, a part of the
// leaves and the tokens.
//
// Renewals are stamps as well (RFC 4998, 5.2): the leaves of a time-stamp renewal
// are earlier tokens, those of a hash-tree renewal the same versions under another
// digest algorithm, joined with all that proved them before.
//
// Every step may be cut off and is done again with the same outcome: leaves are
// added to a stamp until it is full, their object is written, a token is asked
// for and written, and only then the stamp counts. Where the bucket has several
// tokens of one stamp, the earliest that proves its leaves is the one.
package proof
