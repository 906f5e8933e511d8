package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bestand/api"
	"bestand/preservation"
	"bestand/retention"
)

// tab is an entry of a navigation within a section.
type tab struct {
	Key, Path string
	Here      bool
}

// disposalTabs in their order, each with the route that decides who sees it.
var disposalTabs = []struct{ key, path, needs string }{
	{"disposal.list", "/aussonderung", "GET /v1/disposals"},
	{"runs.title", "/aussonderung/laeufe", "GET /v1/disposals"},
	{"holds.title", "/aussonderung/sperren", "GET /v1/holds"},
	{"permits.title", "/aussonderung/genehmigungen", "GET /v1/permits"},
	{"rules.title", "/aussonderung/regeln", "GET /v1/rules"},
	{"persons.title", "/aussonderung/betroffene", "GET /v1/subject-requests"},
	{"reports.title", "/aussonderung/berichte", "GET /v1/reports/due"},
}

// DisposalTabs are the pages of "Aussonderung" that the visitor may see.
func (f frame) DisposalTabs() (all []tab) {
	for _, t := range disposalTabs {
		if f.v.may(t.needs) {
			at := f.v.r.URL.Path
			all = append(all, tab{t.key, t.path, at == t.path || t.path != "/aussonderung" && strings.HasPrefix(at, t.path+"/")})
		}
	}
	return all
}

// runsView lists disposal runs (Aussonderungsläufe), the newest first.
type runsView struct {
	Items       []api.Disposal
	Begun       bool
	First, Next string
}

func runsPage(v *visit) error {
	after := v.r.URL.Query().Get("after")
	p := runsView{Begun: after != "", First: "/aussonderung/laeufe"}
	var page struct {
		Items []api.Disposal
		Next  string
	}
	if err := v.get("/v1/disposals?"+url.Values{"view": {"runs"}, "limit": {"30"}, "after": {after}}.Encode(), &page); err != nil {
		return err
	}
	p.Items = page.Items
	if page.Next != "" {
		p.Next = p.First + "?after=" + url.QueryEscape(page.Next)
	}
	return v.show("runs", v.lang.t("runs.title"), p, crumb{v.lang.t("disposal.title"), "/aussonderung"})
}

// runFormView is the form to begin a run.
type runFormView struct {
	Classes []dueClass
	Total   int64 // records that are due
	Values  map[string]string
	Fields  map[string]api.FieldError
}

// dueClass is a class in which records are due.
type dueClass struct {
	Code, Title string
	Records     int64
	Chosen      bool
}

func newRunPage(v *visit) error {
	return v.showRunForm(http.StatusOK, runFormView{Values: map[string]string{"due_by": v.today().String()}}, v.r.URL.Query()["klasse"])
}

// today is the day where the visitor's administration is.
func (v *visit) today() preservation.Date {
	return preservation.DateOf(v.ui.Now().In(v.lang.zone))
}

func (v *visit) showRunForm(status int, p runFormView, chosen []string) error {
	var found api.RecordPage
	if err := v.get("/v1/records?state=due&limit=1", &found); err != nil {
		return err
	}
	titles, err := v.classes()
	if err != nil {
		return err
	}
	p.Total = found.Total
	for _, c := range found.Facets["class"] {
		p.Classes = append(p.Classes, dueClass{c.Value, titles[c.Value], c.Count, slices.Contains(chosen, c.Value)})
	}
	order := v.lang.collator()
	slices.SortFunc(p.Classes, func(a, b dueClass) int { return order.CompareString(a.Code, b.Code) })
	return v.showStatus(status, "run-new", v.lang.t("runs.new"), p, crumb{v.lang.t("disposal.title"), "/aussonderung"}, crumb{v.lang.t("runs.title"), "/aussonderung/laeufe"})
}

