package preservation

import "time"

// Event is something that happened to a record or its files (PREMIS event).
// Events are evidence and part of the package or of the record's event
// objects; log lines are not.
type Event struct {
	ID      string    `json:"id"`
	Type    EventType `json:"type"`
	At      time.Time `json:"at"`
	Outcome Outcome   `json:"outcome"`
	Code    string    `json:"code,omitempty"`   // machine-readable finding, such as "encrypted"; empty when all is well
	Detail  string    `json:"detail,omitempty"` // for people, English, free of content and personal data
	Agent   Agent     `json:"agent"`
	Files   []FileID  `json:"files,omitempty"` // the files it concerns; none means the record
}

// EventType is a term of the Library of Congress vocabulary "eventType"
// (id.loc.gov/vocabulary/preservation/eventType) where one fits.
type EventType string

const (
	EventReceive    EventType = "ingestion start"
	EventUnpack     EventType = "unpacking"
	EventScan       EventType = "virus check"
	EventIdentify   EventType = "format identification"
	EventValidate   EventType = "validation"
	EventConvert    EventType = "normalization"
	EventExtract    EventType = "extraction" // a file taken out of another (not in the vocabulary)
	EventCheck      EventType = "quality review"
	EventSeal       EventType = "digital signature generation"
	EventDigest     EventType = "message digest calculation"
	EventPackage    EventType = "information package creation"
	EventStore      EventType = "ingestion end" // the receipt
	EventFixity     EventType = "fixity check"
	EventReplicate  EventType = "replication"      // the second copy has it
	EventHold       EventType = "legal hold"       // set or released (not in the vocabulary)
	EventRetention  EventType = "retention change" // (not in the vocabulary)
	EventQuarantine EventType = "quarantine"       //
	EventRelease    EventType = "unquarantine"     //
	EventRefuse     EventType = "refusal"          // out of quarantine (not in the vocabulary)
	EventIntent     EventType = "deletion intent"  // written before any byte is purged (not in the vocabulary)
	EventDelete     EventType = "deletion"         // the tombstone
	EventAccess     EventType = "access grant"     // (not in the vocabulary)
	EventReclassify EventType = "metadata modification"
	EventRestrict   EventType = "processing restriction" // GDPR Art. 18, or its end (not in the vocabulary)
	EventStatement  EventType = "counter-statement"      // of a person concerned (not in the vocabulary)
)

// Details of events of type EventHold, which tell the two apart in the bucket.
const (
	HoldSet      = "legal hold set on every object of the record"
	HoldReleased = "legal hold released on every object of the record"
)

// Outcome is the eventOutcome of an event.
type Outcome string

const (
	Success Outcome = "success"
	Warning Outcome = "warning" // it went on, and a person should look
	Failure Outcome = "failure"
)

// Agent is who or what acted (PREMIS agent).
type Agent struct {
	Type    AgentType `json:"type"`
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"`
}

// AgentType is a PREMIS agentType.
type AgentType string

const (
	Software     AgentType = "software"
	Person       AgentType = "person"
	Organization AgentType = "organization"
)

// Finding is one result of a check. A check returns all its findings, never
// only the first; a check without a finding of Severity Failed has passed.
type Finding struct {
	Code     string   `json:"code"`              // stable, kebab-case, such as "digest-mismatch"
	Severity Severity `json:"severity"`          //
	Subject  string   `json:"subject,omitempty"` // file, key or field that it is about
	Detail   string   `json:"detail"`            // for people: what, and what to do
	Clause   string   `json:"clause,omitempty"`  // of the standard or law that asks for it
}

// Severity grades a finding.
type Severity string

const (
	Passed Severity = "passed"
	Notice Severity = "notice"
	Failed Severity = "failed"
)
