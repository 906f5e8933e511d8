// Package draft makes the seals of PDF renditions, without their signatures, in a
// process apart.
//
// A rendition is made by a converter that a hostile document may have taken over,
// and the parser that sealing needs was not written for such: one number in a file
// makes it ask for all memory of the machine. One process of this program in the
// sandbox does it for one rendition after the other; the key stays outside, and so
// does the document but for the parts that the process asks for. It is started with
// the first rendition, ended when there was none for a while, and after every
// rendition that it did not survive.
package draft
