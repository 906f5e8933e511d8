package main

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
)

var (
	pointer = regexp.MustCompile(`\b(?:href="#|for="|aria-(?:describedby|labelledby|controls)=")([^"]*)"`)
	ident   = regexp.MustCompile(`\bid="([^"]*)"`)
	control = regexp.MustCompile(`<(?:input|textarea|select)\b[^>]*>`)
	quality = regexp.MustCompile(`\b(name|type|value)="([^"]*)"`)
)

// pointing wants everything to be there that a page leads to or is described by on itself,
// above all the fields that its list of faults names.
func (v *visitor) pointing() {
	v.Helper()
	var there []string
	for _, m := range ident.FindAllStringSubmatch(v.page, -1) {
		there = append(there, m[1])
	}
	for _, m := range pointer.FindAllStringSubmatch(v.page, -1) {
		for _, id := range strings.Fields(m[1]) {
			if !slices.Contains(there, id) {
				v.Errorf("%s leads to #%s, which is not there", v.at, id)
			}
		}
	}
}

// filled returns what a form asks people for, each with a value that is wrong for most.
func filled(form, wrong string) url.Values {
	values := url.Values{}
	for _, c := range control.FindAllString(form, -1) {
		of := map[string]string{}
		for _, m := range quality.FindAllStringSubmatch(c, -1) {
			of[m[1]] = m[2]
		}
		if of["name"] != "" && of["type"] != "hidden" && of["type"] != "file" {
			values.Set(of["name"], wrong)
		}
	}
	return values
}

// TestFormFaults sends every form of every page empty and with nonsense: each fault that a
// page lists leads to a field that it has.
func TestFormFaults(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	c := in.admin(t)
	o := newOffice(c)
	archive := func(id string) string {
		_, r := c.archive(about(id, leave, "Urlaub "+id, "closed", "2001-02-28", "subjects", []any{map[string]any{"name": "Muster, Erika", "born": "1961-05-04"}}), file(id+".bin", blob(id)))
		return r.ID
	}
	record, other, third := archive("1"), archive("2"), archive("3")
	eventually(t, "the records are due", func() bool { return len(c.due()) == 3 })
	begin := func(id string) string {
		var run disposalRun
		o.officer.post("/v1/disposals", map[string]any{"title": "Lauf", "records": []string{id}}).want(t, 201).decode(t, &run)
		return run.ID
	}
	decide := func(run, decision string) {
		o.officer.post("/v1/disposals/"+run+"/decisions", map[string]any{"decisions": []any{map[string]any{"scope": map[string]any{"all": true}, "decision": decision, "note": "geprüft"}}}).want(t, 200)
		o.officer.post("/v1/disposals/"+run+"/offer", map[string]any{"authority": "Stadtarchiv", "offered": today(t)}).want(t, 200)
	}
	draft, offered, taken := begin(record), begin(other), begin(third)
	decide(offered, "V")
	decide(taken, "A")
	o.head.post("/v1/disposals/"+taken+"/approval", nil).want(t, 200)
	c.post("/v1/holds", map[string]any{"scope": map[string]any{"classes": []string{"63.10"}}, "authority": "Gericht", "reason": "Klage", "review": "2099-01-01"}).want(t, 201)
	o.officer.post("/v1/permits", map[string]any{"classes": []string{"63.10"}, "authority": "Stadtarchiv", "granted": "2020-01-01", "legal_basis": "SächsArchivG §5(9)", "valid_from": "2020-01-01"}).want(t, 201)
	c.post("/v1/users", map[string]any{"name": "nora", "label": "Nora", "roles": []string{"reader"}}).want(t, 201)
	var asked struct{ Request struct{ ID string } }
	c.post("/v1/subject-requests", map[string]any{"kind": "erasure", "subject": map[string]any{"name": "Erika Muster"}, "received": "2026-01-15"}).want(t, 201).decode(t, &asked)

	admin, _ := in.people(t)
	c.post("/v1/searches", map[string]string{"name": "Urlaub", "query": "q=Urlaub"}).want(t, 201)
	const runs = "/aussonderung/laeufe/"
	listed := map[string]bool{}
	for _, path := range []string{
		"/suche?q=Urlaub", "/akte/" + record + "/umsortierung", "/akte/" + record + "/ereignis", "/akte/" + record + "/einschraenkung", "/uebernahme/neu",
		runs + "neu", runs + draft, runs + offered, runs + taken, "/aussonderung/sperren", "/aussonderung/regeln/neu", "/aussonderung/regeln/leave-sickness/aenderung", "/aussonderung/regeln/datei",
		"/aussonderung/betroffene/neu", "/aussonderung/betroffene/" + asked.Request.ID, "/aussonderung/genehmigungen", "/verwaltung", "/verwaltung/zugaenge", "/verwaltung/einstellungen",
		"/einrichtung/name", "/einrichtung/personen", "/einrichtung/aktenplan", "/profil",
	} {
		for _, form := range forms.FindAllStringSubmatch(admin.get(path).want(200).page, -1) {
			for _, wrong := range []string{"", "x", strings.Repeat("ß\x01", 3000)} {
				values := filled(form[2], wrong)
				if len(values) == 0 && !strings.Contains(form[0], "multipart/form-data") || !strings.Contains(admin.get(path).page, `action="`+form[1]+`"`) {
					continue // a button alone, or it was done with what was wrong for others
				}
				maps.Copy(values, admin.form(form[1]))
				if strings.Contains(form[0], "multipart/form-data") {
					var fields []string
					for name := range values {
						fields = append(fields, name, values.Get(name))
					}
					admin.file(form[1], "", "", fields...)
				} else {
					admin.send(http.MethodPost, form[1], "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
				}
				if admin.status >= 500 || admin.status == 404 || admin.status == 403 {
					t.Errorf("%s, %.3q: %d", form[1], wrong, admin.status)
				}
				if strings.Contains(admin.page, `id="fehler"`) {
					listed[form[1]] = true
				}
			}
		}
	}
	if len(listed) < 20 {
		t.Errorf("only %d forms list faults: %q", len(listed), slices.Sorted(maps.Keys(listed)))
	}
}
