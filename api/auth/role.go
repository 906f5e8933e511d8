package auth

import (
	"slices"

	"bestand/preservation"
)

// Role is a set of things that a principal may do in its tenant. What each may
// do is written at the routes (package api).
type Role string

const (
	Submitter      Role = "submitter"       // hands records over and asks for receipts
	Reader         Role = "reader"          // finds and reads records
	Researcher     Role = "researcher"      // reads what no closure period closes, and searches nothing
	Archivist      Role = "archivist"       // reads, verifies, releases quarantine, manages classes
	RecordsOfficer Role = "records_officer" // owns classes, rules, holds and disposal
	Approver       Role = "approver"        // second person; never approves what it proposed
	Auditor        Role = "auditor"         // sees metadata, events and the audit log, no content
	Operator       Role = "operator"        // keeps it running; sees neither content nor metadata
	Admin          Role = "admin"           // manages users and tokens; may do all that one person may
)

// Roles lists every role.
var Roles = []Role{Submitter, Reader, Researcher, Archivist, RecordsOfficer, Approver, Auditor, Operator, Admin}

// Valid reports whether the role exists.
func (r Role) Valid() bool { return slices.Contains(Roles, r) }

// Principal is who sent a request.
type Principal struct {
	Tenant preservation.TenantID
	// Actor names a person or a system in events and in the audit log. Two
	// tokens with the same actor are the same person for the four-eyes rule.
	Actor string
	Roles []Role
	// Installation marks a principal of the provider, who creates tenants.
	// It opens no tenant's content but that of Tenant.
	Installation bool
	// Token is the identifier of the token used, never the token itself.
	Token string
	// Session marks a person who has logged in at the pages.
	Session bool
}

// Has reports whether the principal has at least one of the roles.
func (p Principal) Has(one ...Role) bool {
	return slices.ContainsFunc(p.Roles, func(r Role) bool { return slices.Contains(one, r) })
}
