package ui

import (
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"bestand/api"
	"bestand/retention"
)

// filters are the parameters of a search that narrow it, in the order of their lists.
var filters = []string{"class", "state", "year", "kind", "producer", "format", "confidentiality", "hold", "evidence"}

// sorts are the orders that people are offered.
var sorts = []string{"relevance", "-closed", "closed", "reference", "title"}

// searchView is a search and what it found.
type searchView struct {
	Q, Sort string
	Sorts   []string
	Active  []filter
	Facets  []facet
	Found   api.RecordPage
	Begun   bool // it is not the first page
	Next    string
	First   string
	CSV     string
	Problem *api.Problem
	Classes map[string]string // titles by code
	Saved   savedView
}

// filter is one that is in force, and the address without it.
type filter struct{ Name, Value, Label, Without string }

// facet lists values to narrow the search by.
type facet struct {
	Name   string
	Values []facetValue
	More   []facetValue // behind the first ones
}

type facetValue struct {
	Label, Path string
	Count       int64
	Active      bool
}

const facetShown = 6

func searchPage(v *visit) error { return v.showSearch(http.StatusOK, savedView{}) }

func (v *visit) showSearch(status int, saved savedView) error {
	q := searchQuery(v)
	p := searchView{Q: q.Get("q"), Sort: q.Get("sort"), Sorts: sorts, Begun: q.Get("after") != ""}
	if p.Sort == "" && p.Q == "" {
		p.Sort = "-closed"
	}
	if p.Q == "" {
		p.Sorts = sorts[1:]
	}
	classes, err := v.classes()
	if err != nil {
		return err
	}
	p.Classes = classes
	err = v.get("/v1/records?"+asked(q).Encode(), &p.Found)
	var refused *refusal
	switch {
	case err == nil:
	case faults(err) != nil && errors.As(err, &refused):
		p.Problem = &refused.problem
	default:
		return err
	}
	for _, name := range filters {
		if value := q.Get(name); value != "" {
			p.Active = append(p.Active, filter{name, value, v.facetLabel(name, found(p.Found.Facets[name], value), classes), "/suche?" + without(q, name).Encode()})
		}
		p.Facets = append(p.Facets, v.facet(q, name, p.Found.Facets[name], classes))
	}
	p.Facets = slices.DeleteFunc(p.Facets, func(f facet) bool { return len(f.Values) == 0 })
	if p.Found.Next != "" {
		p.Next = "/suche?" + with(q, "after", string(p.Found.Next)).Encode()
	}
	p.Saved = saved
	if p.Problem == nil {
		p.Saved.Query = without(q, "after").Encode()
	}
	if p.Saved.Items, err = v.saved(); err != nil {
		return err
	}
	p.First = "/suche?" + without(q, "after").Encode()
	p.CSV = "/suche.csv?" + without(q, "after").Encode()
	title := v.lang.t("search.title")
	if p.Q != "" {
		title = v.lang.t("search.title-of", cut(p.Q, titleMost))
	}
	return v.showStatus(status, "search", title, p)
}

// searchQuery keeps of an address what a search knows.
func searchQuery(v *visit) url.Values {
	q := url.Values{}
	for _, name := range append([]string{"q", "sort", "after"}, filters...) {
		if value := strings.TrimSpace(v.r.URL.Query().Get(name)); value != "" {
			q.Set(name, value)
		}
	}
	if q.Get("q") == "" && q.Get("sort") == "relevance" {
		q.Del("sort")
	}
	return q
}

// asked is what the interface is asked for.
func asked(q url.Values) url.Values {
	a := with(q, "limit", "20")
	if a.Get("q") == "" && a.Get("sort") == "" {
		a.Set("sort", "-closed")
	}
	return a
}

func with(q url.Values, name, value string) url.Values {
	c := url.Values{}
	for k, values := range q {
		c[k] = values
	}
	c.Set(name, value)
	return c
}

// without is a search with one thing less, from its first page on.
func without(q url.Values, name string) url.Values {
	c := with(q, name, "")
	c.Del(name)
	c.Del("after")
	return c
}

func (v *visit) facet(q url.Values, name string, values []api.FacetValue, classes map[string]string) facet {
	f, called := facet{Name: name}, map[string]int{}
	for _, value := range values {
		called[v.facetLabel(name, value, classes)]++
	}
	for _, value := range values {
		label := v.facetLabel(name, value, classes)
		if called[label] > 1 { // formats that people call the same
			label += " – " + value.Value
		}
		fv := facetValue{Label: label, Count: value.Count, Active: q.Get(name) == value.Value}
		fv.Path = "/suche?" + with(without(q, name), name, value.Value).Encode()
		if len(f.Values) < facetShown || fv.Active {
			f.Values = append(f.Values, fv)
		} else {
			f.More = append(f.More, fv)
		}
	}
	return f
}

