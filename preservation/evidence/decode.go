package evidence

import (
	"crypto"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"bestand/preservation/cades/cms"
)

// Bounds of what Decode accepts.
const (
	MaxSize       = 64 << 20 // bytes of one record
	maxAlgorithms = 64
	maxChains     = 64   // digest algorithms of many centuries; each is hashed with all before it
	maxStamps     = 1024 // archive time-stamps in all chains
	minDigest     = 20   // bytes, of SHA-1
	maxDigest     = 64
	maxLists      = 256 // of one reduced hash tree: 2^255 leaves
)

// Decode reads one evidence record, in BER or DER, that fills all of b. It
// keeps what it does not judge. The error wraps ErrMalformed.
func Decode(b []byte) (*Record, error) {
	bad := func(what string) (*Record, error) { return nil, fmt.Errorf("%w: %s", ErrMalformed, what) }
	if len(b) > MaxSize {
		return bad(fmt.Sprintf("more than %d bytes", MaxSize))
	}
	der, rest, err := cms.DER(b)
	if err != nil {
		return bad(err.Error())
	}
	if len(rest) > 0 {
		return bad(fmt.Sprintf("%d bytes after its end", len(rest)))
	}
	var in, digests, chains cryptobyte.String
	version := 0
	s := cryptobyte.String(der)
	if !s.ReadASN1(&in, tag.SEQUENCE) || !in.ReadASN1Integer(&version) {
		return bad("no EvidenceRecord")
	}
	if version != 1 {
		return bad(fmt.Sprintf("version %d instead of 1", version))
	}
	if !in.ReadASN1(&digests, tag.SEQUENCE) {
		return bad("digestAlgorithms")
	}
	r := &Record{}
	for !digests.Empty() {
		var one cryptobyte.String
		if !digests.ReadASN1Element(&one, tag.SEQUENCE) || len(r.Digests) >= maxAlgorithms {
			return bad("digestAlgorithms")
		}
		a, err := readAlgorithm(one)
		if err != nil {
			return bad("digestAlgorithms")
		}
		r.Digests = append(r.Digests, a)
	}
	if len(r.Digests) == 0 {
		return bad("digestAlgorithms")
	}
	var ok1, ok2 bool
	if r.CryptoInfos, ok1 = optional(&in, 0); !ok1 {
		return bad("cryptoInfos")
	}
	if r.EncryptionInfo, ok2 = optional(&in, 1); !ok2 {
		return bad("encryptionInfo")
	}
	if !in.ReadASN1(&chains, tag.SEQUENCE) || !in.Empty() {
		return bad("archiveTimeStampSequence")
	}
	if err := r.readChains(chains); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Record) readChains(in cryptobyte.String) error {
	stamps := 0
	for !in.Empty() {
		var chain cryptobyte.String
		if !in.ReadASN1(&chain, tag.SEQUENCE) || len(r.Chains) >= maxChains {
			return fmt.Errorf("%w: chain %d", ErrMalformed, len(r.Chains)+1)
		}
		var c Chain
		for !chain.Empty() {
			if stamps++; stamps > maxStamps {
				return fmt.Errorf("%w: more than %d archive time-stamps", ErrMalformed, maxStamps)
			}
			a, err := readStamp(&chain)
			if err != nil {
				return fmt.Errorf("%w: %s: %v", ErrMalformed, place(len(r.Chains), len(c)), err)
			}
			c = append(c, a)
		}
		if len(c) == 0 {
			return fmt.Errorf("%w: chain %d is empty", ErrMalformed, len(r.Chains)+1)
		}
		r.Chains = append(r.Chains, c)
	}
	if len(r.Chains) == 0 {
		return fmt.Errorf("%w: no chain", ErrMalformed)
	}
	return nil
}

func readStamp(in *cryptobyte.String) (a ArchiveTimeStamp, err error) {
	var body, tree, token cryptobyte.String
	if !in.ReadASN1(&body, tag.SEQUENCE) {
		return a, fmt.Errorf("no ArchiveTimeStamp")
	}
	alg, ok := optional(&body, 0)
	if !ok {
		return a, fmt.Errorf("digestAlgorithm")
	}
	if alg != nil {
		plain := append([]byte{}, alg...)
		plain[0] = tagSequence
		if a.Digest, err = readAlgorithm(plain); err != nil {
			return a, fmt.Errorf("digestAlgorithm")
		}
	}
	if a.Attributes, ok = optional(&body, 1); !ok {
		return a, fmt.Errorf("attributes")
	}
	has := false
	if !body.ReadOptionalASN1(&tree, &has, tagged(2)) {
		return a, fmt.Errorf("reducedHashtree")
	}
	if has {
		a.Tree = []HashList{}
	}
	for !tree.Empty() {
		var list cryptobyte.String
		if !tree.ReadASN1(&list, tag.SEQUENCE) || len(a.Tree) >= maxLists || list.Empty() {
			return a, fmt.Errorf("reducedHashtree")
		}
		var l HashList
		for !list.Empty() {
			var digest cryptobyte.String
			if !list.ReadASN1(&digest, tag.OCTET_STRING) || len(digest) < minDigest || len(digest) > maxDigest {
				return a, fmt.Errorf("reducedHashtree")
			}
			l = append(l, []byte(digest))
		}
		a.Tree = append(a.Tree, l)
	}
	if !body.ReadASN1Element(&token, tag.SEQUENCE) || !body.Empty() {
		return a, fmt.Errorf("timeStamp")
	}
	a.Token = token
	return a, nil
}

// readAlgorithm reads a whole AlgorithmIdentifier.
func readAlgorithm(b []byte) (a Algorithm, err error) {
	var body cryptobyte.String
	s := cryptobyte.String(b)
	if !s.ReadASN1(&body, tag.SEQUENCE) || !s.Empty() || !body.ReadASN1ObjectIdentifier(&a.OID) {
		return a, ErrMalformed
	}
	a.raw, a.Hash = b, cms.HashOf(a.OID)
	return a, nil
}

// optional reads a whole element with a context tag when there is one.
func optional(in *cryptobyte.String, number uint8) ([]byte, bool) {
	if !in.PeekASN1Tag(tagged(number)) {
		return nil, true
	}
	var whole cryptobyte.String
	ok := in.ReadASN1Element(&whole, tagged(number))
	return whole, ok
}

func tagged(number uint8) tag.Tag { return tag.Tag(number).ContextSpecific().Constructed() }

func place(chain, stamp int) string {
	return fmt.Sprintf("chain %d, archive time-stamp %d", chain+1, stamp+1)
}

// algorithms are the encoded identifiers of those that AlgorithmOf knows.
var algorithms = func() map[crypto.Hash][]byte {
	all := map[crypto.Hash][]byte{}
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_384, crypto.SHA3_512} {
		all[h] = encodeAlgorithm(asn1.ObjectIdentifier(cms.OIDOf(h)))
	}
	return all
}()
