package xades

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bestand/preservation"
)

// cover is a part of the document, or a file beside it, that is as it was signed.
type cover struct {
	apex    *node          // nil for a file
	without map[*node]bool // signatures in it
	decoded bool           // from base64: of the apex its text alone is signed
}

// limits says what of it is not signed, to be read behind its name.
func (c cover) limits() string {
	switch {
	case c.decoded:
		return ", decoded"
	case len(c.without) > 1:
		return fmt.Sprintf(" without the %d signatures in it", len(c.without))
	case len(c.without) == 1:
		return " without the signature in it"
	}
	return ""
}

// holds says whether a node at or below the apex is signed with all that belongs to
// it. Of base64 the signature covers neither the name of the element nor its
// attributes, which say nothing at an Object alone.
func (c cover) holds(n *node) bool {
	if c.decoded {
		return n == c.apex && n.is(dsig, "Object")
	}
	for n != c.apex && !c.without[n] {
		n = n.parent
	}
	return n == c.apex
}

// cover keeps what was found to be signed, once.
func (s *signature) cover(c cover) {
	if s.covered == nil {
		s.covered = make(map[*node][]cover)
	}
	if !slices.ContainsFunc(s.covered[c.apex], func(o cover) bool { return o.decoded == c.decoded && maps.Equal(o.without, c.without) }) {
		s.covered[c.apex] = append(s.covered[c.apex], c)
	}
}

// signs says whether a node is signed with all that belongs to it.
func (s *signature) signs(n *node) bool {
	for at := n; at != nil; at = at.parent {
		for _, c := range s.covered[at] {
			if c.holds(n) {
				return true
			}
		}
	}
	return false
}

// checkCover tells a document that is signed in part from one that is signed as a
// whole, so that nothing unsigned passes for signed.
func (s *signature) checkCover(p *properties) {
	content := len(s.files) > 0
	for n := range s.covered {
		content = content || !n.within(s.node) || s.inObject(n, p)
	}
	if !content {
		s.add("content-uncovered", s.trust.Unknown(), "no content was found to be what it signs", "XML Signature, 3.2")
		return
	}
	if !s.coversDocument() {
		s.add("document-partly-covered", preservation.Notice, "it does not cover the whole document: what it does not name is not signed", "XML Signature, 8.1.3")
	}
	if open := s.uncovered(p); len(open) > 0 {
		what := open[0].path()
		if len(open) > 1 {
			what += fmt.Sprintf(" and %d more", len(open)-1)
		}
		s.add("object-uncovered", preservation.Notice, "it holds what it does not sign: "+what, "XML Signature, 8.1.3")
	}
}

// coversDocument says whether nothing but signatures stands in the document that is
// not signed. What stands in the signature itself is the question of uncovered.
func (s *signature) coversDocument() bool {
	if s.signs(s.document) {
		return true
	}
	// An instruction beside the root may name the stylesheet by which all is shown.
	if slices.ContainsFunc(s.document.children, func(n *node) bool { return n.kind == instruction }) {
		return false
	}
	root := s.document.root()
	return root == s.node || s.signs(root) || root.is(asicSpace, "XAdESSignatures") && !root.hasText() &&
		!slices.ContainsFunc(root.elements(), func(n *node) bool { return !n.is(dsig, "Signature") })
}

// asicSpace is the namespace of the root around signatures in an ASiC container.
const asicSpace = "http://uri.etsi.org/02918/v1.2.1#"

// inObject says whether a node of the signature is content, not one of its properties.
func (s *signature) inObject(n *node, p *properties) bool {
	for ; n != s.node && n != nil; n = n.parent {
		if p != nil && n == p.node {
			return false
		}
		if n.is(dsig, "Object") {
			return true
		}
	}
	return false
}

// uncovered are the elements in the signature that anybody can have put there: it
// signs them not, and they have no place in the form of a signature.
func (s *signature) uncovered(p *properties) (open []*node) {
	if s.node.hasText() {
		open = append(open, s.node)
	}
	for _, n := range s.node.elements() {
		switch {
		case n.is(dsig, "SignedInfo"), n.is(dsig, "SignatureValue"), s.signs(n):
		case n.is(dsig, "KeyInfo"):
			open = append(open, n.strange(keyPart)...)
		case n.is(dsig, "Object"):
			open = append(open, s.inside(n, p)...)
		default:
			open = append(open, n)
		}
	}
	return open
}

