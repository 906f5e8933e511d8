package ui

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"bestand/api"
	"bestand/retention"
)

// rulesPattern is the form that comes with a file of rules.
const (
	rulesPattern = "POST /aussonderung/regeln/datei"
	rulesBytes   = 700_000 // some thousand rules: what the form that confirms them can carry
)

// ruleFileView is the page that puts the rules of a file into force: the form for the
// file, and once it was read what it would do.
type ruleFileView struct {
	Change  *retention.RuleChange
	Effects []ruleEffect
	At      string // day of the preview
	Sheet   string // the file, base64url, for the form that confirms it
	Second  bool   // another person has to approve each version
	Fields  map[string]api.FieldError
	Wrong   []api.FieldError // with the file
}

// rulesSheet is the newest version of every rule as CSV, as it can be read in again.
func rulesSheet(v *visit) error {
	return v.attach(fmt.Sprintf("regeln-%s.csv", v.today()), "/v1/rules", "text/csv")
}

func ruleFilePage(v *visit) error { return v.showRuleFile(http.StatusOK, ruleFileView{}) }

func (v *visit) showRuleFile(status int, p ruleFileView) error {
	var err error
	if p.Second, err = v.rulesNeedSecond(); err != nil {
		return err
	}
	return v.showStatus(status, "rulefile", v.lang.t("rulefile.title"), p, crumb{v.lang.t("disposal.title"), "/aussonderung"}, crumb{v.lang.t("rules.title"), "/aussonderung/regeln"})
}

// previewRules shows what a file would change. Nothing is stored.
func previewRules(v *visit) error {
	text, err := v.formFile()
	switch {
	case err != nil:
		return err
	case text == nil:
		return v.showRuleFile(http.StatusUnprocessableEntity, ruleFileView{Fields: map[string]api.FieldError{"file": {Code: "no-file"}}})
	case len(text) > rulesBytes:
		return &refusal{status: http.StatusRequestEntityTooLarge, code: "too-large"}
	}
	var c retention.RuleChange
	if err := v.sendFile("/v1/rules/import/preview?examples=3", "text/csv", text, &c); err != nil {
		return v.refusedRules(err)
	}
	p := ruleFileView{Change: &c, Effects: largest(c.Preview.Effects), At: v.lang.date(c.Preview.At), Sheet: base64.RawURLEncoding.EncodeToString(text)}
	return v.showRuleFile(http.StatusOK, p)
}

// importRules puts the file into force that was looked at.
func importRules(v *visit) error {
	text, err := base64.RawURLEncoding.DecodeString(v.r.PostForm.Get("blatt"))
	if err != nil {
		return &refusal{status: http.StatusBadRequest, code: "malformed"}
	}
	var c retention.RuleChange
	if err := v.sendFile("/v1/rules/import", "text/csv", text, &c); err != nil {
		return v.refusedRules(err)
	}
	return v.redirect("/aussonderung/regeln", v.rulesNotice(c.Rules))
}

// ruleValue is what a field of a rule says, in the language.
func (l *language) ruleValue(field, value string) string {
	kind := field[strings.LastIndexByte(field, '.')+1:]
	switch {
	case value == "":
		return l.t("rulefile.nothing")
	case value == "true":
		return l.t("yes")
	case slices.Contains([]string{"trigger", "base", "disposition", "confidence", "applies"}, kind):
		return l.coded(kind, value)
	}
	return l.dayIn(value)
}

// Changed are the fields that the next version of a rule says something else in.
func (p ruleFileView) Changed(rule string) []retention.FieldChange {
	for _, c := range p.Change.Changes {
		if c.Rule == rule {
			return c.Fields
		}
	}
	return nil
}

// rulesNotice says what became of the next versions that a file made.
func (v *visit) rulesNotice(made []retention.Rule) string {
	ahead := func(r retention.Rule) bool { return v.today().Before(r.ValidFrom) }
	switch {
	case len(made) == 0:
		return "rules-same"
	case made[0].ApprovedBy == "":
		return "rules-proposed"
	case slices.ContainsFunc(made, ahead):
		return "rules-later"
	}
	return "rules-saved"
}

// refusedRules says what is wrong with a file of rules, by its lines and columns.
func (v *visit) refusedRules(err error) error {
	wrong, status := wrongIn(err)
	if wrong == nil {
		return err
	}
	return v.showRuleFile(status, ruleFileView{Fields: map[string]api.FieldError{"file": {Code: "plan"}}, Wrong: wrong})
}
