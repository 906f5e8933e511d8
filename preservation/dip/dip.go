package dip

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// Source is a version of a record with its proof.
type Source struct {
	Package *aip.Reader
	// Evidence is the evidence record over all files of the package, in DER; nil while
	// there is none.
	Evidence []byte
	// Until is the last day on which the record has to be kept; zero when that is
	// not known.
	Until  preservation.Date
	Filing Filing
	// Version opens an earlier version. Nil if there is none.
	Version func(ctx context.Context, version int) (Source, error)

	Handover Handover // if a disposal run hands it over
	// Statements are the counter-statements of persons concerned, oldest first. The
	// evidence record does not cover them.
	Statements []Statement

	Archive string             // who hands out: the name of the municipality
	Agent   preservation.Agent // the software
	At      time.Time          // when this is handed out
}

// Filing is where a record stands in the file plan and by which rule it is kept.
type Filing struct {
	Class       string // in which the record stands now; empty: still that of its package
	ClassTitle  string
	Disposition string // A, B or V; empty when nothing has decided it
	Years       int    // of the retention period; 0 when it is not one of whole years
	Permanent   bool   // it is kept for ever
	// Parents are the records that this one is a part of, the outermost first.
	Parents []preservation.Record
}

// Statement is the counter-statement of a person concerned (Gegendarstellung), which goes
// with the record wherever it is handed out.
type Statement struct {
	Recorded time.Time `json:"recorded"`
	Text     string    `json:"text"`
}

// statementsName is the file that holds them.
const statementsName = "counter-statements.json"

// statements is the content of that file.
func (s Source) statements() ([]byte, error) {
	text, err := json.MarshalIndent(s.Statements, "", " ")
	return append(text, '\n'), err
}

// Handover is the place of a record among those that a disposal run hands over.
type Handover struct {
	Run           string
	Receiver      string // the archive that it was offered to; empty if to none
	Number, Total int
}

// class is where the record stands now, and received where its sender had it if that is
// another class.
func (s Source) class() (now, received string) {
	packaged := s.Package.Record().Class
	if s.Filing.Class == "" || s.Filing.Class == packaged {
		return packaged, ""
	}
	return s.Filing.Class, packaged
}

// files is what a package holds, in its order.
func (s Source) files() ([]aip.Entry, error) {
	m, err := s.Package.Manifest()
	if err != nil {
		return nil, err
	}
	return m.Entries, nil
}

// open reads a file of the package. At its end the bytes have turned out to be those
// of its digest, or the error is preservation.ErrCorrupt.
func (s Source) open(ctx context.Context, e aip.Entry) (io.Reader, error) {
	content, err := s.Package.Entry(e.Path)
	if err != nil {
		return nil, err
	}
	return &checked{ctx: ctx, r: content, h: sha256.New(), entry: e}, nil
}

// copy writes a file of the package, and fails in the end as open does.
func (s Source) copy(ctx context.Context, w io.Writer, e aip.Entry) error {
	content, err := s.open(ctx, e)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, content)
	return err
}

// checked compares what was read with its digest before it says that this was all.
type checked struct {
	ctx   context.Context
	r     io.Reader
	h     hash.Hash
	entry aip.Entry
}

func (c *checked) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.h.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(c.h.Sum(nil)) != c.entry.SHA256 {
		err = fmt.Errorf("%s: %w", c.entry.Path, preservation.ErrCorrupt)
	}
	return n, err
}

// page writes XML. The first error of its writer stays.
type page struct {
	w   io.Writer
	err error
}

// text writes markup; every %s in it is escaped.
func (p *page) text(format string, values ...string) {
	args := make([]any, len(values))
	for i, v := range values {
		var b strings.Builder
		xml.EscapeText(&b, []byte(v)) // a Builder has no errors
		args[i] = b.String()
	}
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
