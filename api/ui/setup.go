package ui

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"bestand/api"
	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/pki"
	"bestand/retention"
)

// setupSteps are the steps of the guided set-up in their order, as the interface calls
// them and as addresses do.
var setupSteps = []struct{ key, path string }{
	{"name", "name"}, {"people", "personen"}, {"plan", "aktenplan"}, {"seal", "siegel"}, {"store", "speicher"}, {"summary", "abschluss"},
}

const setupPath = "/einrichtung"

// setupStep is a step in the list of all.
type setupStep struct {
	Key, Path  string
	Done, Here bool
}

// setupView is one page of the guided set-up.
type setupView struct {
	Steps        []setupStep
	Key          string // of the step that this page is
	Before, Next string // addresses of the page before, "" on the first, and of what goes on
	Tenant       api.OwnTenant
	Values       map[string]string
	Chosen       map[string]bool // roles of the second person
	Fields       map[string]api.FieldError

	People []api.User
	Others int // who may approve, beside whoever looks at this
	Roles  []auth.Role
	Made   *api.NewUser // with the password, shown this once

	Plan   retention.Scheme
	Rules  int
	Sample bool              // the plan is the one that comes with the program
	Effect *retention.Effect // of another plan on records, which has to be confirmed
	Seen   string            // the digest of that plan
	Wrong  []api.FieldError  // with the file of a plan
	Parts  api.Equipment     // of seal, time-stamp and store
	Trial  *api.Trial        // that was just made
}

// Ended reports whether the set-up is done, or was not wanted.
func (p setupView) Ended() bool { return setupEnded(p.Tenant.Setup) }

func setupEnded(step string) bool {
	return step == catalog.SetupDone || step == catalog.SetupSkipped
}

// Failed counts what a trial found wrong.
func (p setupView) Failed() (n int) {
	for _, f := range p.Trial.Findings {
		if f.Severity == preservation.Failed {
			n++
		}
	}
	return n
}

// holder is who a certificate names (RFC 4514), as people call them: the name, and the
// organisation where it is another word, and that the archive made it itself; the whole
// text where there is no name, or it names nobody.
func (l *language) holder(dn string) string {
	parts := map[string]string{}
	if at := attribute.FindStringIndex(dn); at == nil || at[0] > 0 {
		return dn
	}
	for _, m := range attribute.FindAllStringSubmatch(dn, -1) {
		parts[m[1]] = escaped.ReplaceAllString(m[2], "$1")
	}
	if parts["CN"] == "" {
		return dn
	}
	var more []string
	if parts["O"] != "" && parts["O"] != parts["CN"] {
		more = append(more, parts["O"])
	}
	if parts["OU"] == pki.SelfMade {
		more = append(more, l.t("setup.self-made"))
	}
	if more == nil {
		return parts["CN"]
	}
	return parts["CN"] + " (" + strings.Join(more, "; ") + ")"
}

var (
	attribute = regexp.MustCompile(`(?:^|[,+])([A-Z0-9.]+)=((?:[^,+\\]|\\.)*)`)
	escaped   = regexp.MustCompile(`\\(.)`)
)

// stepAt is the place of a step by its key or its path; -1 when there is none.
func stepAt(name string) int {
	for i, s := range setupSteps {
		if s.key == name || s.path == name {
			return i
		}
	}
	return -1
}

// setupPage goes to where the set-up was left.
func setupPage(v *visit) error {
	var tenant api.OwnTenant
	if err := v.get("/v1/tenant", &tenant); err != nil {
		return err
	}
	at := max(stepAt(tenant.Setup), 0) // one that has ended is looked at from the start
	return v.redirect(setupPath+"/"+setupSteps[at].path, "")
}

func setupStepPage(v *visit) error {
	return v.showSetup(http.StatusOK, setupView{Key: setupSteps[stepAt(path.Base(v.r.URL.Path))].key})
}

