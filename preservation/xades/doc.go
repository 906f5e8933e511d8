// Package xades checks XML signatures of others: XAdES (EN 319 132-1) and plain XML
// signatures (XML Signature Syntax and Processing 1.1), enveloped in a document,
// around it, or beside it.
//
// What it knows is listed in transform.go and algorithm.go; all else is named in a
// finding as not supported, and never run or fetched: no XSLT, no XPath, no document
// type, nothing from another place than the files that the caller gives.
//
// A signature covers what its references name and nothing else. Every finding of a
// match therefore says which element or file it is about, an identifier that stands
// twice is refused, and a document that is signed in part is told from one that is
// signed as a whole.
//
// The canonical form is computed here. The library at hand (goxmldsig 1.6) does not
// normalise the values of attributes, gives an element the namespaces of the elements
// around it in the place of its own, and has no form for whole documents. Libxml2
// and, through EU DSS, Apache Santuario judge ours in the tests.
package xades

// MaxSize bounds, in bytes, a document that is taken into memory: one with
// signatures, or one that a signature wants in its canonical form.
const MaxSize = 32 << 20

const (
	maxNodes        = 300_000 // elements, attributes, texts
	maxDepth        = 200     // elements within elements
	maxDeclarations = 500     // of namespaces, in scope at a time
	maxSignatures   = 32      // in one document
	maxReferences   = 1000    // in all signatures of one document
	maxTransforms   = 8       // in one reference
	maxCertificates = 256     // in one signature
	maxPrefixes     = 32      // in one PrefixList
	maxStamps       = 64      // on all signatures of one document
	maxCanonical    = 16 * MaxSize
	nodeCost        = 16   // bytes of maxCanonical for every node that a transform visits
	maxDetail       = 1000 // bytes of what a finding quotes
)
