package evidence

import (
	"encoding/asn1"
	"slices"
)

// Encode returns the record in DER. The lists of reduced hash trees keep their
// order. It panics when a record is empty, which is a bug of its maker.
func (r *Record) Encode() []byte {
	if len(r.Chains) == 0 || len(r.Digests) == 0 {
		panic("evidence: record without chain or algorithm")
	}
	var digests int
	for _, a := range r.Digests {
		digests += len(a.der())
	}
	chains := 0
	for _, c := range r.Chains {
		chains += c.size()
	}
	body := 3 + element(digests) + len(r.CryptoInfos) + len(r.EncryptionInfo) + element(chains)
	b := header(make([]byte, 0, element(body)), tagSequence, body)
	b = append(b, 0x02, 1, 1) // version v1
	b = header(b, tagSequence, digests)
	for _, a := range r.Digests {
		b = append(b, a.der()...)
	}
	b = append(b, r.CryptoInfos...)
	b = append(b, r.EncryptionInfo...)
	return appendSequence(b, r.Chains, chains)
}

// sequence is an ArchiveTimeStampSequence in DER.
func sequence(chains []Chain) []byte {
	n := 0
	for _, c := range chains {
		n += c.size()
	}
	return appendSequence(make([]byte, 0, element(n)), chains, n)
}

func appendSequence(b []byte, chains []Chain, size int) []byte {
	b = header(b, tagSequence, size)
	for _, c := range chains {
		n := 0
		for i := range c {
			n += c[i].size()
		}
		b = header(b, tagSequence, n)
		for i := range c {
			b = c[i].append(b)
		}
	}
	return b
}

const (
	tagSequence   = 0x30
	tagOctets     = 0x04
	tagAlgorithm  = 0xa0 // [0] IMPLICIT AlgorithmIdentifier
	tagAttributes = 0xa1 // [1] IMPLICIT Attributes
	tagTree       = 0xa2 // [2] IMPLICIT SEQUENCE OF PartialHashtree
)

// size is that of the whole element.
func (c Chain) size() (n int) {
	for i := range c {
		n += c[i].size()
	}
	return element(n)
}

func (a *ArchiveTimeStamp) size() int { return element(a.body()) }

func (a *ArchiveTimeStamp) body() int {
	n := len(a.Attributes) + len(a.Token)
	if a.Digest.OID != nil {
		n += len(a.Digest.der())
	}
	if a.Tree != nil {
		n += element(a.lists())
	}
	return n
}

func (a *ArchiveTimeStamp) lists() (n int) {
	for _, l := range a.Tree {
		n += element(l.body())
	}
	return n
}

func (l HashList) body() (n int) {
	for _, d := range l {
		n += element(len(d))
	}
	return n
}

func (a *ArchiveTimeStamp) append(b []byte) []byte {
	b = header(b, tagSequence, a.body())
	if a.Digest.OID != nil {
		at := len(b)
		b = append(b, a.Digest.der()...)
		b[at] = tagAlgorithm
	}
	b = append(b, a.Attributes...)
	if a.Tree != nil {
		b = header(b, tagTree, a.lists())
		for _, l := range a.Tree {
			b = header(b, tagSequence, l.body())
			for _, d := range l {
				b = append(header(b, tagOctets, len(d)), d...)
			}
		}
	}
	return append(b, a.Token...)
}

// der is the AlgorithmIdentifier: as it came, or without parameters, as RFC
// 5754, 2 and RFC 8702, 3.1 ask of SHA-2 and SHA-3.
func (a Algorithm) der() []byte {
	if a.raw != nil {
		return a.raw
	}
	if a.Hash != 0 {
		if b, ok := algorithms[a.Hash]; ok {
			return b
		}
	}
	return encodeAlgorithm(a.OID)
}

func encodeAlgorithm(oid asn1.ObjectIdentifier) []byte {
	id, err := asn1.Marshal(oid)
	if err != nil {
		panic(err) // parsed, or one of ours
	}
	return slices.Concat(header(nil, tagSequence, len(id)), id)
}

// element is the size of an element whose content has n bytes.
func element(n int) int {
	switch {
	case n < 0x80:
		return n + 2
	case n < 1<<8:
		return n + 3
	case n < 1<<16:
		return n + 4
	case n < 1<<24:
		return n + 5
	}
	return n + 6
}

func header(b []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, tag, byte(n))
	case n < 1<<8:
		return append(b, tag, 0x81, byte(n))
	case n < 1<<16:
		return append(b, tag, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		return append(b, tag, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, tag, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
