package search

import (
	"maps"
	"slices"
	"strings"

	"bestand/preservation"
)

// Document is what the index knows about one record: its newest version and
// what the catalog says about it now.
type Document struct {
	preservation.Record

	// ClassPath holds the codes from the top of the classification scheme down
	// to the record's class, both included. Empty means the class alone.
	ClassPath []string
	State     string            // such as "archived", "due"
	Hold      bool              // a legal hold is in force
	Evidence  string            // state of the evidence record, such as "stamped"
	Invoice   map[string]string // fields of an XML invoice: number, seller, buyer, …
	Text      string            // full text of its files; only the first Options.MaxText bytes are indexed
}

// Bounds on single values, in bytes. What is longer is cut, never refused:
// the catalog and the package hold the whole.
const (
	maxValue   = 8 << 10 // one metadata value
	maxValues  = 512     // values of one kind, such as files or keywords
	maxKeyword = 256     // one exact value
	maxSortKey = 40
)

// values returns the searchable metadata: each string is a text of its own,
// phrases do not run from one into the next.
func (d *Document) values() []string {
	v := []string{d.Title, d.Reference, d.ProducerRecordID, d.Creator}
	v = append(v, limited(d.Keywords)...)
	v = append(v, d.names()...)
	v = append(v, sortedValues(d.Extra)...)
	v = append(v, sortedValues(d.Invoice)...)
	return append(v, d.fileNames()...)
}

func (d *Document) names() []string {
	var v []string
	for _, s := range limited(d.Subjects) {
		v = append(v, s.Name, s.ID)
	}
	return v
}

func (d *Document) fileNames() []string {
	seen := map[string]bool{}
	var v []string
	for _, f := range limited(d.Files) {
		for _, s := range []string{f.Name, f.Title} {
			if s != "" && !seen[s] {
				seen[s] = true
				v = append(v, s)
			}
		}
	}
	return v
}

// formats returns the PRONOM identifiers of the record's files, or their media
// types, each once.
func (d *Document) formats(of func(preservation.Format) string) []string {
	seen := map[string]bool{}
	for _, f := range d.Files {
		if s := of(f.Format); s != "" {
			seen[s] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// day is the date that people expect a record under: closure, else opening,
// else the day of receipt.
func (d *Document) day() preservation.Date {
	switch {
	case !d.Closed.IsZero():
		return d.Closed
	case !d.Opened.IsZero():
		return d.Opened
	case !d.Received.IsZero():
		return preservation.DateOf(d.Received)
	}
	return preservation.Date{}
}

func sortedValues(m map[string]string) []string {
	var v []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v = append(v, m[k])
	}
	return limited(v)
}

func limited[T any](s []T) []T { return s[:min(len(s), maxValues)] }

// clip cuts s to at most n bytes at the start of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// squeeze folds a reference or another exact value: lower case, no white space.
func squeeze(s string) string {
	return clip(strings.ToLower(strings.Join(strings.Fields(clean(clip(s, maxValue))), "")), maxKeyword)
}