// inside are the uncovered elements in an Object that is not signed itself.
func (s *signature) inside(object *node, p *properties) (open []*node) {
	all := object.elements()
	if object.hasText() || len(all) == 0 {
		return []*node{object}
	}
	for _, n := range all {
		switch {
		case s.signs(n):
		case p != nil && n == p.node && len(all) == 1:
			open = append(open, s.insideProperties(p)...)
		default:
			open = append(open, n)
		}
	}
	return open
}

// insideProperties are the uncovered elements in the properties. The unsigned ones
// may be what EN 319 132-1 knows, which proves itself or proves nothing.
func (s *signature) insideProperties(p *properties) (open []*node) {
	if p.node.hasText() {
		open = append(open, p.node)
	}
	for _, n := range p.node.elements() {
		switch {
		case n == p.signed, s.signs(n): // that of the signed ones was judged
		case n.is(p.space, "UnsignedProperties"):
			for _, n := range n.elements() {
				if !n.is(p.space, "UnsignedSignatureProperties") {
					open = append(open, n)
					continue
				}
				for _, n := range n.elements() {
					if !unsignedProperties[n.name.local] || !unsignedPart(n) {
						open = append(open, n)
						continue
					}
					open = append(open, n.strange(unsignedPart)...)
				}
				if n.hasText() {
					open = append(open, n)
				}
			}
			if n.hasText() {
				open = append(open, n)
			}
		default:
			open = append(open, n)
		}
	}
	return open
}

// strange are the outermost elements below n that are not of a kind, and those that
// have text beside elements. Signatures are judged on their own.
func (n *node) strange(known func(*node) bool) (all []*node) {
	within := n.elements()
	if n.hasText() && (len(within) > 0 || n.is(dsig, "KeyInfo")) {
		all = append(all, n)
	}
	for _, c := range within {
		switch {
		case c.is(dsig, "Signature"):
		case known(c):
			all = append(all, c.strange(known)...)
		default:
			all = append(all, c)
		}
	}
	return all
}

func set(names string) map[string]bool {
	all := make(map[string]bool)
	for n := range strings.FieldsSeq(names) {
		all[n] = true
	}
	return all
}

const dsig11 = "http://www.w3.org/2009/xmldsig11#"

// keyParts are what a KeyInfo may have (XML Signature 1.1, 4.5).
var keyParts = set(`KeyName KeyValue RetrievalMethod X509Data PGPData SPKIData MgmtData DEREncodedKeyValue KeyInfoReference
	DSAKeyValue P Q G Y J Seed PgenCounter RSAKeyValue Modulus Exponent ECKeyValue NamedCurve PublicKey
	X509IssuerSerial X509IssuerName X509SerialNumber X509SKI X509SubjectName X509Certificate X509CRL X509Digest OCSPResponse
	PGPKeyID PGPKeyPacket SPKISexp Transforms Transform XPath`)

func keyPart(n *node) bool {
	return (n.name.space == dsig || n.name.space == dsig11) && keyParts[n.name.local]
}

// unsignedProperties are those of EN 319 132-1, 5.3 to 5.5 and annex A.
var unsignedProperties = set(`CounterSignature SignatureTimeStamp CompleteCertificateRefs CompleteCertificateRefsV2 CompleteRevocationRefs
	AttributeCertificateRefs AttributeCertificateRefsV2 AttributeRevocationRefs SigAndRefsTimeStamp SigAndRefsTimeStampV2
	RefsOnlyTimeStamp RefsOnlyTimeStampV2 CertificateValues RevocationValues AttrAuthoritiesCertValues AttributeRevocationValues
	ArchiveTimeStamp ArchiveTimeStampV2 TimeStampValidationData AnyValidationData RenewedDigests RenewedDigestsV2 SignaturePolicyStore`)

// unsignedPart is of the namespaces of which unsigned properties consist.
func unsignedPart(n *node) bool {
	return slices.Contains(xadesSpaces, n.name.space) || n.name.space == "http://uri.etsi.org/01903/v1.4.1#" ||
		n.name.space == dsig && n.name.local != "Object" && n.name.local != "Manifest" && n.name.local != "SignatureProperties"
}
