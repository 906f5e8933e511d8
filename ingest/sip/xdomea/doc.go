// Package xdomea reads messages of the XÖV standard xdomea that hand records
// over to an archive: Aussonderung (0503) and Auslagerung (0701), versions 3.0.0,
// 3.1.0 and 4.0.0.
//
// Only in this package the terms are those of the standard: a message (Nachricht)
// carries Schriftgutobjekte, a tree of Akte, Teilakte, Vorgang, Teilvorgang and
// Dokument; a Dokument has Anlagen and Versionen, and its Primaerdokument names a
// file of the container.
//
// The reader refuses what the standard forbids and an archive could not repair
// later: a ProzessID that contradicts the names, missing or surplus files, missing
// or repeated UUIDs, a tree deeper than five levels, another receiver. What does
// no harm is noted. With Schemas it also validates against the schemas of the
// standard, which are not part of this program.
package xdomea
