package catalog

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// cursor is the position behind the last row of a page, opaque to callers.
type cursor struct {
	Order  string `json:"o"` // of the list: in another one the place means nothing
	Number int64  `json:"n,omitempty"`
	Text   string `json:"t,omitempty"`
	ID     string `json:"i"`
}

func (c cursor) encode() string {
	return base64.RawURLEncoding.EncodeToString([]byte(toJSON(c)))
}

func decodeCursor(s, order string) (c cursor, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	text := c.Text + c.ID
	if err != nil || c.ID == "" || c.Order != order || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return c, fmt.Errorf("cursor %q: %w", s, ErrCursor)
	}
	return c, nil
}
