package ui

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bestand/api"
	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestProblems wants a title for every status and a sentence for every code with which
// the interface and the pages refuse something.
func TestProblems(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	kinds, own := regexp.MustCompile(`kind\{(\d{3}), "([a-z-]+)"`), regexp.MustCompile(`refusal\{[^}]*code: "([a-z-]+)"`)
	want := map[string]string{}
	for pattern, form := range map[string]*regexp.Regexp{"../*.go": kinds, "*.go": own} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range form.FindAllStringSubmatch(string(b), -1) {
				for _, code := range m[1:] {
					want[code] = name
				}
			}
		}
	}
	if len(want) < 40 {
		t.Errorf("%d codes and statuses found: this test reads the source no longer", len(want))
	}
	for code, name := range want {
		if _, ok := languages[0].words["problem."+code]; !ok {
			t.Errorf("%s: there is no text problem.%s", name, code)
		}
	}
}

// TestRefusedRecord: who may not read a record learns why, and until when.
func TestRefusedRecord(t *testing.T) {
	for _, c := range []struct {
		code, detail string
		want, not    []string
	}{
		{"closed", "closed until 2055-12-31, by SächsArchivG §10 (person-birth)", []string{"unter einer Schutzfrist", "Schutzfrist bis 31.12.2055 (SächsArchivG §10).", "Wenden Sie sich"}, []string{">closed", "person-birth", "Meldung des Programms"}},
		{"restricted", "restricted since 2026-01-02: bestritten (DSGVO Art. 18)", []string{"Art. 18 DSGVO", "Eingeschränkt seit 02.01.2026: bestritten (DSGVO Art. 18)"}, []string{">restricted", "Meldung des Programms"}},
	} {
		v, w := stranger(t, "/akte/01jq2m9cfp2y8r0v6k3c5t7n4e")
		v.fail(&refusal{status: http.StatusForbidden, code: c.code, problem: api.Problem{Detail: c.detail}})
		says(t, w.Body.String(), c.want, c.not)
	}
}

var addresses = regexp.MustCompile(`(?:href|src|action)="(/[^"]*)"`)

// refused are the addresses of a page, its links and its forms, that somebody who has
// these roles may not open.
func (h *house) refused(w *httptest.ResponseRecorder, roles ...auth.Role) (all []string) {
	h.Helper()
	may := auth.Principal{Tenant: h.tenant.ID(), Actor: "anna", Roles: roles, Session: true}
	for _, m := range addresses.FindAllStringSubmatch(w.Body.String(), -1) {
		u, err := url.Parse(html.UnescapeString(m[1]))
		if err != nil {
			h.Fatal(err)
		}
		method := http.MethodGet
		if strings.HasPrefix(m[0], "action") && u.Path != "/akte" && u.Path != "/suche" { // the forms that ask only
			method = http.MethodPost
		}
		_, pattern := h.ui.mux.Handler(&http.Request{Method: method, URL: u})
		if needs := h.ui.needs[pattern]; needs != "" && !h.ui.API.Permits(needs, may) {
			all = append(all, u.String())
		}
	}
	return all
}