// found is what was counted of a value, or the value alone.
func found(values []api.FacetValue, value string) api.FacetValue {
	i := slices.IndexFunc(values, func(v api.FacetValue) bool { return strings.EqualFold(v.Value, value) })
	if i < 0 {
		return api.FacetValue{Value: value}
	}
	return values[i]
}

func (v *visit) facetLabel(name string, value api.FacetValue, classes map[string]string) string {
	switch {
	case value.Value == "-":
		return v.lang.t("search.none")
	case value.Name != "":
		return v.lang.formatNamed(value.Name)
	case name == "class" && classes[value.Value] != "":
		return value.Value + " " + classes[value.Value]
	case name == "state", name == "kind", name == "confidentiality", name == "hold", name == "evidence":
		return v.lang.coded(name, value.Value)
	}
	return value.Value
}

// classes are the titles of the file plan by code. A role that may not read it sees
// the codes alone.
func (v *visit) classes() (map[string]string, error) {
	titles := map[string]string{}
	if !v.may("GET /v1/classification") {
		return titles, nil
	}
	var scheme retention.Scheme
	if err := v.get("/v1/classification", &scheme); err != nil {
		var none *refusal
		if errors.As(err, &none) && none.status == http.StatusNotFound {
			return titles, nil // there is no file plan yet
		}
		return nil, err
	}
	for _, c := range scheme.Classes {
		titles[c.Code] = c.Title
	}
	return titles, nil
}

// csvMax is how many hits a table holds at most: more is a case for the interface.
const csvMax = 10_000

// searchCSV is the whole list of hits as a table for spreadsheets.
func searchCSV(v *visit) error {
	q := with(searchQuery(v), "limit", "200")
	if q.Get("q") == "" && q.Get("sort") == "" {
		q.Set("sort", "-closed")
	}
	var page api.RecordPage
	if err := v.get("/v1/records?"+q.Encode(), &page); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.lang.t("search.csv-name")+`.csv"`)
	v.w.Write([]byte("\uFEFF")) // spreadsheets take it for Windows-1252 otherwise
	out := csv.NewWriter(v.w)
	out.Comma = ';'
	var head []string
	for _, name := range []string{"id", "reference", "title", "class", "kind", "creator", "producer", "opened", "closed", "state", "end", "evidence"} {
		head = append(head, v.lang.t("record."+name))
	}
	out.Write(head)
	for n := 0; ; {
		for _, r := range page.Items {
			out.Write([]string{string(r.ID), cell(r.Reference), cell(r.Title), cell(r.Class), v.lang.coded("kind", r.Kind), cell(r.Creator), cell(r.Producer),
				v.lang.date(r.Opened), v.lang.date(r.Closed), v.lang.coded("state", r.State), v.lang.date(r.End), v.lang.coded("evidence", r.Evidence)})
			n++
		}
		if page.Next == "" {
			break
		}
		if n >= csvMax {
			out.Write([]string{v.lang.t("search.csv-more", csvMax)})
			break
		}
		q.Set("after", string(page.Next))
		page = api.RecordPage{}
		if err := v.get("/v1/records?"+q.Encode(), &page); err != nil {
			out.Write([]string{v.lang.t("search.csv-broken")})
			break
		}
	}
	out.Flush()
	return nil // what was sent cannot be taken back
}

// titleMost is how many characters of a query stand in the title of its page.
const titleMost = 80

// cut is the beginning of a text that is too long for its place.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return strings.TrimSpace(string(r[:most-1])) + "…"
	}
	return s
}

// misread is what spreadsheets take for a day, a time or a number, and do not write again
// as it was: a class 11.10 becomes the 11th of October.
var misread = regexp.MustCompile(`^(\d+([.,/:-]\d+){1,2}[.,]?|0\d+|\d+[eE]\d+|\d{16,})$`)

// cell keeps text text in a spreadsheet, by an apostrophe before what it would take for
// something else: a formula, which some begin with the wide forms of the signs as well, or
// a day.
func cell(s string) string {
	if misread.MatchString(s) {
		return "'" + s
	}
	text := strings.TrimLeftFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\uFEFF' })
	if text != s || text != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(text)[0]) {
		return "'" + s
	}
	return s
}
