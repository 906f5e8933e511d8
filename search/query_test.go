package search

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
)

// library is a small archive with something for every kind of query.
func library(t testing.TB) *Index {
	t.Helper()
	ix := testIndex(t)
	date := func(s string) preservation.Date {
		d, err := preservation.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	build := func(n int, class, reference, title, text string, opened, closed string) Document {
		d := doc(n, title, text)
		d.Class, d.Reference = class, reference
		d.ClassPath = []string{class[:1], class[:2], class}
		d.Opened = date(opened)
		if closed != "" {
			d.Closed = date(closed)
		}
		return d
	}
	a := build(1, "631", "63.10-2014/0815", "Baugenehmigung Goethestraße 5", "Antrag auf Neubau eines Einfamilienhauses mit Garage.", "2014-02-01", "2014-12-31")
	a.Subjects = []preservation.Subject{{Name: "Jürgen Meier"}}
	a.Files = []preservation.File{
		{Name: "Lageplan_Flurstück-12.pdf", Format: preservation.Format{PUID: "fmt/276", MIME: "application/pdf"}},
		{Name: "Anschreiben.docx", Format: preservation.Format{PUID: "fmt/412", MIME: "application/vnd.openxmlformats-officedocument.wordprocessingml.document"}},
	}
	b := build(2, "631", "63.10-2014/0816", "Abbruch einer Scheune", "Der Abbruch wurde angezeigt. Aktenzeichen 63.10-2014/0815 beachten.", "2014-03-01", "2015-01-01")
	b.Subjects = []preservation.Subject{{Name: "Erika Meyer", ID: "P-4711"}}
	b.Files = []preservation.File{{Name: "foto.tif", Format: preservation.Format{PUID: "fmt/353", MIME: "image/tiff"}}}
	c := build(3, "632", "63.20-2015/1", "Bauvorbescheid Carport", "Carport neben der bestehenden Garage", "2015-06-01", "")
	c.Hold, c.Confidentiality = true, "vertraulich"
	d := build(4, "901", "90-Gew-77", "Gewerbesteuerbescheid 2013", "Müller GmbH, Stundung der Gewerbesteuer", "2013-01-02", "2013-12-31")
	d.Invoice = map[string]string{"number": "RE-2013-99", "seller": "Muster & Söhne"}
	d.Extra = map[string]string{"Gemarkung": "Altstadt"}
	d.Keywords = []string{"Zinsen"}
	d.Creator, d.Evidence, d.Kind = "Steueramt", "stamped", "case"
	e := build(5, "901", "90-Gew-78", "Antrag", "Antrag auf Stundung der Grundsteuer, dann Stundung ohne Antrag auf Erlass", "2013-01-02", "2014-01-01")
	add(t, ix, a, b, c, d, e)
	return ix
}

func TestQueryLanguage(t *testing.T) {
	ix := library(t)
	tests := []struct {
		query string
		want  []int
	}{
		{"", []int{1, 2, 3, 4, 5}},
		{"   ", []int{1, 2, 3, 4, 5}},
		{"Garage", []int{1, 3}},
		{"Garage Neubau", []int{1}},
		{"+Garage +Neubau", []int{1}},
		{"Garage UND Neubau", []int{1}},
		{"Garage -Neubau", []int{3}},
		{"Garage NICHT Neubau", []int{3}},
		{"-Garage", []int{2, 4, 5}},
		{"-Garage -Abbruch", []int{4, 5}},
		{"Garage Quetzalcoatl", nil},
		{"Quetzalcoatl -Garage", nil}, // never "everything but garages"
		{"Quetz* -Garage", nil},
		{"Scheune ODER Carport", []int{2, 3}},
		{"Scheune OR Carport Garage", []int{3}},
		{"Scheune | Quetzalcoatl", []int{2}},
		{"ODER Scheune", []int{2}},
		{"Scheune ODER", []int{2}},
		{"Scheune ODER -Garage", []int{2}},

		{`"Antrag auf Stundung"`, []int{5}},
		{`„Antrag auf Stundung“`, []int{5}},
		{`"Antrag Stundung"`, nil},
		{`"Stundung ohne Antrag"`, []int{5}},
		{`"Stundung Antrag"`, nil},
		{`"Grundsteuer auf Erlass"`, nil},
		{`"Antrag auf Stundung der Grundsteuer"`, []int{5}},
		{`"auf Stundung"`, []int{4, 5}}, // the gap of a stop word at the edge counts for nothing
		{`-"Antrag auf Stundung" Stundung`, []int{4}},
		{`"Antrag auf`, []int{1, 5}}, // an unbalanced quote is text
		{`""`, nil},
		{`"`, nil},
		{`Garage ""`, []int{1, 3}},
		{`Garage"Neubau eines"`, []int{1}},

		{"Bau*", []int{1, 3}},
		{"bauvor*", []int{3}},
		{"Baugenehmigungen*", []int{1}},
		{"Gewerbest*", []int{4}},
		{"Gara* Neub*", []int{1}},
		{"B*", nil}, // too short for a prefix: the word "B"
		{"*", nil},
		{"Ba*u", nil},
		{"-Bau*", []int{2, 4, 5}},

		{"Maier~", []int{1}},
		{"Maier~2", []int{1, 2}},
		{"Meier~", []int{1, 2}},
		{"name:Meier", []int{1}},
		{"name:Meier~", []int{1, 2}},
		{"Garaje~", []int{1, 3}},
		{"Garahe~2", []int{1, 3}},
		{"ab~", nil},

		{"63.10-2014/0815", []int{1, 2}}, // its own, and where it is quoted
		{"az:63.10-2014/0815", []int{1}},
		{"63.10-2014/08", nil},
		{"63.10-2014/08*", []int{1, 2}},
		{"63.10-2014*", []int{1, 2}},
		{"63.10-2014", []int{1, 2}},
		{"63.1*", []int{1, 2}},
		{`63.20-2015/1 -"63.10-2014"`, []int{3}},
		{"Goethestraße-5*", []int{1}},
		{"Grundsteuer-Stun*", nil},
		{"Stundung-der-Grund*", []int{5}},
		{"az:63.*", []int{1, 2, 3}},
		{`"63.10-2014/0815"`, []int{1, 2}},
		{"63.10 - 2014/0815", []int{1, 2}},
		{"63.10-2014/0815 Goethestraße", []int{1}},
		{"90-gew-77", []int{4}},
		{"90-Gew", []int{4, 5}},
		{"RE-2013-99", []int{4}},
		{"P4", []int{4}},
		{"P-4711", []int{2}},
		{string(id(3)), []int{3}},

		{"titel:Garage", nil},
		{"titel:Carport", []int{3}},
		{`titel:"Abbruch einer Scheune"`, []int{2}},
		{"titel:bau*", []int{1, 3}},
		{"Lageplan", []int{1}},
		{"Flurstück", []int{1}},
		{"foto.tif", []int{2}},
		{`"Goethestraße 5 63"`, nil}, // phrases end with the value
		{"unbekannt:Garage", nil},    // an unknown field is text
		{"name:", nil},
		{":", nil},

		{"Steueramt", []int{4}},
		{"Zinsen", []int{4}},
		{"Altstadt", []int{4}},
		{"Söhne", []int{4}},
		{"der die das", nil},
		{"der Garage", []int{1, 3}},
		{"-der", nil},
		{"...", nil},
		{"- + | &&", []int{1, 2, 3, 4, 5}},
	}
	for _, tc := range tests {
		ids := found(t, ix, Query{Text: tc.query, Order: ByReference, Limit: 100})
		var want []preservation.RecordID
		for _, n := range tc.want {
			want = append(want, id(n))
		}
		slices.Sort(ids)
		if !slices.Equal(ids, want) {
			t.Errorf("%q found %v, want %v", tc.query, short(ids), tc.want)
		}
	}
}

func short(ids []preservation.RecordID) []string {
	var s []string
	for _, id := range ids {
		s = append(s, strings.TrimLeft(string(id), "0"))
	}
	return s
}

func TestRelevance(t *testing.T) {
	ix := library(t)
	for query, first := range map[string]int{
		"63.10-2014/0815": 1, // the record itself before the one that mentions it
		"Stundung Antrag": 5,
		"Carport":         3,
		"Abbruch":         2,
	} {
		if ids := found(t, ix, Query{Text: query}); len(ids) == 0 || ids[0] != id(first) {
			t.Errorf("%q: first of %v, want %d", query, short(ids), first)
		}
	}
}

func TestFilters(t *testing.T) {
	ix := library(t)
	day := func(s string) preservation.Date { d, _ := preservation.ParseDate(s); return d }
	one := func(f Facet, v ...string) Filter { return Filter{Values: map[Facet][]string{f: v}} }
	tests := []struct {
		name   string
		text   string
		filter Filter
		want   []int
	}{
		{"class", "", one(FacetClass, "631"), []int{1, 2}},
		{"class above", "", one(FacetClass, "63"), []int{1, 2, 3}},
		{"class at the top", "", one(FacetClass, "9"), []int{4, 5}},
		{"classes", "", one(FacetClass, "632", "901"), []int{3, 4, 5}},
		{"class and text", "Garage", one(FacetClass, "632"), []int{3}},
		{"unknown class", "Garage", one(FacetClass, "777"), nil},
		{"part of a class", "", one(FacetClass, "3"), nil},
		{"format", "", one(FacetFormat, "fmt/412"), []int{1}},
		{"mime", "", one(FacetMIME, "image/tiff", "application/pdf"), []int{1, 2}},
		{"hold", "", one(FacetHold, "true"), []int{3}},
		{"confidentiality", "", one(FacetConfidentiality, "vertraulich"), []int{3}},
		{"without confidentiality", "Garage", one(FacetConfidentiality, Absent), []int{1}},
		{"year", "", one(FacetYear, "2013"), []int{4}},
		{"kind", "", one(FacetKind, "case"), []int{4}},
		{"evidence", "", one(FacetEvidence, "stamped"), []int{4}},
		{"producer", "", one(FacetProducer, "other"), nil},
		{"two facets", "", Filter{Values: map[Facet][]string{FacetClass: {"63"}, FacetYear: {"2015"}}}, []int{2, 3}},
		{"closed from", "", Filter{Closed: Range{From: day("2014-12-31")}}, []int{1, 2}},
		{"closed to", "", Filter{Closed: Range{To: day("2013-12-31")}}, []int{4}},
		{"closed day", "", Filter{Closed: Range{From: day("2014-01-01"), To: day("2014-01-01")}}, []int{5}},
		{"day uses opening", "", Filter{Day: Range{From: day("2015-02-01")}}, []int{3}},
		{"opened year and text", "Garage", Filter{Opened: Range{From: day("2014-01-01"), To: day("2014-12-31")}}, []int{1}},
		{"received", "", Filter{Received: Range{From: day("2024-01-15"), To: day("2024-01-15")}}, []int{1, 2, 3, 4, 5}},
		{"backwards", "", Filter{Day: Range{From: day("2015-01-01"), To: day("2014-01-01")}}, nil},
		{"all years", "", Filter{Day: Range{From: day("0001-01-01"), To: day("9999-12-31")}}, []int{1, 2, 3, 4, 5}},
		{"without", "-Garage", one(FacetClass, "63"), []int{2}},
		{"without records", "", Filter{Without: []preservation.RecordID{id(1), id(4), "01jq2m9cfp2y8r0v6k3c5t7n4e"}}, []int{2, 3, 5}},
		{"a class without records", "", Filter{Values: map[Facet][]string{FacetClass: {"63"}}, Without: []preservation.RecordID{id(2)}}, []int{1, 3}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			ids := found(t, ix, Query{Text: tc.text, Filter: tc.filter})
			slices.Sort(ids)
			var want []preservation.RecordID
			for _, n := range tc.want {
				want = append(want, id(n))
			}
			if !slices.Equal(ids, want) {
				t.Errorf("found %v, want %v", short(ids), tc.want)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	ix := library(t)
	for order, want := range map[Order][]int{
		ByNewest:    {3, 2, 1, 5, 4},
		ByOldest:    {4, 5, 1, 2, 3},
		ByReference: {1, 2, 3, 4, 5},
		ByTitle:     {2, 5, 1, 3, 4},
	} {
		ids := found(t, ix, Query{Order: order})
		var wanted []preservation.RecordID
		for _, n := range want {
			wanted = append(wanted, id(n))
		}
		if !slices.Equal(ids, wanted) {
			t.Errorf("%s: %v, want %v", order, short(ids), want)
		}
	}
}

func TestTitleOrderFollowsDIN5007(t *testing.T) {
	ix := testIndex(t)
	titles := []string{"Ärzte", "Affe", "Zoo", "Arzt", "Öl", "Ofen", "straße", "Strasse A", "„Anfang“"}
	for i, s := range titles {
		add(t, ix, doc(i, s, ""))
	}
	want := []string{"Affe", "„Anfang“", "Arzt", "Ärzte", "Ofen", "Öl", "straße", "Strasse A", "Zoo"}
	var got []string
	for _, rid := range found(t, ix, Query{Order: ByTitle}) {
		got = append(got, titles[slices.IndexFunc(titles, func(s string) bool { return rid == id(slices.Index(titles, s)) })])
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRefusals(t *testing.T) {
	ix := library(t)
	page, err := ix.Search(t.Context(), Query{Text: "Garage", Limit: 1})
	if err != nil || page.Next == "" {
		t.Fatal(page, err)
	}
	tests := []struct {
		name  string
		query Query
		want  error
	}{
		{"too long", Query{Text: strings.Repeat("a", maxQuery+1)}, ErrQuery},
		{"too many words", Query{Text: strings.Repeat("a ", maxClauses+1)}, ErrQuery},
		{"order", Query{Order: "bogus"}, ErrQuery},
		{"facet", Query{Facets: []Facet{"text"}}, ErrQuery},
		{"filter", Query{Filter: Filter{Values: map[Facet][]string{"title": {"x"}}}}, ErrQuery},
		{"filter values", Query{Filter: Filter{Values: map[Facet][]string{FacetClass: make([]string, 600)}}}, ErrQuery},
		{"cursor of nothing", Query{Text: "Garage", Cursor: "!!"}, ErrCursor},
		{"cursor cut off", Query{Text: "Garage", Cursor: page.Next[:8]}, ErrCursor},
		{"cursor of another query", Query{Text: "Abbruch", Cursor: page.Next}, ErrCursor},
		{"cursor of another order", Query{Text: "Garage", Order: ByTitle, Cursor: page.Next}, ErrCursor},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := ix.Search(t.Context(), tc.query); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestSnippets(t *testing.T) {
	ix := library(t)
	text := func(s Snippet) string {
		var b strings.Builder
		for _, p := range s {
			if p.Match {
				fmt.Fprintf(&b, "[%s]", p.Text)
			} else {
				b.WriteString(p.Text)
			}
		}
		return b.String()
	}
	add(t, ix, doc(6, "Lang", strings.Repeat("Füllwort <b>böse</b> ", 100)+"die Nutzungsänderung "+strings.Repeat("danach ", 100)))
	tests := []struct{ query, want string }{
		{"Scheune", ""}, // in the title only
		{"angezeigt", "Der Abbruch wurde [angezeigt]. Aktenzeichen 63.10-2014/0815 beachten."},
		{"Abbruch", "Der [Abbruch] wurde angezeigt. Aktenzeichen 63.10-2014/0815 beachten."},
		{"Einfamilienhäuser", "Antrag auf Neubau eines [Einfamilienhauses] mit Garage."},
		{"Neub*", "Antrag auf [Neubau] eines Einfamilienhauses mit Garage."},
		{"Garaje~ Neubau", "Antrag auf [Neubau] eines Einfamilienhauses mit [Garage]."},
		{"Änderung", "Füllwort <b>böse</b> Füllwort <b>böse</b> Füllwort <b>böse</b> die [Nutzungsänderung] danach danach danach danach danach danach danach danach danach danach danach"},
	}
	for _, tc := range tests {
		p, err := ix.Search(t.Context(), Query{Text: tc.query, Snippets: true})
		if err != nil || len(p.Hits) != 1 {
			t.Errorf("%q: %v %v", tc.query, p, err)
			continue
		}
		got := ""
		if len(p.Hits[0].Snippets) > 0 {
			got = text(p.Hits[0].Snippets[0])
		}
		if got != tc.want {
			t.Errorf("%q:\n got %s\nwant %s", tc.query, got, tc.want)
		}
	}
	filler := strings.Repeat("und so weiter ", 20)
	add(t, ix, doc(7, "Doppelt", "Der Zaun steht schief. "+filler+"Der Zaun steht schief. "+filler+"Ein Zaun fehlt. "+filler))
	if p, err := ix.Search(t.Context(), Query{Text: "Zaun", Snippets: true}); err != nil || len(p.Hits) != 1 {
		t.Error(p, err)
	} else {
		seen := map[string]bool{}
		for _, s := range p.Hits[0].Snippets {
			if seen[text(s)] {
				t.Errorf("twice: %s", text(s))
			}
			seen[text(s)] = true
		}
		if len(seen) < 2 {
			t.Errorf("of different places: %v", seen)
		}
	}
	if got := text(ix.set.Highlight("genehmigung -goethe straße", "Baugenehmigung Goethestraße 5")); got != "[Baugenehmigung] [Goethestraße] 5" {
		t.Error(got)
	}
}

func TestPeriods(t *testing.T) {
	day := func(n int) preservation.Date { return preservation.Date{Year: 1998, Month: 12, Day: 25}.AddDays(n) }
	for range 2000 {
		a, b := rand.IntN(4000)-200, rand.IntN(4000)-200
		terms := Range{From: day(a), To: day(b)}.periods()
		if len(terms) > 200 {
			t.Fatalf("%v to %v takes %d terms", day(a), day(b), len(terms))
		}
		for range 20 {
			n := rand.IntN(4400) - 400
			in := slices.ContainsFunc(periods(day(n)), func(s string) bool { return slices.Contains(terms, s) })
			if in != (n >= a && n <= b) {
				t.Fatalf("%v in %v to %v: %v", day(n), day(a), day(b), in)
			}
		}
	}
}

// TestHostileQueries runs patterns that have brought down search engines.
func TestHostileQueries(t *testing.T) {
	ix := library(t)
	for i := range 20 { // a dictionary with something to expand
		var b strings.Builder
		for j := range 500 {
			fmt.Fprintf(&b, "wort%dx%d ", i, j)
		}
		add(t, ix, doc(100+i, "Wörter", b.String()))
	}
	queries := []string{
		"wo*", "wo* wo* wo* wo* wo* wo* wo*", "wort1x1~2", strings.Repeat("wort~2 ", 30), strings.Repeat("-wo* ", 40),
		strings.Repeat(`"wort`, 100), strings.Repeat(`"`, 1999), strings.Repeat("*", 1999), strings.Repeat("~", 1999),
		strings.Repeat("a*~", 600), "\x00\x01\x02", "\xff\xfe\xfd", "a\xffb*", "ﷺﷺﷺ*", strings.Repeat("ﷺ", 600), strings.Repeat("e\u0301", 600),
		"((((", "))))", "a AND (b OR c", `\"`, `\`, "[a TO z]", "/re(g)*ex/", "field:>5", "a^9999999999", "text:*", "_id:x", "-", "--", "---a", "+-a", "- a",
		"ODER ODER ODER", "NICHT", "NICHT NICHT a", "a ODER ODER b", "' OR 1=1 --", "<script>", "%00", "${jndi:ldap://x}", "name:name:name:a", "name:-a", `name:"`, `-name:"a`,
		strings.Repeat("ä", 990), strings.Repeat("straße", 300), strings.Repeat("bau", 660), strings.Repeat("grundstücks", 100) + "*", "😀*", "日本語*", "日本語~",
		strings.Repeat("1.", 900), strings.Repeat("1-", 900) + "*", `"` + strings.Repeat("wort ", 390) + `"`,
	}
	for _, q := range queries {
		start := time.Now()
		for _, order := range []Order{ByRelevance, ByTitle} {
			_, err := ix.Search(t.Context(), Query{Text: q, Order: order, Facets: Facets(), Snippets: true})
			if err != nil && !errors.Is(err, ErrQuery) {
				t.Errorf("%.40q: %v", q, err)
			}
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%.40q took %v", q, d)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"Bau*", `"a b" -c`, "x~2 ODER y", "name:Meier az:63.10*", "„a“ | b", "63.10-2014/0815", "ﷺ\xff"} {
		f.Add(s)
	}
	ix := library(f)
	f.Fuzz(func(t *testing.T, q string) {
		start := time.Now()
		p, err := ix.Search(t.Context(), Query{Text: q, Snippets: true, Limit: 2})
		if err != nil && !errors.Is(err, ErrQuery) {
			t.Fatal(err)
		}
		if p.Next != "" {
			if _, err := ix.Search(t.Context(), Query{Text: q, Limit: 2, Cursor: p.Next}); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Fatalf("took %v", d)
		}
	})
}

func FuzzAnalyzer(f *testing.F) {
	for _, s := range []string{"Grundstücksverkehrsgenehmigung", "Bau-\nantrag", "\xff\u0308", "STRAẞE", strings.Repeat("bau", 40)} {
		f.Add(s)
	}
	l := newLanguage()
	f.Fuzz(func(t *testing.T, s string) {
		s = dehyphenate(clean(s))
		last := 0
		l.index.each(s, func(term []byte, position int) {
			if len(term) == 0 || position < last || position == 0 {
				t.Fatalf("term %q at %d in %q", term, position, s)
			}
			last = position
		})
		newMarker(l, [][]clause{{{field: fieldText, text: s}}}).snippets(s)
	})
}
