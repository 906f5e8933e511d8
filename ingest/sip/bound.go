package sip

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The longest texts that metadata may have, in characters: those of a simple
// submission.
const (
	maxProducer = 200
	maxID       = 500
	maxTitle    = 1000
	maxText     = 500
	maxDocument = 200
	maxLabel    = 200
	maxValue    = 4000
	maxExtra    = 200
)

// bound brings metadata within the limits of a simple submission. What is cut
// stands whole in the files of the package.
func (o *opening) bound(u *Unit) {
	m := &u.Metadata
	if utf8.RuneCountInString(m.ProducerRecordID) > maxID {
		sum := sha256.Sum256([]byte(m.ProducerRecordID))
		m.ProducerRecordID = "sha256:" + hex.EncodeToString(sum[:])
	}
	if m.Title = tidy(m.Title); m.Title == "" {
		m.Title = first(tidy(m.Reference), m.ProducerRecordID)
		o.found.Note(NoTitle, "", m.ProducerRecordID, "the package gives no title")
	}
	if m.Class == "" {
		o.found.Note(NoClass, "", m.ProducerRecordID, "the package gives no code of the classification")
	}
	if m.Closed.IsZero() {
		o.found.Note(NoClosure, "", m.ProducerRecordID, "the package does not say when the record was closed; a retention period that begins with the closure does not begin until somebody says so")
	}
	for _, f := range []struct {
		text *string
		max  int
	}{{&m.Producer, maxProducer}, {&m.Title, maxTitle}, {&m.Reference, maxText}, {&m.Creator, maxText}} {
		*f.text = o.clip(m.ProducerRecordID, *f.text, f.max)
	}
	kept := map[string]string{}
	for _, label := range slices.Sorted(maps.Keys(m.Extra)) {
		value := m.Extra[label]
		if len(kept) == maxExtra {
			o.found.Note(Clipped, "", m.ProducerRecordID, "more than %d further fields; the rest stands in the files of the package", maxExtra)
			break
		}
		if label = o.clip(m.ProducerRecordID, label, maxLabel); label != "" {
			kept[label] = o.clip(m.ProducerRecordID, value, maxValue)
		}
	}
	m.Extra = kept
	for i := range u.Files {
		f := &u.Files[i]
		f.Title, f.Document = o.clip(m.ProducerRecordID, f.Title, maxTitle), o.clip(m.ProducerRecordID, f.Document, maxDocument)
	}
}

func (o *opening) clip(subject, s string, limit int) string {
	s = tidy(s)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	o.found.Note(Clipped, "", subject, "a text of %d characters was cut to %d; the files of the package have it whole", utf8.RuneCountInString(s), limit)
	return string([]rune(s)[:limit-1]) + "…"
}

// tidy makes a text one that metadata may hold: UTF-8, no controls, one line.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(s), " ")
}
