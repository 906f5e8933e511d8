package preservation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// EventObject is the stored form of an event that happened to a record after
// its package was made: one JSON object below evt/<record-id>/.
//
// Its promise: fields are only ever added, and Format rises when an old reader
// could misread it.
type EventObject struct {
	Format string          `json:"format"` // EventFormat
	Record RecordID        `json:"record_id"`
	Event  Event           `json:"event"`
	Body   json.RawMessage `json:"body,omitempty"` // what the type of event says more
}

const (
	// EventFormat is the form of event objects.
	EventFormat = "bestand-event/1"
	// MaxEventObject is the most bytes that an event object may have.
	MaxEventObject = 16 << 20
)

// Encode returns the bytes to store and their SHA-256 in hex.
func (e EventObject) Encode() (data []byte, sha string, err error) {
	e.Format = EventFormat
	if data, err = json.Marshal(e); err != nil {
		return nil, "", fmt.Errorf("encode event %s: %w", e.Event.ID, err)
	}
	h := sha256.Sum256(data)
	return data, hex.EncodeToString(h[:]), nil
}

// DecodeEventObject is the inverse of Encode.
func DecodeEventObject(data []byte) (e EventObject, sha string, err error) {
	if err := json.Unmarshal(data, &e); err != nil {
		return e, "", fmt.Errorf("decode event: %w", err)
	}
	if e.Format != EventFormat {
		return e, "", fmt.Errorf("decode event: format %q, this program reads %q", e.Format, EventFormat)
	}
	h := sha256.Sum256(data)
	return e, hex.EncodeToString(h[:]), nil
}
