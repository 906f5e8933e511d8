package ui

import (
	"strings"
	"time"

	"bestand/preservation"
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
	"record.verify outcome": "verification", "evidence.report passed": "yesno", "record.restrict ended": "yesno", "schedule.run everything": "yesno", "user.logout everything": "yesno",
}

// audited is a detail of an entry of the audit log in words: codes by their texts, days
// and times as people write them, and anything else as it is.
func (l *language) audited(action, name, value string) string {
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
