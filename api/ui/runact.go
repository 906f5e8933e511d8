package ui

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"bestand/api"
	"bestand/preservation/dip"
)

// act does something to a run and comes back to it. What the interface refuses is shown
// on the page of the run, with what was typed.
func (v *visit) act(what string, body any, notice string) error {
	to := joinPath("/aussonderung/laeufe/", v.r.PathValue("id"))
	var run api.DisposalRun
	err := v.post(joinPath("/v1/disposals/", v.r.PathValue("id"), "/"+what), body, &run)
	if fields := faultsAt(err); fields != nil {
		return v.refusedRun(fields)
	}
	if err != nil {
		return err
	}
	if back := here(v.r.PostForm.Get("weiter")); back == to || strings.HasPrefix(back, to+"?") {
		to = back
	}
	if run.LeftOut.Kept+run.LeftOut.Destroyed > 0 {
		notice += "-rest"
	}
	return v.redirect(to, notice)
}

// refusedRun shows the page from which a form came, with what is wrong.
func (v *visit) refusedRun(fields map[string]api.FieldError) error {
	back, err := url.Parse(v.r.PostForm.Get("weiter"))
	if err != nil {
		back = &url.URL{}
	}
	p, err := v.run(back.Query())
	if err != nil {
		return err
	}
	p.Path, p.Values, p.Chosen, p.Fields = p.at(back.Query()), v.values(), map[string]bool{}, map[string]api.FieldError{}
	for _, id := range v.r.PostForm["akte"] {
		p.Chosen[id] = true
	}
	for name, f := range fields {
		p.Fields[runField(name)] = f
	}
	if seen := v.r.PostForm.Get("revision"); seen != "" && seen != strconv.Itoa(p.Revision) {
		p.Fields = map[string]api.FieldError{"": {Code: "run-changed"}}
	}
	return v.showRun(http.StatusUnprocessableEntity, p)
}

// runField is the input of the page for a field of the interface.
func runField(name string) string {
	if at := strings.LastIndex(name, "]."); at >= 0 && !strings.Contains(name, "scope") {
		name = name[at+2:]
	}
	switch {
	case strings.Contains(name, "scope"):
		return "scope"
	case name == "answer":
		return "decision"
	}
	return name
}

// scopeOf is which records a decision is about: those that are marked, those on the
// page, a class, or all.
func (v *visit) scopeOf() (scope map[string]any, wrong map[string]api.FieldError) {
	wrong = map[string]api.FieldError{}
	missing := api.FieldError{Code: "required"}
	switch v.r.PostForm.Get("scope") {
	case "marked":
		if scope = map[string]any{"records": v.r.PostForm["akte"]}; len(v.r.PostForm["akte"]) == 0 {
			wrong["scope"] = api.FieldError{Code: "none-marked"}
		}
	case "page":
		scope = map[string]any{"records": v.r.PostForm["seite"]}
	case "class":
		class := strings.TrimSpace(v.r.PostForm.Get("class"))
		if scope = map[string]any{"classes": []string{class}}; class == "" {
			wrong["class"] = missing
		}
	case "all":
		scope = map[string]any{"all": true}
	default:
		wrong["scope"] = missing
	}
	return scope, wrong
}

// decideRun assesses records, or notes what the archive answered.
func decideRun(v *visit) error {
	form := v.values()
	scope, wrong := v.scopeOf()
	if form["decision"] == "" {
		wrong["decision"] = api.FieldError{Code: "required"}
	}
	if len(wrong) > 0 {
		return v.refusedRun(wrong)
	}
	one, body := map[string]any{"scope": scope, "note": form["note"]}, map[string]any{}
	if seen, err := strconv.Atoi(form["revision"]); err == nil && seen > 0 {
		body["revision"] = seen
	}
	if form["by"] == "archive" {
		one["answer"], body["answers"] = form["decision"], []any{one}
		return v.act("answers", body, "run-answered")
	}
	one["decision"] = form["decision"]
	if form["until"] != "" {
		one["until"] = form["until"]
	}
	body["decisions"] = []any{one}
	return v.act("decisions", body, "run-assessed")
}

func offerRun(v *visit) error {
	form, body := v.values(), map[string]any{}
	for _, name := range []string{"authority", "offered", "reference"} {
		if form[name] != "" {
			body[name] = form[name]
		}
	}
	return v.act("offer", body, "run-offered")
}

