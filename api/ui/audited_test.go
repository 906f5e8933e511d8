package ui

import (
	"testing"

	"bestand/preservation/catalog"
)

// TestAudited wants details of the audit log in words where they are codes, and as they
// are where not.
func TestAudited(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ action, name, value, want string }{
		{"user.roles", "roles", "records_officer approver", "Schriftgutverwaltung, Zustimmung (zweite Person)"},
		{"user.login.refused", "reason", "locked", "gesperrt"},
		{"submission.refuse", "reason", "locked", "locked"}, // what a person wrote
		{"disposal.decided", "decision", "V", "V – vernichten"},
		{"disposal.answered", "decision", "none", "keine Antwort des Archivs"},
		{"hold.review", "review", "2026-03-01", "01.03.2026"},
		{"clock.confirm", "time", "2026-03-01T11:30:00Z", "01.03.2026, 12:30 Uhr"},
		{"schedule.run", "everything", "true", "ja"},
		{"record.restrict", "ended", "false", ""},
		{"record.reclassify", "from", "63.10", "63.10"},
	} {
		if is := languages[0].audited(c.action, c.name, c.value); is != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.action, c.name, c.value, is, c.want)
		}
	}
	for ended, want := range map[string]string{"true": "Einschränkung der Verarbeitung aufgehoben", "false": "Verarbeitung eingeschränkt"} {
		if is := languages[0].acted(catalog.AuditEntry{Action: "record.restrict", Detail: map[string]string{"ended": ended}}); is != want {
			t.Errorf("ended %s: %q, want %q", ended, is, want)
		}
	}
}
