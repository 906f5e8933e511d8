package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"bestand/preservation"
)

// Entry says who did what to which object. Entries hold identifiers, no content and
// no personal data of the archived records.
type Entry struct {
	Seq    int64             `json:"seq"`
	At     time.Time         `json:"at"`
	Actor  string            `json:"actor"`
	Action string            `json:"action"` // object.verb, such as record.read
	Object string            `json:"object"`
	Detail map[string]string `json:"detail,omitempty"`
	Prev   string            `json:"prev"` // Hash of the entry before, empty in the first
	Hash   string            `json:"hash"` // Sum
}

// Sum computes the hash that chains the entry to its predecessor: SHA-256 over
// the JSON array [tenant, seq, milliseconds, actor, action, object, detail, prev].
func (e Entry) Sum(tenant preservation.TenantID) string {
	d := e.Detail
	if d == nil {
		d = map[string]string{}
	}
	b, err := json.Marshal([]any{tenant, e.Seq, e.At.UnixMilli(), e.Actor, e.Action, e.Object, d, e.Prev})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
