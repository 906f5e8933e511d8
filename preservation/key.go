package preservation

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// Keys of the objects in a tenant's bucket. The layout is part of the stored
// format: from these objects alone everything can be rebuilt.
//
//	aip/<2 hex>/<record-id>/v0001.zip   a version of a record
//	evt/<record-id>/<id>.json           what happened to it later, the receipt first
//	er/<yyyy>/<stamp>/leaves.txt, …     an evidence batch or a renewal: what it covers, and its time-stamp token
//	cfg/<id>.json                       a version of settings, classification, rules, permits; reports of rejected submissions
//	audit/<yyyy>/<segment>.jsonl        sealed segments of the audit log

// PackagePrefix is the common prefix of all versions of a record. The two hex
// digits spread the records over 256 prefixes whatever the time they arrive.
func PackagePrefix(id RecordID) string {
	return fmt.Sprintf("aip/%02x/%s/", sha256.Sum256([]byte(id))[0], id)
}

// PackageKey is the key of one version of a record, counted from 1.
func PackageKey(id RecordID, version int) string {
	return fmt.Sprintf("%sv%04d.zip", PackagePrefix(id), version)
}

// EventPrefix is the common prefix of the event objects of a record.
func EventPrefix(id RecordID) string { return "evt/" + string(id) + "/" }

// EventKey is the key of one event object of a record.
func EventKey(id RecordID, event string) string { return EventPrefix(id) + event + ".json" }

// ConfigKey is the key of one configuration document.
func ConfigKey(id string) string { return "cfg/" + id + ".json" }

// StampPrefix is the common prefix of all evidence.
const StampPrefix = "er/"

// StampKey is the key of one of the objects of a stamp.
func StampKey(opened time.Time, stamp, object string) string {
	return fmt.Sprintf("%s%04d/%s/%s", StampPrefix, opened.UTC().Year(), stamp, object)
}

// ParsePackageKey is the inverse of PackageKey.
func ParsePackageKey(key string) (id RecordID, version int, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0] != "aip" {
		return "", 0, false
	}
	id = RecordID(parts[2])
	if _, err := fmt.Sscanf(parts[3], "v%d.zip", &version); err != nil || !id.Valid() || version < 1 || PackageKey(id, version) != key {
		return "", 0, false
	}
	return id, version, true
}
