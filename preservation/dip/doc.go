// Package dip brings stored packages into the forms in which others take them over
// (in OAIS a dissemination information package).
//
// ASiC-E (EN 319 162-1) and XAIP 1.3 (BSI TR-03125-F) carry the evidence. Both hold the
// evidence record of one version and exactly the data that its first
// hash list covers, byte for byte: every file in the stored package, METS and its seal
// among them, and nothing else that would claim to be protected. What is added, the
// manifest of the container and the frame of the XAIP, is made here and covered by
// nothing; it says only which data the evidence record is about. Of a later version
// that leaves files in an earlier one, those files are exported with that one.
//
// BagIt (RFC 8493), OCFL 1.1 and xdomea 4.0.0 carry the files under the names that the
// sender gave, wherever in the versions of the record their bytes are. A name that not
// every file system takes is written in a legible form that can be undone, and no two
// files have paths that one of them would take for the same.
//
// Everything is written front to back and held against the digests of the package
// while it is read; memory does not grow with its bytes. What ends with an error is no
// whole ZIP.
package dip
