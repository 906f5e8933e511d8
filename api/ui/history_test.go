package ui

import (
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestHistory: beside the events of a record stand who did what and why, when it was read
// back, and what the audit log has of it for those who may read that; nothing of those who
// only looked.
func TestHistory(t *testing.T) {
	h := newHouse(t)
	id := h.archived("1")
	for _, action := range []string{"record.read", "package.read", "record.verify"} {
		if err := h.tenant.Audit(t.Context(), catalog.AuditEntry{Actor: "rosa", Action: action, Object: string(id), Detail: map[string]string{"outcome": "passed"}}); err != nil {
			t.Fatal(err)
		}
	}
	moved := preservation.Event{ID: preservation.NewID(time.Now()), Type: preservation.EventReclassify, At: time.Now().UTC(), Outcome: preservation.Success, Agent: preservation.Agent{Type: preservation.Software, Name: "bestand/retention"}}
	if err := h.tenant.Update(t.Context(), func(x *catalog.Tx) error {
		if err := x.AddEvents(id, moved); err != nil {
			return err
		}
		return x.AddAnnotation(catalog.Annotation{ID: moved.ID, Record: id, Kind: catalog.Reclassification, Body: []byte(`{"reason": "falsch abgelegt"}`), Actor: "olga", Key: "k", At: moved.At})
	}); err != nil {
		t.Fatal(err)
	}
	page := func(role auth.Role) string {
		t.Helper()
		v, w := h.visit("/akte/"+string(id)+"/verlauf", nil, role)
		v.r.SetPathValue("id", string(id))
		if err := historyPage(v); err != nil {
			t.Fatal(err)
		}
		return w.Body.String()
	}
	const read, verified = "Zuletzt zurückgelesen: alles unverändert", "Akte geprüft</strong>"
	says(t, page(auth.Reader), []string{read, "bestand/retention"}, []string{"falsch abgelegt", "olga", verified, "rosa", "/verwaltung/protokoll"})
	if h.ui.API.GivesReasons(auth.Principal{Roles: []auth.Role{auth.Researcher}}) {
		t.Error("the public is told reasons")
	}
	says(t, page(auth.RecordsOfficer), []string{"falsch abgelegt", "olga"}, []string{"bestand/retention"})
	got := page(auth.Auditor)
	says(t, got, []string{read, "falsch abgelegt", verified, "rosa", "/verwaltung/protokoll?object=" + string(id)}, []string{"Akte angesehen</strong>", "Paket gelesen</strong>", "nur die neuesten"})
	if strings.Index(got, verified) > strings.Index(got, read) {
		t.Error("the newest does not come first")
	}
	for range actsShown {
		if err := h.tenant.Audit(t.Context(), catalog.AuditEntry{Actor: "system", Action: "record.dispose.blocked", Object: string(id), Detail: map[string]string{"reason": "held"}}); err != nil {
			t.Fatal(err)
		}
	}
	got = page(auth.Auditor)
	says(t, got, []string{"nur die neuesten 200", "timeline__item--warning"}, []string{verified})
	if n := strings.Count(got, "Vernichtung verhindert</strong>"); n != actsShown {
		t.Errorf("%d acts are shown", n)
	}
}
