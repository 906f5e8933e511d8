package api

import (
	"testing"

	"bestand/api/auth"
	"bestand/preservation"
)

func TestReclassification(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	mine, other := a.archived(ours, "1", preservation.File{Name: "a.txt"}), a.archived(theirs, "1", preservation.File{Name: "a.txt"})
	path := "/v1/records/" + string(mine.ID) + "/reclassification"
	for _, c := range []struct {
		name, path, body string
		status           int
		field, code      string
	}{
		{"unknown class", path, `{"class":"99.99","reason":"r"}`, 422, "class", "unknown-class"},
		{"its own class", path, `{"class":"63.10","reason":"r"}`, 422, "class", "unchanged"},
		{"no reason", path, `{"class":"05.10"}`, 422, "reason", "required"},
		{"white reason", path, `{"class":"05.10","reason":" \t"}`, 422, "reason", "required"},
		{"a name that reverses writing", path, `{"class":"05.10","reason":"a\u202eb"}`, 422, "reason", "text"},
		{"an unknown field", path, `{"class":"05.10","reason":"r","title":"x"}`, 422, "title", "unknown-field"},
		{"another tenant's record", "/v1/records/" + string(other.ID) + "/reclassification", `{"class":"05.10","reason":"r"}`, 404, "", ""},
	} {
		v := a.do(officer, "POST", c.path, c.body)
		if v.StatusCode != c.status || c.field != "" && v.field(t, c.field) != c.code {
			t.Errorf("%s: %d %s", c.name, v.StatusCode, v.body)
		}
	}
	for _, role := range []auth.Role{auth.Archivist, auth.Reader, auth.Submitter, auth.Approver} {
		a.do(a.token(ours, "x", role), "POST", path, `{"class":"05.10","reason":"r"}`).want(t, 403)
	}
	if r := decode[Retention](t, a.do(officer, "POST", path+"/preview", `{"class":"05.10"}`).want(t, 200)); r.Class != "05.10" || r.Rule == nil {
		t.Errorf("the preview says %+v", r)
	}
	for body, code := range map[string]string{`{"class":"63.10"}`: "unchanged", `{"class":"99.99"}`: "unknown-class"} {
		if v := a.do(officer, "POST", path+"/preview", body); v.StatusCode != 422 || v.field(t, "class") != code {
			t.Errorf("preview of %s: %d %s", body, v.StatusCode, v.body)
		}
	}
	a.do(officer, "POST", "/v1/records/"+string(other.ID)+"/reclassification/preview", `{"class":"05.10"}`).want(t, 404)
	if got := decode[Record](t, a.do(officer, "GET", "/v1/records/"+string(mine.ID), nil).want(t, 200)); got.Class != "63.10" {
		t.Errorf("a preview moved the record to %s", got.Class)
	}
	a.do(officer, "POST", path, `{"class":"05.10","reason":"gehört zur Vergabe"}`).want(t, 201)
	got := decode[Record](t, a.do(officer, "GET", "/v1/records/"+string(mine.ID), nil).want(t, 200))
	if got.Class != "05.10" || len(got.Reclassified) != 1 || got.Reclassified[0].From != "63.10" || got.Reclassified[0].Reason != "gehört zur Vergabe" || got.Reclassified[0].Actor != "olga" {
		t.Errorf("%+v", got.Reclassified)
	}
	for query, want := range map[string]int{"class=05.10": 1, "class=63.10": 0} {
		if page := decode[RecordPage](t, a.do(officer, "GET", "/v1/records?"+query, nil).want(t, 200)); len(page.Items) != want {
			t.Errorf("%s: %d records, want %d", query, len(page.Items), want)
		}
	}
}
