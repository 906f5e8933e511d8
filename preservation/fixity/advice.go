package fixity

import "strings"

// advice says what to do about a finding.
func advice(code string) string {
	switch {
	case code == CodeObjectDigest, code == CodeObjectSize, code == CodeObjectGone, code == CodeUnread:
		return "keep the damaged object; look at disk and store; bring the bytes back from the second copy or a backup"
	case code == CodeSurplus, code == CodeUnknown:
		return "find out who can write to this bucket besides the archive, and change the keys; delete nothing"
	case code == CodeLockGone, code == CodeLockShort, code == CodeHoldGone:
		return "find out who changed it; the next extension of locks sets it again"
	case strings.HasPrefix(code, "catalog-"):
		return "the bucket is the truth: stop the service and run bestand rebuild"
	case strings.HasPrefix(code, "audit-"):
		return "somebody changed the audit log: keep catalog and bucket as they are and have them examined"
	}
	return "keep everything as it is, verify the record and compare it with a backup"
}
