package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestEveryRoute calls each route once with success. That an answer is as
// openapi.yaml says is checked with every request of every test (archive.do).
func TestEveryRoute(t *testing.T) {
	a := newArchive(t)
	all := a.tokenLike(ours, catalog.Token{Actor: "anna", Roles: names(auth.Roles), Installation: true})
	second := a.token(ours, "paul", auth.Approver)
	record := string(a.archived(ours, "1", preservation.File{Name: "a.txt"}).ID)
	left := map[string]bool{}
	for _, r := range routes {
		left[r.pattern] = true
	}
	var id string // the last one that an answer named
	call := func(token, pattern string, body any, header ...string) answer {
		t.Helper()
		delete(left, pattern)
		method, path, _ := strings.Cut(pattern, " ")
		if strings.Contains(path, "/records/") {
			id = record
		}
		path = strings.NewReplacer("{id}", id, "{file_id}", "f0001", "{session_id}", "01jq2m9cfp2y8r0v6k3c5t7n4e", "{version}", "1", "{kind}", "evaluate").Replace(path)
		v := a.do(token, method, path, body, header...)
		if v.StatusCode >= 300 {
			t.Fatalf("%s: %d %s", pattern, v.StatusCode, v.body)
		}
		return v
	}
	identified := func(v answer) { t.Helper(); id = decode[struct{ ID string }](t, v).ID }

	for _, pattern := range []string{"GET /livez", "GET /readyz", "GET /metrics", "GET /openapi.json", "OPTIONS /v1/uploads"} {
		call("", pattern, nil)
	}
	tus := []string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream"}
	location := call(all, "POST /v1/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "2").Header.Get("Location")
	id = strings.TrimPrefix(location, "/v1/uploads/")
	call(all, "HEAD /v1/uploads/{id}", nil, "Tus-Resumable", "1.0.0")
	call(all, "PATCH /v1/uploads/{id}", strings.NewReader("ab"), append(tus, "Upload-Offset", "0")...)
	upload := id
	identified(call(all, "POST /v1/submissions", metadata("2", "files", []any{map[string]any{"name": "b.txt", "upload": upload}})))
	submission := id
	id = upload
	call(all, "DELETE /v1/uploads/{id}", nil, "Tus-Resumable", "1.0.0")
	id = submission
	call(all, "GET /v1/submissions", nil)
	call(all, "GET /v1/submissions/{id}", nil)
	settle := func() {
		t.Helper()
		if err := a.db.Tenant(ours).Settle(t.Context(), preservation.SubmissionID(id), catalog.Quarantined, nil); err != nil {
			t.Fatal(err)
		}
	}
	settle()
	call(all, "POST /v1/submissions/{id}/retry", nil)
	settle()
	call(all, "GET /v1/submissions/{id}/files/{file_id}", nil)
	call(all, "POST /v1/submissions/{id}/release", `{"reason":"looked at"}`)
	settle()
	call(all, "POST /v1/submissions/{id}/refuse", `{"reason":"looked at"}`)
	id = string(decode[Record](t, call(all, "GET /v1/records/{id}", nil)).Submission)
	call(all, "GET /v1/submissions/{id}/receipt", nil)

	call(all, "GET /v1/records", nil)
	call(all, "GET /v1/records/{id}/files/{file_id}", nil)
	call(all, "GET /v1/records/{id}/events", nil)
	call(all, "GET /v1/records/{id}/package", nil)
	call(all, "POST /v1/evidence/batches", nil)
	call(all, "GET /v1/evidence/renewals", nil)
	call(all, "POST /v1/evidence/renewals", nil)
	call(all, "GET /v1/records/{id}/evidence", nil)
	call(all, "POST /v1/records/{id}/verification", nil)
	call(all, "POST /v1/records/{id}/triggers", `{"type":"closure","date":"2020-01-01"}`)
	call(all, "POST /v1/records/{id}/versions", `{"producer_record_id":"1b","kind":"correction","reason":"r","changes":{"title":"T"}}`)
	call(all, "POST /v1/records/{id}/access-grants", `{"kind":"shortening","reason":"r","legal_basis":"SächsArchivG §10"}`)
	call(all, "POST /v1/records/{id}/restriction", `{"reason":"r","legal_basis":"GDPR Art. 18"}`)
	call(all, "POST /v1/records/{id}/reclassification/preview", `{"class":"05.10"}`)
	call(all, "POST /v1/records/{id}/reclassification", `{"class":"05.10","reason":"wrong folder"}`)

	call(all, "POST /v1/classification", string(call(all, "GET /v1/classification", nil).body))
	call(all, "GET /v1/classification/versions", nil)
	call(all, "POST /v1/classification/preview", string(call(all, "GET /v1/classification", nil).body))
	call(all, "GET /v1/templates", nil)
	call(all, "POST /v1/rules/preview", `{"id":"general-10y","title":"T","trigger":"closure","duration":{"years":1},"base":"day","legal_basis":"b"}`)
	call(all, "POST /v1/rules/import/preview", `{"rules":[{"id":"general-10y","title":"T","trigger":"closure","duration":{"years":1},"base":"day","legal_basis":"b"}]}`)
	call(all, "POST /v1/rules/import", `{"rules":[{"id":"several","title":"T","trigger":"closure","duration":{"years":1},"base":"day","legal_basis":"b"}]}`)
	delete(left, "GET /v1/classification/template")
	template := a.do(all, "GET", "/v1/classification/template?name=ours&version=1", nil).want(t, 200).body
	call(all, "POST /v1/classification/template/preview", string(template))
	call(all, "POST /v1/classification/template", string(template))
	call(all, "GET /v1/rules", nil)
	call(all, "PUT /v1/rules/policy", `{"approve_rules":true}`)
	call(all, "GET /v1/rules/policy", nil)
	id = decode[struct{ ID string }](t, call(all, "POST /v1/rules", `{"id":"draft","title":"T","trigger":"closure","duration":{"years":1},"base":"day","legal_basis":"b"}`)).ID
	call(second, "POST /v1/rules/{id}/versions/{version}/approval", nil)
	call(all, "POST /v1/rules", `{"id":"t","title":"T","trigger":"closure","duration":{"years":1},"base":"day","legal_basis":"b"}`)
	identified(call(all, "POST /v1/holds", `{"scope":{"classes":["63"]},"authority":"a","reason":"r","review":"2030-01-01"}`))
	call(all, "GET /v1/holds", nil)
	call(all, "GET /v1/holds/{id}", nil)
	for _, report := range []string{"due", "unresolved", "conflicts", "holds"} {
		call(all, "GET /v1/reports/"+report, nil)
		if v := call(all, "GET /v1/reports/"+report, nil, "Accept", "text/csv"); !strings.HasPrefix(string(v.body), "\ufeff") || v.Header.Get("Content-Type") != "text/csv" {
			t.Errorf("%s: %.100s", report, v.body)
		}
	}
	call(all, "POST /v1/holds/{id}/review", `{"review":"2031-01-01","note":"still needed"}`)
	call(all, "POST /v1/holds/{id}/release", `{"reason":"over"}`)
	identified(call(all, "POST /v1/permits", `{"classes":["63.10"],"authority":"a","granted":"2020-01-01","legal_basis":"b","valid_from":"2020-01-01"}`))
	call(second, "POST /v1/permits/{id}/approval", nil)
	call(all, "GET /v1/permits", nil)
	call(all, "POST /v1/permits/{id}/revoke", nil)
	call(all, "GET /v1/disposals", nil)
	due := string(a.due(ours, "3"))
	begin := func() {
		t.Helper()
		identified(call(all, "POST /v1/disposals", `{"records":["`+due+`"]}`))
		call(all, "POST /v1/disposals/{id}/decisions", `{"decisions":[{"scope":{"all":true},"decision":"A"}]}`)
	}
	begin()
	call(all, "POST /v1/disposals/{id}/cancellation", `{"reason":"no"}`)
	begin()
	call(all, "POST /v1/disposals/{id}/offer", `{"authority":"a","offered":"`+today(t)+`"}`)
	offered := call(all, "GET /v1/disposals/{id}/xdomea", nil)
	call(all, "POST /v1/disposals/{id}/xdomea", strings.NewReader(answerTo(t, offered.body, "V")), "Content-Type", "application/xml")
	call(all, "POST /v1/disposals/{id}/answers", `{"answers":[{"scope":{"classes":["02"]},"answer":"A"}]}`)
	call(second, "POST /v1/disposals/{id}/approval", nil)
	call(all, "POST /v1/disposals/{id}/withdrawal", `{"reason":"look again"}`)
	call(second, "POST /v1/disposals/{id}/approval", `{"note":"seen"}`)
	call(all, "POST /v1/disposals/{id}/execution", `{"grace_days":3}`)
	a.do(all, "GET", "/v1/records/"+due+"/package?disposal="+id, nil).want(t, 200)
	call(all, "POST /v1/disposals/{id}/transfers", `{"scope":{"all":true},"receiver":"r","reference":"n","acknowledged":"`+today(t)+`","own_copy":"keep"}`)
	call(all, "POST /v1/disposals/{id}/stop", `{"reason":"wait"}`)
	call(all, "GET /v1/disposals/{id}", nil)
	due = string(a.due(ours, "4"))
	identified(call(all, "POST /v1/disposals", `{"records":["`+due+`"]}`))
	call(all, "POST /v1/disposals/{id}/decisions", `{"decisions":[{"scope":{"all":true},"decision":"K","until":"2099-01-01","note":"n"}]}`)
	call(second, "POST /v1/disposals/{id}/approval", nil)
	call(all, "POST /v1/disposals/{id}/execution", `{"grace_days":0}`)
	if v := a.do(all, "GET", "/v1/disposals/"+id+"/certificate", nil); v.StatusCode != 409 {
		t.Errorf("certificate before the end: %d %s", v.StatusCode, v.body)
	}
	a.execute(ours, id)
	call(all, "GET /v1/disposals/{id}/certificate", nil)
	a.do(all, "GET", "/v1/disposals/"+id+"/certificate?format=pdf", nil).want(t, 200)

	if err := a.db.Tenant(ours).EnsureSchedule(t.Context(), "evaluate", "5 0 * * *", time.Now()); err != nil {
		t.Fatal(err)
	}
	call(all, "GET /v1/schedules", nil)
	for _, action := range []string{"run", "pause", "resume"} {
		call(all, "POST /v1/schedules/{kind}/"+action, nil)
	}
	asked := decode[FoundSubjectRequest](t, call(all, "POST /v1/subject-requests", `{"kind":"access","subject":{"name":"Muster, Erika"},"received":"2024-01-02"}`))
	id = asked.Request.ID
	call(all, "GET /v1/subject-requests", nil)
	call(all, "GET /v1/subject-requests/{id}", nil)
	call(all, "POST /v1/subject-requests/{id}/decision", `{"outcome":"granted","reason":"r","legal_basis":"l"}`)
	call(all, "GET /v1/subject-requests/{id}/statement", nil)
	erased := decode[FoundSubjectRequest](t, call(all, "POST /v1/subject-requests", `{"kind":"erasure","subject":{"name":"Muster, Erika"},"received":"2024-01-02"}`))
	granted := decode[SubjectRequest](t, a.do(all, "POST", "/v1/subject-requests/"+erased.Request.ID+"/decision",
		`{"outcome":"granted","reason":"r","legal_basis":"l","records":["`+string(a.due(ours, "left"))+`"]}`).want(t, 200))
	a.do(all, "POST", "/v1/disposals/"+granted.Decision.Run+"/cancellation", `{"reason":"r"}`).want(t, 200)
	id = erased.Request.ID
	call(all, "POST /v1/subject-requests/{id}/erasure", nil)
	call(all, "GET /v1/audit", nil)
	call(all, "GET /v1/audit/export", nil)
	identified(call(all, "POST /v1/searches", `{"name":"due","query":"state=due"}`))
	call(all, "GET /v1/searches", nil)
	call(all, "POST /v1/searches/{id}/rename", `{"name":"now due"}`)
	call(all, "POST /v1/searches/{id}/delete", nil)
	identified(call(all, "POST /v1/tokens", `{"actor":"x","roles":["reader"]}`))
	call(all, "GET /v1/tokens", nil)
	call(all, "POST /v1/tokens/{id}/revoke", nil)
	id = decode[NewUser](t, call(all, "POST /v1/users", `{"name":"paula","label":"Paula Muster","roles":["reader"]}`)).User.ID
	call(all, "POST /v1/users/{id}/password", nil)
	call(all, "POST /v1/users/{id}/roles", `{"roles":["archivist"]}`)
	call(all, "POST /v1/users/{id}/rename", `{"label":"Paula Beispiel"}`)
	a.do(all, "POST", "/v1/users", `{"name":"paula-amt","label":"Paula Muster","roles":["reader"]}`).want(t, 201)
	call(all, "POST /v1/users/{id}/person", `{"same_as":"paula-amt"}`)
	call(all, "POST /v1/users/{id}/lock", nil)
	call(all, "POST /v1/users/{id}/unlock", nil)
	call(all, "GET /v1/users", nil)
	call(all, "GET /v1/users/{id}/sessions", nil)
	call(all, "POST /v1/users/{id}/sessions/{session_id}/end", nil)
	call(all, "POST /v1/users/{id}/sessions/end", nil)
	call(all, "GET /v1/fixity", nil)
	call(all, "GET /v1/operation", nil)
	id = a.deadJob("lost")
	call(all, "POST /v1/jobs/{id}/retry", nil)
	call(all, "POST /v1/tenants", `{"id":"neustadt","name":"N","admin":"n"}`)
	call(all, "GET /v1/tenants", nil)
	call(all, "GET /v1/tenant", nil)
	call(all, "POST /v1/tenant/rename", `{"name":"Stadt Musterstadt"}`)
	call(all, "POST /v1/tenant/setup", `{"step":"people"}`)
	call(all, "POST /v1/tenant/settings", `{"seal":"B-T"}`)
	call(all, "GET /v1/equipment", nil)
	call(all, "POST /v1/equipment/seal/trial", nil)
	call(all, "POST /v1/equipment/store/trial", nil)

	for pattern := range left {
		t.Errorf("%s was not called", pattern)
	}
	if v := a.do("", http.MethodGet, fmt.Sprintf("/v1/records/%s", record), nil); v.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", v.StatusCode)
	}
}

// deadJob makes a job of ours that was given up, and returns its identifier.
func (a *archive) deadJob(kind string) string {
	a.Helper()
	t := a.db.Tenant(ours)
	if err := t.Enqueue(a.Context(), catalog.Job{Kind: kind, Key: "1"}); err != nil {
		a.Fatal(err)
	}
	ctx, stop := context.WithTimeout(a.Context(), 10*time.Second)
	defer stop()
	refuse := func(context.Context, *catalog.Tenant, catalog.Job) error {
		return &catalog.Final{Err: errors.New("gone")}
	}
	go (&catalog.Pool{DB: a.db, Handlers: map[string]catalog.Handler{kind: refuse}, Workers: 1, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
	for ctx.Err() == nil {
		if dead, err := t.DeadJobs(ctx, 1); err == nil && len(dead) == 1 {
			return dead[0].ID
		}
		time.Sleep(10 * time.Millisecond)
	}
	a.Fatal("the job was not given up")
	return ""
}