func createRun(v *visit) error {
	p := runFormView{Values: v.values(), Fields: map[string]api.FieldError{}}
	classes := append(slices.Clone(v.r.PostForm["klasse"]), words(p.Values["classes"])...)
	body := map[string]any{"title": p.Values["title"], "classes": list(classes)}
	if p.Values["due_by"] != "" {
		body["due_by"] = p.Values["due_by"]
	} else if len(classes) == 0 {
		p.Fields["due_by"] = api.FieldError{Code: "required"}
	}
	if text := p.Values["limit"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			p.Fields["limit"] = api.FieldError{Code: "number"}
		}
		body["limit"] = n
	}
	if len(p.Fields) > 0 {
		return v.showRunForm(http.StatusUnprocessableEntity, p, classes)
	}
	var made api.DisposalRun
	err := v.post("/v1/disposals", body, &made)
	if p.Fields = faults(err); p.Fields != nil {
		return v.showRunForm(http.StatusUnprocessableEntity, p, classes)
	}
	if err != nil {
		return err
	}
	return v.redirect(joinPath("/aussonderung/laeufe/", made.ID), "run-created")
}

// officeTasks are what waits for those who dispose of records: runs and rules for a
// second person, requests of persons concerned, holds to be reviewed.
func (v *visit) officeTasks(p *startView) error {
	for _, tasks := range []struct {
		needs string
		add   func(*startView) error
	}{
		{"POST /v1/disposals/{id}/approval", v.runTasks},
		{"POST /v1/rules/{id}/versions/{version}/approval", v.ruleTasks},
		{"POST /v1/subject-requests/{id}/decision", v.personTasks},
		{"POST /v1/holds/{id}/release", v.holdTasks},
	} {
		if !v.may(tasks.needs) {
			continue
		}
		if err := tasks.add(p); err != nil {
			return err
		}
	}
	return nil
}

func (v *visit) ruleTasks(p *startView) error {
	rules, err := v.rules()
	var drafts int64
	for _, r := range rules {
		if r.ApprovedBy == "" && !strings.EqualFold(r.ProposedBy, v.who.Actor) {
			drafts++
		}
	}
	p.add("task.rules", drafts, "/aussonderung/regeln", "warning")
	return err
}

func (v *visit) personTasks(p *startView) error {
	var page struct{ Items []retention.SubjectRequest }
	err := v.get("/v1/subject-requests?limit=200", &page)
	var open int64
	for _, q := range page.Items {
		if q.Decision == nil {
			open++
		}
	}
	p.add("task.requests", open, "/aussonderung/betroffene", "warning")
	return err
}

func (v *visit) holdTasks(p *startView) error {
	var report struct{ Items []retention.HoldRow }
	err := v.get("/v1/reports/holds", &report)
	var past int64
	for _, h := range report.Items {
		if h.Past {
			past++
		}
	}
	p.add("task.holds", past, "/aussonderung/berichte", "warning")
	return err
}

// runTasks are the runs that wait for the visitor's approval.
func (v *visit) runTasks(p *startView) error {
	var page struct{ Items []api.Disposal }
	if err := v.get("/v1/disposals?view=runs&limit=200", &page); err != nil {
		return err
	}
	var ready []string
	for _, r := range page.Items {
		if r.Status != "decided" && r.Status != "offered" {
			continue
		}
		run := runView{Me: v.who.Actor}
		if err := v.get(joinPath("/v1/disposals/", r.ID)+"?limit=1", &run.DisposalRun); err != nil {
			return err
		}
		if run.Ready() && !run.Mine() && !run.DecidedByMe() {
			ready = append(ready, string(r.ID))
		}
	}
	to := "/aussonderung/laeufe"
	if len(ready) == 1 {
		to = joinPath(to+"/", ready[0])
	}
	p.add("task.runs", int64(len(ready)), to, "warning")
	return nil
}

// days is how many days lie between two dates.
func days(from, to preservation.Date) int {
	return int(to.In(time.UTC).Sub(from.In(time.UTC)) / (24 * time.Hour))
}
