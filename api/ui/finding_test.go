package ui

import (
	"strings"
	"testing"

	"bestand/api"
	"bestand/preservation"
)

// TestDetail: sentences of the archive are read in the reader's language, with what they
// say; others stay as they are.
func TestDetail(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	de, en := languages[0], languages[1]
	for text, want := range map[string]string{
		"2 files, 1038653 bytes received and durably staged":                        "Dateien: 2, zusammen 1.038.653 Byte; sicher gespeichert",
		"Compared with the source: 1 pages of an unknown number, 28 letters of 28.": "Mit dem Original verglichen: 1 von unbekannt vielen Seiten, 28 von 28 Buchstaben",
		"PAdES B-LT, by CN=Archivsiegel,O=Stadt Muster,C=DE":                        "PAdES B-LT, Siegel von Archivsiegel (Stadt Muster)",
		"Valid PDF/A-2b.": "Gültiges PDF/A-2b",
		"SHA-256 and SHA-512 are those of the reception":                                                                                 "SHA-256 und SHA-512",
		"a/1.json was written, read back unchanged, and is locked until 2026-12-06 (COMPLIANCE).":                                        "a/1.json wurde geschrieben, unverändert zurückgelesen und ist bis 06.12.2026 geschützt (COMPLIANCE).",
		"It says 2026-07-01T22:30:00Z.":                                                                                                  "Der Zeitstempel nennt 02.07.2026, 00:30 Uhr.",
		"token 17 says 2026-07-01T22:30:00.5Z":                                                                                           "Der Zeitstempel nennt 02.07.2026, 00:30 Uhr.",
		"The store does not keep the promise that a lock holds: 403 denied. Do not archive there.":                                       "Der Speicher hält dieses Versprechen nicht: 403 denied. Archivieren Sie dort nichts.",
		"disposal run 01jq: it is approved: withdraw the approval first":                                                                 "Der Lauf ist schon freigegeben (Stand: Zustimmung erteilt). Nehmen Sie erst die Zustimmung zurück.",
		"disposal run 01jq: it is completed":                                                                                             "Das geht nicht mehr oder noch nicht. Stand des Laufs: abgeschlossen.",
		"disposal run 01jq: it is draft, and an approved one can be carried out":                                                         "Das geht nicht mehr oder noch nicht. Stand des Laufs: in Bewertung.",
		"disposal run 01jq: the archive may answer until 2026-08-17":                                                                     "Das Archiv hat noch bis 17.08.2026 Zeit, zu antworten.",
		"disposal run 01jq: 1200 of 3000 records in one run are more than the configured share of 0.1: say allow: 1200 if that is right": "Der Lauf hat sich wegen der ungewöhnlichen Menge angehalten. Bestätigen Sie beim Fortsetzen, dass es 1.200 Akten sein sollen.",
		"disposal run 01jq: it asks about 3 records: say allow: 3 if they are right":                                                     "Der Lauf fragt nach 3 Akten. Bestätigen Sie genau diese.",
		"disposal run 01jq: it has not stopped itself for the number of its records: leave allow out":                                    "Der Lauf hat nicht wegen der Menge angehalten. Es gibt nichts zu bestätigen.",
		"disposal run 01jq: own copies are destroyed on this word: the approver has to note it, or somebody else who neither proposed nor decided; own_copy: keep is for everybody: otto had a part in it": "Dass unser Exemplar vernichtet wird, darf nur eintragen, wer den Lauf weder vorgeschlagen noch bewertet hat, zum Beispiel die Person, die zugestimmt hat.",
		"submission 06h0 is archived and not in quarantine":               "Die Übernahme ist inzwischen archiviert.",
		"subject request 06h0 was decided on 2026-07-15: already ended":   "Über diesen Antrag wurde am 15.07.2026 entschieden.",
		"otto-dienst is another account of otto":                          "otto-dienst ist ein anderes Konto von otto.",
		"the time-stamping service is not available now: try again later": "Gerade nicht erreichbar: der Zeitstempeldienst",
		"Readable pages; the XML file stays the record.":                  "Lesbare Seiten; die Akte ist die XML-Datei.",
		"something that nobody has words for":                             "",
	} {
		if got := de.detail(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := en.detail(text); got != text {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, d := range details {
		if strings.Count(de.words[d.key].text, "%s") > d.form.NumSubexp() {
			t.Errorf("%s takes more values than its sentence has", d.key)
		}
	}
}

// TestHolder: a certificate is called by the name in it, and one that the archive made
// itself says so in the reader's language.
func TestHolder(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	for dn, want := range map[string]string{
		`CN=Archivsiegel Bestand,OU=self-made\, not qualified,O=Bestand,C=DE`: "Archivsiegel Bestand (Bestand; selbst erzeugt, nicht qualifiziert)",
		`CN=Bestand,OU=self-made\, not qualified,O=Bestand`:                   "Bestand (selbst erzeugt, nicht qualifiziert)",
		`CN=Archivsiegel,OU=Hauptamt,O=Stadt Muster`:                          "Archivsiegel (Stadt Muster)",
		`CN=Stadt Muster\, Siegel,O=Stadt Muster\, Siegel`:                    "Stadt Muster, Siegel",
		`OU=a\,CN=b,O=Stadt`: `OU=a\,CN=b,O=Stadt`,
		"failed for x,CN=y":  "failed for x,CN=y",
		"":                   "",
	} {
		if got := languages[0].holder(dn); got != want {
			t.Errorf("%q: %q, want %q", dn, got, want)
		}
	}
	if got := languages[1].holder(`CN=a,OU=self-made\, not qualified`); got != "a (self-made, not qualified)" {
		t.Error(got)
	}
}

// TestStampAt: the parts of an evidence record are named in words.
func TestStampAt(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string]string{"chain 1, archive time-stamp 12": "Archivzeitstempel 12 der Kette 1", "aip/x.zip": "", "": ""} {
		if got := languages[0].stampAt(subject); got != want {
			t.Errorf("%q: %q, want %q", subject, got, want)
		}
	}
	v, w := stranger(t, "/")
	found := []preservation.Finding{{Code: "order", Severity: preservation.Passed, Subject: "chain 1, archive time-stamp 2"}, {Code: "order", Severity: preservation.Passed, Subject: "aip/x.zip"}}
	r := recordView{Verified: &api.Verification{Findings: found}}
	if err := v.show("record", "", r); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Archivzeitstempel 2 der Kette 1", "<code>aip/x.zip</code>"}, []string{"archive time-stamp"})
}