// showSetup fills in what the page of a step shows.
func (v *visit) showSetup(status int, p setupView) error {
	if err := v.get("/v1/tenant", &p.Tenant); err != nil {
		return err
	}
	at, come := stepAt(p.Key), stepAt(p.Tenant.Setup)
	for i, s := range setupSteps {
		p.Steps = append(p.Steps, setupStep{s.key, setupPath + "/" + s.path, i != at && (i < come || p.Tenant.Setup == catalog.SetupDone), i == at})
	}
	if at > 0 {
		p.Before = p.Steps[at-1].Path
	}
	p.Next = p.Steps[at].Path + "/weiter"
	if p.Values == nil {
		p.Values = map[string]string{"mandant": p.Tenant.Name, "eigen": v.session.User.Label, "plan": "keep"}
	}
	if p.Chosen == nil {
		p.Chosen = map[string]bool{string(auth.Approver): true}
	}
	for _, fill := range map[string][]func(*setupView) error{
		"people": {v.setupPeople}, "plan": {v.setupPlan}, "seal": {v.setupParts}, "store": {v.setupParts},
		"summary": {v.setupPeople, v.setupPlan, v.setupParts},
	}[p.Key] {
		if err := fill(&p); err != nil {
			return err
		}
	}
	return v.showStatus(status, "setup", v.lang.coded("setupstep", p.Key), p, crumb{v.lang.t("users.title"), "/verwaltung"})
}

func (v *visit) setupPeople(p *setupView) error {
	me, err := v.accounts()
	if err != nil {
		return err
	}
	var page struct{ Items []api.User }
	if err := v.get("/v1/users?limit=200", &page); err != nil {
		return err
	}
	p.People, p.Roles = page.Items, auth.Roles
	for _, u := range page.Items {
		if !me.Have(u.Name) && u.Locked.IsZero() && slices.Contains(u.Roles, api.Role(auth.Approver)) {
			p.Others++
		}
	}
	return nil
}

func (v *visit) setupPlan(p *setupView) error {
	rules, err := v.rules()
	if err != nil {
		return err
	}
	p.Rules = len(rules)
	var refused *refusal
	if err := v.get("/v1/classification", &p.Plan); errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return nil // there is no plan yet
	} else if err != nil {
		return err
	}
	p.Sample = p.Plan.Version == 1 && p.Plan.Template != nil && p.Plan.Template.Name == retention.Shipped
	return nil
}

func (v *visit) setupParts(p *setupView) error { return v.get("/v1/equipment", &p.Parts) }

// advance goes on behind a step, which is noted unless the set-up has come further. Whoever
// takes a step of one that was skipped has begun it after all.
func (v *visit) advance(key, notice string) error {
	var tenant api.OwnTenant
	if err := v.get("/v1/tenant", &tenant); err != nil {
		return err
	}
	next := setupSteps[min(stepAt(key)+1, len(setupSteps)-1)]
	if tenant.Setup != catalog.SetupDone && stepAt(tenant.Setup) < stepAt(next.key) {
		if err := v.post("/v1/tenant/setup", map[string]string{"step": next.key}, nil); err != nil {
			return err
		}
	}
	return v.redirect(setupPath+"/"+next.path, notice)
}

// passStep leaves a step as it is.
func passStep(v *visit) error {
	if stepAt(v.r.PathValue("step")) < 0 {
		return errNotFound
	}
	return v.advance(v.r.PathValue("step"), "")
}

func finishSetup(v *visit) error { return v.endSetup(catalog.SetupDone, "setup-done") }

func skipSetup(v *visit) error { return v.endSetup(catalog.SetupSkipped, "setup-skipped") }

func (v *visit) endSetup(how, notice string) error {
	if err := v.post("/v1/tenant/setup", map[string]string{"step": how}, nil); err != nil {
		return err
	}
	return v.redirect("/", notice)
}

// renamed gives the faults of a field the name that it has in a form.
func renamed(fields map[string]api.FieldError, was, is string) map[string]api.FieldError {
	if f, ok := fields[was]; ok {
		delete(fields, was)
		fields[is] = f
	}
	return fields
}

