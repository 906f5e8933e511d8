// Package mail turns e-mail into something that can be kept: a page that shows
// it and the attached files.
//
// enmime finds the parts of a message, also of a badly made one. Their bytes
// are decoded here, because an attachment has to come out exactly as it went
// in, while enmime converts text to UTF-8. The page holds the header fields
// that matter, the list of attachments and the body; what was HTML is reduced
// to what cannot act: no scripts, no forms, no links, no remote pictures, no
// styles that could cover the header. The message itself stays the record.
package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jhillyerd/enmime/v2"

	"bestand/preservation"
)

// Codes of Faults and findings.
const (
	TooLarge      = "mail-too-large"     // bytes, parts or nesting above the limits
	Malformed     = "mail-malformed"     // not a message, or not as the standards want it
	Damaged       = "attachment-damaged" // its transfer coding is broken; what could be decoded was kept
	RemoteContent = "remote-content"     // pictures that only existed on a server are missing
	GuessedText   = "charset-guessed"    // the character set of the text is missing or wrong
	Encrypted     = "encrypted"          // S/MIME or PGP: the body cannot be read
	NoBody        = "no-body"            // nothing but header and attachments
	Shortened     = "body-shortened"     // the page does not show all of the text
)

// A Fault says why a message has no rendition. The same bytes fail again.
type Fault struct{ Code, Detail string }

func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Finding returns the fault in the words of the archive.
func (f *Fault) Finding() preservation.Finding {
	return preservation.Finding{Code: f.Code, Severity: preservation.Failed, Detail: f.Detail}
}

// Options bounds the work. Zero fields take the defaults.
type Options struct {
	Dir   string // where attachments are written, under neutral names; required
	Bytes int64  // of the message; default 128 MiB
	Parts int    // default 1,000
	Depth int    // of nested parts; default 50
	Body  int64  // bytes of text shown; default 8 MiB
}

func (o Options) withDefaults() Options {
	if o.Bytes <= 0 {
		o.Bytes = 128 << 20
	}
	if o.Parts <= 0 {
		o.Parts = 1000
	}
	if o.Depth <= 0 {
		o.Depth = 50
	}
	if o.Body <= 0 {
		o.Body = 8 << 20
	}
	return o
}

// Message is a parsed e-mail.
type Message struct {
	From, To, Cc, Bcc, ReplyTo string // decoded, as people read them
	Subject                    string
	MessageID                  string
	DateField                  string    // as written
	Date                       time.Time // zero when it cannot be read
	HTML                       []byte    // the rendition, UTF-8, a whole page without any active content
	Text                       string    // of the body, for search
	Attachments                []Attachment
	Findings                   []preservation.Finding
}

// Attachment is a file that the message carried.
type Attachment struct {
	Name string // as the sender wrote it; made up from the position when there is none
	MIME string // as the sender claims
	Path string // where its bytes are
	Size int64
}

// Parse reads the message (RFC 5322) at path. Attachments are in o.Dir, whose
// owner removes them. The error is a *Fault when the message itself is the
// reason.
func Parse(ctx context.Context, path string, o Options) (*Message, error) {
	o = o.withDefaults()
	if o.Dir == "" {
		return nil, errors.New("mail: no folder for attachments")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	if st.Size() > o.Bytes {
		return nil, fmt.Errorf("mail: %w", &Fault{TooLarge, fmt.Sprintf("%d bytes; at most %d are parsed", st.Size(), o.Bytes)})
	}
	m, err := parse(ctx, io.NewSectionReader(f, 0, st.Size()), o)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return m, nil
}

func parse(ctx context.Context, r io.ReadSeeker, o Options) (m *Message, err error) {
	defer func() {
		if v := recover(); v != nil { // of a parser below, on bytes nobody thought of
			m, err = nil, &Fault{Malformed, fmt.Sprintf("the parser gave up: %v", v)}
		}
	}()
	if err := bounds(ctx, r, o); err != nil {
		return nil, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	p := enmime.NewParser(enmime.RawContent(true), enmime.SkipMalformedParts(true), enmime.MaxStoredPartErrors(20),
		enmime.MultipartWOBoundaryAsSinglePart(true), enmime.DisableTextConversion(true))
	whole, repaired := headed(ctxReader{ctx, r})
	root, err := p.ReadParts(whole)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &Fault{Malformed, fmt.Sprintf("not a message: %v", err)}
	}
	m = &Message{}
	if repaired {
		m.note(Malformed, preservation.Notice, "the empty line between header and text is missing")
	}
	m.header(root.Header)
	if m.From == "" && m.To == "" && m.Subject == "" && m.DateField == "" && m.MessageID == "" {
		return nil, &Fault{Malformed, "not a message: none of the usual header fields"}
	}
	w := &walk{m: m, o: o}
	if err := w.part(ctx, root, 0); err != nil {
		return nil, err
	}
	if err := w.finish(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Message) note(code string, severity preservation.Severity, format string, args ...any) {
	for _, f := range m.Findings {
		if f.Code == code && len(m.Findings) > 50 {
			return // said often enough
		}
	}
	m.Findings = append(m.Findings, preservation.Finding{Code: code, Severity: severity, Detail: fmt.Sprintf(format, args...)})
}

// A ctxReader ends the work of others when the context has ended.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}
