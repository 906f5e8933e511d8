// Package dip brings stored packages into the forms in which others take them over
// with their evidence (in OAIS a dissemination information package): ASiC-E (EN 319
// 162-1) and XAIP 1.3 (BSI TR-03125-F).
//
// Both hold the evidence record of one version and exactly the data that its first
// hash list covers, byte for byte: every file in the stored package, METS and its seal
// among them, and nothing else that would claim to be protected. What is added, the
// manifest of the container and the frame of the XAIP, is made here and covered by
// nothing; it says only which data the evidence record is about. Of a later version
// that leaves files in an earlier one, those files are exported with that one.
//
// Everything is written front to back and held against the digests of the package
// while it is read; memory does not grow with it.
package dip
