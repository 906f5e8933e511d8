// Package search finds records by words, parts of words, references and
// filters: one full-text index per tenant in a folder of its own.
//
// The index is disposable. It follows the catalog's change feed (Tail) and
// keeps its place in the feed in the same atomic batch as the documents, so a
// kill at any moment loses nothing and repeats nothing. An index that is
// missing, damaged or written with another schema is dropped and comes back
// from the feed; it is never a reason not to start.
//
// German is the language of the text. Words are folded so that umlauts, their
// transcription and ß meet (Bauanträge, Bauantraege), reduced to their stem,
// and compounds are also found by their parts (Genehmigung finds
// Baugenehmigung). Compounds are taken apart when indexing only: a search for
// the compound never finds the mere part.
//
// A query is evaluated segment by segment as a set of documents; scores, sorting
// and facets are worked out for the hits alone. The words, their positions and
// frequencies are kept by bleve; what sorting, counting and frequent words need
// of them is kept unpacked in memory, up to some 220 bytes per record. Everything
// that outside text can reach is bounded, and a query is refused only for its
// size.
//
// Lists, date ranges and other queries without words are the catalog's job;
// the index answers text, prefixes, fuzzy words, and facets over their results.
package search
