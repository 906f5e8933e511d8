package api

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestDescription holds the table of routes against openapi.yaml, both ways.
func TestDescription(t *testing.T) {
	d, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.doc.Validate(t.Context()); err != nil {
		t.Errorf("openapi.yaml: %v", err)
	}
	described := map[string][]string{}
	for path, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			var names []string
			if roles, ok := op.Extensions["x-roles"].([]any); ok {
				for _, r := range roles {
					names = append(names, r.(string))
				}
			}
			described[method+" "+path] = names
			if public := op.Security != nil && len(*op.Security) == 0; public != (names == nil) {
				t.Errorf("%s %s: x-roles %v, but security says public %v", method, path, names, public)
			}
		}
	}
	for _, r := range routes {
		names, ok := described[r.pattern]
		if !ok {
			t.Errorf("%s is not described", r.pattern)
		}
		if !slices.Equal(names, r.who.names()) {
			t.Errorf("%s: described for %v, permitted to %v", r.pattern, names, r.who.names())
		}
		delete(described, r.pattern)
	}
	for pattern := range described {
		t.Errorf("%s is described but not served", pattern)
	}
	if bytes.Contains(d.json, []byte("x-go-type")) || !bytes.Contains(d.json, []byte("x-roles")) {
		t.Error("/openapi.json holds notes to the generator, or lacks the roles")
	}
}

// concrete puts identifiers into the place of a pattern's wildcards.
func concrete(pattern string, record preservation.RecordID) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	id := string(record)
	if strings.Contains(path, "/uploads/") {
		id = strings.Repeat("0", 32)
	}
	return method, strings.NewReplacer("{id}", id, "{file_id}", "f0001").Replace(path)
}

// TestRoles tries every route with every role, without a token, and with a
// token of the installation.
func TestRoles(t *testing.T) {
	a := newArchive(t)
	tokens := map[string]string{"installation": a.tokenLike(ours, catalog.Token{Actor: "provider", Roles: []string{"operator"}, Installation: true})}
	for _, r := range auth.Roles {
		tokens[string(r)] = a.token(ours, "someone-"+string(r), r)
	}
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	a.do(tokens["archivist"], "POST", "/v1/records/"+string(e.ID)+"/access-grants", `{"kind":"shortening","reason":"r","legal_basis":"l"}`).want(t, 201)
	for _, r := range routes {
		method, path := concrete(r.pattern, e.ID)
		if r.who.public {
			if v := a.do("", method, path, nil); v.StatusCode >= 400 {
				t.Errorf("%s: %d without a token", r.pattern, v.StatusCode)
			}
			continue
		}
		if v := a.do("", method, path, nil); v.StatusCode != http.StatusUnauthorized || v.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d without a token, want 401", r.pattern, v.StatusCode)
		}
		for name, token := range tokens {
			permitted := slices.Contains(r.who.names(), name) || name == "installation" && slices.Contains(r.who.names(), "operator")
			v := a.do(token, method, path, nil)
			if permitted == (v.StatusCode == http.StatusForbidden) {
				t.Errorf("%s as %s: %d, permitted is %v", r.pattern, name, v.StatusCode, permitted)
			}
		}
	}
}

