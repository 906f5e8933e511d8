// Package ingest takes records in: from the bytes that a producer sends to a
// sealed, stored and receipted package.
//
// An Intake streams the files of a delivery to staging, checks them against what
// the producer announced, and accepts the delivery in one transaction together
// with the job that will process it. Nothing is acknowledged before that.
//
// A Pipeline does the job. Its steps are one slice; reading it is reading the
// process. Up to the point where the finished package is frozen in staging an
// interrupted job starts anew; from there on exactly those bytes are stored.
// Every step can be repeated, every outcome is a PREMIS event.
package ingest
