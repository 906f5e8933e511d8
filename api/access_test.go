package api

import (
	"slices"
	"strings"
	"testing"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestClosed asks for content in the name of the public and of the administration.
func TestClosed(t *testing.T) {
	a := newArchive(t)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"}) // closed in 2015
	self := "/v1/records/" + string(e.ID)
	researcher, reader, archivist := a.token(ours, "forscherin", auth.Researcher), a.token(ours, "bauamt", auth.Reader), a.token(ours, "archiv", auth.Archivist)
	paths := []string{"", "/files/f0001", "/events", "/package"}
	for _, path := range paths {
		if p := a.do(researcher, "GET", self+path, nil).want(t, 403).problem(t); p.Code != "closed" || !strings.Contains(p.Detail, "2045-11-30") || !strings.Contains(p.Detail, "SächsArchivG §10") {
			t.Errorf("%s: %+v", path, p)
		}
		a.do(reader, "GET", self+path, nil).want(t, 200)
	}
	a.do(researcher, "GET", "/v1/records?q=Bauantrag", nil).want(t, 403)
	got := decode[Record](t, a.do(reader, "GET", self, nil).want(t, 200)).Access
	if got.ClosedUntil.String() != "2045-11-30" || got.Reason != "general" || got.Basis == "" {
		t.Errorf("%+v", got)
	}
	grant := func(token, body string, status int) answer {
		t.Helper()
		return a.do(token, "POST", self+"/access-grants", body).want(t, status)
	}
	grant(reader, `{"kind":"shortening","reason":"r","legal_basis":"l"}`, 403)
	for body, field := range map[string]string{
		`{"kind":"consent","person":"Niemand","reason":"r","legal_basis":"l"}`:            "person",
		`{"kind":"shortening","until":"2026-02-30","reason":"r","legal_basis":"l"}`:       "until",
		`{"kind":"shortening","reason":"r"}`:                                              "legal_basis",
		`{"kind":"shortening","reason":"\u202er","legal_basis":"l"}`:                      "reason",
		`{"kind":"bribe","reason":"r","legal_basis":"l"}`:                                 "kind",
		`{"kind":"shortening","until":"2026-01-01","reason":"r","legal_basis":"l","x":1}`: "x",
	} {
		if v := grant(archivist, body, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", body, v.body)
		}
	}
	grant(archivist, `{"kind":"shortening","reason":"Forschungsvorhaben","legal_basis":"SächsArchivG §10"}`, 201)
	for _, path := range paths {
		a.do(researcher, "GET", self+path, nil).want(t, 200)
	}
}

// TestClosedTitle wants whoever handed a record over to read its title until an archive
// has taken the record over, and then once the closure period has ended.
func TestClosedTitle(t *testing.T) {
	a := newArchive(t)
	e, other := a.archived(ours, "1", preservation.File{Name: "a.txt"}), a.archived(ours, "2", preservation.File{Name: "a.txt"}) // closed in 2015
	submitter, officer := a.token(ours, "dms", auth.Submitter), a.token(ours, "olga", auth.RecordsOfficer)
	titles := func(token string) (all []string) {
		t.Helper()
		for _, v := range decode[ListSubmissions200JSONResponse](t, a.do(token, "GET", "/v1/submissions", nil).want(t, 200)).Items {
			if v.Title != "" {
				all = append(all, v.Title)
			}
		}
		slices.Sort(all)
		return all
	}
	if got := titles(submitter); !slices.Equal(got, []string{"Bauantrag 1", "Bauantrag 2"}) {
		t.Errorf("before the archive has it: %q", got)
	}
	if err := a.db.Tenant(ours).Update(t.Context(), func(x *catalog.Tx) error {
		return x.AddItem(catalog.RunItem{Run: "r", Record: e.ID, State: catalog.ItemTransferred, Version: 1, Class: e.Class, Rule: "r@1", Proposed: "A"})
	}); err != nil {
		t.Fatal(err)
	}
	a.do(submitter, "GET", "/v1/records/"+string(e.ID), nil).want(t, 403)
	if got := titles(submitter); !slices.Equal(got, []string{other.Title}) {
		t.Errorf("in its closure period: %q", got)
	}
	if got := titles(officer); len(got) != 2 {
		t.Errorf("to the records office: %q", got)
	}
	a.do(a.token(ours, "archiv", auth.Archivist), "POST", "/v1/records/"+string(e.ID)+"/access-grants", `{"kind":"shortening","reason":"r","legal_basis":"l"}`).want(t, 201)
	if got := titles(submitter); len(got) != 2 {
		t.Errorf("once it is open: %q", got)
	}
}

func TestRestricted(t *testing.T) {
	a := newArchive(t)
	e, other := a.archived(ours, "1", preservation.File{Name: "a.txt"}), a.archived(theirs, "1")
	self := "/v1/records/" + string(e.ID)
	reader, officer, auditor := a.token(ours, "bauamt", auth.Reader), a.token(ours, "olga", auth.RecordsOfficer), a.token(ours, "revision", auth.Auditor)
	public := a.token(ours, "forscherin", auth.Researcher)
	a.do(officer, "POST", "/v1/records/"+string(other.ID)+"/restriction", `{"reason":"r","legal_basis":"l"}`).want(t, 404)
	a.do(reader, "POST", self+"/restriction", `{"reason":"r","legal_basis":"l"}`).want(t, 403)
	a.do(officer, "POST", self+"/restriction", `{"reason":"Richtigkeit bestritten","legal_basis":"DSGVO Art. 18"}`).want(t, 201)
	if p := a.do(officer, "POST", self+"/restriction", `{"reason":"anders","legal_basis":"l"}`).want(t, 409).problem(t); !strings.Contains(p.Detail, "is restricted since") {
		t.Errorf("restricted twice: %+v", p)
	}
	if b := a.do(officer, "GET", "/v1/submissions", nil).want(t, 200).body; strings.Contains(string(b), `"title"`) {
		t.Errorf("a list of submissions says what a restricted record is called: %s", b)
	}
	for _, path := range []string{"", "/files/f0001", "/events", "/package"} {
		if p := a.do(reader, "GET", self+path, nil).want(t, 403).problem(t); p.Code != "restricted" || !strings.Contains(p.Detail, "Richtigkeit bestritten (DSGVO Art. 18)") {
			t.Errorf("%s: %+v", path, p)
		}
		if p := a.do(public, "GET", self+path, nil).want(t, 403).problem(t); p.Code != "restricted" || p.Detail != "" {
			t.Errorf("%s: the public is told %+v", path, p)
		}
	}
	for _, query := range []string{"", "?class=63", "?q=Bauantrag", "?reference=63.10-1"} {
		page := decode[RecordPage](t, a.do(reader, "GET", "/v1/records"+query, nil).want(t, 200))
		counted := 0
		for _, values := range page.Facets {
			counted += len(values)
		}
		if len(page.Items) != 0 || page.Total != 0 || counted != 0 {
			t.Errorf("listed by %q: %+v, %d in all, facets %+v", query, page.Items, page.Total, page.Facets)
		}
	}
	if page := decode[RecordPage](t, a.do(auditor, "GET", "/v1/records", nil).want(t, 200)); len(page.Items) != 1 {
		t.Errorf("%d records for who is to know it", len(page.Items))
	}
	if r := decode[Record](t, a.do(officer, "GET", self, nil).want(t, 200)).Restriction; r.Reason != "Richtigkeit bestritten" || r.Actor != "olga" {
		t.Errorf("%+v", r)
	}
	open := a.archived(ours, "2")
	ids := []preservation.RecordID{e.ID, open.ID}
	named, err := a.server.Titles(t.Context(), auth.Principal{Tenant: ours, Actor: "olga", Roles: []auth.Role{auth.RecordsOfficer}}, ids)
	if err != nil || len(named) != 1 || !slices.Equal(ids, []preservation.RecordID{e.ID, open.ID}) {
		t.Errorf("named %v, %v; the caller's own list is %v", named, err, ids)
	}
	a.do(officer, "POST", self+"/restriction", `{"ended":true,"reason":"geklärt","legal_basis":"DSGVO Art. 18"}`).want(t, 201)
	if p := a.do(officer, "POST", self+"/restriction", `{"ended":true,"reason":"geklärt","legal_basis":"l"}`).want(t, 409).problem(t); !strings.Contains(p.Detail, "nothing to end") {
		t.Errorf("ended twice: %+v", p)
	}
	if b := a.do(officer, "GET", "/v1/submissions", nil).want(t, 200).body; !strings.Contains(string(b), `"title"`) {
		t.Errorf("a list of submissions has no titles: %s", b)
	}
	a.do(reader, "GET", self+"/files/f0001", nil).want(t, 200)
}
