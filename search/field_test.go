package search

import (
	"reflect"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// forLibrary is an analyzer as the library's own fields want it.
type forLibrary struct{ *analyzer }

func (a forLibrary) Analyze(text []byte) (stream analysis.TokenStream) {
	a.each(string(text), func(term []byte, position int) {
		stream = append(stream, &analysis.Token{Term: term, Position: position})
	})
	return stream
}

func TestFieldsSayWhatTheLibrarysSay(t *testing.T) {
	l := newLanguage()
	compare := func(got, want index.Field) {
		t.Helper()
		got.Analyze()
		want.Analyze()
		if got.Name() != want.Name() || got.Options() != want.Options() || got.AnalyzedLength() != want.AnalyzedLength() ||
			got.EncodedFieldType() != want.EncodedFieldType() ||
			!reflect.DeepEqual(got.AnalyzedTokenFrequencies(), want.AnalyzedTokenFrequencies()) {
			t.Errorf("field %s %q: %v, library %v", want.Name(), want.Value(), got.AnalyzedTokenFrequencies(), want.AnalyzedTokenFrequencies())
		}
	}
	texts := []string{"", "der die das", "Bauantrag und Bauantrag", "a" + string(valueBreak) + "b"}
	for i := range 50 {
		d := nth(i)
		texts = append(texts, d.Text, joined(d.values()))
	}
	for _, s := range texts {
		for _, a := range []*analyzer{l.index, l.names} {
			compare(newWordedField(fieldText, a, s), document.NewTextFieldCustom(fieldText, nil, []byte(s), worded, forLibrary{a}))
		}
	}
	known := exactTerms{}
	for range 2 {
		for _, o := range []index.FieldIndexingOptions{exact, counted, index.IndexField} {
			for _, v := range []string{"", "archived", "2014-03"} {
				compare(known.field("f", o, []string{v}), document.NewTextFieldCustom("f", nil, []byte(v), o, nil))
			}
		}
	}
	f := known.field("f", index.IndexField, []string{"a", "b", "a"})
	if n := f.terms["a"].Frequency(); f.length != 3 || len(f.terms) != 2 || n != 2 {
		t.Errorf("a b a: %d terms, %d of them different, a %d times", f.length, len(f.terms), n)
	}
}

func TestExactTermsTellValuesApart(t *testing.T) {
	values := [][]string{nil, {""}, {"", ""}, {"a\x00b"}, {"a", "b"}, {"ab"}, {"\x01a", "b"}, {"a\x01b"}, {"a", "\x01b"},
		{"a", "b", ""}, {"a", "b\x00\x00"}, {strings.Repeat("a", 300)}, {strings.Repeat("a", 300), "a"}}
	known := exactTerms{}
	for range 2 {
		for _, o := range []index.FieldIndexingOptions{exact, index.IndexField} {
			for _, v := range values {
				got := known.field("f", o, v).terms
				want := exactTerms{}.field("f", o, v).terms
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%q: %v, want %v", v, got, want)
				}
			}
		}
	}
	if want := 2 * len(values); len(known) != want {
		t.Errorf("%d lists of terms, want %d", len(known), want)
	}
}
