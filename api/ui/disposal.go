package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bestand/api"
	"bestand/preservation"
	"bestand/retention"
)

// disposalView lists records whose retention has ended, or what is left of those that
// were destroyed.
type disposalView struct {
	View  string
	Items []api.Disposal
	Begun bool
	Next  string
}

func disposalPage(v *visit) error {
	q := v.r.URL.Query()
	p := disposalView{View: "due", Begun: q.Get("after") != ""}
	ask := url.Values{"limit": {"30"}}
	if q.Get("ansicht") == "destroyed" {
		p.View = "destroyed"
		ask.Set("view", "destroyed")
	}
	if p.Begun {
		ask.Set("after", q.Get("after"))
	}
	var page struct {
		Items []api.Disposal
		Next  string
	}
	if err := v.get("/v1/disposals?"+ask.Encode(), &page); err != nil {
		return err
	}
	p.Items = page.Items
	if page.Next != "" {
		p.Next = "/aussonderung?" + url.Values{"ansicht": {p.View}, "after": {page.Next}}.Encode()
	}
	return v.show("disposal", v.lang.t("disposal.title"), p)
}

// fate counts the records of a hold that one thing has become of.
type fate struct {
	Fate    retention.Fate
	Records int
}

// fates counts the records that a hold came late for by what has become of them.
func fates(late []retention.Late) (all []fate) {
	for _, l := range late {
		i := slices.IndexFunc(all, func(f fate) bool { return f.Fate == l.Fate })
		if i < 0 {
			i, all = len(all), append(all, fate{Fate: l.Fate})
		}
		all[i].Records++
	}
	return all
}

// lost reports whether something is gone, or may be, that a hold was for.
func lost(late []retention.Late) bool {
	return slices.ContainsFunc(late, func(l retention.Late) bool { return l.Fate.Lost() })
}

// searchOf is the search that finds again what a hold's query found; "" where the page
// of the search does not have one of its parameters.
func searchOf(query map[string]string) string {
	ask := url.Values{}
	for name, value := range query {
		if name != "q" && !slices.Contains(filters, name) {
			return ""
		}
		ask.Set(name, value)
	}
	return "/suche?" + ask.Encode()
}

// holdsView lists holds, and is the form to set one.
type holdsView struct {
	Items  []api.Hold
	Begun  bool
	Next   string
	Values map[string]string
	Fields map[string]api.FieldError

	Release map[string]string // why a hold is to be released, as it was typed, by its identifier
}

func holdsPage(v *visit) error {
	q := v.r.URL.Query()
	return v.showHolds(http.StatusOK, holdsView{Values: map[string]string{"records": q.Get("akte"), "classes": q.Get("klasse")}})
}

func (v *visit) showHolds(status int, p holdsView) error {
	after := v.r.URL.Query().Get("after")
	var page struct {
		Items []api.Hold
		Next  string
	}
	if err := v.get("/v1/holds?limit=30&after="+url.QueryEscape(after), &page); err != nil {
		return err
	}
	p.Items, p.Begun = page.Items, after != ""
	var named []preservation.RecordID
	for _, h := range p.Items {
		named = append(named, h.Scope.Records...)
	}
	if err := v.name(named...); err != nil {
		return err
	}
	if page.Next != "" {
		p.Next = "/aussonderung/sperren?after=" + url.QueryEscape(page.Next)
	}
	return v.showStatus(status, "holds", v.lang.t("holds.title"), p, crumb{v.lang.t("disposal.title"), "/aussonderung"})
}

// holdView is a hold, and the form to confirm it.
type holdView struct {
	api.Hold
	Values map[string]string
	Fields map[string]api.FieldError
}

// holdPage says how far a hold has come, what it came late for, and who found it still
// needed.
func holdPage(v *visit) error { return v.showHold(http.StatusOK, holdView{}) }

func (v *visit) showHold(status int, p holdView) error {
	if err := v.get(joinPath("/v1/holds/", v.r.PathValue("id")), &p.Hold); err != nil {
		return err
	}
	named := slices.Clone(p.Scope.Records)
	if len(named) > 20 { // then the page counts them
		named = nil
	}
	for _, l := range p.Late {
		named = append(named, l.Record)
	}
	if err := v.name(named...); err != nil {
		return err
	}
	return v.showStatus(status, "hold", p.Reason, p, crumb{v.lang.t("disposal.title"), "/aussonderung"}, crumb{v.lang.t("holds.title"), "/aussonderung/sperren"})
}

