package main

import (
	"encoding/json"
	"strings"
	"testing"

	"bestand/preservation"
)

// TestVisitorsOffice has a records officer change rules and records, and answer persons
// concerned, by the pages alone and without scripts.
func TestVisitorsOffice(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	c := in.admin(t)
	erika := []any{map[string]any{"name": "Muster, Erika", "born": "1961-05-04"}}
	_, old := c.archive(about("alt", leave, "Urlaub alt", "closed", "2010-07-31", "subjects", erika), file("a.bin", blob("a")))
	_, young := c.archive(about("neu", leave, "Urlaub neu", "closed", "2024-07-31", "subjects", erika), file("b.bin", blob("b")))
	_, open := c.archive(about("vergabe", "05.10", "Vergabe Turnhalle", "closed", "2020-03-31"), file("c.bin", blob("c")))
	people := staffed(t, in)
	otto, olga, paula := people.add(t, "otto", "records_officer"), people.add(t, "olga", "records_officer"), people.add(t, "paula", "approver")

	// A rule: what a change does is shown before anything is stored.
	edit, preview := "/aussonderung/regeln/leave-sickness/aenderung", "/aussonderung/regeln/vorschau"
	rule := func(years string) []string {
		return []string{"title", "Urlaub und Krankheit", "trigger", "closure", "base", "year-end", "duration.years", years, "disposition", "B", "legal_basis", "Dienstanweisung 3", "valid_from", "2026-01-01"}
	}
	otto.get(edit).want(200, `value="5"`, "SächsBG §117")
	olga.get(edit).want(200)
	otto.fill(preview, rule("fünf")...).want(422, "Frist, Jahre: ist keine ganze Zahl", `href="#f-duration.years"`, "Dienstanweisung 3")
	otto.fill(preview, rule("20")...).want(200, "Noch ist nichts gespeichert", "2 Akten fallen unter die Regel", "31.12.2015 → 31.12.2030", "nicht mehr fällig", "Nur für neue Akten")
	c.get("/v1/rules").want(t, 200)
	otto.fill("/aussonderung/regeln").want(422, "Für welche Akten: fehlt")
	otto.get(edit).fill(preview, rule("20")...).want(200)
	otto.fill("/aussonderung/regeln", "applies", "all").want(200, "Die neue Fassung ist in Kraft", "Dienstanweisung 3", "1 frühere Fassung")
	olga.fill(preview, rule("8")...).want(409, "Jemand anderes hat diese Regel inzwischen geändert", "20 Jahre", "8 Jahre", `value="8"`)
	olga.fill(preview, rule("8")...).want(200, "Noch ist nichts gespeichert")

	// Rules as a file: what is wrong is said by line and column, what it does before it
	// is stored.
	const sheet, row = "/aussonderung/regeln/datei", "neu;;Neue Regel;;closure;3 Jahre 6 Monate;Tag;;;;;;;;;V;;;;;;Satzung §1;;;;;;\r\n"
	rules := otto.get("/aussonderung/regeln").want(200, "/aussonderung/regeln.csv", sheet).get("/aussonderung/regeln.csv").want(200, "Kurzname;Fassung;Titel").page
	paula.get("/aussonderung/regeln").want(200, "/aussonderung/regeln.csv").wantNot(sheet).get(sheet).want(403)
	otto.get(sheet).want(200).file(sheet, "", "").want(422, "Dateien: wählen Sie mindestens eine Datei aus", `href="#f-file"`)
	otto.file(sheet, "regeln.csv", "Kurzname;Titel;Frist\nneu;;zehn\n").want(422, "An dieser Datei stimmt etwas nicht", "Zeile 2, Spalte Frist: „zehn“ ist in dieser Spalte nicht zu lesen", "<li>Zeile 2, Spalte Titel: fehlt</li>")
	otto.file(sheet, "regeln.csv", rules).want(200, "Die Datei sagt nichts Neues")
	otto.file(sheet, "regeln.csv", strings.Repeat("x", 800_000)).want(413)
	otto.get(sheet).file(sheet, "regeln.csv", strings.Replace(rules, ";building-removed;0 Tage;", ";building-removed;;", 1)).want(200, "Die Datei sagt nichts Neues")
	otto.file(sheet, "regeln.csv", strings.Replace(rules, ";10 Jahre;", ";;", 1)).want(422, "Spalte Frist: fehlt")
	otto.file(sheet, "regeln.csv", strings.Replace(rules, ";10 Jahre;", ";11 Jahre;", 1)).want(200, "Frist, Jahre: 10 → 11")
	otto.get(sheet).file(sheet, "regeln.csv", rules+row).want(200, "1 Regel bekommt eine neue Fassung.", "Noch ist nichts gespeichert.", "Neue Regel")
	olga.get(sheet).file(sheet, "regeln.csv", rules+strings.Replace(row, ";;Neue", ";1;Neue", 1)).want(409, "Jemand anderes hat inzwischen etwas geändert")
	otto.fill(sheet+"/uebernahme").want(200, "Die neuen Fassungen sind in Kraft", "Neue Regel", "3 Jahre 6 Monate")
	otto.get("/aussonderung/regeln.csv").want(200, "neu;1;Neue Regel")

	// What begins later is not said to be in force, and a session that is over meanwhile
	// keeps the file without showing it.
	otto.get(sheet).file(sheet, "regeln.csv", rules+strings.ReplaceAll(row, "neu;;Neue", "spaeter;;Spätere")).want(200)
	delete(otto.cookies, "__Host-bestand")
	otto.fill(sheet+"/uebernahme").want(401, "bleiben erhalten")
	otto.fill("/anmelden", "name", "otto", "kennwort", password).want(200, "Datei mit Regeln", "wird unverändert mitgesandt").wantNot("blatt</dt>")
	otto.fill(sheet+"/uebernahme").want(200, "Die neuen Fassungen sind in Kraft", "Spätere Regel")
	later := rule("9")
	later[len(later)-1] = "2999-01-01"
	otto.get("/aussonderung/regeln/spaeter/aenderung").fill(preview, later...).want(200)
	otto.fill("/aussonderung/regeln", "applies", "new").want(200, "Die neue Fassung gilt ab ihrem Tag")

	// Where the policy asks for it a second person has to agree.
	c.do("PUT", "/v1/rules/policy", strings.NewReader(`{"approve_rules":true}`), "Content-Type", "application/json").want(t, 200)
	olga.get(edit).fill(preview, rule("8")...).want(200, "muss eine zweite Person zustimmen")
	olga.fill("/aussonderung/regeln", "applies", "new").want(200, "Vorgeschlagen", "Entwurf", "Diese Fassung gilt noch nicht")
	paula.get("/").want(200, "wartet auf Ihre Zustimmung")
	paula.get("/aussonderung/regeln").fill("/aussonderung/regeln/leave-sickness/fassung/3/zustimmung", "bestaetigt", "1").want(200, "Die Fassung ist in Kraft").wantNot("Entwurf")

	// A record moves to another class, after a look at what that means.
	move := "/akte/" + open.ID + "/umsortierung"
	otto.get("/akte/"+open.ID).want(200, move).get(move).want(200, "Vergabeverfahren")
	otto.button(move, move+"/vorschau", "class", "99.99").want(422, "gibt es im Aktenplan nicht")
	otto.button(move, move+"/vorschau", "class", "02.20 Urlaub und Krankheit", "reason", "falsch abgelegt").want(200, "Was sich ändert", "falsch abgelegt", "02.20 Urlaub und Krankheit")
	otto.fill(move, "class", "02.20", "reason", "").want(422, "Begründung: fehlt")
	otto.fill(move, "class", "02.20", "reason", "falsch abgelegt").want(200, "Die Akte ist umsortiert", "Umsortiert aus 05.10")
	otto.get(move).fill(move, "class", "05.10 Vergabeverfahren", "reason", "doch richtig").want(200)

	// A missing event is reported from the list of what is unresolved.
	event := "/akte/" + open.ID + "/ereignis"
	eventually(t, "the record is unresolved", func() bool {
		return strings.Contains(otto.get("/aussonderung/berichte").want(200).page, event+"?art=contract-end")
	})
	otto.get(event+"?art=contract-end").want(200, `value="contract-end" selected`)
	otto.fill(event, "type", "contract-end").want(422, "Tag des Ereignisses: fehlt")
	otto.fill(event, "type", "contract-end", "date", "2021-05-31").want(200, "Das Ereignis ist gemeldet")
	otto.get(event).fill(event, "type", "award", "date", "2020-01-15").want(200, "Aufzubewahren bis 15.01.2023")

	// Restriction of processing, and its end.
	restrict := "/akte/" + young.ID + "/einschraenkung"
	otto.get(restrict).fill(restrict, "reason", "bestritten", "legal_basis", "").want(422, "Rechtsgrundlage: fehlt", "bestritten")
	otto.fill(restrict, "reason", "bestritten", "legal_basis", "DSGVO Art. 18").want(200, "Die Verarbeitung ist eingeschränkt", "Eingeschränkt seit")
	otto.get(restrict).fill(restrict, "reason", "geklärt", "legal_basis", "DSGVO Art. 18").want(200, "Die Einschränkung ist aufgehoben").wantNot("Eingeschränkt seit")

	// A person concerned asks.
	ask := func(kind string, more ...string) string {
		t.Helper()
		otto.get("/aussonderung/betroffene/neu").want(200)
		otto.fill("/aussonderung/betroffene", append([]string{"kind", kind, "subject.name", "Erika Muster", "subject.born", "1961-05-04", "received", "2026-02-01"}, more...)...).want(200, "Der Antrag ist erfasst", "gleicher Name")
		if strings.Contains(otto.page, "checked") {
			t.Errorf("%s: something is chosen beforehand", kind)
		}
		return strings.Split(otto.at, "?")[0]
	}
	otto.get("/aussonderung/betroffene/neu").fill("/aussonderung/betroffene", "kind", "counter-statement", "subject.name", "Erika Muster", "received", "2026-02-01").want(422, "Gegendarstellung oder Beanstandung: fehlt", `value="Erika Muster"`)
	access := ask("access")
	otto.get("/").want(200, "Antrag einer betroffenen Person ist zu bearbeiten")
	otto.get(access).fill(access+"/entscheidung", "outcome", "granted", "akte", old.ID, "akte", young.ID, "reason", "", "legal_basis", "DSGVO Art. 15").want(422, "Begründung: fehlt", "checked")
	otto.fill(access+"/entscheidung", "outcome", "granted", "akte", old.ID, "akte", young.ID, "reason", "Identität geprüft", "legal_basis", "DSGVO Art. 15").want(200, "Die Entscheidung ist festgehalten", "Auskunft (PDF/A, gesiegelt)")
	otto.get(access+"/auskunft/json").want(200, old.ID)
	var statement struct{ Records []any }
	if err := json.Unmarshal([]byte(otto.page), &statement); err != nil || len(statement.Records) != 2 {
		t.Errorf("%v: %d records", err, len(statement.Records))
	}
	erase := ask("erasure")
	otto.fill(erase+"/entscheidung", "outcome", "granted", "akte", young.ID, "reason", "beantragt", "legal_basis", "DSGVO Art. 17").want(422, "muss noch aufbewahrt werden", `href="#f-`+young.ID+`"`)
	otto.fill(erase+"/entscheidung", "outcome", "refused", "akte", young.ID, "reason", "Aufbewahrungspflicht", "legal_basis", "DSGVO Art. 17 Abs. 3 Buchst. b").want(200, "abgelehnt", "Aufbewahrungspflicht")
	counter := ask("counter-statement", "text", "Ich war nie krank.")
	otto.fill(counter+"/entscheidung", "outcome", "granted", "akte", old.ID, "reason", "glaubhaft", "legal_basis", "SächsArchivG § 6").want(200, "stattgegeben")
	otto.get("/akte/"+old.ID).want(200, "Gegendarstellung vom", "Ich war nie krank.")
	otto.get("/aussonderung/betroffene").want(200, "abgelehnt", "stattgegeben")
	paula.get("/aussonderung/betroffene").want(403)

	// The reports, and their files.
	otto.get("/aussonderung/berichte").want(200, "Was in welchem Jahr fällig wird", "<svg", "<title", "Zahlen als Tabelle", "Keine Frist ist ungeklärt")
	otto.get("/aussonderung/berichte?klasse=05.10").want(200, "<svg")
	for _, name := range []string{"due", "unresolved", "conflicts", "holds"} {
		otto.get("/aussonderung/berichte/"+name+"/csv").want(200, ";")
		if kind := otto.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/csv") || !strings.Contains(otto.header.Get("Content-Disposition"), name) {
			t.Errorf("%s: %s %s", name, kind, otto.header.Get("Content-Disposition"))
		}
		otto.get("/aussonderung/berichte/"+name+"/json").want(200, `"items"`)
	}
	otto.get("/aussonderung/berichte/audit/csv").want(404)
	otto.get("/").want(200, "Was in welchem Jahr fällig wird")
}
