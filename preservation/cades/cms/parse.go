package cms

import (
	"crypto"
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	tag0 = tag.Tag(0).ContextSpecific()
	tag1 = tag.Tag(1).ContextSpecific()
	con0 = tag0.Constructed()
	con1 = tag1.Constructed()
)

// SignedData is a parsed RFC 5652 SignedData.
type SignedData struct {
	Raw          []byte // the ContentInfo in DER
	ContentType  asn1.ObjectIdentifier
	Content      []byte // nil when detached
	Certificates []*Certificate
	CRLs         [][]byte
	Signers      []*Signer
}

// Attribute is a signed or unsigned attribute; its values are DER.
type Attribute struct {
	Type   asn1.ObjectIdentifier
	Values [][]byte
}

// Signer is one SignerInfo.
type Signer struct {
	Hash        crypto.Hash  // of the content; 0 when unknown
	Certificate *Certificate // nil when the SignedData does not carry it
	Signed      []Attribute
	Unsigned    []Attribute
	Signature   []byte

	contentType asn1.ObjectIdentifier
	signedRaw   []byte // signed attributes as SET OF, the bytes under the signature
	algorithm   asn1.ObjectIdentifier
	parameters  []byte
	issuer      []byte
	serial      *big.Int
	keyID       []byte
}

// Parse reads a ContentInfo with SignedData, in BER or DER, of at most MaxSize
// bytes. Zero bytes may follow it, as they fill up the room in PDF signatures.
// The error wraps ErrMalformed.
func Parse(b []byte) (*SignedData, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	der, rest, err := DER(b)
	if err != nil {
		return nil, err
	}
	for _, c := range rest {
		if c != 0 {
			return nil, fmt.Errorf("%w: bytes after its end", ErrMalformed)
		}
	}
	sd := &SignedData{Raw: der}
	p, err := split(der)
	if err != nil {
		return nil, err
	}
	if err := sd.readContent(p.content); err != nil {
		return nil, err
	}
	if err := sd.readCertificates(p.certificates); err != nil {
		return nil, err
	}
	for s := p.crls; !s.Empty(); {
		var crl cryptobyte.String
		var t tag.Tag
		if !s.ReadAnyASN1Element(&crl, &t) || len(sd.CRLs) >= maxCertificates {
			return nil, fmt.Errorf("%w: revocation lists", ErrMalformed)
		}
		sd.CRLs = append(sd.CRLs, crl)
	}
	for s := p.signers; !s.Empty(); {
		var one cryptobyte.String
		if !s.ReadASN1(&one, tag.SEQUENCE) || len(sd.Signers) >= maxSigners {
			return nil, fmt.Errorf("%w: signer", ErrMalformed)
		}
		signer, err := readSigner(one)
		if err != nil {
			return nil, err
		}
		signer.contentType = sd.ContentType
		signer.Certificate = sd.find(signer)
		sd.Signers = append(sd.Signers, signer)
	}
	return sd, nil
}

// parts are the fields of a SignedData, undecoded.
type parts struct {
	version, digests, content   cryptobyte.String // whole elements
	certificates, crls, signers cryptobyte.String // contents of the sets
}

func split(der []byte) (p parts, err error) {
	var info, wrapped, sd cryptobyte.String
	var oid asn1.ObjectIdentifier
	var ok bool
	in := cryptobyte.String(der)
	switch {
	case !in.ReadASN1(&info, tag.SEQUENCE), !info.ReadASN1ObjectIdentifier(&oid), !oid.Equal(OIDSignedData):
		return p, fmt.Errorf("%w: no SignedData", ErrMalformed)
	case !info.ReadASN1(&wrapped, con0), !wrapped.ReadASN1(&sd, tag.SEQUENCE),
		!sd.ReadASN1Element(&p.version, tag.INTEGER),
		!sd.ReadASN1Element(&p.digests, tag.SET),
		!sd.ReadASN1Element(&p.content, tag.SEQUENCE),
		!sd.ReadOptionalASN1(&p.certificates, &ok, con0),
		!sd.ReadOptionalASN1(&p.crls, &ok, con1),
		!sd.ReadASN1(&p.signers, tag.SET):
		return p, fmt.Errorf("%w: SignedData", ErrMalformed)
	}
	return p, nil
}

