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
// It may read a living archive, and writes nothing there. What a run guarantees of each
// record, whatever a service does meanwhile: it is alive with all that belongs to it, every
// package with its receipt and every receipt with its package; or it is destroyed, with
// the proof of it and nothing else; or its destruction has begun, and all is there to end
// it or to call it off. What stood when the run began is in it, or was destroyed since.
// What came since, a record, a version, another class, may be in it or not. This follows
// from the order in which others write (package before receipt; intent before the first
// byte goes; tombstone when nothing is left; a document before what is done by it) and
// from the order in which a run reads:
//
//  1. the catalog, at one instant: what it names stands in the bucket by then
//  2. everything but the packages: of what receipts vouch for, all is there yet or the
//     intent to destroy it is written
//  3. the packages
//  4. the events once more. Of later ones the run takes those that tell of destructions,
//     and the receipts of packages that it has. An intent that is not there by now had
//     destroyed nothing when the packages were read
//  5. once more, each as a whole, the records that are not in one piece by then: packages
//     are gone that an intent names, and there is no tombstone; or a new package has no
//     receipt. The service is about to write it, and is given some time
//  6. the documents once more: holds, permits and runs by which was done what the run has
//  7. the events once more, of which it takes the triggers of records that it has: a
//     document of a run may say that a record was taken over, and the trigger, which was
//     written before, that its retention goes by that
//
// What is in no piece after that, as when a service died in the middle of a destruction,
// the run says. Holds and locks of objects are those of the moment at which each was read;
// the documents, which come last, set them right after a restore.
//
// An object that is gone from its bucket stays in the backup, and the run says so and
// reads its copy. Only a tombstone speaks against that: the objects of a record that was
// destroyed lose their entry, and then Sweep, the only thing here that removes copies,
// removes what no entry names. A restore leaves out what was destroyed by the tombstones
// of the backup or of a later one, and takes from the later one also the documents that
// decide on destruction, what came to records that it brings back, as versions and events
// say when these may be destroyed, and the segments of the audit log, which goes on behind
// the newest. A destruction that was begun is no proof: its record is restored,
// and the service goes on with it or calls it off.
//
// What is not in a backup: submissions that have no receipt yet, whose senders still
// have them; the search index, which is made anew; with PostgreSQL the catalog, which is
// rebuilt from the buckets but for tokens and jobs. A dump of it, taken before a run, has
// the place of step 1.
//
// The promise of the form: fields are only ever added, and Head.Format rises when an
// old reader could misread it.
package backup
