// Package preservation is the vocabulary of the archive and the contract of its store.
//
// The words are those of OAIS (ISO 14721) and PREMIS 3: a Record is the
// intellectual entity that a producer handed over, its Files belong to an
// original or a preservation Representation, and everything that was done to
// them is an Event with an Agent. A Store keeps bytes immutably.
//
// The package imports the standard library only and does nothing by itself;
// every other package speaks in its terms.
package preservation
