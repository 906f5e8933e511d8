package retention

import (
	"time"

	"bestand/preservation"
)

// span returns the first and the last day of a period of length d that the
// trigger starts. Both days are included; a period of no length ends the day
// before it begins, or with the day of the trigger on base Day.
func span(trigger preservation.Date, d Duration, base Base, fiscal time.Month) (first, last preservation.Date) {
	switch base {
	case YearEnd:
		first = preservation.Date{Year: trigger.Year + 1, Month: time.January, Day: 1}
	case NextFiscalYear:
		first = fiscalYear(trigger, fiscal)
		first.Year++
	default:
		return trigger.AddDays(1), add(trigger, d)
	}
	return first, add(first, d).AddDays(-1)
}

// fiscalYear returns the first day of the fiscal year in which a day lies.
func fiscalYear(d preservation.Date, begin time.Month) preservation.Date {
	begin = max(begin, time.January)
	first := preservation.Date{Year: d.Year, Month: begin, Day: 1}
	if d.Month < begin {
		first.Year--
	}
	return first
}

// add moves a day by years and months first and by days last. Where the month
// reached has no day of that number, its last day counts (BGB §188(3)).
func add(from preservation.Date, d Duration) preservation.Date {
	month := int(from.Month) - 1 + d.Months + 12*d.Years
	to := preservation.Date{Year: from.Year + month/12, Month: time.Month(month%12 + 1), Day: from.Day}
	to.Day = min(to.Day, lastDay(to.Year, to.Month))
	if d.Days == 0 {
		return to
	}
	return to.AddDays(d.Days)
}

func lastDay(year int, m time.Month) int {
	return time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func later(a, b preservation.Date) preservation.Date {
	if a.Before(b) {
		return b
	}
	return a
}