func (sd *SignedData) readContent(s cryptobyte.String) error {
	var content, wrapped, octets cryptobyte.String
	var has bool
	if !s.ReadASN1(&content, tag.SEQUENCE) || !content.ReadASN1ObjectIdentifier(&sd.ContentType) ||
		!content.ReadOptionalASN1(&wrapped, &has, con0) {
		return fmt.Errorf("%w: encapContentInfo", ErrMalformed)
	}
	if has {
		if !wrapped.ReadASN1(&octets, tag.OCTET_STRING) {
			return fmt.Errorf("%w: eContent", ErrMalformed)
		}
		sd.Content = append([]byte{}, octets...)
	}
	return nil
}

func readSigner(s cryptobyte.String) (*Signer, error) {
	bad := func(what string) (*Signer, error) {
		return nil, fmt.Errorf("%w: SignerInfo %s", ErrMalformed, what)
	}
	var version int
	var id, alg cryptobyte.String
	var oid asn1.ObjectIdentifier
	si := &Signer{serial: new(big.Int)}
	if !s.ReadASN1Integer(&version) {
		return bad("version")
	}
	switch {
	case s.PeekASN1Tag(tag.SEQUENCE):
		var issuer cryptobyte.String
		if !s.ReadASN1(&id, tag.SEQUENCE) || !id.ReadASN1Element(&issuer, tag.SEQUENCE) || !id.ReadASN1Integer(si.serial) {
			return bad("issuer")
		}
		si.issuer = issuer
	case s.ReadASN1(&id, tag0):
		si.keyID = id
	default:
		return bad("identifier")
	}
	if !s.ReadASN1(&alg, tag.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&oid) {
		return bad("digest algorithm")
	}
	si.Hash = HashOf(oid)
	var err error
	if s.PeekASN1Tag(con0) {
		var el cryptobyte.String
		s.ReadASN1Element(&el, con0)
		si.signedRaw = append([]byte{0x31}, el[1:]...) // RFC 5652, 5.4: hashed as SET OF
		s2 := cryptobyte.String(el)
		s2.ReadASN1(&el, con0)
		if si.Signed, err = readAttributes(el); err != nil {
			return nil, err
		}
	}
	var sig, unsigned cryptobyte.String
	var has bool
	if !s.ReadASN1(&alg, tag.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&si.algorithm) ||
		!s.ReadASN1(&sig, tag.OCTET_STRING) || !s.ReadOptionalASN1(&unsigned, &has, con1) {
		return bad("signature")
	}
	si.parameters, si.Signature = alg, sig
	si.Unsigned, err = readAttributes(unsigned)
	return si, err
}

// readAttributes reads a set of at most maxAttributes attributes and values together.
func readAttributes(s cryptobyte.String) (attrs []Attribute, err error) {
	n := 0
	for !s.Empty() {
		var one, values cryptobyte.String
		var a Attribute
		if !s.ReadASN1(&one, tag.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&a.Type) || !one.ReadASN1(&values, tag.SET) {
			return nil, fmt.Errorf("%w: attribute", ErrMalformed)
		}
		for n++; !values.Empty() && n <= maxAttributes; n++ {
			var v cryptobyte.String
			var t tag.Tag
			if !values.ReadAnyASN1Element(&v, &t) {
				return nil, fmt.Errorf("%w: attribute value", ErrMalformed)
			}
			a.Values = append(a.Values, v)
		}
		if n > maxAttributes {
			return nil, fmt.Errorf("%w: more than %d attributes", ErrMalformed, maxAttributes)
		}
		attrs = append(attrs, a)
	}
	return attrs, nil
}

// single returns the value of an attribute that must occur once with one
// value (RFC 5652, 11); nil when it does not.
func single(attrs []Attribute, oid asn1.ObjectIdentifier) []byte {
	var found []byte
	for _, a := range attrs {
		if !a.Type.Equal(oid) {
			continue
		}
		if found != nil || len(a.Values) != 1 {
			return nil
		}
		found = a.Values[0]
	}
	return found
}
