package fixity

import (
	"strings"

	"bestand/preservation/replica"
)

// advice says what to do about a finding.
func advice(code string) string {
	switch {
	case code == CodeObjectDigest, code == CodeObjectSize, code == CodeObjectGone, code == CodeUnread:
		return "keep the damaged object; look at disk and store; a second copy repairs it at once, else bring the bytes back from a backup"
	case code == CodeCopyGone, code == CodeCopyDigest, code == CodeCopyUnread:
		return "look at the store of the second copy; it is written again from the bucket, if that is right"
	case code == CodeCopyOnly:
		return "keep it; after a restore from an older backup it is what came later: an installation with the second copy as its bucket (--s3-endpoint) and bestand rebuild read it"
	case code == CodeCopyRemains:
		return "nothing: it is destroyed with the next run of the destruction, when its lock has ended"
	case code == replica.CodeTombstone:
		return "restore the backup once more with the flags of the second copy (--copy-endpoint), which leaves out what was destroyed, or have the record destroyed again"
	case code == replica.CodeHeld:
		return "find out which hold that is, set it again, and release it when it is over"
	case code == CodeSurplus, code == CodeUnknown, code == CodeCopySurplus:
		return "find out who can write to this bucket besides the archive, and change the keys; delete nothing"
	case code == CodeLockGone, code == CodeLockShort, code == CodeHoldGone, code == CodeCopyLock:
		return "find out who changed it; it is set again at once"
	case code == CodeHoldLeft:
		return "of a hold that was released it is taken off at once; else find out who set it: a hold set and released here takes it off"
	case code == CodeUndigested:
		return "nothing: a package that its seal proves gets its digest noted at once, from the second copy if the bucket does not give it"
	case strings.HasPrefix(code, "catalog-"):
		return "the bucket is the truth: stop the service and run bestand rebuild"
	case strings.HasPrefix(code, "audit-"):
		return "somebody changed the audit log: keep catalog and bucket as they are and have them examined"
	}
	return "keep everything as it is, verify the record and compare it with a backup"
}
