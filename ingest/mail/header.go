package mail

import (
	"io"
	"mime"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

const maxField = 64 << 10 // bytes of a field that are shown

var words = mime.WordDecoder{CharsetReader: func(label string, r io.Reader) (io.Reader, error) {
	return charset.NewReaderLabel(label, r)
}}

func (m *Message) header(h textproto.MIMEHeader) {
	field := func(key string) string { return decodeField(strings.Join(h.Values(key), ", ")) }
	m.From, m.To, m.Cc, m.Bcc, m.ReplyTo = field("From"), field("To"), field("Cc"), field("Bcc"), field("Reply-To")
	m.Subject, m.MessageID, m.DateField = field("Subject"), field("Message-Id"), field("Date")
	if t, err := mail.ParseDate(m.DateField); err == nil {
		m.Date = t
	} else if t, err := time.Parse("2006-01-02 15:04:05 -0700", m.DateField); err == nil {
		m.Date = t
	}
}

// decodeField reads encoded words (RFC 2047) and makes the rest readable.
func decodeField(s string) string {
	s = s[:min(len(s), maxField)]
	if d, err := words.DecodeHeader(s); err == nil {
		s = d
	}
	if !utf8.ValidString(s) {
		s, _ = text([]byte(s), "windows-1252")
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7F || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069: // also no change of direction
			return -1
		}
		return r
	}, s))
}
