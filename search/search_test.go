package search

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
)

var epoch = time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC)

// id names the n-th record of a test.
func id(n int) preservation.RecordID {
	return preservation.RecordID(fmt.Sprintf("%026d", n))
}

func testSet(t testing.TB, dir string, o Options) *Set {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func testIndex(t testing.TB) *Index {
	t.Helper()
	ix, err := testSet(t, t.TempDir(), Options{}).Tenant("musterstadt")
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// add applies documents behind the checkpoint.
func add(t testing.TB, ix *Index, docs ...Document) {
	t.Helper()
	at, err := ix.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Apply(t.Context(), Batch{After: at, Next: at + "+", Docs: docs}); err != nil {
		t.Fatal(err)
	}
}

func found(t testing.TB, ix *Index, q Query) []preservation.RecordID {
	t.Helper()
	p, err := ix.Search(context.Background(), q)
	if err != nil {
		t.Fatalf("search %q: %v", q.Text, err)
	}
	if len(p.Hits) > p.Total {
		t.Fatalf("search %q: %d hits of %d in all", q.Text, len(p.Hits), p.Total)
	}
	var ids []preservation.RecordID
	for _, h := range p.Hits {
		ids = append(ids, h.ID)
	}
	return ids
}

// doc is a record with a title and a text.
func doc(n int, title, text string) Document {
	return Document{
		Record: preservation.Record{
			ID:       id(n),
			Received: epoch,
			Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: fmt.Sprintf("P%d", n), Class: "000", Title: title},
		},
		State: "archived",
		Text:  text,
	}
}

func TestGerman(t *testing.T) {
	tests := []struct {
		query string
		text  string
		found bool
	}{
		{"Bauantraege", "Bauanträge", true},
		{"Bauanträge", "Bauantraege", true},
		{"bauantrag", "Bauanträge", true},
		{"Bauanträge", "Bauantrag", true},
		{"BAUANTRÄGE", "bauantrag", true},
		{"Strasse", "Straße", true},
		{"Straße", "STRASSE", true},
		{"Straße", "Strasse", true},
		{"Straßen", "Straße", true},
		{"Straße", "Hauptstraße", true},
		{"Strasse", "Goethestraße", true},
		{"Hauptstraße", "Hauptstr. 5", true},
		{"Hauptstr", "Hauptstraße", true},
		{"Genehmigung", "Baugenehmigung", true},
		{"Genehmigung", "Baugenehmigungen", true},
		{"Genehmigungen", "Baugenehmigung", true},
		{"Baugenehmigungen", "Baugenehmigung", true},
		{"Bau", "Baugenehmigung", true},
		{"Bau", "Hochbauamt", true},
		{"Amt", "Hochbauamt", true},
		{"Ämter", "Bauamt", true},
		{"Stück", "Grundstücksverkehr", true},
		{"Grundstück", "Grundstücksverkehr", true},
		{"Verkehr", "Grundstücksverkehr", true},
		{"Steuer", "Gewerbesteuerbescheid", true},
		{"Gewerbe", "Gewerbesteuerbescheid", true},
		{"Bescheid", "Gewerbesteuerbescheide", true},
		{"Gewerbesteuer", "Gewerbesteuerbescheid", true},
		{"Anmeldung", "Gewerbeanmeldungen", true},
		{"Urkunde", "Geburtsurkunde", true},
		{"Geburt", "Geburtenregister", true},
		{"Schule", "Schulbezirk", true},
		{"Häuser", "Wohnhaus", true},
		{"Haus", "Häuserfront", true},
		{"Antrag", "Antrag", true},
		{"Müller", "Mueller", true},
		{"Mueller", "Müller", true},
		{"Muller", "Müller", true},
		{"Goethe", "Göthe", true},
		{"Neue", "neue", true},
		{"Crepin", "Crépin", true},
		{"für Antrag", "Antrag", true},
		{"fuer Antrag", "Antrag", true},
		{"Bau-Antrag", "Bauantrag", true},
		{"Bauantrag", "Bau-Antrag", false}, // two words in the text
		{"E-Mail", "E-Mail vom Bauherrn", true},
		{"E-Mail", "Email", true},
		{"Antrag Stundung", "Antrag auf Stundung", true},
		{"2014", "am 12.03.2014", true},
		{"12.03.2014", "am 12.03.2014", true},
		{"z.d.A.", "Verfügung z.d.A. am", true},
		{"§ 34", "nach § 34 BauGB", true},
		{"ﬁnanzen", "Finanzen", true},
		{"Bauanträge", "Bauantra\u0308ge", true}, // decomposed
		{"Bauantrag", "Bau\u00ADantrag", true},   // soft hyphen
		{"Bauantrag", "der Bau-\nantrag", true},  // parted by the line's end
		{"Umweltamt", "Bau-\nund Umweltamt", true},

		{"Baugenehmigung", "Genehmigung", false},
		{"Baugenehmigung", "Bau eines Hauses", false},
		{"Amt", "insgesamt", false},
		{"Amt", "Gesamtheit", false},
		{"Rat", "Beratung", false},
		{"Rat", "Heirat", false},
		{"Erbe", "Gewerbe", false},
		{"Ehe", "gehen", false},
		{"Art", "Karte", false},
		{"Tier", "zertifizieren", false},
		{"Bau", "Bauern", false},
		{"Hund", "Hundert", false},
		{"Ort", "Antwort", false},
		{"Antrag Stundung", "Antrag auf Erlass", false},
		{"der", "Bürgermeister", false},
		{"Stundung", "Stunde", false},
	}
	ix := testIndex(t)
	texts := map[string]int{}
	for _, tc := range tests {
		if _, ok := texts[tc.text]; !ok {
			texts[tc.text] = len(texts) + 1
			add(t, ix, doc(texts[tc.text], "Titel", tc.text))
		}
	}
	for _, tc := range tests {
		ids := found(t, ix, Query{Text: tc.query, Limit: 200})
		if got := slices.Contains(ids, id(texts[tc.text])); got != tc.found {
			t.Errorf("%q in %q: found %v, want %v (terms %q)", tc.query, tc.text, got, tc.found, ix.set.language.index.words(tc.text))
		}
	}
}
