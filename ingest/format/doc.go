// Package format finds out what a file is before anything else is done with it.
//
// It asks siegfried with the PRONOM signatures that the program embeds, so that
// every result can be repeated and names the signature release it came from.
// Where PRONOM has no answer, or only "plain text", the first bytes are looked
// at: mail headers, the root element of XML, the character set of text. Nothing
// is ever concluded from the sender's word alone; a name that contradicts the
// bytes is a finding.
//
// The package only reads. What to do with a Family is up to the conversion.
package format