// offerList is the offer to the archive as xdomea (Anbieteverzeichnis, 0501).
func offerList(v *visit) error {
	return v.stream(joinPath("/v1/disposals/", v.r.PathValue("id"), "/xdomea"))
}

// answerPattern is the form that comes with the archive's answer as xdomea.
const (
	answerPattern = "POST /aussonderung/laeufe/{id}/antwort"
	answerBytes   = dip.MaxAnswer
)

// readAnswer notes what the archive answered in a message of xdomea
// (Bewertungsverzeichnis, 0502), in a ZIP or not.
func readAnswer(v *visit) error {
	message, err := v.formFile()
	if err != nil {
		return err
	}
	if message == nil {
		return v.refusedAnswer(http.StatusUnprocessableEntity, "required", nil)
	}
	media := "application/xml"
	if bytes.HasPrefix(message, []byte("PK")) {
		media = dip.XdomeaType
	}
	err = v.sendFile(joinPath("/v1/disposals/", v.r.PathValue("id"), "/xdomea"), media, message, nil)
	var e *refusal
	if errors.As(err, &e) && e.status == http.StatusConflict { // not the file: the run takes no answer now
		return v.refusedRun(faultsAt(err))
	}
	if wrong, status := wrongIn(err); wrong != nil {
		return v.refusedAnswer(status, "plan", wrong)
	}
	if err != nil {
		return err
	}
	return v.redirect(joinPath("/aussonderung/laeufe/", v.r.PathValue("id")), "run-answered")
}

// refusedAnswer shows the run with what is wrong with a message.
func (v *visit) refusedAnswer(status int, code string, wrong []api.FieldError) error {
	p, err := v.run(url.Values{})
	if err != nil {
		return err
	}
	field := "file"
	if !p.Appraising() { // no form to lead to
		field, code = "", "conflict"
	}
	p.Path, p.Wrong, p.Fields = p.at(url.Values{}), wrong, map[string]api.FieldError{field: {Code: code}}
	return v.showRun(status, p)
}

// approveRun is the second person's. What was looked at is what is approved: a run that
// has changed since is shown again.
func approveRun(v *visit) error {
	form := v.values()
	if form["bestaetigt"] != "1" {
		return v.refusedRun(map[string]api.FieldError{"bestaetigt": {Code: "required"}})
	}
	revision, err := strconv.Atoi(form["revision"])
	if err != nil {
		return &refusal{status: http.StatusBadRequest, code: "malformed"}
	}
	return v.act("approval", map[string]any{"revision": revision, "note": form["comment"]}, "run-approved")
}

// executeRun has a run carried out after the grace period.
func executeRun(v *visit) error {
	form, body := v.values(), map[string]any{}
	if form["bestaetigt"] != "1" {
		return v.refusedRun(map[string]api.FieldError{"bestaetigt": {Code: "required"}})
	}
	for name, text := range map[string]string{"grace_days": form["grace_days"], "allow": form["allow"]} {
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return v.refusedRun(map[string]api.FieldError{name: {Code: "number"}})
		}
		body[name] = n
	}
	return v.act("execution", body, "run-ordered")
}

func stopRun(v *visit) error     { return v.act("stop", v.reason(), "run-stopped") }
func withdrawRun(v *visit) error { return v.act("withdrawal", v.reason(), "run-withdrawn") }
func cancelRun(v *visit) error   { return v.act("cancellation", v.reason(), "run-cancelled") }

func (v *visit) reason() api.Reason { return api.Reason{Reason: v.r.PostForm.Get("reason")} }

// handOver notes that the archive acknowledged records.
func handOver(v *visit) error {
	form := v.values()
	scope, wrong := v.scopeOf()
	if form["own_copy"] == "" {
		wrong["own_copy"] = api.FieldError{Code: "required"}
	}
	if len(wrong) > 0 {
		return v.refusedRun(wrong)
	}
	body := map[string]any{"scope": scope}
	for _, name := range []string{"receiver", "reference", "acknowledged", "own_copy"} {
		if form[name] != "" {
			body[name] = form[name]
		}
	}
	return v.act("transfers", body, "run-handed-over")
}
