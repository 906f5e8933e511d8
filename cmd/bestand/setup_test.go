package main

import (
	"bytes"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestVisitorsSetup sets a new archive up without scripts, leaves and comes back, and
// tries what people and others do wrong.
func TestVisitorsSetup(t *testing.T) {
	in := install(t).serve(t)
	admin, add := in.people(t)
	admin.get("/").want(200, "Das Archiv einrichten", "Einrichtung beginnen")
	admin.get("/einrichtung").want(200, "Name der Verwaltung", `value="Musterstadt"`)
	admin.fill("/einrichtung/name", "mandant", " ").want(422, "Bitte prüfen Sie", `href="#f-mandant"`)
	admin.fill("/einrichtung/name", "mandant", "Große Kreisstadt <b>Musterstadt</b>").want(200, "Der Name ist gespeichert", "Große Kreisstadt &lt;b&gt;Musterstadt", "Zweite Person")

	// Who comes back finds the step that is next; the one before can still be seen.
	admin.get("/").want(200, "Einrichtung fortsetzen")
	admin.get("/einrichtung").want(200, "Außer Ihnen darf noch niemand zustimmen")
	admin.get("/einrichtung/name").want(200, "Schritt überspringen")
	admin.get("/einrichtung").want(200, "Zweite Person")

	admin.fill("/einrichtung/personen/ich", "eigen", "Anna Amtmann").want(200, "Ihr Name ist gespeichert", "Anna Amtmann")
	// The same person under another name is no second one.
	api := in.admin(t)
	var own struct{ User struct{ ID string } }
	api.post("/v1/users", map[string]any{"name": "anna-amt", "label": "Anna Amtmann", "roles": []string{"approver"}}).want(t, 201).decode(t, &own)
	admin.get("/einrichtung/personen").want(200, "Eine weitere Person darf zustimmen")
	api.post("/v1/users/"+own.User.ID+"/person", map[string]any{"same_as": "admin"}).want(t, 200)
	admin.get("/einrichtung/personen").want(200, "Außer Ihnen darf noch niemand zustimmen")
	admin.fill("/einrichtung/personen", "label", "Paul Zweit", "name", "Paul Zweit!", "roles", "approver").want(422, `href="#f-name"`, `value="Paul Zweit"`)
	admin.fill("/einrichtung/personen", "label", "Paul Zweit", "name", "paul", "roles", "approver").want(200, "nur jetzt gezeigt", "Eine weitere Person darf zustimmen")
	password := regexp.MustCompile(`<code class="secret">([^<]*)</code>`).FindStringSubmatch(admin.page)[1]
	visit(t, in.url).logIn("paul", password).want(200, "Nichts wartet auf Sie")
	admin.fill("/einrichtung/personen/weiter").want(200, "Aktenplaneinheiten", "sächsische Beispielplan", "Behalten, was da ist")

	// A file with faults changes nothing; a good one is in force; the sample brings back
	// what the file left out.
	before := in.admin(t)
	plan := func(choice, name, text string) *visitor {
		t.Helper()
		admin.get("/einrichtung/aktenplan").want(200)
		return admin.plan(choice, name, text)
	}
	plan("file", "", "").want(422, `href="#f-file"`)
	plan("file", "plan.csv", "Kennzeichen;Übergeordnet;Bezeichnung\n1;9;Ohne Oberes\n").want(422, "An dieser Datei stimmt etwas nicht", "wurde nicht übernommen", "Zeile 2, Spalte Übergeordnet: gibt es im Aktenplan nicht")
	plan("file", "plan.csv", "Kennzeichen;Bezeichnung\n1;\n1;Zweimal\n").want(422, "<li>Zeile 2, Spalte Bezeichnung: fehlt</li>", "Zeile 3, Spalte Kennzeichen: „1“ steht mehr als einmal da")
	plan("file", "plan.xml", "<kein/>").want(422, "An dieser Datei stimmt etwas nicht")
	plan("file", "groß.csv", strings.Repeat("x", 9<<20)).want(413)
	classes := func() map[string]bool {
		t.Helper()
		var scheme struct{ Classes []struct{ Code string } }
		before.get("/v1/classification").want(t, 200).decode(t, &scheme)
		all := map[string]bool{}
		for _, c := range scheme.Classes {
			all[c.Code] = true
		}
		return all
	}
	if !classes()["63.10"] {
		t.Fatal("a file with faults was put into force")
	}
	plan("sample", "", "").want(200, "Der Beispielplan ist schon in Kraft", "Siegel")
	text := string(before.get("/v1/classification", "Accept", "text/csv").want(t, 200).body)
	text += "99;;Zum Versuch\n"
	plan("file", "plan.csv", text).want(200, "Der Aktenplan ist in Kraft", "Siegel und Zeitstempel")
	if !classes()["99"] {
		t.Fatal("the plan of the file is not in force")
	}
	plan("file", "plan.csv", text).want(200, "Die Datei sagt dasselbe wie der Aktenplan in Kraft", "Siegel und Zeitstempel")
	var versions struct{ Items []struct{ Version int } }
	if before.get("/v1/classification/versions").want(t, 200).decode(t, &versions); len(versions.Items) != 2 {
		t.Errorf("versions %+v", versions.Items)
	}
	plan("keep", "", "").want(200, "Siegel und Zeitstempel", "nicht qualifiziert", "--tsa-url")

	admin.fill("/einrichtung/siegel").want(200, "Alles funktioniert", "Zeitstempel erhalten", "Siegel nicht qualifiziert", "Archivsiegel Bestand (Bestand; selbst erzeugt, nicht qualifiziert)").wantNot("<code>time-stamp</code>", "Meldung des Programms")
	admin.fill("/einrichtung/siegel/weiter").want(200, "Behälter dieses Mandanten", "bestand-musterstadt")
	admin.fill("/einrichtung/speicher").want(200, "Alles funktioniert", "Behälter des Mandanten schreibt", "Zweite Kopie: keine eingerichtet", "Der Speicher hält dieses Versprechen").wantNot("Meldung des Programms")
	admin.fill("/einrichtung/speicher/weiter").want(200, "So ist das Archiv eingerichtet", "Eine weitere Person darf zustimmen")

	// It is no wall, nobody else sees it, and it survives the end of the program.
	officer := add("otto", "records_officer")
	officer.get("/").want(200)
	if strings.Contains(officer.page, "/einrichtung") {
		t.Error("the set-up is offered to somebody who may not do it")
	}
	officer.get("/einrichtung").want(403)
	officer.get("/einrichtung/siegel").want(403)
	for _, path := range []string{"/einrichtung/gibtsnicht", "/einrichtung/verzicht"} {
		admin.get(path).want(404)
	}
	visit(t, in.url).get("/einrichtung").want(200, "Anmelden")
	in.stop(t)
	in.serve(t)
	admin.url = in.url
	admin.get("/einrichtung").want(200, "So ist das Archiv eingerichtet")
	admin.fill("/einrichtung/abschluss").want(200, "Die Einrichtung ist abgeschlossen")
	if admin.get("/").want(200); strings.Contains(admin.page, "Das Archiv einrichten") {
		t.Error("a set-up that is done is offered again")
	}
	admin.get("/einrichtung").want(200, "Name der Verwaltung")
	admin.fill("/einrichtung/name/weiter").want(200, "Zweite Person")
	admin.get("/").want(200)
	if strings.Contains(admin.page, "Einrichtung fortsetzen") {
		t.Error("looking at a set-up that is done begins it again")
	}
}

// TestSetupMovesRecords wants a plan that changes what becomes of records to be
// confirmed, and a set-up that is not wanted to be left alone.
func TestSetupMovesRecords(t *testing.T) {
	in := install(t).serve(t)
	c := in.admin(t)
	c.archive(about("1", leave, "Urlaub", "closed", "2022-02-28"), file("a.bin", blob("Urlaub")))
	eventually(t, "the record has an end", func() bool {
		var page struct{ Total int }
		c.get("/v1/records?state=-").want(t, 200).decode(t, &page)
		return page.Total == 0
	})
	var kept []string
	for line := range strings.Lines(string(c.get("/v1/classification", "Accept", "text/csv").want(t, 200).body)) {
		if strings.HasPrefix(line, leave+";") {
			cells := strings.Split(line, ";")
			cells[3] = "books-vouchers" // which are kept longer
			line = strings.Join(cells, ";")
		}
		kept = append(kept, line)
	}
	plan := strings.Join(kept, "")
	admin, _ := in.people(t)
	admin.get("/einrichtung/aktenplan").want(200)
	admin.plan("file", "plan.csv", plan).want(422, "Das ändert die Frist einer Akte", "Noch ist nichts geändert")
	var scheme struct{ Version int }
	if c.get("/v1/classification").want(t, 200).decode(t, &scheme); scheme.Version != 1 {
		t.Fatalf("version %d is in force without a word", scheme.Version)
	}
	// What was confirmed is that plan: another one is looked at first.
	other := plan + "99;;Zum Versuch\n"
	admin.plan("file", "plan.csv", other, "bestaetigt", "1").want(422, "Das ändert die Frist einer Akte", "Noch ist nichts geändert")
	if c.get("/v1/classification").want(t, 200).decode(t, &scheme); scheme.Version != 1 {
		t.Fatalf("version %d is in force, whose effect nobody saw", scheme.Version)
	}
	admin.plan("file", "plan.csv", plan, "bestaetigt", "1").want(422)
	admin.plan("file", "plan.csv", plan, "bestaetigt", "1").want(200, "Der Aktenplan ist in Kraft")
	if c.get("/v1/classification").want(t, 200).decode(t, &scheme); scheme.Version != 2 {
		t.Errorf("version %d is in force", scheme.Version)
	}
	admin.get("/").want(200).fill("/einrichtung/verzicht").want(200, "steht weiter unter Verwaltung")
	if admin.get("/").want(200); strings.Contains(admin.page, "Das Archiv einrichten") {
		t.Error("a set-up that is not wanted is offered again")
	}
	admin.get("/verwaltung").want(200, `href="/einrichtung"`)
}

// plan sends the form for a file plan.
func (v *visitor) plan(choice, name, text string, more ...string) *visitor {
	v.Helper()
	return v.file("/einrichtung/aktenplan", name, text, append(more, "plan", choice)...)
}

// file sends a form that comes with a file as a browser does; without a name none was
// chosen.
func (v *visitor) file(action, name, text string, fields ...string) *visitor {
	v.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for field, values := range v.form(action) {
		w.WriteField(field, values[0])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	p, err := w.CreateFormFile("file", name)
	if err != nil {
		v.Fatal(err)
	}
	io.WriteString(p, text)
	w.Close()
	return v.send("POST", action, w.FormDataContentType(), &body)
}

// TestPagesSetup looks at each step of the guided set-up, as TestPages does at the
// other pages, and walks through it.
func TestPagesSetup(t *testing.T) {
	in := install(t).serve(t)
	b := browse(t, in.url)
	b.logIn(t, in)
	b.look([2]string{"setup-offer", "/"}, [2]string{"setup-name", "/einrichtung/name"}, [2]string{"setup-people", "/einrichtung/personen"}, [2]string{"setup-plan", "/einrichtung/aktenplan"},
		[2]string{"setup-seal", "/einrichtung/siegel"}, [2]string{"setup-store", "/einrichtung/speicher"}, [2]string{"setup-summary", "/einrichtung/abschluss"})
	bad := filepath.Join(t.TempDir(), "plan.csv")
	if err := os.WriteFile(bad, []byte("Kennzeichen;Bezeichnung\n1;\n1;Zweimal\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	press := func(action string) chromedp.Action {
		return chromedp.Click(`form[action="`+action+`"] button`, chromedp.ByQuery)
	}
	for _, l := range looks {
		b.as(l)
		b.open("/einrichtung/name")
		b.run(chromedp.SetValue("#f-mandant", "Musterstadt "+l.name), press("/einrichtung/name"), chromedp.WaitVisible("#second"))
		b.run(chromedp.SetValue("#f-label", "Person "+l.name), chromedp.SetValue("#f-name", "person-"+l.name), press("/einrichtung/personen"), chromedp.WaitVisible(".secret"))
		b.check("setup-password", l)
		b.open("/einrichtung/aktenplan")
		b.run(chromedp.Click("#f-plan-file"), chromedp.SetUploadFiles("#f-file", []string{bad}), press("/einrichtung/aktenplan"), chromedp.WaitVisible("#f-file-e"))
		b.check("setup-wrong", l)
		for _, part := range []string{"siegel", "speicher"} {
			b.open("/einrichtung/" + part)
			b.run(press("/einrichtung/"+part), chromedp.WaitVisible("#trial"))
			b.check("setup-trial-"+part, l)
		}
	}
	b.open("/einrichtung/abschluss")
	b.run(press("/einrichtung/abschluss"), chromedp.WaitVisible("#tasks"))
	if eval[bool](b, `!!document.querySelector("#setup")`) {
		t.Error("a set-up that is done is offered again")
	}
}
