// Package verapdf asks veraPDF whether a file is valid PDF/A.
//
// The validator is a Java library. Starting a virtual machine for every file
// would cost more than validating it, so a small program (sidecar/) stays
// running and answers one line for each line: that is some 20 ms a file.
// A Validator supervises it: started when it is first needed, shut in a
// sandbox that sees nothing but the work folders, ended when it takes too long
// or too much memory, and replaced.
//
// sidecar/install.sh builds the program. Without it, or without Java, Validate
// answers ErrMissing, and a rendition counts as not validated, never as valid.
package verapdf
