package evidence

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"bestand/preservation/cades/cms"
)

var (
	// ErrMalformed: the bytes are not an evidence record, or one beyond the bounds.
	ErrMalformed = errors.New("malformed evidence record")
	// ErrUnsupported: it may be good, but names a digest algorithm that is not
	// known here. Ask another verifier.
	ErrUnsupported = cms.ErrUnsupported
	// ErrNotCovered: the record does not cover this content. Ask for that of another
	// version.
	ErrNotCovered = errors.New("not covered by the evidence record")
)

// Record is an EvidenceRecord (RFC 4998, 3.1).
type Record struct {
	// Digests are the algorithms of all archive time-stamps, as declared.
	Digests []Algorithm
	// CryptoInfos and EncryptionInfo are kept as they came, whole elements in
	// DER; nil when absent. Records of this archive have neither.
	CryptoInfos, EncryptionInfo []byte
	// Chains is the ArchiveTimeStampSequence: one chain for each digest
	// algorithm that was in use, oldest first.
	Chains []Chain
}

// Chain is an ArchiveTimeStampChain (RFC 4998, 5.1): time-stamps under one
// digest algorithm, oldest first, each of which covers the one before.
type Chain []ArchiveTimeStamp

// ArchiveTimeStamp is one token with the way from what it covers to its
// imprint (RFC 4998, 4.1).
type ArchiveTimeStamp struct {
	// Digest is the algorithm of Tree; without OID it is that of the token.
	Digest Algorithm
	// Attributes are kept as they came, a whole element in DER; nil when absent.
	Attributes []byte
	// Tree is the reduced hash tree: the group first, then what joins it on
	// the way up. Without it the token covers one digest directly.
	Tree []HashList
	// Token is the time-stamp, a CMS ContentInfo in DER.
	Token []byte
}

// HashList is a PartialHashtree (RFC 4998, 4.1): digests whose ascending
// concatenation is hashed, together with that of the list before.
type HashList [][]byte

// Algorithm is a digest algorithm as an identifier names it.
type Algorithm struct {
	OID  asn1.ObjectIdentifier
	Hash crypto.Hash // 0 when it is not known here
	raw  []byte      // as it came, with parameters; nil for own ones
}

// AlgorithmOf returns the algorithm for one of SHA-256, SHA-384, SHA-512 and
// the SHA-3 of these sizes; it panics for others, which a caller must not use.
func AlgorithmOf(h crypto.Hash) Algorithm {
	oid := cms.OIDOf(h)
	if oid == nil || h.Size() < 32 {
		panic("evidence: digest algorithm " + h.String())
	}
	return Algorithm{OID: oid, Hash: h}
}

// String is the usual name, or the identifier in dots.
func (a Algorithm) String() string {
	if a.Hash != 0 {
		return a.Hash.String()
	}
	return a.OID.String()
}

// New returns the record of data that one token covers.
func New(h crypto.Hash, tree []HashList, token []byte) *Record {
	r := &Record{}
	r.add(h, tree, token, true)
	return r
}

// Renew adds the archive time-stamp of a time-stamp renewal (RFC 4998, 5.2):
// the first list of tree holds TokenDigest of the last token. The digest
// algorithm stays that of the chain.
func (r *Record) Renew(tree []HashList, token []byte) {
	last := r.Chains[len(r.Chains)-1]
	r.add(last[len(last)-1].Digest.Hash, tree, token, false)
}

// RenewHashTree adds the chain of a hash-tree renewal (RFC 4998, 5.2): the
// first list of tree holds Renewed digests of the data.
func (r *Record) RenewHashTree(h crypto.Hash, tree []HashList, token []byte) {
	r.add(h, tree, token, true)
}

func (r *Record) add(h crypto.Hash, tree []HashList, token []byte, chain bool) {
	a := AlgorithmOf(h)
	if chain {
		r.Chains = append(r.Chains, nil)
	}
	declared := false
	for _, d := range r.Digests {
		declared = declared || d.OID.Equal(a.OID)
	}
	if !declared {
		r.Digests = append(r.Digests, a)
	}
	last := &r.Chains[len(r.Chains)-1]
	*last = append(*last, ArchiveTimeStamp{Digest: a, Tree: tree, Token: token})
}

// TokenDigest is what a time-stamp renewal covers: the digest of the last
// token in DER (RFC 4998, 5.2).
func TokenDigest(h crypto.Hash, token []byte) []byte { return sum(h, token) }

// Renewed is what a hash-tree renewal covers of one object: the new digest of
// its content joined with that of all chains before, in this order, unsorted
// (RFC 4998, 5.2, step 4 of the hash-tree renewal). RFC 6283 and some verifiers
// sort the two, which differs when the digest of the content is the larger one.
// chains is from ChainsDigest.
func Renewed(h crypto.Hash, digest, chains []byte) []byte { return sum(h, digest, chains) }

// ChainsDigest is the digest of the first n chains as an
// ArchiveTimeStampSequence in DER (RFC 4998, 5.2, step 3 of the hash-tree renewal).
func (r *Record) ChainsDigest(h crypto.Hash, n int) []byte {
	return sum(h, sequence(r.Chains[:n]))
}

func sum(h crypto.Hash, parts ...[]byte) []byte {
	w := h.New()
	for _, p := range parts {
		w.Write(p)
	}
	return w.Sum(make([]byte, 0, h.Size()))
}

// For returns the record for one member of a data group by itself: what the last
// chain begins with covers that member, and the digests of the others follow as a
// second list, which RFC 4998, 4.3 joins with the first to the same leaf. Their
// digests are all that it tells of the others. Chains before a hash-tree renewal
// stay as they are, since the renewal covers their bytes. digest is that of the
// content under Digest; ErrNotCovered when the record does not cover it.
func (r *Record) For(digest []byte) (*Record, error) {
	n := len(r.Chains) - 1
	first, h := r.Chains[n][0], r.Digest()
	if h == 0 {
		return nil, fmt.Errorf("digest algorithm of the last chain: %w", ErrUnsupported)
	}
	if n > 0 {
		digest = Renewed(h, digest, r.ChainsDigest(h, n))
	}
	if len(first.Tree) == 0 {
		return nil, fmt.Errorf("%w: the record has no hash tree", ErrNotCovered)
	}
	group := first.Tree[0]
	at := slices.IndexFunc(group, func(d []byte) bool { return bytes.Equal(d, digest) })
	if at < 0 {
		return nil, ErrNotCovered
	}
	tree := []HashList{{digest}}
	if others := slices.Delete(slices.Clone(group), at, at+1); len(others) > 0 {
		tree = append(tree, others)
	}
	first.Tree = append(tree, first.Tree[1:]...)
	one := *r
	one.Chains = slices.Clone(r.Chains)
	one.Chains[n] = slices.Clone(r.Chains[n])
	one.Chains[n][0] = first
	return &one, nil
}

// Digest is the algorithm under which the last chain covers the data; 0 when that
// is not known here, or only its token names it.
func (r *Record) Digest() crypto.Hash { return r.Chains[len(r.Chains)-1][0].Digest.Hash }
