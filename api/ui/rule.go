package ui

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"bestand/api"
	"bestand/preservation"
	"bestand/retention"
)

// ruleView is the form for the next version of a rule, and what it would do.
type ruleView struct {
	New       bool
	Values    map[string]string
	Fields    map[string]api.FieldError
	Triggers  []string
	Displaces string            // versions that it takes the place of
	GapFrom   preservation.Date // from when none is in force; zero for never
	Effects   []ruleEffect      // once it was looked at what the version would do
	At        string            // day of the preview
	Newest    *retention.Rule   // that somebody else wrote in the meantime
	Mine      *retention.Rule   // beside it
	Second    bool              // another person has to approve it
}

// ruleEffect is what one way of applying a version would do, with the largest moves.
type ruleEffect struct {
	retention.Effect
	More int // moves that are not shown
}

// movesShown is how many moves the page has of each way.
const movesShown = 20

func newRulePage(v *visit) error {
	return v.showRule(http.StatusOK, ruleView{New: true, Values: map[string]string{"valid_from": v.today().String(), "base": string(retention.YearEnd), "trigger": retention.OnClosure}})
}

func editRulePage(v *visit) error {
	newest, err := v.rule(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := ruleView{Values: ruleValues(newest)}
	p.Values["valid_from"], p.Values["checked"], p.Values["valid_to"] = v.today().String(), "", ""
	return v.showRule(http.StatusOK, p)
}

// rule is the newest version of a rule, in force or not.
func (v *visit) rule(id string) (retention.Rule, error) {
	rules, err := v.rules()
	if err != nil {
		return retention.Rule{}, err
	}
	r, ok := rules[id]
	if !ok {
		return r, errNotFound
	}
	return r, nil
}

func (v *visit) showRule(status int, p ruleView) error {
	rules, err := v.rules()
	if err != nil {
		return err
	}
	p.Triggers = v.triggers(rules)
	if p.Second, err = v.rulesNeedSecond(); err != nil {
		return err
	}
	title := v.lang.t("rule.new")
	if !p.New {
		title = v.lang.t("rule.change", p.Values["title"])
	}
	return v.showStatus(status, "rule", title, p, crumb{v.lang.t("disposal.title"), "/aussonderung"}, crumb{v.lang.t("rules.title"), "/aussonderung/regeln"})
}

// rulesNeedSecond reports whether another person has to approve versions of rules.
func (v *visit) rulesNeedSecond() (bool, error) {
	if !v.may("GET /v1/rules/policy") {
		return false, nil
	}
	var policy api.Policy
	err := v.get("/v1/rules/policy", &policy)
	return policy.ApproveRules, err
}

// largest are the effects of a preview, each with its largest moves.
func largest(effects []retention.Effect) (all []ruleEffect) {
	for _, e := range effects {
		slices.SortStableFunc(e.Moves, func(a, b retention.Move) int { return int(b.Records - a.Records) })
		more := max(len(e.Moves)-movesShown, 0)
		e.Moves = e.Moves[:len(e.Moves)-more]
		all = append(all, ruleEffect{e, more})
	}
	return all
}

// previewRule shows what a version would do, before anything is stored.
func previewRule(v *visit) error {
	p, r := v.ruleForm()
	if len(p.Fields) > 0 {
		return v.showRule(http.StatusUnprocessableEntity, p)
	}
	return v.showEffects(http.StatusOK, p, r)
}

func (v *visit) showEffects(status int, p ruleView, r retention.Rule) error {
	var preview retention.Preview
	if err := v.post("/v1/rules/preview?examples=3", r, &preview); err != nil {
		return v.refusedRule(p, r, err)
	}
	p.At = v.lang.date(preview.At)
	displaced := make([]string, len(preview.Displaces))
	for i, ref := range preview.Displaces {
		displaced[i] = strconv.Itoa(ref.Version)
	}
	p.Displaces, p.GapFrom = strings.Join(displaced, ", "), preview.GapFrom
	p.Effects = largest(preview.Effects)
	return v.showRule(status, p)
}

// saveRule puts a version into force, or proposes it. For which records it counts has to
// be said.
func saveRule(v *visit) error {
	p, r := v.ruleForm()
	if len(p.Fields) > 0 {
		return v.showRule(http.StatusUnprocessableEntity, p)
	}
	if p.Values["applies"] == "" { // the question comes with the preview
		p.Fields["applies"] = api.FieldError{Code: "required"}
		return v.showEffects(http.StatusUnprocessableEntity, p, r)
	}
	r.Applies = p.Values["applies"]
	var made retention.Rule
	if err := v.post("/v1/rules", r, &made); err != nil {
		return v.refusedRule(p, r, err)
	}
	if made.ApprovedBy == "" {
		return v.redirect("/aussonderung/regeln", "rule-proposed")
	}
	if v.today().Before(made.ValidFrom) {
		return v.redirect("/aussonderung/regeln", "rule-later")
	}
	return v.redirect("/aussonderung/regeln", "rule-saved")
}

// refusedRule shows the form with what is wrong, and both versions where somebody else
// was faster.
func (v *visit) refusedRule(p ruleView, mine retention.Rule, err error) error {
	var e *refusal
	if errors.As(err, &e) && e.status == http.StatusConflict && mine.ID != "" {
		newest, err := v.rule(mine.ID)
		if err != nil {
			return err
		}
		p.Newest, p.Mine = &newest, &mine
		p.Values["version"] = strconv.Itoa(newest.Version)
		return v.showRule(http.StatusConflict, p)
	}
	if p.Fields = faults(err); p.Fields != nil {
		for _, at := range []string{"duration", "minimum.duration", "maximum.duration"} { // which are three inputs each
			if f, missing := p.Fields[at]; missing {
				delete(p.Fields, at)
				p.Fields[at+".years"] = f
			}
		}
		return v.showRule(http.StatusUnprocessableEntity, p)
	}
	return err
}

func approveRule(v *visit) error {
	id, version := v.r.PathValue("id"), v.r.PathValue("version")
	if v.r.PostForm.Get("bestaetigt") != "1" {
		return v.redirect("/aussonderung/regeln", "")
	}
	var made retention.Rule
	if err := v.post(joinPath("/v1/rules/", id, "/versions/", version, "/approval"), nil, &made); err != nil {
		return err
	}
	if v.today().Before(made.ValidFrom) {
		return v.redirect("/aussonderung/regeln", "rule-approved-later")
	}
	return v.redirect("/aussonderung/regeln", "rule-approved")
}

func bound(b *retention.Bound) retention.Bound {
	if b == nil {
		return retention.Bound{}
	}
	return *b
}

// ruleValues are the inputs of the form for a rule.
func ruleValues(r retention.Rule) map[string]string {
	all := map[string]string{"id": r.ID, "version": strconv.Itoa(r.Version), "title": r.Title, "trigger": r.Trigger, "base": string(r.Base), "disposition": string(r.Disposition),
		"legal_basis": r.LegalBasis, "checked": r.Checked.String(), "confidence": r.Confidence, "note": r.Note, "valid_from": r.ValidFrom.String(), "valid_to": r.ValidTo.String(),
		"fiscal_month": number(int(r.FiscalMonth)), "permanent": ticked(r.Permanent), "no_offer": ticked(r.NoOffer)}
	span := func(at string, d retention.Duration) {
		all[at+".years"], all[at+".months"], all[at+".days"] = number(d.Years), number(d.Months), number(d.Days)
		if d == retention.NoTime() {
			all[at+".days"] = "0"
		}
	}
	span("duration", r.Duration)
	span("transfer", r.Transfer)
	for at, b := range map[string]*retention.Bound{"minimum": r.Minimum, "maximum": r.Maximum} {
		all[at+".trigger"], all[at+".base"] = bound(b).Trigger, string(bound(b).Base)
		span(at+".duration", bound(b).Duration)
	}
	if s := r.Sampling; s != nil {
		var born []string
		for _, d := range s.Birthdays {
			born = append(born, strconv.Itoa(d))
		}
		all["sampling.every"], all["sampling.share"] = number(s.Every), number(s.Share)
		all["sampling.letters"], all["sampling.birthdays"] = strings.Join(s.Letters, ", "), strings.Join(born, ", ")
	}
	return all
}

// number writes a number into an input, which stays empty for none.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func ticked(on bool) string {
	if on {
		return "1"
	}
	return ""
}

