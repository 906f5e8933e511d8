package catalog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func titled(title string) func(*preservation.Metadata) {
	return func(m *preservation.Metadata) { m.Title = title }
}

func titles(entries []catalog.Entry) []string {
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = e.Title
	}
	slices.Sort(all)
	return all
}

func TestRecordFilters(t *testing.T) {
	day := func(s string) preservation.Date {
		d, err := preservation.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	each(t, func(t *testing.T, f *fixture) {
		for n, m := range []preservation.Metadata{
			{Title: "a", Class: "6", Closed: day("2015-11-30"), Reference: "AZ 1/ß", Kind: "file"},
			{Title: "b", Class: "63", Closed: day("2015-12-01"), Reference: "az1/ß"},
			{Title: "c", Class: "63.1", Closed: day("2016-01-01"), Reference: "Ａｚ 2"},
			{Title: "d", Class: "63.10", Reference: "50%_!"},
			{Title: "e", Class: "63.10.1", Producer: "e' OR '1' = '1"},
			{Title: "f", Class: "634", Producer: "%"},
			{Title: "g", Class: "7"},
			{Title: "h", Class: "Äö"},
		} {
			archive(t, f.tenant, fmt.Sprint(n), func(to *preservation.Metadata) {
				m.ProducerRecordID = to.ProducerRecordID
				if m.Producer == "" {
					m.Producer = "dms"
				}
				*to = m
			})
		}
		if err := f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			list, err := x.View().Retentions(t.Context(), catalog.RetentionFilter{Classes: []string{"7", "6"}}, "", 10)
			for _, r := range list {
				err = errors.Join(err, x.SetEvaluation(r.Record, catalog.Evaluation{State: "due", Due: day("2026-01-01"), Evaluated: f.Now()}))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		ids := map[string]preservation.RecordID{}
		every, _, err := f.tenant.Records(t.Context(), catalog.RecordFilter{}, "", "", 100)
		must(t, err)
		for _, e := range every {
			ids[e.Title] = e.ID
		}
		for _, c := range []struct {
			name   string
			filter catalog.RecordFilter
			want   string
		}{
			{"all", catalog.RecordFilter{}, "abcdefgh"},
			{"main group", catalog.RecordFilter{Class: "6"}, "abcdef"},
			{"group", catalog.RecordFilter{Class: "63"}, "bcdef"},
			{"class with a point does not take its longer neighbour", catalog.RecordFilter{Class: "63.1"}, "c"},
			{"class and those below", catalog.RecordFilter{Class: "63.10"}, "de"},
			{"class that is no pattern", catalog.RecordFilter{Class: "6%"}, ""},
			{"class by bytes", catalog.RecordFilter{Class: "Ä"}, "h"},
			{"from", catalog.RecordFilter{From: day("2015-12-01")}, "bc"},
			{"to", catalog.RecordFilter{To: day("2015-12-01")}, "ab"},
			{"from and to", catalog.RecordFilter{From: day("2015-12-01"), To: day("2015-12-31")}, "b"},
			{"reference without case and spaces", catalog.RecordFilter{Reference: "Az 1 / ß"}, "ab"},
			{"reference in compatibility form", catalog.RecordFilter{Reference: "AZ2"}, "c"},
			{"reference that looks like a pattern", catalog.RecordFilter{Reference: "50%_!"}, "d"},
			{"reference that is none", catalog.RecordFilter{Reference: "%"}, ""},
			{"producer with quotes", catalog.RecordFilter{Producer: "e' OR '1' = '1"}, "e"},
			{"producer percent", catalog.RecordFilter{Producer: "%"}, "f"},
			{"format", catalog.RecordFilter{Format: "fmt/412"}, "abcdefgh"},
			{"format in another case", catalog.RecordFilter{Format: "FMT/412"}, "abcdefgh"},
			{"format by its beginning", catalog.RecordFilter{Format: "fmt/41"}, ""},
			{"format by its end", catalog.RecordFilter{Format: "t/412"}, ""},
			{"format that looks like a pattern", catalog.RecordFilter{Format: "fmt/41_"}, ""},
			{"format percent", catalog.RecordFilter{Format: "%"}, ""},
			{"format escape", catalog.RecordFilter{Format: "!"}, ""},
			{"state", catalog.RecordFilter{State: "due"}, "ag"},
			{"state of those that live", catalog.RecordFilter{State: "due", Status: "live"}, "ag"},
			{"state that none has", catalog.RecordFilter{State: "held", Status: "live"}, ""},
			{"state without some", catalog.RecordFilter{State: "due", Status: "live", Without: []preservation.RecordID{ids["a"], ids["b"]}}, "g"},
			{"without many", catalog.RecordFilter{Without: slices.Concat(slices.Repeat([]preservation.RecordID{ids["c"]}, 70_000), []preservation.RecordID{ids["h"]})}, "abdefg"},
			{"kind", catalog.RecordFilter{Kind: "file"}, "a"},
			{"status", catalog.RecordFilter{Status: "releasing"}, ""},
			{"parent", catalog.RecordFilter{Parent: "x"}, ""},
			{"several", catalog.RecordFilter{Class: "6", State: "due", Status: "live", Format: "fmt/353"}, "a"},
		} {
			list, next, err := f.tenant.Records(t.Context(), c.filter, "", "", 100)
			if got := strings.Join(titles(list), ""); got != c.want || err != nil || next != "" {
				t.Errorf("%s: %q, want %q (%v)", c.name, got, c.want, err)
			}
			c.filter.Expected = 1_000_000 // what is frequent is found in another way
			if list, _, err := f.tenant.Records(t.Context(), c.filter, "", "", 100); strings.Join(titles(list), "") != c.want || err != nil {
				t.Errorf("%s, if frequent: %q, want %q (%v)", c.name, titles(list), c.want, err)
			}
			if n, err := f.tenant.CountRecords(t.Context(), c.filter); n != int64(len(c.want)) || err != nil {
				t.Errorf("%s: counts %d, want %d (%v)", c.name, n, len(c.want), err)
			}
		}
	})
}

// Every order lists each record once, also when many are equal in it and while
// new ones come.
func TestRecordsArePagedInEveryOrder(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		random := rand.New(rand.NewPCG(1, 2))
		add := func(source string) {
			f.clock.advance(time.Duration(random.IntN(2)) * time.Second)
			archive(t, f.tenant, source, func(m *preservation.Metadata) {
				if random.IntN(3) > 0 {
					m.Closed = preservation.Date{Year: 2020, Month: 1, Day: 1 + random.IntN(4)}
				}
				m.Reference = []string{"", "Ä 1", "a-2", "B.3", "ß"}[random.IntN(5)]
			})
		}
		const total = 60
		for i := range total {
			add(fmt.Sprintf("old-%d", i))
		}
		key := map[string]func(catalog.Entry) string{
			"archived":  func(e catalog.Entry) string { return fmt.Sprintf("%020d", e.Archived.UnixMilli()) },
			"closed":    func(e catalog.Entry) string { return e.Closed.String() },
			"reference": func(e catalog.Entry) string { return catalog.ReferenceKey(e.Reference) },
		}
		var cursors []string
		for _, sort := range []string{"", "archived", "-archived", "closed", "-closed", "reference", "-reference"} {
			name, descending := strings.CutPrefix(sort, "-")
			if sort == "" {
				name, descending = "archived", true
			}
			seen := map[preservation.RecordID]bool{}
			old, last, pages, after := 0, "", 0, ""
			for {
				list, next, err := f.tenant.Records(t.Context(), catalog.RecordFilter{Class: "63"}, sort, after, 7)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					at := key[name](e) + "\x00" + string(e.ID)
					if last != "" && (at > last) == descending {
						t.Fatalf("%q: %s after %s", sort, at, last)
					}
					if last = at; seen[e.ID] {
						t.Fatalf("%q: %s comes twice", sort, e.ID)
					}
					seen[e.ID] = true
					if strings.HasPrefix(e.ProducerRecordID, "old-") {
						old++
					}
				}
				if pages++; pages > 100 {
					t.Fatalf("%q has no end", sort)
				}
				if next == "" {
					break
				}
				if after = next; pages == 2 {
					cursors = append(cursors, next)
				}
				if pages <= 3 {
					add(fmt.Sprintf("new-%s-%d", sort, pages))
				}
			}
			if old != total {
				t.Errorf("%q lists %d of the %d records that were there", sort, old, total)
			}
		}
		for i, sort := range []string{"closed", "archived", "reference", "-closed"} {
			if _, _, err := f.tenant.Records(t.Context(), catalog.RecordFilter{}, sort, cursors[i], 5); (err == nil) != (sort == "archived" && i == 1) {
				t.Errorf("cursor %d in order %q: %v", i, sort, err)
			}
		}
	})
}

