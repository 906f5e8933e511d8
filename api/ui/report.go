package ui

import (
	"fmt"
	"slices"
	"strconv"

	"bestand/preservation"
	"bestand/retention"
)

// reportsView is what records officers plan by.
type reportsView struct {
	Chart      chart
	Years      []dueYear
	Class      string // shown alone; "" all
	Classes    []string
	Unresolved []retention.OpenRow
	Conflicts  []retention.OpenRow
	Holds      []retention.HoldRow
	Past       int // of the holds that keep records, whose review is over
}

// dueYear is what falls due in a year, by class.
type dueYear struct {
	Year    int
	Records int64
	Held    int64
	Rows    []retention.DueRow
}

const (
	dueYears = 30 // after this one, in the report
	dueSoon  = 10 // likewise, on the start page
)

// dueReport is what is due, by year, class and disposition.
func (v *visit) dueReport() ([]retention.DueRow, error) {
	var report struct{ Items []retention.DueRow }
	err := v.get("/v1/reports/due?years="+strconv.Itoa(dueYears), &report)
	return report.Items, err
}

func reportsPage(v *visit) error {
	p := reportsView{Class: v.r.URL.Query().Get("klasse")}
	rows, err := v.dueReport()
	if err != nil {
		return err
	}
	for _, r := range rows {
		if !slices.Contains(p.Classes, r.Class) {
			p.Classes = append(p.Classes, r.Class)
		}
	}
	slices.SortFunc(p.Classes, v.lang.collator().CompareString)
	if p.Class != "" {
		rows = slices.DeleteFunc(rows, func(r retention.DueRow) bool { return r.Class != p.Class })
	}
	p.Chart, p.Years = dueChart(v.lang, rows, v.today().Year, dueYears), byYear(rows)
	for name, into := range map[string]*[]retention.OpenRow{"unresolved": &p.Unresolved, "conflicts": &p.Conflicts} {
		var report struct{ Items []retention.OpenRow }
		if err := v.get("/v1/reports/"+name, &report); err != nil {
			return err
		}
		*into = report.Items
	}
	var examples []preservation.RecordID
	for _, row := range slices.Concat(p.Unresolved, p.Conflicts) {
		examples = append(examples, row.Examples...)
	}
	if err := v.name(examples...); err != nil {
		return err
	}
	var holds struct{ Items []retention.HoldRow }
	if err := v.get("/v1/reports/holds", &holds); err != nil {
		return err
	}
	p.Holds = holds.Items
	for _, h := range p.Holds {
		if h.Past && h.Total > 0 {
			p.Past++
		}
	}
	return v.show("reports", v.lang.t("reports.title"), p, crumb{v.lang.t("disposal.title"), "/aussonderung"})
}

// byYear puts the rows of a year together; they come in the order of years.
func byYear(rows []retention.DueRow) (all []dueYear) {
	for _, r := range rows {
		if len(all) == 0 || all[len(all)-1].Year != r.Year {
			all = append(all, dueYear{Year: r.Year})
		}
		y := &all[len(all)-1]
		y.Records, y.Held, y.Rows = y.Records+r.Records, y.Held+r.Held, append(y.Rows, r)
	}
	return all
}

// reportFile is a report as a file, as the interface writes it.
func reportFile(v *visit) error {
	name, format := v.r.PathValue("name"), v.r.PathValue("format")
	media := map[string]string{"csv": "text/csv", "json": "application/json"}[format]
	if media == "" || !slices.Contains([]string{"due", "unresolved", "conflicts", "holds"}, name) {
		return errNotFound
	}
	return v.attach(fmt.Sprintf("%s-%s.%s", name, v.today(), format), "/v1/reports/"+name, media)
}

// dueChart draws how many records fall due, year by year. What is due since an earlier
// year counts for this one: it can go now.
func dueChart(l *language, rows []retention.DueRow, from, years int) chart {
	c := chart{ID: "faellig", Title: l.t("reports.due"), Columns: []string{l.t("reports.year"), l.t("growth.records"), l.t("reports.held"), l.t("growth.total")}}
	due, held := make([]int64, years+1), make([]int64, years+1)
	var all int64
	for _, r := range rows {
		i := max(r.Year-from, 0)
		if i > years {
			continue
		}
		due[i], held[i], all = due[i]+r.Records, held[i]+r.Held, all+r.Records
	}
	if all == 0 {
		return c
	}
	c.Summary = l.n("reports.summary", all, strconv.Itoa(from), strconv.Itoa(from+years))
	year := func(i int) string { return strconv.Itoa(from + i) }
	c.columns(due, year, func(n int64) string { return l.number(n) })
	var sum int64
	for i, n := range due {
		sum += n
		c.Rows = append(c.Rows, []string{year(i), l.number(n), l.number(held[i]), l.number(sum)})
	}
	return c
}

// Missing is the event that a row waits for, "" when it waits for something else.
func (p reportsView) Missing(r retention.OpenRow) string {
	if r.Reason == retention.MissingTrigger || r.Reason == retention.CeilingUnknown {
		return r.Subject
	}
	return ""
}

// Found is the search for the records of a class in a state.
func (p reportsView) Found(class, state string) string {
	return searchOf(map[string]string{"class": class, "state": state})
}
