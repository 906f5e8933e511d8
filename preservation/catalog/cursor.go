package catalog

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// cursor is the position behind the last row of a page, opaque to callers.
type cursor struct {
	Number int64  `json:"n,omitempty"`
	Text   string `json:"t,omitempty"`
	ID     string `json:"i"`
}

func (c cursor) encode() string {
	return base64.RawURLEncoding.EncodeToString([]byte(toJSON(c)))
}

func decodeCursor(s string) (c cursor, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.ID == "" {
		return c, fmt.Errorf("cursor %q: %w", s, ErrCursor)
	}
	return c, nil
}