func TestBadCursorsAndOrders(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		archive(t, f.tenant, "1")
		for _, bad := range []string{"x", "e30", "bnVsbA", "eyJvIjoiY2xvc2VkIiwidCI6Ilx1MDAwMCIsImkiOiJ4In0", "' OR 1=1"} {
			if _, _, err := f.tenant.Records(t.Context(), catalog.RecordFilter{}, "closed", bad, 5); !errors.Is(err, catalog.ErrCursor) {
				t.Errorf("cursor %q: %v", bad, err)
			}
		}
		if _, _, err := f.tenant.Records(t.Context(), catalog.RecordFilter{}, "title; DROP TABLE record", "", 5); !errors.Is(err, catalog.ErrSort) {
			t.Error(err)
		}
		for _, limit := range []int{0, -1} {
			if list, _, err := f.tenant.Records(t.Context(), catalog.RecordFilter{}, "", "", limit); err != nil || len(list) != 1 {
				t.Errorf("limit %d: %d records, %v", limit, len(list), err)
			}
		}
	})
}

func TestEntriesByID(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var ids []preservation.RecordID
		for i := range 5 {
			ids = append(ids, archive(t, f.tenant, fmt.Sprint(i), titled(fmt.Sprint(i))).Record.ID)
		}
		asked := []preservation.RecordID{ids[3], "missing", ids[0], "x') OR ('1' = '1"}
		entries, err := f.tenant.EntriesByID(t.Context(), asked)
		if err != nil || len(entries) != 2 || entries[0].Title != "3" || entries[1].Title != "0" || len(entries[0].Files) != 3 {
			t.Error(entries, err)
		}
		if entries, err := f.tenant.EntriesByID(t.Context(), nil); err != nil || len(entries) != 0 {
			t.Error(entries, err)
		}
	})
}
