package aip

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bestand/preservation"
)

var (
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
	sha512Pattern = regexp.MustCompile(`^[0-9a-f]{128}$`)
	dataPattern   = regexp.MustCompile(`^representations/(original|preservation|text)/data/(f[0-9]{4,8})(\.[a-z0-9]{1,8})?$`)
)

// complaints gathers what is wrong, so that one answer names everything.
type complaints []string

const maxComplaints = 20

func (c *complaints) add(format string, args ...any) {
	switch n := len(*c); {
	case n < maxComplaints:
		*c = append(*c, fmt.Sprintf(format, args...))
	case n == maxComplaints:
		*c = append(*c, "and more")
	}
}

func (c complaints) err() error {
	if len(c) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrInvalid, strings.Join(c, "; "))
}

// checkRecord says what keeps a record from being stored, or read back, exactly.
func checkRecord(r *preservation.Record) error {
	var c complaints
	if !r.ID.Valid() {
		c.add("record id %q", r.ID)
	}
	if !r.Tenant.Valid() {
		c.add("tenant %q", r.Tenant)
	}
	if !r.Submission.Valid() {
		c.add("submission id %q", r.Submission)
	}
	if r.Parent != "" && !r.Parent.Valid() {
		c.add("parent id %q", r.Parent)
	}
	if r.Version < 1 {
		c.add("version %d", r.Version)
	}
	if !storableTime(r.Received) {
		c.add("received %v", r.Received)
	}
	checkMetadata(&c, &r.Metadata)
	if len(r.Files) > MaxEntries-len(ownPaths) {
		c.add("%d files, at most %d", len(r.Files), MaxEntries-len(ownPaths))
		return c.err()
	}
	checkFiles(&c, r)
	return c.err()
}

func checkMetadata(c *complaints, m *preservation.Metadata) {
	text := func(field, s string) {
		if !utf8.ValidString(s) {
			c.add("%s is not UTF-8", field)
		}
	}
	day := func(field string, d preservation.Date) {
		if got, err := preservation.ParseDate(d.String()); !d.IsZero() && (err != nil || got != d) {
			c.add("%s is no day", field)
		}
	}
	for field, s := range map[string]string{
		"producer": m.Producer, "producer_record_id": m.ProducerRecordID, "kind": m.Kind, "class": m.Class, "title": m.Title,
		"reference": m.Reference, "creator": m.Creator, "confidentiality": m.Confidentiality,
	} {
		text(field, s)
	}
	for _, k := range m.Keywords {
		text("keywords", k)
	}
	for k, v := range m.Extra {
		text("extra", k)
		text("extra", v)
	}
	day("opened", m.Opened)
	day("closed", m.Closed)
	for _, s := range m.Subjects {
		text("subjects", s.Name)
		text("subjects", s.ID)
		day("subjects.born", s.Born)
		day("subjects.died", s.Died)
	}
}

func checkFiles(c *complaints, r *preservation.Record) {
	seen := make(map[preservation.FileID]bool, len(r.Files))
	for _, f := range r.Files {
		if !f.ID.Valid() {
			c.add("file id %q", f.ID)
		}
		if seen[f.ID] {
			c.add("file id %s twice", f.ID)
		}
		seen[f.ID] = true
	}
	for _, f := range r.Files {
		if !slices.Contains(known, f.Representation) {
			c.add("%s: representation %q", f.ID, f.Representation)
		}
		if f.Size < 0 {
			c.add("%s: size %d", f.ID, f.Size)
		}
		if !sha256Pattern.MatchString(f.SHA256) || !sha512Pattern.MatchString(f.SHA512) {
			c.add("%s: not both digests as lower-case hex", f.ID)
		}
		if f.DerivedFrom != "" && (!seen[f.DerivedFrom] || f.DerivedFrom == f.ID) {
			c.add("%s: derived from %q, which is not another file of the record", f.ID, f.DerivedFrom)
		}
		if f.HeldIn < 0 || f.HeldIn >= r.Version && f.HeldIn != 0 {
			c.add("%s: held in version %d of a record in version %d", f.ID, f.HeldIn, r.Version)
		}
		m := dataPattern.FindStringSubmatch(f.Path)
		if m == nil || m[1] != string(f.Representation) || m[2] != string(f.ID) {
			c.add("%s: path %q", f.ID, f.Path)
		}
		for _, s := range []string{f.Title, f.Document, f.Format.PUID, f.Format.Name, f.Format.Version, f.Format.MIME,
			f.Format.Registry, f.Format.Basis, f.Verdict, f.Flavour} {
			if !utf8.ValidString(s) {
				c.add("%s: a property is not UTF-8", f.ID)
			}
		}
	}
}

// checkEvents says what keeps events from being stored, or read back, exactly.
func checkEvents(events []preservation.Event, r *preservation.Record) error {
	var c complaints
	files := make(map[preservation.FileID]bool, len(r.Files))
	for _, f := range r.Files {
		files[f.ID] = true
	}
	ids := make(map[string]bool, len(events))
	for i, e := range events {
		if e.ID == "" || ids[e.ID] {
			c.add("event %d: id %q is empty or not unique", i, e.ID)
		}
		ids[e.ID] = true
		if e.Type == "" || !xmlHolds(e.ID) || !xmlHolds(string(e.Type)) || !xmlHolds(string(e.Outcome)) || !xmlHolds(e.Code) ||
			!xmlHolds(string(e.Agent.Type)) {
			c.add("event %d: a term is empty or holds what XML cannot", i)
		}
		if e.Outcome == "" && e.Code != "" {
			c.add("event %d: code %q without an outcome", i, e.Code)
		}
		if !storableTime(e.At) {
			c.add("event %d: time %v", i, e.At)
		}
		for _, id := range e.Files {
			if !files[id] {
				c.add("event %d: file %q is not in the record", i, id)
			}
		}
	}
	return c.err()
}

// storableTime reports whether an instant can be written as RFC 3339.
func storableTime(t time.Time) bool {
	y := t.UTC().Year()
	return !t.IsZero() && 1 <= y && y <= 9999
}
