package main

import (
	"strings"
	"testing"
)

// TestAccessStatement has a person told what is held about her: as JSON, and as a
// page that foreign tools find to be sealed, tagged and PDF/A.
func TestAccessStatement(t *testing.T) {
	converters(t)
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	officer := newOffice(admin).officer
	_, r := admin.archive(about("auskunft", parentContacts, "Elternkontakt Müller", "closed", "2025-07-31",
		"subjects", []any{map[string]any{"name": "Müller, Jörg", "born": "1961-05-04"}, map[string]any{"name": "Andere, Anna"}}), file("a.txt", "Inhalt.\n"))
	admin.as("bauamt", "reader").bytes(r, "f0001")
	var found struct {
		Request    struct{ ID string }
		Candidates []struct {
			RecordID string `json:"record_id"`
			Match    string
		}
	}
	officer.post("/v1/subject-requests", map[string]any{"kind": "access", "subject": map[string]any{"name": "Joerg Mueller", "born": "1961-05-04"}, "received": "2026-01-02"}).
		want(t, 201).decode(t, &found)
	if len(found.Candidates) != 1 || found.Candidates[0].RecordID != r.ID || found.Candidates[0].Match != "exact" {
		t.Fatalf("%+v", found)
	}
	self := "/v1/subject-requests/" + found.Request.ID
	officer.post(self+"/decision", map[string]any{"outcome": "granted", "reason": "Identität geprüft", "legal_basis": "DSGVO Art. 15", "records": []string{r.ID}}).want(t, 200)
	if text := string(officer.get(self+"/statement").want(t, 200).body); !strings.Contains(text, "bauamt") || !strings.Contains(text, "2027-12-31") || strings.Contains(text, "Andere") {
		t.Errorf("%s", text)
	}
	v := newVerifier(t, in)
	v.page("auskunft.pdf", officer.get(self+"/statement?format=pdf").want(t, 200).body,
		"Auskunft", "Müller, Jörg", "04.05.1961", "Datei gelesen am", "bauamt", "31.12.2027 (in der Aufbewahrung)", "1 Datei", "21.40")
}
