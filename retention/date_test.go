package retention

import (
	"testing"
	"time"

	"bestand/preservation"
)

// TestOneDate holds the date that the catalog lists a record by against the one
// that is worked out when somebody asks for it, for every rule of the sample plan
// and on days around each end: there is one engine, and what it stored is current.
func TestOneDate(t *testing.T) {
	t.Parallel()
	a := newArchive(t, "2026-06-01")
	scheme, _, err := SampleData()
	if err != nil {
		t.Fatal(err)
	}
	var ids []preservation.RecordID
	ruled := map[string]bool{}
	for _, c := range scheme.Classes {
		if c.Rule == "" || ruled[c.Rule] {
			continue
		}
		ruled[c.Rule] = true
		for _, closed := range []string{"2015-12-31", "2020-02-29"} {
			ids = append(ids, a.keep(a.metadata(c.Code, closed)))
		}
	}
	for _, on := range []string{"2026-12-31", "2027-01-01", "2031-01-01"} {
		a.now = day(t, on).In(berlin(t)).Add(time.Hour)
		a.night()
		for _, id := range ids {
			row, err := a.tenant.View().Retention(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			e, err := a.officer.Evaluate(t.Context(), a.tenant, id)
			if err != nil {
				t.Fatal(err)
			}
			if row.Last.State != string(e.State) || row.Last.End != e.End || row.Last.Due != e.DueFrom {
				t.Errorf("%s, class %s: listed as %+v, worked out %s, end %s, due from %s by %v", on, row.Class, row.Last, e.State, e.End, e.DueFrom, e.Rule)
			}
		}
	}
}
