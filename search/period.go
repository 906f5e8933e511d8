package search

import (
	"fmt"
	"time"

	"bestand/preservation"
)

// A day is indexed as its century, year, month and day: "20", "2014",
// "2014-03", "2014-03-12". A range is then the union of a few dozen terms
// instead of thousands of days.

func periods(d preservation.Date) []string {
	if d.IsZero() {
		return nil
	}
	s := d.String()
	return []string{s[:2], s[:4], s[:7], s}
}

// Range is a span of days, both ends included. A zero end is open.
type Range struct {
	From preservation.Date `json:"from,omitzero"`
	To   preservation.Date `json:"to,omitzero"`
}

// IsZero reports whether the range leaves everything in.
func (r Range) IsZero() bool { return r.From.IsZero() && r.To.IsZero() }

// periods covers the range with as few terms as possible. A range that ends
// before it begins has none.
func (r Range) periods() []string {
	from, to := r.From, r.To
	if from.IsZero() || from.Year < 1 {
		from = preservation.Date{Year: 1, Month: 1, Day: 1}
	}
	if to.IsZero() || to.Year > 9999 {
		to = preservation.Date{Year: 9999, Month: 12, Day: 31}
	}
	var terms []string
	for !to.Before(from) {
		term, next := from.String(), from.AddDays(1)
		for _, p := range []struct {
			term  string
			first bool
			next  preservation.Date
		}{
			{fmt.Sprintf("%04d-%02d", from.Year, from.Month), from.Day == 1, monthAfter(from)},
			{fmt.Sprintf("%04d", from.Year), from.Day == 1 && from.Month == 1, preservation.Date{Year: from.Year + 1, Month: 1, Day: 1}},
			{fmt.Sprintf("%02d", from.Year/100), from.Day == 1 && from.Month == 1 && from.Year%100 == 0, preservation.Date{Year: from.Year + 100, Month: 1, Day: 1}},
		} {
			if p.first && !to.Before(p.next.AddDays(-1)) {
				term, next = p.term, p.next
			}
		}
		terms = append(terms, term)
		from = next
	}
	return terms
}

func monthAfter(d preservation.Date) preservation.Date {
	return preservation.DateOf(time.Date(d.Year, d.Month+1, 1, 0, 0, 0, 0, time.UTC))
}
