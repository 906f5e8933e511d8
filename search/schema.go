package search

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"bestand/preservation"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// schemaVersion rises with every change to the fields below. Together with the
// dictionaries it makes the fingerprint under which an index is valid.
const schemaVersion = 1

// Facet names a field with exact values: to filter by and to count.
type Facet string

const (
	FacetClass           Facet = "class" // as a filter it means the class and all below it
	FacetProducer        Facet = "producer"
	FacetKind            Facet = "kind"
	FacetState           Facet = "state"
	FacetFormat          Facet = "format" // PRONOM identifier of any of the files
	FacetMIME            Facet = "mime"
	FacetConfidentiality Facet = "confidentiality"
	FacetYear            Facet = "year"
	FacetHold            Facet = "hold" // "true" or "false"
	FacetEvidence        Facet = "evidence"
)

// Absent is the value of a facet for records that have none.
const Absent = "-"

// Facets lists every facet.
func Facets() []Facet {
	return []Facet{FacetClass, FacetProducer, FacetKind, FacetState, FacetFormat, FacetMIME,
		FacetConfidentiality, FacetYear, FacetHold, FacetEvidence}
}

// Fields of the index that are not facets.
const (
	fieldText      = "text"      // everything searchable, German
	fieldTitle     = "title"     // German
	fieldName      = "name"      // subjects, folded but not stemmed
	fieldReference = "reference" // words of references and numbers
	fieldExact     = "exact"     // references and numbers as a whole
	fieldClassPath = "classpath"
	fieldDay       = "day"
	fieldOpened    = "opened"
	fieldClosed    = "closed"
	fieldReceived  = "received"
	fieldBody      = "body" // stored for snippets, not indexed

	sortDay       = "sort.day"
	sortReference = "sort.reference"
	sortTitle     = "sort.title"
)

const (
	worded  = index.IndexField | index.IncludeTermVectors // phrases need positions
	exact   = index.IndexField | index.SkipFreqNorm
	counted = exact | index.DocValues // to count or to sort by
)

// fingerprint tells indexes apart that were written by another schema.
func fingerprint() string {
	sum := sha256.Sum256([]byte(fmt.Sprint(schemaVersion) + dictionaryText + stopText))
	return hex.EncodeToString(sum[:])
}

// fields builds the index document. The mapping is spelled out here, field by
// field: nothing is derived from the shape of the data.
func (d *Document) fields(l *language, known exactTerms, maxText int) *document.Document {
	doc := document.NewDocument(string(d.ID))
	text := func(name string, a *analyzer, values ...string) {
		if s := joined(values); s != "" {
			doc.AddField(newWordedField(name, a, s))
		}
	}
	keyword := func(name string, o index.FieldIndexingOptions, values ...string) {
		if len(values) > 0 {
			doc.AddField(known.field(name, o, values))
		}
	}
	facet := func(f Facet, values ...string) {
		if len(values) == 0 {
			values = []string{""}
		}
		for i, v := range values {
			values[i] = facetValue(v)
		}
		keyword(string(f), counted, values...)
	}

	body := clip(dehyphenate(clean(clip(d.Text, maxText))), maxText)
	all := joined(d.values()) + string(valueBreak) + body
	doc.AddField(newWordedField(fieldText, l.index, all))
	if body != "" {
		doc.AddField(document.NewTextFieldCustom(fieldBody, nil, []byte(body), index.StoreField, nil))
	}
	text(fieldTitle, l.index, d.Title)
	text(fieldName, l.names, d.names()...)
	text(fieldReference, l.names, d.Reference, d.ProducerRecordID, d.Invoice["number"])
	var numbers []string
	for _, s := range []string{d.Reference, d.ProducerRecordID, d.Invoice["number"]} {
		if s = squeeze(s); s != "" {
			numbers = append(numbers, s)
		}
	}
	keyword(fieldExact, index.IndexField, numbers...) // with frequencies: it counts for relevance

	facet(FacetClass, d.Class)
	facet(FacetProducer, d.Producer)
	facet(FacetKind, d.Kind)
	facet(FacetState, d.State)
	facet(FacetFormat, d.formats(func(f preservation.Format) string { return f.PUID })...)
	facet(FacetMIME, d.formats(func(f preservation.Format) string { return f.MIME })...)
	facet(FacetConfidentiality, d.Confidentiality)
	facet(FacetHold, fmt.Sprint(d.Hold))
	facet(FacetEvidence, d.Evidence)
	day := d.day()
	facet(FacetYear, yearOf(day))
	path := d.ClassPath
	if len(path) == 0 {
		path = []string{d.Class}
	}
	codes := make([]string, len(path))
	for i, code := range path {
		codes[i] = facetValue(code)
	}
	keyword(fieldClassPath, exact, codes...)

	keyword(fieldDay, exact, periods(day)...)
	keyword(fieldOpened, exact, periods(d.Opened)...)
	keyword(fieldClosed, exact, periods(d.Closed)...)
	if !d.Received.IsZero() {
		keyword(fieldReceived, exact, periods(preservation.DateOf(d.Received))...)
	}
	keyword(sortDay, counted, strings.ReplaceAll(day.String(), "-", ""))
	keyword(sortReference, counted, clip(squeeze(d.Reference), maxSortKey))
	keyword(sortTitle, counted, clip(l.sortKey(d.Title), maxSortKey))
	return doc
}

// joined makes one text of several values, each cut to size.
func joined(values []string) string {
	var b strings.Builder
	for _, v := range values {
		if v = clean(clip(v, maxValue)); v == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(valueBreak)
		}
		b.WriteString(v)
	}
	return b.String()
}

func facetValue(s string) string {
	if s = clip(strings.ToValidUTF8(s, "�"), maxKeyword); s == "" {
		return Absent
	}
	return s
}

func yearOf(d preservation.Date) string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d", d.Year)
}
