package ui

import (
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
	if err != nil {
		return err
	}
	me, err := v.accounts()
	var drafts int64
	for _, r := range rules {
		if r.ApprovedBy == "" && !me.Have(r.ProposedBy) {
			drafts++
		}
	}
	p.add("task.rules", drafts, "/aussonderung/regeln", "warning")
	return err
}

func (v *visit) personTasks(p *startView) error {
	open, err := retention.PendingRequests(v.r.Context(), v.ui.Catalog.Tenant(v.who.Tenant).View())
	p.add("task.requests", open, "/aussonderung/betroffene", "warning")
	return err
}

func (v *visit) holdTasks(p *startView) error {
	var report struct{ Items []retention.HoldRow }
	err := v.get("/v1/reports/holds", &report)
	var past int64
	for _, h := range report.Items {
		if h.Past && h.Total > 0 {
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
	me, err := v.accounts()
	if err != nil {
		return err
	}
	var ready []string
	for _, r := range page.Items {
		if r.Status != "decided" && r.Status != "offered" {
			continue
		}
		run := runView{Me: me}
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

// today is the day where the visitor's administration is.
func (v *visit) today() preservation.Date {
	return preservation.DateOf(v.ui.Now().In(v.lang.zone))
}

// days is how many days lie between two dates.
func days(from, to preservation.Date) int {
	return int(to.In(time.UTC).Sub(from.In(time.UTC)) / (24 * time.Hour))
}
