package ui

import (
	"fmt"
	"strings"
	"testing"

	"bestand/api"
	"bestand/preservation"
	"bestand/retention"
)

// TestGrowth wants the forecast to go on as the last half year did, and none before
// there was one.
func TestGrowth(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	var months []api.MonthStored
	for i := range 30 {
		months = append(months, api.MonthStored{Month: fmt.Sprintf("%d-%02d", 2024+i/12, 1+i%12), Records: 2, Bytes: 1e6})
	}
	c := growth(languages[0], months)
	if len(c.Bars) != chartMonths+aheadMonths || len(c.Rows) != len(c.Bars) {
		t.Fatalf("%d bars, %d rows", len(c.Bars), len(c.Rows))
	}
	if last := c.Rows[len(c.Rows)-1]; last[3] != "42,0 MB" || !strings.Contains(c.Summary, "42,0 MB im Juni 2027") {
		t.Errorf("in a year: %q, %s", last, c.Summary)
	}
	for i, b := range c.Bars {
		if (b.Kind == "ahead") != (i >= chartMonths) || b.X < chartLeft || b.X+b.W > chartWidth || b.Y < chartTop || b.H < 1 {
			t.Errorf("bar %d: %+v", i, b)
		}
	}
	if c := growth(languages[0], months[:paceMonths]); len(c.Bars) != paceMonths {
		t.Errorf("a forecast from %d months, the last of which goes on", paceMonths)
	}
	for n, want := range map[int]string{1: "1,0 MB Archivpakete, alle aus dem Januar 2024.", 2: "2,0 MB Archivpakete, Januar 2024 bis Februar 2024."} {
		if got := growth(languages[0], months[:n]).Summary; got != want {
			t.Errorf("%d months: %s", n, got)
		}
	}
	if c := growth(languages[0], nil); len(c.Bars) != 0 {
		t.Errorf("%+v", c)
	}
}

// TestChartTable: the head of a column stands over its numbers.
func TestChartTable(t *testing.T) {
	v, w := stranger(t, "/betrieb")
	c := growth(v.lang, []api.MonthStored{{Month: "2025-12", Records: 1, Bytes: 1e6}, {Month: "2026-01", Records: 1, Bytes: 1e6}})
	if err := v.show("operation", "", operationView{Chart: c}); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{`<th class="kern-table__header" scope="col">Monat</th><th class="kern-table__header kern-table__header--numeric" scope="col">Akten</th>`}, nil)
}

func TestThroughput(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	today := preservation.Date{Year: 2026, Month: 3, Day: 2}
	days := []api.StoredOnDay{{Day: today.AddDays(-29), Records: 3, Bytes: 10}, {Day: today, Records: 1, Bytes: 5}, {Day: today.AddDays(-30), Records: 9}}
	c := throughput(languages[0], days, today)
	if len(c.Bars) != 30 || len(c.Rows) != 2 || c.Bars[0].H <= c.Bars[29].H || c.Bars[1].H != 0 || c.Bars[0].Label != "01.02." || !strings.HasPrefix(c.Summary, "4 Akten") {
		t.Errorf("%+v", c)
	}
	if c := throughput(languages[1], days, today); c.Bars[0].Label != "1 Feb" {
		t.Errorf("in English %q", c.Bars[0].Label)
	}
	if c := throughput(languages[0], days[2:], today); len(c.Bars) != 0 {
		t.Errorf("nothing in 30 days: %+v", c)
	}
}

// TestStanding wants what is missing to be seen, however little it is.
func TestStanding(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	c := standing(languages[0], api.Holding{Records: 100_000, Waiting: 1, Damaged: 1})
	if len(c.Bars) != 4 {
		t.Fatalf("%+v", c.Bars)
	}
	for _, b := range c.Bars {
		if b.Kind != "" && b.W < 2 || b.X+b.W > chartWidth {
			t.Errorf("%+v", b)
		}
	}
	if c := standing(languages[0], api.Holding{Records: 1}); c.Summary != "1 Akte im Bestand: 1 durch Zeitstempel belegt, 1 unverändert." {
		t.Error(c.Summary)
	}
	if c := standing(languages[0], api.Holding{Records: 5, Waiting: 9}); len(c.Bars) != 2 || c.Bars[0].Kind != "rest" {
		t.Errorf("more versions wait than there are records: %+v", c.Bars)
	}
}

// TestStandingUnread: what was not read yet is not said to be unchanged, nor to be damaged.
func TestStandingUnread(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		holding api.Holding
		says    string
		row     string // of what was read: unchanged, not read, damaged
		kinds   string // of its bars
	}{
		{api.Holding{Records: 100_000, Unread: 1, Damaged: 2}, "99.997 unverändert. 1 wurde noch nicht zurückgelesen. 2 sind beschädigt.", "[99.997 1 2]", "[bad rest ]"},
		{api.Holding{Records: 10, Unread: 10}, "0 unverändert. 10 wurden noch nicht zurückgelesen.", "[0 10 0]", "[rest]"},
		{api.Holding{Records: 10, Unread: 9, Damaged: 3}, "0 unverändert. 7 wurden noch nicht zurückgelesen. 3 sind beschädigt.", "[0 7 3]", "[bad rest]"},
		{api.Holding{Records: 100_000, Unread: 99_998, Damaged: 1}, "1 unverändert.", "[1 99.998 1]", "[bad rest ]"},
		{api.Holding{Records: 100_000, Unread: 1, Damaged: 99_998}, "1 unverändert.", "[1 1 99.998]", "[bad rest ]"},
		{api.Holding{Records: 2, Damaged: 2}, "0 unverändert. 2 sind beschädigt.", "[0 0 2]", "[bad]"},
	} {
		got := standing(languages[0], c.holding)
		if !strings.Contains(got.Summary, c.says) || fmt.Sprint(got.Rows[1][1:]) != c.row || len(got.Rows[0]) != len(got.Columns) {
			t.Errorf("%+v: %s %q", c.holding, got.Summary, got.Rows)
		}
		var kinds []string
		for _, b := range got.Bars[1:] { // behind that of the time-stamps
			kinds = append(kinds, b.Kind)
			if b.W < 2 || b.X < 0 || b.X+b.W > chartWidth {
				t.Errorf("%+v: %+v", c.holding, b)
			}
		}
		if fmt.Sprint(kinds) != c.kinds {
			t.Errorf("%+v: bars %q", c.holding, kinds)
		}
	}
}

// TestDueChart: one record is one.
func TestDueChart(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	if c := dueChart(languages[0], []retention.DueRow{{Year: 2020, Records: 1}}, 2026, 10); !strings.HasPrefix(c.Summary, "1 Akte wird von 2026 bis 2036 fällig.") || c.Rows[0][1] != "1" {
		t.Errorf("%+v", c)
	}
}
