// Package ledger restores the catalog from a tenant's bucket alone.
//
// The bucket holds packages below aip/, what happened to each record afterwards
// below evt/ (preservation.EventObject), and every version of classification,
// rules, permits and holds below cfg/ (preservation.ConfigObject). Whoever makes
// such a thing happen writes the object; this package knows how they go
// together. The audit log goes below audit/ in segments (StoreAudit), each with its
// seal (SealAudit), so that entries since the last segment are lost with the catalog.
// Tokens, passwords, schedules and jobs are not in the bucket and do not come back.
package ledger