// TestTenants asks for what belongs to another tenant: it answers as what does
// not exist does, byte for byte.
func TestTenants(t *testing.T) {
	a := newArchive(t)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	stranger := a.tokenLike(theirs, catalog.Token{Actor: "stranger", Roles: names(auth.Roles)})
	admin := a.token(ours, "admin", auth.Roles...)

	upload := a.do(admin, "POST", "/v1/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "3").want(t, 201).Header.Get("Location")
	hold := decode[Hold](t, a.do(admin, "POST", "/v1/holds", map[string]any{"scope": map[string]any{"all": true}, "authority": "court", "reason": "case", "review": "2030-01-01"}).want(t, 201))
	permit := decode[Permit](t, a.do(admin, "POST", "/v1/permits", map[string]any{"classes": []string{"63.10"}, "authority": "archive", "granted": "2020-01-01",
		"legal_basis": "SächsArchivG §5(9)", "valid_from": "2020-01-01"}).want(t, 201))
	token := decode[NewToken](t, a.do(admin, "POST", "/v1/tokens", map[string]any{"actor": "x", "roles": []string{"reader"}}).want(t, 201))

	run := decode[DisposalRun](t, a.do(admin, "POST", "/v1/disposals", map[string]any{"records": []string{string(a.due(ours, "2"))}}).want(t, 201))

	asked := decode[FoundSubjectRequest](t, a.do(admin, "POST", "/v1/subject-requests", `{"kind":"access","subject":{"name":"Muster"},"received":"2024-01-02"}`).want(t, 201))

	absent := preservation.NewID(e.Archived)
	body := map[string]string{
		"POST /v1/submissions/{id}/refuse":  `{"reason":"r"}`,
		"POST /v1/submissions/{id}/release": `{"reason":"r"}`, "POST /v1/holds/{id}/release": `{"reason":"r"}`, "POST /v1/holds/{id}/review": `{"review":"2040-01-01","note":"n"}`,
		"POST /v1/records/{id}/triggers":                 `{"type":"closure","date":"2020-01-01"}`,
		"POST /v1/records/{id}/versions":                 `{"producer_record_id":"x","kind":"correction","reason":"r","changes":{"title":"T"}}`,
		"POST /v1/records/{id}/reclassification":         `{"class":"05.10","reason":"r"}`,
		"POST /v1/records/{id}/reclassification/preview": `{"class":"05.10"}`,
		"POST /v1/records/{id}/access-grants":            `{"kind":"shortening","reason":"r","legal_basis":"l"}`,
		"POST /v1/records/{id}/restriction":              `{"reason":"r","legal_basis":"l"}`,
		"POST /v1/subject-requests/{id}/decision":        `{"outcome":"refused","reason":"r","legal_basis":"l"}`,
		"POST /v1/disposals/{id}/decisions":              `{"decisions":[{"scope":{"all":true},"decision":"V"}]}`,
		"POST /v1/disposals/{id}/offer":                  `{"authority":"a","offered":"2020-01-01"}`,
		"POST /v1/disposals/{id}/answers":                `{"answers":[{"scope":{"all":true},"answer":"V"}]}`,
		"POST /v1/disposals/{id}/transfers":              `{"scope":{"all":true},"receiver":"r","reference":"n","acknowledged":"2020-01-01","own_copy":"keep"}`,
		"POST /v1/users/{id}/roles":                      `{"roles":["reader"]}`,
		"POST /v1/users/{id}/rename":                     `{"label":"Paula"}`,
		"POST /v1/users/{id}/person":                     `{"same_as":"olga"}`,
		"POST /v1/searches/{id}/rename":                  `{"name":"n"}`,
		"POST /v1/disposals/{id}/withdrawal":             `{"reason":"r"}`, "POST /v1/disposals/{id}/stop": `{"reason":"r"}`, "POST /v1/disposals/{id}/cancellation": `{"reason":"r"}`,
	}
	person := decode[NewUser](t, a.do(admin, "POST", "/v1/users", map[string]any{"name": "paula", "label": "Paula", "roles": []string{"reader"}}).want(t, 201))
	search := decode[SavedSearch](t, a.do(admin, "POST", "/v1/searches", map[string]any{"name": "x", "query": "q=x"}).want(t, 201))
	job := a.deadJob("lost")
	for _, r := range routes {
		if !strings.Contains(r.pattern, "{id}") {
			continue
		}
		id, none := string(e.ID), absent
		switch {
		case strings.Contains(r.pattern, "uploads"):
			id, none = strings.TrimPrefix(upload, "/v1/uploads/"), strings.Repeat("0", 32)
		case strings.Contains(r.pattern, "submissions"):
			id = string(e.Submission)
		case strings.Contains(r.pattern, "subject-requests"):
			id = asked.Request.ID
		case strings.Contains(r.pattern, "holds"):
			id = hold.ID
		case strings.Contains(r.pattern, "permits"):
			id = permit.ID
		case strings.Contains(r.pattern, "disposals"):
			id = run.ID
		case strings.Contains(r.pattern, "tokens"):
			id = token.ID
		case strings.Contains(r.pattern, "users"):
			id = person.User.ID
		case strings.Contains(r.pattern, "searches"):
			id = search.ID
		case strings.Contains(r.pattern, "jobs"):
			id = job
		}
		ask := func(id string) answer {
			method, path, _ := strings.Cut(r.pattern, " ")
			path = strings.NewReplacer("{id}", id, "{file_id}", "f0001", "{session_id}", "01jq2m9cfp2y8r0v6k3c5t7n4e", "{version}", "1").Replace(path)
			header := []string{"X-Request-Id", "same-for-both", "Tus-Resumable", "1.0.0"}
			if method == "PATCH" {
				return a.do(stranger, method, path, strings.NewReader("abc"), append(header, "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0")...)
			}
			if r.pattern == "POST /v1/disposals/{id}/xdomea" {
				return a.do(stranger, method, path, strings.NewReader("<a/>"), append(header, "Content-Type", "application/xml")...)
			}
			if b := body[r.pattern]; b != "" {
				return a.do(stranger, method, path, b, header...)
			}
			return a.do(stranger, method, path, nil, header...)
		}
		other, nothing := ask(id), ask(none)
		if other.StatusCode != http.StatusNotFound || nothing.StatusCode != http.StatusNotFound || !bytes.Equal(other.body, nothing.body) {
			t.Errorf("%s\n  of another tenant: %d %s\n  of nobody: %d %s", r.pattern, other.StatusCode, other.body, nothing.StatusCode, nothing.body)
		}
	}
	for _, path := range []string{"/v1/records", "/v1/records?q=Bauantrag", "/v1/submissions", "/v1/holds", "/v1/permits", "/v1/disposals", "/v1/disposals?view=runs", "/v1/subject-requests", "/v1/audit?object=" + string(e.ID)} {
		if v := a.do(stranger, "GET", path, nil).want(t, 200); bytes.Contains(v.body, []byte(e.ID)) || bytes.Contains(v.body, []byte(hold.ID)) || bytes.Contains(v.body, []byte(permit.ID)) || bytes.Contains(v.body, []byte(run.ID)) {
			t.Errorf("%s shows what belongs to another tenant: %s", path, v.body)
		}
	}
}

// TestUnknownRoutes wants problems where net/http writes lines of text.
func TestUnknownRoutes(t *testing.T) {
	a := newArchive(t)
	a.do("", "GET", "/v2/records", nil).want(t, 404)
	v := a.do("", "PUT", "/v1/records", nil).want(t, 405)
	if allow := v.Header.Get("Allow"); !strings.Contains(allow, "GET") {
		t.Errorf("Allow: %q", allow)
	}
}

// TestHandlersNeedRows: a handler that the table does not know must not start.
func TestHandlersNeedRows(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a handler without a row was registered")
		}
	}()
	table{http.NewServeMux(), nil}.HandleFunc("GET /v1/everything", func(http.ResponseWriter, *http.Request) {})
}

