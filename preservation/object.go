package preservation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrUnreadable: the bytes are not an object of the expected form. Another try
// gives the same answer.
var ErrUnreadable = errors.New("unreadable object")

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
	// MaxEventObject is the most bytes that an event object may have: it is read whole.
	MaxEventObject = 16 << 20
)

// Encode returns the bytes to store and their SHA-256 in hex.
func (e EventObject) Encode() (data []byte, sha string, err error) {
	e.Format = EventFormat
	if data, err = json.Marshal(e); err != nil {
		return nil, "", fmt.Errorf("encode event %s: %w", e.Event.ID, err)
	}
	if len(data) > MaxEventObject {
		return nil, "", fmt.Errorf("encode event %s: %d bytes, at most %d", e.Event.ID, len(data), MaxEventObject)
	}
	h := sha256.Sum256(data)
	return data, hex.EncodeToString(h[:]), nil
}

// DecodeEventObject is the inverse of Encode.
func DecodeEventObject(data []byte) (e EventObject, sha string, err error) {
	if err := json.Unmarshal(data, &e); err != nil {
		return e, "", fmt.Errorf("decode event: %w: %w", ErrUnreadable, err)
	}
	if e.Format != EventFormat {
		return e, "", fmt.Errorf("decode event: %w: format %q, this program reads %q", ErrUnreadable, e.Format, EventFormat)
	}
	h := sha256.Sum256(data)
	return e, hex.EncodeToString(h[:]), nil
}

// ConfigObject is the stored form of one version of something that a tenant
// configures: one JSON object below cfg/. Its promise is that of EventObject.
type ConfigObject struct {
	Format  string          `json:"format"` // ConfigFormat
	Kind    string          `json:"kind"`
	Name    string          `json:"name"`
	Version int             `json:"version"`
	At      int64           `json:"at_ms"` // milliseconds since 1970
	Actor   string          `json:"actor"`
	Body    json.RawMessage `json:"body"`
}

const (
	// ConfigFormat is the form of configuration objects.
	ConfigFormat = "bestand-config/1"
	// MaxConfigObject is the most bytes that a configuration object may have: it is
	// read whole.
	MaxConfigObject = 64 << 20
)

// Encode returns the bytes to store and their SHA-256 in hex.
func (c ConfigObject) Encode() (data []byte, sha string, err error) {
	c.Format = ConfigFormat
	if data, err = json.Marshal(c); err != nil {
		return nil, "", fmt.Errorf("encode %s %s: %w", c.Kind, c.Name, err)
	}
	h := sha256.Sum256(data)
	return data, hex.EncodeToString(h[:]), nil
}

// DecodeConfigObject is the inverse of Encode.
func DecodeConfigObject(data []byte) (c ConfigObject, err error) {
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("decode configuration: %w: %w", ErrUnreadable, err)
	}
	if c.Format != ConfigFormat {
		return c, fmt.Errorf("decode configuration: %w: format %q, this program reads %q", ErrUnreadable, c.Format, ConfigFormat)
	}
	return c, nil
}
