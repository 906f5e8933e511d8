package api

import (
	"strings"
	"testing"

	"bestand/api/auth"
	"bestand/preservation"
)

func TestSubjectRequests(t *testing.T) {
	a := newArchive(t)
	officer, auditor := a.token(ours, "olga", auth.RecordsOfficer), a.token(ours, "revision", auth.Auditor)
	foreign := a.token(theirs, "fremd", auth.RecordsOfficer, auth.Admin)
	mine, other := a.archived(ours, "1", preservation.File{Name: "a.txt"}), a.archived(theirs, "1", preservation.File{Name: "a.txt"})
	for body, field := range map[string]string{
		`{"kind":"access","subject":{"name":"Geheimname"},"received":"2999-01-01"}`:                                        "received",
		`{"kind":"access","subject":{"name":"Geheimname"},"received":"2026-02-30"}`:                                        "received",
		`{"kind":"access","subject":{"name":" "},"received":"2024-01-02"}`:                                                 "subject.name",
		`{"kind":"access","subject":{"name":"a\u202eb"},"received":"2024-01-02"}`:                                          "subject.name",
		`{"kind":"access","subject":{"name":"` + strings.Repeat("x", 501) + `"},"received":"2024-01-02"}`:                  "subject.name",
		`{"kind":"access","subject":{"name":"Geheimname","died":"2020-01-01"},"received":"2024-01-02"}`:                    "subject.died",
		`{"kind":"revenge","subject":{"name":"Geheimname"},"received":"2024-01-02"}`:                                       "kind",
		`{"kind":"access","subject":{"name":"Geheimname"},"received":"2024-01-02","records":["` + string(other.ID) + `"]}`: "records[0]",
		`{"kind":"counter-statement","subject":{"name":"Geheimname"},"received":"2024-01-02"}`:                             "text",
		`{"kind":"access","subject":{"name":"Geheimname"},"received":"2024-01-02","records":["../../etc/passwd"]}`:         "records[0]",
	} {
		if v := a.do(officer, "POST", "/v1/subject-requests", body); v.StatusCode != 422 || v.field(t, field) == "" {
			t.Errorf("%s: %d %s", body, v.StatusCode, v.body)
		}
	}
	made := decode[FoundSubjectRequest](t, a.do(officer, "POST", "/v1/subject-requests",
		`{"kind":"counter-statement","subject":{"name":"Geheimname, Gerda","born":"1961-05-04"},"received":"2024-01-02","text":"So war es nicht."}`).want(t, 201))
	self := "/v1/subject-requests/" + made.Request.ID
	for _, path := range []string{self, self + "/statement"} {
		a.do(foreign, "GET", path, nil).want(t, 404)
	}
	a.do(foreign, "POST", self+"/decision", `{"outcome":"refused","reason":"r","legal_basis":"l"}`).want(t, 404)
	a.do(auditor, "POST", self+"/decision", `{"outcome":"refused","reason":"r","legal_basis":"l"}`).want(t, 403)
	for _, role := range []auth.Role{auth.Reader, auth.Submitter, auth.Operator, auth.Archivist} {
		a.do(a.token(ours, "x", role), "GET", self, nil).want(t, 403)
	}
	a.do(officer, "GET", self+"/statement", nil).want(t, 409)
	if v := a.do(officer, "POST", self+"/decision", `{"outcome":"granted","reason":"r","legal_basis":"l","records":["`+string(other.ID)+`"]}`).want(t, 422); v.field(t, "records[0]") != "unknown-record" {
		t.Errorf("%s", v.body)
	}
	if v := a.do(officer, "POST", self+"/decision", `{"outcome":"granted","reason":"r","legal_basis":"l"}`).want(t, 422); v.field(t, "records") != "required" {
		t.Errorf("%s", v.body)
	}
	a.do(officer, "POST", self+"/decision", `{"outcome":"granted","reason":"r","legal_basis":"SächsArchivG §6","records":["`+string(mine.ID)+`"]}`).want(t, 200)
	a.do(officer, "POST", self+"/decision", `{"outcome":"refused","reason":"r","legal_basis":"l"}`).want(t, 409)
	if s := decode[Record](t, a.do(officer, "GET", "/v1/records/"+string(mine.ID), nil).want(t, 200)).CounterStatements; len(s) != 1 || s[0].Text != "So war es nicht." {
		t.Errorf("%+v", s)
	}
	if strings.Contains(a.log.String(), "Geheimname") {
		t.Error("the log names the person")
	}
	admin := a.token(ours, "chefin", auth.Admin)
	if log := string(a.do(admin, "GET", "/v1/audit?object="+made.Request.ID, nil).want(t, 200).body); strings.Contains(log, "Geheimname") ||
		!strings.Contains(log, "subject-request.add") || !strings.Contains(log, "subject-request.decide") {
		t.Errorf("audit log %s", log)
	}
	// A list that shows somebody is noted, and one that shows nobody is not.
	lists := func() int {
		return strings.Count(string(a.do(admin, "GET", "/v1/audit?limit=200", nil).want(t, 200).body), "subject-request.list")
	}
	before := lists()
	a.do(officer, "GET", "/v1/subject-requests", nil).want(t, 200)
	a.do(officer, "GET", "/v1/subject-requests?after="+strings.Repeat("0", 26), nil).want(t, 200)
	if n := lists() - before; n != 1 {
		t.Errorf("%d entries on lists", n)
	}
	// Who read a record is asked by its identifier.
	a.do(officer, "GET", "/v1/records/"+string(mine.ID)+"/files/f0001", nil).want(t, 200)
	a.do(officer, "GET", "/v1/records/"+string(mine.ID)+"/package", nil).want(t, 200)
	log := string(a.do(admin, "GET", "/v1/audit?object="+string(mine.ID), nil).want(t, 200).body)
	for _, action := range []string{"record.read", "file.read", "package.read"} {
		if !strings.Contains(log, action) {
			t.Errorf("%s is not in the audit log", action)
		}
	}
}