// ruleForm reads the form.
func (v *visit) ruleForm() (p ruleView, r retention.Rule) {
	p = ruleView{Values: v.values(), Fields: map[string]api.FieldError{}}
	f := p.Values
	p.New = f["version"] == ""
	whole := func(name string) int {
		if f[name] == "" {
			return 0
		}
		n, err := strconv.Atoi(f[name])
		if err != nil || n < 0 {
			p.Fields[name] = api.FieldError{Code: "number"}
		}
		return n
	}
	day := func(name string) (d preservation.Date) {
		if f[name] == "" {
			return d
		}
		d, err := preservation.ParseDate(f[name])
		if err != nil {
			p.Fields[name] = api.FieldError{Code: "date"}
		}
		return d
	}
	span := func(at string) retention.Duration {
		d := retention.Duration{Years: whole(at + ".years"), Months: whole(at + ".months"), Days: whole(at + ".days")}
		if d.None() && f[at+".years"]+f[at+".months"]+f[at+".days"] != "" {
			return retention.NoTime()
		}
		return d
	}
	limit := func(at string) *retention.Bound {
		b := retention.Bound{Trigger: f[at+".trigger"], Duration: span(at + ".duration"), Base: retention.Base(f[at+".base"])}
		if b == (retention.Bound{}) || b.Trigger == "" && b.Duration.None() {
			return nil
		}
		return &b
	}
	r = retention.Rule{ID: f["id"], Version: whole("version"), Title: f["title"], Permanent: f["permanent"] != "", Minimum: limit("minimum"), Maximum: limit("maximum"),
		Transfer: span("transfer"), Disposition: retention.Disposition(f["disposition"]), NoOffer: f["no_offer"] != "", LegalBasis: f["legal_basis"], Checked: day("checked"),
		Confidence: f["confidence"], Note: f["note"], ValidFrom: day("valid_from"), ValidTo: day("valid_to"), FiscalMonth: time.Month(whole("fiscal_month"))}
	if !r.Permanent {
		r.Trigger, r.Duration, r.Base = f["trigger"], span("duration"), retention.Base(f["base"])
	}
	s := retention.Sampling{Every: whole("sampling.every"), Share: whole("sampling.share"), Letters: words(f["sampling.letters"])}
	for _, text := range words(f["sampling.birthdays"]) {
		d, err := strconv.Atoi(text)
		if err != nil {
			p.Fields["sampling.birthdays"] = api.FieldError{Code: "number"}
		}
		s.Birthdays = append(s.Birthdays, d)
	}
	if s.Every+s.Share+len(s.Letters)+len(s.Birthdays) > 0 {
		r.Sampling = &s
	}
	if r.Disposition == "" {
		p.Fields["disposition"] = api.FieldError{Code: "required"}
	}
	return p, r
}

// Rare reports whether something is given that most rules do without.
func (p ruleView) Rare() bool {
	for _, at := range []string{"minimum", "maximum", "transfer", "sampling", "fiscal_month", "no_offer"} {
		for name, value := range p.Values {
			if value != "" && strings.HasPrefix(name, at) {
				return true
			}
		}
		for name := range p.Fields {
			if strings.HasPrefix(name, at) {
				return true
			}
		}
	}
	return false
}
