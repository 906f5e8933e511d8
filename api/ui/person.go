package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bestand/api"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// personsView is a page of requests. An open one is overdue once the person should have
// had an answer.
type personsView struct {
	listPage[retention.SubjectRequest]
	Today preservation.Date
}

// Overdue reports whether a request is.
func (p personsView) Overdue(q retention.SubjectRequest) bool {
	return q.Decision == nil && !q.AnswerBy.IsZero() && q.AnswerBy.Before(p.Today)
}

// personsPage lists the requests of persons concerned (Betroffenenrechte), newest first.
func personsPage(v *visit) error {
	p, err := pageOf[retention.SubjectRequest](v, "/aussonderung/betroffene", "/v1/subject-requests", url.Values{})
	if err != nil {
		return err
	}
	return v.show("persons", v.lang.t("persons.title"), personsView{p, v.today()}, crumb{v.lang.t("disposal.title"), "/aussonderung"})
}

// personFormView is the form to record a request.
type personFormView struct {
	Values map[string]string
	Fields map[string]api.FieldError
}

func newPersonPage(v *visit) error {
	return v.showPersonForm(http.StatusOK, personFormView{Values: map[string]string{"received": v.today().String()}})
}

func (v *visit) showPersonForm(status int, p personFormView) error {
	return v.showStatus(status, "person-new", v.lang.t("persons.new"), p, crumb{v.lang.t("disposal.title"), "/aussonderung"}, crumb{v.lang.t("persons.title"), "/aussonderung/betroffene"})
}

func createPerson(v *visit) error {
	p := personFormView{Values: v.values()}
	subject := map[string]any{}
	for name, field := range map[string]string{"name": "subject.name", "born": "subject.born", "id": "subject.id"} {
		if p.Values[field] != "" {
			subject[name] = p.Values[field]
		}
	}
	body := map[string]any{"subject": subject}
	for _, name := range []string{"kind", "received", "reference", "text"} {
		if p.Values[name] != "" {
			body[name] = p.Values[name]
		}
	}
	if named := words(p.Values["records"]); named != nil {
		body["records"] = named
	}
	var made api.FoundSubjectRequest
	err := v.post("/v1/subject-requests", body, &made)
	if p.Fields = renamed(faults(err), "subject", "subject.name"); p.Fields != nil {
		return v.showPersonForm(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.redirect(joinPath("/aussonderung/betroffene/", made.Request.ID), "request-added")
}

// personView is a request with the records that may be about the person.
type personView struct {
	api.FoundSubjectRequest
	Values map[string]string
	Chosen map[string]bool
	Fields map[string]api.FieldError // of a record: under its identifier
}

// lists reports whether a record is among those that the page proposes.
func (p personView) lists(record string) bool {
	return slices.ContainsFunc(p.Candidates, func(c api.Candidate) bool { return string(c.Record) == record })
}

func personPage(v *visit) error {
	p, err := v.person()
	if err != nil {
		return err
	}
	for _, id := range p.Request.Records {
		p.Chosen[string(id)] = true
	}
	return v.showPerson(http.StatusOK, p)
}

func (v *visit) person() (p personView, err error) {
	p.Chosen = map[string]bool{}
	return p, v.get(joinPath("/v1/subject-requests/", v.r.PathValue("id")), &p.FoundSubjectRequest)
}

func (v *visit) showPerson(status int, p personView) error {
	title := v.lang.coded("request", p.Request.Kind) + ": " + p.Request.Subject.Name
	if d := p.Request.Decision; d != nil {
		if err := v.name(d.Records...); err != nil {
			return err
		}
	}
	return v.showStatus(status, "person", title, p, crumb{v.lang.t("disposal.title"), "/aussonderung"}, crumb{v.lang.t("persons.title"), "/aussonderung/betroffene"})
}

// decidePerson grants or refuses a request for the records that are meant.
func decidePerson(v *visit) error {
	form, id := v.values(), v.r.PathValue("id")
	named := slices.Concat(v.r.PostForm["akte"], words(form["records"]))
	err := v.post(joinPath("/v1/subject-requests/", id, "/decision"),
		map[string]any{"outcome": form["outcome"], "reason": form["reason"], "legal_basis": form["legal_basis"], "records": list(named)}, nil)
	fields := faultsAt(err)
	if fields == nil {
		if err != nil {
			return err
		}
		return v.redirect(joinPath("/aussonderung/betroffene/", id), "request-decided")
	}
	p, err := v.person()
	if err != nil {
		return err
	}
	p.Values, p.Fields = form, map[string]api.FieldError{}
	for _, record := range named {
		p.Chosen[record] = true
	}
	for name, f := range fields {
		for i, record := range named {
			if name == "records["+strconv.Itoa(i)+"]" {
				if name = "other"; p.lists(record) {
					name = record
				}
				break
			}
		}
		p.Fields[name] = f
	}
	return v.showPerson(http.StatusUnprocessableEntity, p)
}

// eraseLeft begins another disposal run over what is left of a granted erasure.
func eraseLeft(v *visit) error {
	id := v.r.PathValue("id")
	var run api.DisposalRun
	err := v.post(joinPath("/v1/subject-requests/", id, "/erasure"), nil, &run)
	fields := faultsAt(err)
	if fields == nil {
		if err != nil {
			return err
		}
		return v.redirect(joinPath("/aussonderung/laeufe/", run.ID), "erasure-begun")
	}
	p, err := v.person()
	if err != nil {
		return err
	}
	p.Fields = map[string]api.FieldError{}
	for i, record := range p.Left() {
		if f, ok := fields["records["+strconv.Itoa(i)+"]"]; ok {
			p.Fields[record] = f
		}
	}
	return v.showPerson(http.StatusUnprocessableEntity, p)
}

// Left are the records of a granted erasure that are still here and in no run.
func (p personView) Left() (all []string) {
	for _, e := range p.Erasures {
		if e.State == catalog.ItemLeft {
			all = append(all, string(e.Record))
		}
	}
	return all
}

// statementFile is what is held about a person: as JSON text, or as sealed PDF/A.
func statementFile(v *visit) error {
	format := v.r.PathValue("format")
	if format != "pdf" && format != "json" {
		return errNotFound
	}
	id := v.r.PathValue("id")
	return v.attach("auskunft-"+id+"."+format, joinPath("/v1/subject-requests/", id, "/statement")+"?format="+format, "")
}

// Named are the records of the request that are not among those found.
func (p personView) Named() (all []string) {
	for _, id := range p.Request.Records {
		if !slices.ContainsFunc(p.Candidates, func(c api.Candidate) bool { return c.Record == id }) {
			all = append(all, string(id))
		}
	}
	return all
}

// Others are records that were typed and are not among those found.
func (p personView) Others() string {
	if p.Values != nil {
		return p.Values["records"]
	}
	return strings.Join(p.Named(), ", ")
}
