package ui

import (
	"fmt"
	"time"

	"bestand/api"
	"bestand/preservation"
)

// chart is what an SVG is drawn from; the template writes it with title, description
// and a table of the same numbers.
type chart struct {
	ID, Title, Summary string
	Columns            []string // heads of the table
	Rows               [][]string
	Bars               []bar
	Ticks              []tick
	Width, Height      int
}

// bar is a rectangle, in units of the drawing.
type bar struct {
	X, Y, W, H int
	Kind       string // "", "ahead" for what is expected, "rest" for what is not yet, "bad"
	Label      string // under the bar; "" where there is no room
}

// tick is a mark of the axis.
type tick struct {
	Y     int
	Label string
}

// Sizes of the drawing in its own units. It is as wide as a telephone, so that its
// words can be read there.
const (
	chartWidth  = 320
	chartHeight = 200
	chartLeft   = 76
	chartBottom = 24
	chartTop    = 14
	barMost     = 40 // wide, where there are few
	chartMonths = 24
	aheadMonths = 12
	paceMonths  = 6 // from which the forecast is made
)

// columns draws a bar for each value.
func (c *chart) columns(values []int64, label func(i int) string, tickLabel func(int64) string) {
	c.Width, c.Height = chartWidth, chartHeight
	top := nice(most(values))
	floor := chartHeight - chartBottom
	y := func(n int64) int { return floor - int(float64(n)/float64(top)*float64(floor-chartTop)) }
	room := chartWidth - chartLeft
	every := (len(values) + 3) / 4 // four labels have room
	for i, n := range values {
		left, right := chartLeft+i*room/len(values), chartLeft+(i+1)*room/len(values)
		b := bar{X: left, W: min(max(right-left-max((right-left)/5, 1), 1), barMost), Y: y(n)}
		b.H = floor - b.Y
		if i%every == 0 {
			b.Label = label(i)
		}
		c.Bars = append(c.Bars, b)
	}
	for i := range min(int64(5), top+1) {
		at := top * i / min(4, top)
		c.Ticks = append(c.Ticks, tick{y(at), tickLabel(at)})
	}
}

func most(values []int64) (n int64) {
	for _, v := range values {
		n = max(n, v)
	}
	return n
}

// growth draws how many bytes are stored, month by month: the last two years, and the
// next one if the archive goes on growing as in the last half year.
func growth(l *language, stored []api.MonthStored) chart {
	c := chart{ID: "wachstum", Title: l.t("growth.title"), Columns: []string{l.t("growth.month"), l.t("growth.records"), l.t("growth.bytes"), l.t("growth.total")}}
	if len(stored) == 0 {
		return c
	}
	all := filled(stored)
	var total int64
	var sums []int64
	for _, m := range all {
		total += m.Bytes
		sums = append(sums, total)
	}
	over := max(len(all)-chartMonths, 0)
	all, sums = all[over:], sums[over:]
	c.Summary = l.t("growth.summary", l.size(total), monthName(l, all[0].Month), monthName(l, all[len(all)-1].Month))
	if len(all) == 1 {
		c.Summary = l.t("growth.one", l.size(total), monthName(l, all[0].Month))
	}
	for i, m := range all {
		c.Rows = append(c.Rows, []string{monthName(l, m.Month), l.number(m.Records), l.size(m.Bytes), l.size(sums[i])})
	}
	months := len(all)
	names := make([]string, months)
	for i, m := range all {
		names[i] = m.Month
	}
	if ended := all[:months-1]; len(ended) >= paceMonths { // the last one goes on
		var pace int64
		for _, m := range ended[len(ended)-paceMonths:] {
			pace += m.Bytes
		}
		pace /= paceMonths
		at, _ := time.Parse("2006-01", all[months-1].Month) // filled has read it
		for i := range aheadMonths {
			sums = append(sums, total+pace*int64(i+1))
			names = append(names, at.AddDate(0, i+1, 0).Format("2006-01"))
			c.Rows = append(c.Rows, []string{l.t("growth.expected", monthName(l, names[months+i])), "–", l.size(pace), l.size(sums[months+i])})
		}
		c.Summary += " " + l.t("growth.forecast", l.size(sums[len(sums)-1]), monthName(l, names[len(names)-1]))
	}
	c.columns(sums, func(i int) string { return names[i][5:] + "/" + names[i][2:4] }, l.size)
	for i := months; i < len(c.Bars); i++ {
		c.Bars[i].Kind = "ahead"
	}
	return c
}