func setTenantName(v *visit) error {
	p := setupView{Key: "name", Values: v.values()}
	err := v.post("/v1/tenant/rename", map[string]string{"name": p.Values["mandant"]}, nil)
	if p.Fields = renamed(faults(err), "name", "mandant"); p.Fields != nil {
		return v.showSetup(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.advance("name", "tenant-named")
}

func setOwnName(v *visit) error {
	p := setupView{Key: "people", Values: v.values()}
	err := v.post(joinPath("/v1/users/", v.session.User.ID, "/rename"), map[string]string{"label": p.Values["eigen"]}, nil)
	if p.Fields = renamed(faults(err), "label", "eigen"); p.Fields != nil {
		return v.showSetup(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.redirect(setupPath+"/personen", "own-name-set")
}

// addSecond adds a person, whose password is shown once.
func addSecond(v *visit) error {
	p := setupView{Key: "people", Values: v.values(), Chosen: map[string]bool{}}
	for _, r := range v.r.PostForm["roles"] {
		p.Chosen[r] = true
	}
	p.Values["eigen"] = v.session.User.Label
	body := map[string]any{"name": strings.ToLower(p.Values["name"]), "label": p.Values["label"], "roles": list(v.r.PostForm["roles"])}
	var made api.NewUser
	err := v.post("/v1/users", body, &made)
	if p.Fields = faults(err); p.Fields != nil {
		return v.showSetup(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.showSetup(http.StatusOK, setupView{Key: "people", Made: &made})
}

// planPattern is the form that comes with the file of a plan.
const (
	planPattern = "POST /einrichtung/aktenplan"
	planBytes   = 8 << 20 // tens of thousands of classes
)

// setPlan keeps the plan in force, or puts another one into force: at once where no
// record is moved by that, else when the effect of just this plan was seen and confirmed.
func setPlan(v *visit) error {
	p := setupView{Key: "plan", Values: v.values(), Fields: map[string]api.FieldError{}}
	var preview retention.Preview
	var text []byte // of the plan
	var put func() error
	var err error
	switch p.Values["plan"] {
	case "keep":
		return v.advance("plan", "")
	case "sample":
		var shipped struct{ Items []retention.Template }
		if err := v.get("/v1/templates", &shipped); err != nil {
			return err
		}
		if text, err = json.Marshal(shipped.Items[0]); err != nil {
			return err
		}
		var a retention.Adoption
		if err := v.post("/v1/classification/template/preview?examples=0", shipped.Items[0], &a); err != nil {
			return v.refusedPlan(p, err)
		}
		if a.Unchanged {
			return v.advance("plan", "plan-same")
		}
		preview = a.Preview
		put = func() error { return v.post("/v1/classification/template", shipped.Items[0], nil) }
	case "file":
		if text, err = v.formFile(); err != nil {
			return err
		}
		if text == nil {
			p.Fields["file"] = api.FieldError{Code: "no-file"}
			return v.showSetup(http.StatusUnprocessableEntity, p)
		}
		media := "text/csv"
		if bytes.HasPrefix(bytes.TrimLeft(text, "\ufeff \t\r\n"), []byte("<")) {
			media = "application/xml"
		}
		if err := v.sendFile("/v1/classification/preview?examples=0", media, text, &preview); err != nil {
			return v.refusedPlan(p, err)
		}
		if preview.Unchanged {
			return v.advance("plan", "plan-same-file")
		}
		put = func() error { return v.sendFile("/v1/classification", media, text, nil) }
	default:
		p.Fields["plan"] = api.FieldError{Code: "required"}
		return v.showSetup(http.StatusUnprocessableEntity, p)
	}
	// The browser forgets the file, so that another one may come with the confirmation.
	digest := fmt.Sprintf("%x", sha256.Sum256(text))
	confirmed := p.Values["bestaetigt"] == "1" && p.Values["gesehen"] == digest
	for _, e := range preview.Effects {
		if e.Moved > 0 && !confirmed {
			p.Effect, p.Seen = &e, digest
			return v.showSetup(http.StatusUnprocessableEntity, p)
		}
	}
	if err := put(); err != nil {
		return v.refusedPlan(p, err)
	}
	return v.advance("plan", "plan-set")
}

// refusedPlan says what is wrong with a plan, by line and column of its file.
func (v *visit) refusedPlan(p setupView, err error) error {
	wrong, status := wrongIn(err)
	if wrong == nil {
		return err
	}
	p.Fields, p.Wrong = map[string]api.FieldError{"file": {Code: "plan"}}, wrong
	return v.showSetup(status, p)
}

func trySeal(v *visit) error { return v.trial("seal") }

func tryStore(v *visit) error { return v.trial("store") }

// trial tries a part out and shows every check.
func (v *visit) trial(part string) error {
	p := setupView{Key: part, Trial: &api.Trial{}}
	if err := v.post("/v1/equipment/"+part+"/trial", nil, p.Trial); err != nil {
		return err
	}
	return v.showSetup(http.StatusOK, p)
}
