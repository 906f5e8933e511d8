// Package catalog keeps what must be asked quickly and changed atomically:
// submissions, records, events, retention state, jobs, tokens and the audit log.
//
// One set of SQL runs on SQLite (default, one file) and on PostgreSQL. The
// catalog is never the only place of anything that matters: all but tokens, people,
// their saved searches, schedules and jobs can be rebuilt from the bucket.
//
// Data of a municipality are reached through a Tenant handle only (DB.Tenant):
// code that forgets the tenant does not compile. What several changes must
// happen together is done in one method, in one transaction, together with the
// job and the audit entry that they cause.
//
// Instants are stored as milliseconds since 1970, days as YYYY-MM-DD text, raw
// file names as bytes.
package catalog