func TestPanic(t *testing.T) {
	a := newArchive(t)
	h := a.server.s.identify(a.server.s.observe(a.server.s.recover(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(a.log.String(), "boom") {
		t.Error("the log does not have the panic")
	}
}

func TestHeaders(t *testing.T) {
	a := newArchive(t)
	reader := a.token(ours, "erika", auth.Reader)
	v := a.do(reader, "GET", "/v1/records", nil).want(t, 200)
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer"} {
		if got := v.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if v.Header.Get("X-Request-Id") == "" {
		t.Error("no request id")
	}
	if v := a.do(reader, "GET", "/v1/records", nil, "X-Request-Id", "from-the-proxy"); v.Header.Get("X-Request-Id") != "from-the-proxy" {
		t.Error("the proxy's request id was lost")
	}
	if v := a.do(reader, "GET", "/v1/records", nil, "X-Request-Id", "line\tbreak"); v.Header.Get("X-Request-Id") == "line\tbreak" {
		t.Error("an odd request id was taken over")
	}
	a.do(reader, "POST", "/v1/tokens", `{}`, "Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site").want(t, 403)
	for _, secret := range []string{reader, "erika"} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func TestQuery(t *testing.T) {
	a := newArchive(t)
	reader := a.token(ours, "erika", auth.Reader)
	for query, field := range map[string]string{
		"klass=63": "klass", "limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "limit=5&limit=6": "limit", "from=2014-02-30": "from",
		"from=x": "from", "to=31.12.2015": "to", "limit=-1": "limit", "state=archived": "state", "state=nope": "state", "kind=folder": "kind",
		"class=nope": "class", "q=a&class=nope": "class", "format=pdf": "format", "year=99": "year", "sort=relevance": "sort",
		"confidentiality=a&sort=archived": "sort", "year=2015&sort=relevance": "sort", "year=2015&reference=b": "reference",
		"sort=size": "sort", "q=a&sort=archived": "sort", "q=a&reference=b": "reference", "after=%00": "after", "class=" + strings.Repeat("6", 65): "class",
	} {
		v := a.do(reader, "GET", "/v1/records?"+query, nil)
		if field == "" {
			v.want(t, 200)
		} else if v.StatusCode != 400 || v.field(t, field) == "" {
			t.Errorf("%s: %d %s", query, v.StatusCode, v.body)
		}
	}
	if v := a.do(reader, "GET", "/v1/records?from=x", nil); !strings.Contains(string(v.body), "YYYY-MM-DD") {
		t.Errorf("%s", v.body)
	}
	if v := a.do(reader, "GET", "/v1/records?after=nonsense", nil).want(t, 400); v.problem(t).Code != "invalid-cursor" || v.problem(t).Detail == "" {
		t.Errorf("%s", v.body)
	}
	a.do(reader, "GET", "/v1/records/"+strings.Repeat("z", 26), nil).want(t, 404)
	a.do(reader, "GET", "/v1/records/../../etc", nil).want(t, 404)
	a.do(reader, "GET", fmt.Sprintf("/v1/records/%s/files/..%%2f", strings.Repeat("0", 26)), nil).want(t, 404)
}
