// Package invoice reads electronic invoices: XRechnung in both of its
// syntaxes (UBL 2.1, UN/CEFACT CII D16B), ZUGFeRD and Factur-X.
//
// The XML is the record and is never changed. What this package adds is what
// people and search need: the fields of the semantic model (EN 16931-1, cited
// by its BT numbers), a readable page in German, and a check of the fields and
// sums without which it is no invoice. For XML that is not an invoice there is
// a plain page of its elements.
//
// Neither the schemas nor the Schematron rules are part of the program, so
// nothing is validated against them; Extent says so for the events.
//
// XML is read without DTDs and without entities beyond the five of XML itself,
// within bounds on size, depth and number of elements.
package invoice

// Extent says what a check without findings means.
const Extent = "well-formed, core fields and sums of EN 16931 checked; not validated against XML schema or Schematron rules"
