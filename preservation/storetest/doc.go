// Package storetest holds the suite that every preservation.Store passes, a
// wrapper that makes a store fail on purpose, and a real object store for the
// tests of other packages:
//
//	store := storetest.Bucket(t) // *s3.Bucket in an embedded server of its own
//
// The server is a child process, because it changes its working directory. Its
// program is built with the go tool once per checkout and found again by every
// later test binary; the build cache keeps that to a fraction of a second. A
// test therefore needs no TestMain, only to be run where the go tool and the
// module are, which is what go test does. The child ends with the test, and
// when the test binary is killed.
package storetest
