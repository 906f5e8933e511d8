// Package backup copies an archive into a folder and back.
//
// The folder holds the newest state of the buckets, each object once:
//
//	objects/<tenant>/<folder of the key>/<16 hex>-<name>   the bytes, under a part of their SHA-256
//	runs/<id>/<tenant>.jsonl    manifest: one Entry a line, in the order of keys
//	runs/<id>/catalog.db        the catalog, where it is SQLite
//	runs/<id>/secrets.age       keys and settings, encrypted with a passphrase (age, scrypt)
//	runs/<id>/backup.json       Head: names all of these with their digests
//	runs/<id>/backup.json.p7s   the archive's seal over it
//	current                     the id of the run that counts
//
// A run writes a folder of its own and then puts its id into current: until then
// the run before counts, however it was cut off. Objects are immutable, so a run copies
// only those that it does not have yet.
//
// It may read a living archive. The catalog is taken first, at one instant, and whatever
// it names stands in the bucket by then. What comes meanwhile may be in the run or not;
// of a record that is destroyed meanwhile either all is in it, or its packages are
// missing and the events, which are read after the packages, say that it is ending.
//
// An object that is gone from its bucket stays in the backup, and the run says so and
// reads its copy. Only a tombstone speaks against that: the objects of a record that was
// destroyed lose their entry, and then Sweep, the only thing here that removes copies,
// removes what no entry names. A restore leaves out what was destroyed by the tombstones
// of the backup or of a later one, and takes from the later one also the documents that
// decide on destruction. A destruction that was begun is no proof: its record is restored,
// and the service goes on with it or calls it off.
//
// What is not in a backup: submissions that have no receipt yet, whose senders still
// have them; the search index, which is made anew; with PostgreSQL the catalog, which is
// rebuilt from the buckets but for tokens and jobs. A dump of it, taken before a run, has
// the order that a run has.
//
// The promise of the form: fields are only ever added, and Head.Format rises when an
// old reader could misread it.
package backup
