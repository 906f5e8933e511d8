// Package convert makes preservation renditions: PDF/A from what was handed over.
//
// The original is always kept byte for byte; a rendition stands beside it. The
// table routes (route.go) says which formats become what by which tool, the
// table tolerances (plausible.go) by how much a rendition may differ from its
// source. Every tool reads hostile input and runs in a sandbox.
//
// That a tool answered 0 proves nothing: LibreOffice does so for random bytes,
// Ghostscript for blank pages. A rendition counts when veraPDF finds it valid
// and its numbers (pages, letters, pages that are not blank) fit its source.
// A file that cannot be converted is a Result with the reason in an event,
// never an error and never silence.
package convert
