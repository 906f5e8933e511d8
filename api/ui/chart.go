package ui

import (
	"fmt"
	"time"

	"bestand/api"
)

// chart is what an SVG is drawn from; the template writes it with title, description
// and a table of the same numbers.
type chart struct {
	Title, Summary string
	Columns        []string // heads of the table
	Bars           []bar
	Ticks          []tick
	Width, Height  int
}

// bar is one month, in pixels of the drawing.
type bar struct {
	X, Y, W, H int
	Label      string // under the bar; "" where there is no room
	Name       string
	Records    string
	Value      string
	Total      string
}

// tick is a mark of the axis.
type tick struct {
	Y     int
	Label string
}

// Sizes of the drawing in its own units. It is drawn for a narrow column, so that its
// words can be read on a telephone.
const (
	chartWidth  = 480
	chartHeight = 240
	chartLeft   = 64
	chartBottom = 28
	chartTop    = 12
	chartMonths = 24
)

// growth draws how many bytes are stored, month by month, the last two years.
func growth(l *language, months []api.MonthStored) chart {
	c := chart{Title: l.t("growth.title"), Width: chartWidth, Height: chartHeight, Columns: []string{l.t("growth.month"), l.t("growth.records"), l.t("growth.bytes"), l.t("growth.total")}}
	if len(months) == 0 {
		return c
	}
	var total, before int64
	for _, m := range months {
		total += m.Bytes
	}
	all := filled(months)
	if over := len(all) - chartMonths; over > 0 {
		for _, m := range all[:over] {
			before += m.Bytes
		}
		all = all[over:]
	}
	c.Summary = l.t("growth.summary", l.size(total), monthName(l, all[0].Month), monthName(l, all[len(all)-1].Month))
	top := nice(total)
	y := func(n int64) int {
		return chartHeight - chartBottom - int(float64(n)/float64(top)*float64(chartHeight-chartBottom-chartTop))
	}
	step := (chartWidth - chartLeft) / max(len(all), 6)
	sum := before
	for i, m := range all {
		sum += m.Bytes
		b := bar{X: chartLeft + i*step + step/8, W: max(step*3/4, 2), Y: y(sum), Name: monthName(l, m.Month), Value: l.size(m.Bytes), Total: l.size(sum)}
		b.H = chartHeight - chartBottom - b.Y
		b.Records = l.number(m.Records)
		if i%((len(all)+5)/6) == 0 {
			b.Label = m.Month[5:] + "/" + m.Month[2:4]
		}
		c.Bars = append(c.Bars, b)
	}
	for i := range int64(5) {
		c.Ticks = append(c.Ticks, tick{y(top / 4 * i), l.size(top / 4 * i)})
	}
	return c
}

// filled adds the months in which nothing was stored.
func filled(months []api.MonthStored) (all []api.MonthStored) {
	at, err := time.Parse("2006-01", months[0].Month)
	if err != nil {
		return months
	}
	for _, m := range months {
		for ; at.Format("2006-01") < m.Month; at = at.AddDate(0, 1, 0) {
			all = append(all, api.MonthStored{Month: at.Format("2006-01")})
		}
		all = append(all, m)
		at = at.AddDate(0, 1, 0)
	}
	return all
}

// nice is a round number not below n that can be divided by four.
func nice(n int64) int64 {
	for step := int64(1); ; step *= 10 {
		for _, m := range []int64{4, 8, 20} {
			if step*m >= n {
				return step * m
			}
		}
	}
}

// monthName writes YYYY-MM for people.
func monthName(l *language, month string) string {
	at, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	return l.t(fmt.Sprintf("month.%d", at.Month())) + " " + at.Format("2006")
}
