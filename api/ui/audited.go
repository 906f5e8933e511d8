package ui

import (
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// auditedCodes are the details of entries of the audit log that are codes, with the area
// of their texts: of an action, or whatever was done.
var auditedCodes = map[string]string{
	"roles": "role", "code": "finding", "codes": "finding", "type": "trigger", "profile": "package",
	"subject-request.add kind": "request", "subject-request.decide outcome": "requestoutcome",
	"disposal.decided decision": "decision", "disposal.answered decision": "decision",
	"job.retry kind": "job", "user.login.refused reason": "loginrefusal",
	"evidence.stamped kind": "stampkind", "evidence.dropped kind": "stampkind", "record.access.grant kind": "accessgrant",
	"tenant.describe setup": "setupstep", "tenant.describe seal": "sealchoice", "tenant.describe no_rendition": "renditionchoice", "tenant.describe receipt_after": "receiptchoice",
	"record.verify outcome": "verification", "evidence.report passed": "yesno", "schedule.run everything": "yesno", "user.logout everything": "yesno",
}

// acted is what was done, in words: to restrict a record and to end that are one action.
func (l *language) acted(e catalog.AuditEntry) string {
	if e.Action == "record.restrict" && e.Detail["ended"] == "true" {
		return l.t("action.record.unrestrict")
	}
	return l.coded("action", e.Action)
}

// audited is a detail of an entry of the audit log in words: codes by their texts, days
// and times as people write them, and anything else as it is; "" where acted says it.
func (l *language) audited(action, name, value string) string {
	if action == "record.restrict" && name == "ended" {
		return ""
	}
	area := auditedCodes[action+" "+name]
	if area == "" {
		area = auditedCodes[name]
	}
	if area != "" {
		codes := strings.Fields(value)
		for i, code := range codes {
			codes[i] = l.coded(area, code)
		}
		return strings.Join(codes, ", ")
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return l.time(at)
	}
	if day, err := preservation.ParseDate(value); err == nil {
		return l.date(day)
	}
	return value
}
