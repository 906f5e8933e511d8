// Package retention knows how long a record is kept, why, and how it ends.
//
// A Scheme is the classification (Aktenplan): a tree of classes, each naming
// the Rule by which its records are kept. Scheme and rules together make a
// Schedule. Evaluate is the one pure function from a schedule, the facts of a
// record, the holds and the time to a state and its dates; cron, API and pages
// all call it, so that no two parts of the archive can disagree about a date.
// LockUntil derives from its result how long the store has to refuse deletion.
//
// Three things are never done. A date is never guessed: a missing trigger or
// rule leaves the record "unresolved", and a floor above a ceiling leaves it in
// "conflict", both listed for a person. A hold is never outvoted. And nothing
// unassessed is ever destroyed: Disposer, the only user of
// preservation.Purger, acts on disposition V under a standing Permit, and on what
// people decided in a Run, both approved by a second person, and on nothing else.
//
// Every figure of law is data (see data/) with its legal basis, the day it was
// checked and how sure that reading is.
package retention
