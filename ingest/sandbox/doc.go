// Package sandbox runs one foreign program on hostile input, isolated and limited.
//
// Converters read what anyone may have sent to the archive, so each of them
// is treated as already taken over. With bubblewrap a program sees /usr, a few
// files of /etc, its own empty /tmp and HOME, and one folder that it may write:
// no network, no other process, no other file. Limits on memory, processor,
// time, file size and output hold for the whole tree of processes; the Result
// names the one that was hit.
//
// Where namespaces cannot be had (a container without the right to make them),
// the Sandbox falls back to unshare(1), and after that to resource limits
// alone. Isolation tells which, and belongs into the doctor's report and into
// the events of a record.
package sandbox
