package revocation

import (
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidDelta = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// speaksOf says whether a list is complete for a certificate of its issuer: no
// delta, no list for other authorities, other kinds of certificates or some reasons
// only (RFC 5280, 5.2.4 and 5.2.5), and without critical extensions unknown here.
func speaksOf(list *x509.RevocationList, c *x509.Certificate) bool {
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidPoint):
			if !inScope(e.Value, c) {
				return false
			}
		case e.Id.Equal(oidDelta), e.Critical:
			return false
		}
	}
	return true
}

// inScope reads an IssuingDistributionPoint.
func inScope(der []byte, c *x509.Certificate) bool {
	var point cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&point, tag.SEQUENCE) || !in.Empty() {
		return false
	}
	for !point.Empty() {
		var v cryptobyte.String
		var t tag.Tag
		if !point.ReadAnyASN1(&v, &t) {
			return false
		}
		switch set := len(v) == 1 && v[0] != 0; t {
		case tag.Tag(0).ContextSpecific().Constructed(): // where the list is to be had
		case tag.Tag(1).ContextSpecific(): // onlyContainsUserCerts
			if set && c.IsCA {
				return false
			}
		case tag.Tag(2).ContextSpecific(): // onlyContainsCACerts
			if set && !c.IsCA {
				return false
			}
		case tag.Tag(3).ContextSpecific().Constructed(), tag.Tag(3).ContextSpecific(): // onlySomeReasons
			return false
		default: // indirectCRL, onlyContainsAttributeCerts
			if set {
				return false
			}
		}
	}
	return true
}
