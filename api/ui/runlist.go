package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"bestand/api"
)

// runsPage lists disposal runs (Aussonderungsläufe), the newest first.
func runsPage(v *visit) error {
	p, err := pageOf[api.Disposal](v, "/aussonderung/laeufe", "/v1/disposals", url.Values{"view": {"runs"}})
	if err != nil {
		return err
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
	return v.redirect(joinPath("/aussonderung/laeufe/", made.ID), begun(made))
}

// begun is the notice on a run that was made: without records there is nothing to assess.
func begun(r api.DisposalRun) string {
	if !r.Collecting && r.Counts.Open == 0 {
		return "run-empty"
	}
	return "run-created"
}
