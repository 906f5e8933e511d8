package catalog_test

import (
	"database/sql"
	"encoding/json"
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

// counted are the lines of the counts of a catalog, and those that its records make.
func counted(t *testing.T, db *sql.DB) (have, want []string) {
	t.Helper()
	line := func(list string) string { return "SELECT " + strings.ReplaceAll(list, ", ", " || ' ' || ") }
	year := "CASE retention_due WHEN '' THEN 0 ELSE CAST(substr(retention_due,1,4) AS INTEGER) END"
	have = column(t, db, line("tenant, class, state, year, disposition, records")+" FROM retention_count")
	want = column(t, db, line("tenant, class, retention_state, "+year+", retention_disposition, COUNT(*)")+
		" FROM record WHERE retention_state <> '' GROUP BY tenant, class, retention_state, "+year+", retention_disposition")
	slices.Sort(have)
	slices.Sort(want)
	return have, want
}

// TestCountsFollowRecords: whatever happens to records, in whatever order, the counts
// are those of a look at every one of them.
func TestCountsFollowRecords(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		random := rand.New(rand.NewPCG(5, 15))
		db := raw(t, f)
		var live []catalog.Commit
		for i := range 200 {
			f.clock.advance(time.Second)
			at := 0
			if len(live) > 0 {
				at = random.IntN(len(live))
			}
			switch n := random.IntN(10); {
			case n < 3 || len(live) == 0:
				live = append(live, archive(t, f.tenant, fmt.Sprint("s", i)))
			case n < 7: // twice: the second undoes the first
				for range 2 {
					due := preservation.Date{Year: 2020 + random.IntN(3), Month: 1, Day: 1}
					e := catalog.Evaluation{State: []string{"due", "held", "retention", "unresolved"}[random.IntN(4)], Disposition: []string{"A", "B", "V"}[random.IntN(3)], Due: due, Body: json.RawMessage("{}"), Evaluated: f.Now()}
					if e.State == "unresolved" {
						e.Due, e.Disposition = preservation.Date{}, ""
					}
					undone := errors.New("undone")
					err := f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
						err := x.SetEvaluation(live[at].Record.ID, e)
						if err == nil && random.IntN(4) == 0 {
							err = undone
						}
						return err
					})
					if err != nil && !errors.Is(err, undone) {
						t.Fatal(err)
					}
				}
			case n < 8:
				a := catalog.Annotation{ID: preservation.NewID(f.Now()), Record: live[at].Record.ID, Kind: catalog.Reclassification, At: f.Now(), Key: "k",
					Body: json.RawMessage(`{"class":"` + []string{"01.10", "63.10"}[random.IntN(2)] + `"}`)}
				must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.AddAnnotation(a) }))
			case n < 9:
				c := live[at]
				c.Record.Version++
				c.Record.Submission, c.Record.Class = preservation.SubmissionID(preservation.NewID(f.Now())), []string{"01.10", "63.10"}[random.IntN(2)]
				c.Package.Version, c.Package.Key = c.Record.Version, preservation.PackageKey(c.Record.ID, c.Record.Version)
				c.Events = nil
				must(t, f.tenant.CommitRecord(t.Context(), c))
				live[at] = c
			default:
				c := live[at].Record
				must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
					return x.Destroy(catalog.Tombstone{Record: c.ID, Class: c.Class, Destroyed: f.Now(), Key: "k"})
				}))
				live = slices.Delete(live, at, at+1)
			}
			if have, want := counted(t, db); !slices.Equal(have, want) {
				t.Fatalf("after %d steps the counts are\n%s\nand the records make\n%s", i+1, strings.Join(have, "\n"), strings.Join(want, "\n"))
			}
		}
		v := f.tenant.View()
		for _, filter := range []catalog.RetentionFilter{{}, {States: []string{"due", "held"}}, {Classes: []string{"63.10"}}, {NotClasses: []string{"63.10"}, States: []string{"due", "held", "retention"}}} {
			n, err := v.CountRetentions(t.Context(), filter)
			must(t, err)
			if list, err := v.Retentions(t.Context(), filter, "", 1000); err != nil || int64(len(list)) != n || n == 0 {
				t.Errorf("%+v: counts %d, lists %d (%v)", filter, n, len(list), err)
			}
		}
		if n, err := f.other.View().CountRetentions(t.Context(), catalog.RetentionFilter{}); n != 0 || err != nil {
			t.Errorf("another tenant has %d records, %v", n, err)
		}
		rows, err := v.DueCounts(t.Context(), 2022)
		var all, held int64
		for _, r := range rows {
			if all, held = all+r.Records, held+r.Held; r.Year < 2020 || r.Year > 2021 {
				t.Errorf("%+v", r)
			}
		}
		var years []catalog.DueCount
		for _, r := range rows { // which are in the order of years
			if n := len(years); n == 0 || years[n-1].Year != r.Year {
				years = append(years, catalog.DueCount{Year: r.Year})
			}
			y := &years[len(years)-1]
			y.Records, y.Held = y.Records+r.Records, y.Held+r.Held
		}
		if got, err := v.DueYears(t.Context(), 2022); err != nil || !slices.Equal(got, years) {
			t.Errorf("by year %+v, want %+v, %v", got, years, err)
		}
		due, derr := v.Retentions(t.Context(), catalog.RetentionFilter{DueBy: preservation.Date{Year: 2021, Month: 12, Day: 31}}, "", 1000)
		var wantHeld int64
		for _, r := range due {
			if r.Last.State == "held" {
				wantHeld++
			}
		}
		if errors.Join(err, derr) != nil || all != int64(len(due)) || held != wantHeld || all == 0 || held == 0 {
			t.Errorf("%d are due, %d of them held; want %d and %d (%v, %v)", all, held, len(due), wantHeld, err, derr)
		}
	})
}