func setHold(v *visit) error {
	p := holdsView{Values: v.values()}
	scope := map[string]any{}
	for _, name := range []string{"records", "classes"} {
		if named := words(p.Values[name]); named != nil {
			scope[name] = named
		}
	}
	if p.Values["all"] != "" {
		scope["all"] = true
	}
	body := map[string]any{"scope": scope, "authority": p.Values["authority"], "reason": p.Values["reason"]}
	if p.Values["review"] != "" {
		body["review"] = p.Values["review"]
	}
	err := v.post("/v1/holds", body, nil)
	if fields := faults(err); fields != nil {
		p.Fields = map[string]api.FieldError{}
		for name, f := range fields {
			p.Fields[strings.TrimPrefix(name, "scope.")] = f
		}
		if _, missing := p.Fields["scope"]; missing { // which is two inputs
			delete(p.Fields, "scope")
			p.Fields["classes"] = api.FieldError{Code: "hold-scope"}
		}
		return v.showHolds(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.redirect("/aussonderung/sperren", "held")
}

// reviewHold notes that a hold is still needed.
func reviewHold(v *visit) error {
	p := holdView{Values: v.values()}
	body := map[string]any{"note": p.Values["note"]}
	if p.Values["review"] != "" {
		body["review"] = p.Values["review"]
	}
	at := joinPath("/v1/holds/", v.r.PathValue("id"), "/review")
	err := v.post(at, body, nil)
	if p.Fields = faults(err); p.Fields != nil {
		if f, none := p.Fields[""]; none && f.Code != errNotSent.code {
			p.Fields = map[string]api.FieldError{"": {Code: "hold-released"}} // by somebody else meanwhile
		}
		return v.showHold(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.redirect(joinPath("/aussonderung/sperren/", v.r.PathValue("id")), "hold-confirmed")
}

func releaseHold(v *visit) error {
	err := v.post(joinPath("/v1/holds/", v.r.PathValue("id"), "/release"), api.Reason{Reason: v.r.PostForm.Get("reason")}, nil)
	if fields := faults(err); fields != nil {
		if f, missing := fields["reason"]; missing {
			fields = map[string]api.FieldError{"release-" + v.r.PathValue("id"): f}
		} else if fields[""].Code != errNotSent.code {
			fields = map[string]api.FieldError{"": {Code: "hold-released"}} // by somebody else meanwhile
		}
		return v.showHolds(http.StatusUnprocessableEntity, holdsView{Fields: fields, Release: map[string]string{v.r.PathValue("id"): v.r.PostForm.Get("reason")}})
	}
	if err != nil {
		return err
	}
	return v.redirect("/aussonderung/sperren", "hold-released")
}

// rulesView lists the rules in force and the versions before them.
type rulesView struct {
	Rules []ruleVersions
	Me    accounts
}

type ruleVersions struct {
	retention.Rule
	Former []retention.Rule
}

func rulesPage(v *visit) error {
	var all struct{ Items []retention.Rule }
	if err := v.get("/v1/rules", &all); err != nil {
		return err
	}
	slices.SortFunc(all.Items, func(a, b retention.Rule) int { return b.Version - a.Version })
	at := map[string]int{}
	me, err := v.accounts()
	if err != nil {
		return err
	}
	p := rulesView{Me: me}
	for _, r := range all.Items {
		if i, ok := at[r.ID]; ok {
			p.Rules[i].Former = append(p.Rules[i].Former, r)
			continue
		}
		at[r.ID] = len(p.Rules)
		p.Rules = append(p.Rules, ruleVersions{Rule: r})
	}
	order := v.lang.collator()
	slices.SortFunc(p.Rules, func(a, b ruleVersions) int { return order.CompareString(a.Title, b.Title) })
	return v.show("rules", v.lang.t("rules.title"), p, crumb{v.lang.t("disposal.title"), "/aussonderung"})
}

// permitsView lists standing permits to destroy, and is the form to propose one.
type permitsView struct {
	Items  []api.Permit
	Me     accounts
	Values map[string]string
	Fields map[string]api.FieldError
}

func permitsPage(v *visit) error { return v.showPermits(http.StatusOK, permitsView{}) }

func (v *visit) showPermits(status int, p permitsView) error {
	var page struct{ Items []api.Permit }
	if err := v.get("/v1/permits", &page); err != nil {
		return err
	}
	p.Items = page.Items
	var err error
	if p.Me, err = v.accounts(); err != nil {
		return err
	}
	return v.showStatus(status, "permits", v.lang.t("permits.title"), p, crumb{v.lang.t("disposal.title"), "/aussonderung"})
}

func proposePermit(v *visit) error {
	p := permitsView{Values: v.values()}
	body := map[string]any{"classes": words(p.Values["classes"])}
	for _, name := range []string{"authority", "granted", "legal_basis", "valid_from", "valid_to"} {
		if p.Values[name] != "" {
			body[name] = p.Values[name]
		}
	}
	err := v.post("/v1/permits", body, nil)
	if p.Fields = faults(err); p.Fields != nil {
		return v.showPermits(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.redirect("/aussonderung/genehmigungen", "permit-proposed")
}

func approvePermit(v *visit) error {
	if v.r.PostForm.Get("bestaetigt") != "1" {
		return v.showPermits(http.StatusUnprocessableEntity, permitsView{Fields: map[string]api.FieldError{"approve-" + v.r.PathValue("id"): {Code: "required"}}})
	}
	if err := v.post(joinPath("/v1/permits/", v.r.PathValue("id"), "/approval"), nil, nil); err != nil {
		return err
	}
	return v.redirect("/aussonderung/genehmigungen", "permit-approved")
}

func revokePermit(v *visit) error {
	if err := v.post(joinPath("/v1/permits/", v.r.PathValue("id"), "/revoke"), nil, nil); err != nil {
		return err
	}
	return v.redirect("/aussonderung/genehmigungen", "permit-revoked")
}

// values are the fields of a form, each once.
func (v *visit) values() map[string]string {
	all := map[string]string{}
	for name := range v.r.PostForm {
		all[name] = strings.TrimSpace(v.r.PostForm.Get(name))
	}
	return all
}

// words takes a list apart that somebody typed.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\r\n\t", r) })
}
