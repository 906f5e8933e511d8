// Package proof keeps the evidence of a tenant's records: it has every version
// stamped, renews what ages, and makes the evidence record of one on request.
//
// A stamp is one hash tree with one time-stamp (package evidence). Its leaves are
// the data groups of record versions: the digests of all files in a package, METS
// and its seal among them. Two objects in the bucket hold it for good, the leaves
// below er/<yyyy>/<stamp>/ and then the token; the catalog holds what finds a
// record in it again. Nobody stores evidence records: Notary.Record puts one
// together from one package, a part of the leaves and the tokens.
//
// Every step may be cut off and is done again with the same outcome: leaves are
// added to a stamp until it is full, their object is written, a token is asked
// for and written, and only then the stamp counts. Two tokens for one stamp cannot
// be: the first that stands in the bucket is the one.
package proof
