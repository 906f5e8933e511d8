package api

import (
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// quarantined hands a file over and has the scanner find malware in it.
func (a *archive) quarantined(token, id, name, content string) preservation.SubmissionID {
	a.Helper()
	sub := decode[Accepted](a, a.submit(token, metadataPart(metadata(id)), filePart(name, content)).want(a, 202)).ID
	problem := preservation.Finding{Code: "infected", Severity: preservation.Failed, Subject: "f0001 " + name, Detail: "carries Eicar"}
	if err := a.db.Tenant(ours).Settle(a.Context(), sub, catalog.Quarantined, []preservation.Finding{problem}); err != nil {
		a.Fatal(err)
	}
	return sub
}

// TestQuarantine: who may look into a quarantined submission and decide about it.
func TestQuarantine(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms", auth.Submitter)
	sub := string(a.quarantined(dms, "1", "rechnung.html", "<script>alert(1)</script>"))
	file, refuse := "/v1/submissions/"+sub+"/files/f0001", "/v1/submissions/"+sub+"/refuse"
	reason := `{"reason":"Schadprogramm, mit dem Bauamt besprochen"}`
	for _, r := range auth.Roles {
		if r == auth.Archivist || r == auth.Admin {
			continue
		}
		token := a.token(ours, "x-"+string(r), r)
		a.do(token, "GET", file, nil).want(t, 403)
		a.do(token, "POST", refuse, reason).want(t, 403)
	}
	a.do(dms, "GET", file, nil).want(t, 403) // its sender has the file, and no business with what became of it here
	stranger := a.token(theirs, "anna", auth.Archivist, auth.Admin)
	a.do(stranger, "GET", file, nil).want(t, 404)
	a.do(stranger, "POST", refuse, reason).want(t, 404)

	anna := a.token(ours, "anna", auth.Archivist)
	v := a.do(anna, "GET", file, nil).want(t, 200)
	if string(v.body) != "<script>alert(1)</script>" || v.Header.Get("Content-Type") != "application/octet-stream" ||
		!strings.HasPrefix(v.Header.Get("Content-Disposition"), "attachment;") {
		t.Errorf("%v: %s", v.Header, v.body)
	}
	if v := a.do(anna, "GET", file, nil, "Range", "bytes=1-6").want(t, 206); string(v.body) != "script" {
		t.Errorf("%s", v.body)
	}
	a.do(anna, "GET", "/v1/submissions/"+sub+"/files/f0002", nil).want(t, 404)
	a.do(anna, "GET", "/v1/submissions/"+sub+"/files/f0000", nil).want(t, 404)
	a.do(anna, "POST", refuse, nil).want(t, 415)
	a.do(anna, "POST", refuse, `{"reason":"  "}`).want(t, 422)

	got := decode[Submission](t, a.do(anna, "POST", refuse, reason).want(t, 200))
	if got.Status != "rejected" || len(got.Problems) != 2 || got.Problems[0].Code != "refused" || got.Problems[1].Code != "infected" {
		t.Errorf("%+v", got)
	}
	for _, again := range []string{"/refuse", "/release"} {
		a.do(anna, "POST", "/v1/submissions/"+sub+again, reason).want(t, 409)
	}
	a.do(anna, "POST", "/v1/submissions/"+sub+"/retry", nil).want(t, 409)
	a.do(anna, "GET", file, nil).want(t, 409)
	told := decode[Submission](t, a.do(dms, "GET", "/v1/submissions/"+sub, nil).want(t, 200))
	if told.Status != "rejected" || !strings.Contains(told.Problems[0].Detail, "Bauamt") || told.Steps[len(told.Steps)-1].Event != "refusal" {
		t.Errorf("%+v", told)
	}
	actions := ""
	for _, e := range decode[ListAudit200JSONResponse](t, a.do(a.token(ours, "revision", auth.Auditor), "GET", "/v1/audit?object="+sub, nil).want(t, 200)).Items {
		actions += e.Actor + " " + e.Action + "\n"
	}
	if want := "anna submission.file.read\nanna submission.file.read\nanna submission.refuse\n"; !strings.HasSuffix(actions, want) {
		t.Errorf("audit:\n%s", actions)
	}
}

// TestReleasedMalware: what was archived with malware in it is not handed to
// everybody who may read.
func TestReleasedMalware(t *testing.T) {
	a := newArchive(t)
	e := a.archived(ours, "1", preservation.File{Name: "a.eml"}, preservation.File{Name: "eicar.com", DerivedFrom: "f0001"}, preservation.File{Name: "b.txt"})
	now := time.Now()
	if err := a.db.Tenant(ours).AddEvents(t.Context(), e.ID, preservation.Event{ID: preservation.NewID(now), Type: preservation.EventScan, At: now, Code: "infected",
		Outcome: preservation.Failure, Files: []preservation.FileID{"f0002"}, Agent: preservation.Agent{Type: preservation.Software, Name: "ClamAV", Version: "1"}}); err != nil {
		t.Fatal(err)
	}
	record := "/v1/records/" + string(e.ID)
	for role, malware := range map[auth.Role]int{auth.Reader: 403, auth.RecordsOfficer: 403, auth.Archivist: 200, auth.Admin: 200} {
		token := a.token(ours, "x", role)
		for path, want := range map[string]int{"/files/f0001": malware, "/files/f0002": malware, "/files/f0003": 200, "/package": malware} {
			v := a.do(token, "GET", record+path, nil)
			if v.StatusCode != want || want == 403 && v.problem(t).Code != "infected" {
				t.Errorf("%s %s: %d %s", role, path, v.StatusCode, v.body)
			}
		}
		a.do(token, "HEAD", record+"/files/f0002", nil).want(t, malware)
	}
}
