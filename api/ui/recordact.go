package ui

import (
	"net/http"
	"slices"

	"bestand/api"
	"bestand/retention"
)

// recordActView is a form that changes something about a record, with what is so now
// and what would be.
type recordActView struct {
	api.Record
	ClassTitle string
	Classes    []retention.Class // to choose from
	Triggers   []string
	After      *api.Retention // in the other class, once it was looked at
	AfterClass string         // title of that class
	AfterRule  *retention.Rule
	Rule       *retention.Rule
	Values     map[string]string
	Fields     map[string]api.FieldError
}

func (v *visit) recordAct() (p recordActView, err error) {
	p.Values = v.values()
	if err := v.get(joinPath("/v1/records/", v.r.PathValue("id")), &p.Record); err != nil {
		return p, err
	}
	titles, err := v.classes()
	if err != nil {
		return p, err
	}
	p.ClassTitle = titles[p.Class]
	p.Rule, err = v.ruleOf(p.Retention)
	return p, err
}

// ruleOf is the rule by which a record is kept, nil when there is none.
func (v *visit) ruleOf(r api.Retention) (*retention.Rule, error) {
	if r.Rule == nil || !v.may("GET /v1/rules") {
		return nil, nil
	}
	rules, err := v.rules()
	if err != nil {
		return nil, err
	}
	rule, ok := rules[r.Rule.ID]
	if !ok {
		return nil, nil
	}
	return &rule, nil
}

func (v *visit) showRecordAct(status int, name, title string, p recordActView) error {
	return v.showStatus(status, name, v.lang.t(title), p, crumb{v.lang.t("search.title"), "/suche"}, crumb{p.Title, joinPath("/akte/", p.ID)})
}

// reclassifyPage moves a record to another class, after a look at what that means.
func reclassifyPage(v *visit) error {
	p, err := v.recordAct()
	if err != nil {
		return err
	}
	return v.showReclassify(http.StatusOK, p)
}

func (v *visit) showReclassify(status int, p recordActView) error {
	var scheme retention.Scheme
	if err := v.get("/v1/classification", &scheme); err != nil {
		return err
	}
	p.Classes = scheme.Classes
	order := v.lang.collator()
	slices.SortFunc(p.Classes, func(a, b retention.Class) int { return order.CompareString(a.Code, b.Code) })
	return v.showRecordAct(status, "reclassify", "reclassify.title", p)
}

// previewReclassification shows the retention of the record in the other class. Nothing
// is stored.
func previewReclassification(v *visit) error {
	p, err := v.recordAct()
	if err != nil {
		return err
	}
	class, err := v.classCode(p.Values["class"])
	if err != nil {
		return err
	}
	var after api.Retention
	err = v.post(joinPath("/v1/records/", p.ID, "/reclassification/preview"), map[string]any{"class": class}, &after)
	if p.Fields = faults(err); p.Fields != nil {
		return v.showReclassify(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	titles, err := v.classes()
	if err != nil {
		return err
	}
	p.Values["class"] = class
	p.After, p.AfterClass = &after, titles[after.Class]
	if p.AfterRule, err = v.ruleOf(after); err != nil {
		return err
	}
	return v.showReclassify(http.StatusOK, p)
}

func reclassify(v *visit) error {
	class, err := v.classCode(v.values()["class"])
	if err != nil {
		return err
	}
	return v.changeRecord("/reclassification", map[string]any{"class": class, "reason": v.values()["reason"]}, "reclassified", (*visit).showReclassify)
}

// classCode is the code of a class that was typed, or chosen from a list with its title.
func (v *visit) classCode(text string) (string, error) {
	titles, err := v.classes()
	for code, title := range titles {
		if text == code+" "+title {
			return code, nil
		}
	}
	return text, err
}

// changeRecord does something to a record and goes back to it; what the interface
// refuses is shown in the form.
func (v *visit) changeRecord(what string, body map[string]any, notice string, show func(*visit, int, recordActView) error) error {
	id := v.r.PathValue("id")
	err := v.post(joinPath("/v1/records/", id, what), body, nil)
	if fields := faults(err); fields != nil {
		p, err := v.recordAct()
		if err != nil {
			return err
		}
		p.Fields = fields
		return show(v, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.redirect(joinPath("/akte/", id), notice)
}

// triggerPage reports an event that starts or corrects a retention period.
func triggerPage(v *visit) error {
	p, err := v.recordAct()
	if err != nil {
		return err
	}
	if p.Values = map[string]string{"type": v.r.URL.Query().Get("art")}; p.Values["type"] == "" && p.Retention.Trigger != nil {
		p.Values["type"] = *p.Retention.Trigger
	}
	return v.showTrigger(http.StatusOK, p)
}

func (v *visit) showTrigger(status int, p recordActView) error {
	rules, err := v.rules()
	if err != nil {
		return err
	}
	p.Triggers = v.triggers(rules)
	return v.showRecordAct(status, "trigger", "trigger.title", p)
}

func reportTrigger(v *visit) error {
	form := v.values()
	body := map[string]any{"type": form["type"]}
	if form["withdrawn"] != "" {
		body["withdrawn"] = true
	} else if form["date"] != "" {
		body["date"] = form["date"]
	}
	return v.changeRecord("/triggers", body, "triggered", (*visit).showTrigger)
}

// restrictPage restricts the processing of a record, or ends that (GDPR Art. 18).
func restrictPage(v *visit) error {
	p, err := v.recordAct()
	if err != nil {
		return err
	}
	return v.showRestrict(http.StatusOK, p)
}

func (v *visit) showRestrict(status int, p recordActView) error {
	return v.showRecordAct(status, "restrict", "restrict.title", p)
}

func restrict(v *visit) error {
	form, notice := v.values(), "restricted"
	body := map[string]any{"reason": form["reason"], "legal_basis": form["legal_basis"]}
	if form["ended"] != "" {
		body["ended"], notice = true, "unrestricted"
	}
	return v.changeRecord("/restriction", body, notice, (*visit).showRestrict)
}

// triggers are the events that rules wait for, in the order of their names.
func (v *visit) triggers(rules map[string]retention.Rule) []string {
	all := []string{retention.OnClosure, retention.OnOpening, retention.OnBirth, retention.OnDeath, retention.OnFiscalYear}
	for _, r := range rules {
		for _, name := range []string{r.Trigger, bound(r.Minimum).Trigger, bound(r.Maximum).Trigger} {
			if name != "" && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	order := v.lang.collator()
	slices.SortFunc(all, func(a, b string) int {
		return order.CompareString(v.lang.coded("trigger", a), v.lang.coded("trigger", b))
	})
	return all
}
