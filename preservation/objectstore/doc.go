// Package objectstore is the S3 server that Bestand brings along: versitygw's
// POSIX backend, made durable, run as a supervised child process.
//
// An installation without an S3 of its own gets one by starting Bestand. The
// rest of the program cannot tell: it reaches the embedded server, like any
// other, through package s3 only.
//
// The backend alone would not do for an archive. What this package adds:
//
//   - Nothing is acknowledged before syncfs(2) has put it on disk; requests
//     that arrive together share one call (group).
//   - Retention and legal hold are attributes of the file before it gets its
//     name, so that no object is ever visible without its lock (durable).
//   - A legal hold protects a version also when its retention is over, and a
//     COMPLIANCE lock is checked again next to the deletion itself (guard).
//   - A page of a listing takes as long as the page, however many objects there
//     are, and no object is left out because another one went (cursor).
//   - A full disk answers "InsufficientStorage", before it is full to the last
//     byte (space).
//
// The server changes the working directory of its process and keeps global
// state, hence the child. Supervise starts it, restarts it after a crash and
// stops it; the child's side is Main. Credentials are drawn anew at each start
// and go through a pipe, never through arguments or environment. By default
// the two talk through a Unix socket that only the same user can open. The
// child dies with its parent.
//
// The lock is enforced by this program, not by the disk: who can write to the
// folder as root can delete. Findings says so, for receipts and the doctor.
//
// # Stored format
//
// The folder holds:
//
//	layout     {"format":1,"metadata":"xattr"}: format of the folder
//	lock       held by the running server
//	objects/   one folder per bucket, one file per object, its metadata in
//	           extended attributes user.* of the file
//	versions/  versions that are not the newest, and the bytes behind delete markers
//	meta/      metadata as files instead, where the file system has no
//	           extended attributes ("metadata":"sidecar")
//	creating/  a note for each bucket whose creation has not been acknowledged
//	run/       the socket
//
// Every later release reads format 1. A folder of a later format is refused,
// and so is one whose kind of metadata the file system cannot serve: that is a
// copy made by a tool that drops extended attributes, and its locks are gone.
package objectstore