// TestNothingRefusedIsOffered: no link and no form of the pages that each role works with
// leads to what the role may not do.
func TestNothingRefusedIsOffered(t *testing.T) {
	h := newHouse(t)
	const record, part = preservation.RecordID("01jq2m9cfp2y8r0v6k3c5t7n4e"), preservation.RecordID("01jq2m9cfp2y8r0v6k3c5t7n4f")
	files := []api.File{{ID: "f0001", Name: "a.xml", Representation: preservation.Original}, {ID: "f0002", Name: "a.pdf", Representation: preservation.Preservation, DerivedFrom: "f0001"}}
	r := recordView{Record: api.Record{ID: record, Title: "Bauantrag", Class: "63.10", Submission: "01jq2m9cfp2y8r0v6k3c5t7n4g", Files: files}, Pairs: pairs(files, nil)}
	r.Evidence.Status = "stamped"
	sub := submissionView{Submission: api.Submission{ID: "01jq2m9cfp2y8r0v6k3c5t7n4g", Title: "Bauantrag", Status: "archived", Received: time.Now(), RecordID: record,
		Records: []api.SubmittedRecord{{SubmissionID: "01jq2m9cfp2y8r0v6k3c5t7n4g", RecordID: record, Status: "archived"}, {SubmissionID: "01jq2m9cfp2y8r0v6k3c5t7n4h", RecordID: part, Status: "archived"}}}}
	for _, role := range auth.Roles {
		for name, show := range map[string]func(*visit) error{
			"record": func(v *visit) error {
				return v.show("record", r.Title, r, crumb{v.lang.t("search.title"), "/suche"})
			},
			"submission": func(v *visit) error { return v.showSubmission(http.StatusOK, sub) },
			"start":      start,
		} {
			needs := map[string]string{"record": "GET /v1/records/{id}", "submission": "GET /v1/submissions/{id}"}[name]
			if needs != "" && !h.ui.API.Permits(needs, auth.Principal{Tenant: h.tenant.ID(), Roles: []auth.Role{role}}) {
				continue
			}
			v, w := h.visit("/", nil, role)
			if err := show(v); err != nil {
				t.Fatalf("%s of %s: %v", name, role, err)
			}
			if w.Code != http.StatusOK {
				t.Errorf("%s of %s: status %d", name, role, w.Code)
			}
			if all := h.refused(w, role); len(all) > 0 {
				t.Errorf("%s of %s offers %v", name, role, all)
			}
		}
	}
	v, w := h.visit("/", nil, auth.Submitter)
	if err := v.showSubmission(http.StatusOK, sub); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{`kern-btn--primary" href="/uebernahme/01jq2m9cfp2y8r0v6k3c5t7n4g/quittung`, string(record), string(part)}, nil)
}

// TestOpenByIdentifier: who may search nothing is told how to come to a record, and opens
// it by what the archive gave.
func TestOpenByIdentifier(t *testing.T) {
	h := newHouse(t)
	const id = "01jq2m9cfp2y8r0v6k3c5t7n4e"
	v, w := h.visit("/", nil, auth.Researcher)
	if err := start(v); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Fragen Sie beim Archiv", `name="kennung"`, `action="/akte"`}, []string{"Nichts wartet auf Sie"})
	for said, status := range map[string]int{id: 303, " " + strings.ToUpper(id) + " ": 303, "https://archiv.example.de/akte/" + id + "?x=1": 303, "https://archiv.example.de/akte/" + id + "/verlauf": 303,
		"": 422, "Bauantrag": 422, "https://archiv.example.de/akte/": 422} {
		v, w := h.visit("/akte?"+url.Values{"kennung": {said}}.Encode(), nil, auth.Researcher)
		if err := findRecord(v); err != nil {
			t.Fatal(err)
		}
		if w.Code != status || status == 303 && w.Header().Get("Location") != "/akte/"+id {
			t.Errorf("%q: %d to %s", said, w.Code, w.Header().Get("Location"))
		}
		if status == 422 {
			says(t, w.Body.String(), []string{"ist keine Kennung einer Akte", `href="#f-kennung"`}, nil)
		}
	}
}

// TestDestroyingRun: who may call a destruction off is led there.
func TestDestroyingRun(t *testing.T) {
	h := newHouse(t)
	const run = "01jq2m9cfp2y8r0v6k3c5t7n4g"
	id := h.archived("1")
	if err := h.tenant.Update(t.Context(), func(x *catalog.Tx) error {
		return x.BeginDisposal(catalog.Disposal{Record: id, ID: "01jq2m9cfp2y8r0v6k3c5t7n4h", Phase: "intended", Run: run, Key: "k", Body: []byte("{}"), At: time.Now()})
	}); err != nil {
		t.Fatal(err)
	}
	for role, led := range map[auth.Role]bool{auth.Reader: false, auth.RecordsOfficer: true} {
		v, w := h.visit("/akte/"+string(id), nil, role)
		v.fail(&refusal{status: http.StatusGone, code: "destroyed", problem: api.Problem{Tombstone: api.Tombstone{RecordID: id}}})
		link := `href="/aussonderung/laeufe/` + run + `"`
		if strings.Contains(w.Body.String(), link) != led {
			t.Errorf("%s: the link to the run: want %v", role, led)
		}
	}
}
