package search

import (
	"encoding/binary"

	index "github.com/blevesearch/bleve_index_api"
)

// The library's own text field analyses by way of lists and maps of its own for
// each value, a third of the memory and much of the time that indexing takes.
// These fields say the same to it with less.

// field is what both kinds of fields have in common.
type field struct {
	name    string
	options index.FieldIndexingOptions
	value   []byte
	length  int // in terms
	terms   index.TokenFrequencies
}

func (f *field) Name() string                                     { return f.name }
func (f *field) Value() []byte                                    { return f.value }
func (f *field) ArrayPositions() []uint64                         { return nil }
func (f *field) EncodedFieldType() byte                           { return 't' }
func (f *field) Options() index.FieldIndexingOptions              { return f.options }
func (f *field) AnalyzedLength() int                              { return f.length }
func (f *field) AnalyzedTokenFrequencies() index.TokenFrequencies { return f.terms }
func (f *field) NumPlainTextBytes() uint64                        { return uint64(len(f.value)) }

// Size is about how much memory the field takes. The library's account of it is
// not used.
func (f *field) Size() int { return 128 + len(f.value) }

// exactField holds whole values, each a term.
type exactField struct{ field }

// Analyze has nothing left to do.
func (f *exactField) Analyze() {}

// exactTerms keeps the terms of values that many documents of a batch have: a
// date, a state, a class. The library only reads them.
type exactTerms map[string]index.TokenFrequencies

func (e exactTerms) field(name string, o index.FieldIndexingOptions, values []string) *exactField {
	f := &exactField{field{name: name, options: o, length: len(values)}}
	counted := !o.SkipFreqNorm()
	var buf [128]byte
	key := buf[:1]
	if counted {
		key[0] = 1 // the same values with frequencies are other terms
	}
	for _, v := range values { // with their lengths, as a value may hold any byte
		key = append(binary.AppendUvarint(key, uint64(len(v))), v...)
	}
	if f.terms = e[string(key)]; f.terms != nil {
		return f
	}
	f.terms = make(index.TokenFrequencies, len(values))
	for _, v := range values {
		t := f.terms[v]
		if t == nil {
			t = &index.TokenFreq{Term: []byte(v)}
			f.terms[v] = t
		}
		if counted {
			t.SetFrequency(t.Frequency() + 1)
		}
	}
	e[string(key)] = f.terms
	return f
}

// wordedField holds text, whose words are terms with positions.
type wordedField struct {
	field
	analyzer *analyzer
}

func newWordedField(name string, a *analyzer, text string) *wordedField {
	return &wordedField{field{name: name, options: worded, value: []byte(text)}, a}
}

// Analyze notes each term with where it stands.
func (f *wordedField) Analyze() {
	estimate := len(f.value)/12 + 4
	f.terms = make(index.TokenFrequencies, estimate)
	terms := slab[index.TokenFreq]{size: estimate}
	places := slab[index.TokenLocation]{size: estimate}
	lists := slab[*index.TokenLocation]{size: estimate}
	f.analyzer.each(string(f.value), func(term []byte, position int) {
		f.length++
		at := places.next()
		at[0].Position = position
		t := f.terms[string(term)]
		if t == nil {
			t = &terms.next()[0]
			t.Term, t.Locations = term, lists.next()[:0]
			f.terms[string(term)] = t
		}
		t.Locations = append(t.Locations, &at[0])
		t.SetFrequency(t.Frequency() + 1)
	})
}

// slab hands out values from few allocations.
type slab[T any] struct {
	free []T
	size int
}

// next returns a slice of one value without room for a second.
func (s *slab[T]) next() []T {
	if len(s.free) == 0 {
		s.free = make([]T, s.size)
	}
	one := s.free[:1:1]
	s.free = s.free[1:]
	return one
}