// TestCountsOfAnUpgrade: a catalog of before has its counts, and knows what the next
// day changes.
func TestCountsOfAnUpgrade(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			f, db := before(t, dialect, 15)
			for i, r := range []struct{ state, start, due, body string }{
				{"retention", "2010-01-01", "2030-01-01", `{"disposition":"V"}`},
				{"retention", "2010-01-01", "2030-06-01", `{"disposition":"V"}`},
				{"closed", "2027-01-01", "2037-01-01", `{"disposition":"B"}`},
				{"due", "2001-01-01", "2011-01-01", `{"disposition":"A","ceiling":"2030-01-01"}`},
				{"held", "2001-01-01", "2011-01-01", `{"disposition":"A"}`},
				{"active", "2027-05-01", "2037-01-01", `{"disposition":"A"}`},
				{"unresolved", "", "", `{"reasons":[]}`},
				{"", "", "", `{}`},
			} {
				_, err := db.Exec(`INSERT INTO record (id, tenant, version, submission, producer, producer_record_id, kind, class, title, reference, reference_key, creator, opened, closed,
					confidentiality, personal_data, parent, metadata, formats, received_ms, archived_ms, changed_ms, retention_state, retention_start, retention_due, retention, stale)
					VALUES ($1, 'musterstadt', 1, '', '', $1, '', '63.10', '', '', '', '', '', '', '', 0, '', '{}', '', 0, 0, 0, $2, $3, $4, $5, 0)`, fmt.Sprint("r", i), r.state, r.start, r.due, r.body)
				must(t, err)
			}
			f.DB = reopen(t, f)
			have, want := counted(t, db)
			if !slices.Equal(have, want) || len(have) != 6 {
				t.Errorf("%q, want %q", have, want)
			}
			rows, err := f.Tenant("musterstadt").View().DueCounts(t.Context(), 2031)
			if err != nil || len(rows) != 2 || rows[0] != (catalog.DueCount{Year: 2011, Class: "63.10", Disposition: "A", Records: 2, Held: 1}) || rows[1].Records != 2 {
				t.Errorf("%+v, %v", rows, err)
			}
			for filter, n := range map[*catalog.RetentionFilter]int64{{Stale: true}: 2, {NextBy: preservation.Date{Year: 2027, Month: 1, Day: 1}}: 1, {NextBy: preservation.Date{Year: 2030, Month: 1, Day: 1}}: 2} {
				if got, err := f.Tenant("musterstadt").View().CountRetentions(t.Context(), *filter); err != nil || got != n {
					t.Errorf("%+v: %d, want %d (%v)", *filter, got, n, err)
				}
			}
		})
	}
}