// throughput draws how many records came in on each of the last 30 days.
func throughput(l *language, days []api.StoredOnDay, today preservation.Date) chart {
	c := chart{ID: "durchsatz", Title: l.t("throughput.title"), Columns: []string{l.t("throughput.day"), l.t("growth.records"), l.t("growth.bytes")}}
	const span = 30
	on := map[preservation.Date]api.StoredOnDay{}
	for _, d := range days {
		on[d.Day] = d
	}
	var values []int64
	var total int64
	first := today.AddDays(1 - span)
	for i := range span {
		d := on[first.AddDays(i)]
		total += d.Records
		values = append(values, d.Records)
		if d.Records > 0 || d.Bytes > 0 {
			c.Rows = append(c.Rows, []string{l.date(d.Day), l.number(d.Records), l.size(d.Bytes)})
		}
	}
	if len(c.Rows) == 0 {
		return c
	}
	c.Summary = l.n("throughput.summary", total, l.number(most(values)))
	c.columns(values, func(i int) string {
		return first.AddDays(i).In(time.UTC).Format(l.short)
	}, func(n int64) string { return l.number(n) })
	return c
}

// standing draws which part of the holding is stamped, and which was found unchanged when
// it was read: what was not read yet is neither that nor damaged.
func standing(l *language, h api.Holding) chart {
	c := chart{ID: "zustand", Title: l.t("standing.title"), Columns: []string{l.t("standing.what"), l.t("standing.good"), l.t("standing.rest"), l.t("standing.bad")}, Width: chartWidth, Height: 108}
	if h.Records == 0 {
		return c
	}
	waiting := min(h.Waiting, h.Records) // versions, of which a record may have several
	damaged := min(h.Damaged, h.Records)
	unread := min(h.Unread, h.Records-damaged) // one that is damaged may be among them
	c.Summary = l.n("standing.summary", h.Records, h.Records-waiting, h.Records-damaged-unread)
	if unread > 0 {
		c.Summary += " " + l.n("standing.unread", unread)
	}
	if damaged > 0 {
		c.Summary += " " + l.n("standing.damaged", damaged)
	}
	for i, row := range []struct {
		key       string
		rest, bad int64
		worst     string // what the table says of damage
	}{{"standing.stamped", waiting, 0, "–"}, {"standing.intact", unread, damaged, l.number(damaged)}} {
		good := h.Records - row.rest - row.bad
		c.Rows = append(c.Rows, []string{l.t(row.key), l.number(good), l.number(row.rest), row.worst})
		y := 22 + i*54
		c.Ticks = append(c.Ticks, tick{y - 8, l.t(row.key) + ": " + l.t("standing.of", good, h.Records)})
		right := chartWidth
		for _, part := range []struct {
			n    int64
			kind string
		}{{row.bad, "bad"}, {row.rest, "rest"}} {
			if part.n > 0 { // it is seen, however little, and so is what is left of it
				room := 0
				if good > 0 {
					room += 4
				}
				if part.kind == "bad" && row.rest > 0 {
					room += 4
				}
				w := min(max(int(float64(part.n)/float64(h.Records)*chartWidth), 4), right-room)
				right -= w
				c.Bars = append(c.Bars, bar{X: right + 1, Y: y, W: w - 2, H: 22, Kind: part.kind})
			}
		}
		if good > 0 {
			c.Bars = append(c.Bars, bar{X: 0, Y: y, W: right, H: 22})
		}
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

// nice is a round number not below n that can be divided by four, or is below four.
func nice(n int64) int64 {
	if n < 4 {
		return max(n, 1)
	}
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
