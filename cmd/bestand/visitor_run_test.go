package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// staff are people of one installation who work with the pages.
type staff struct {
	in    *installation
	admin *visitor
}

// staffed logs the first administrator in.
func staffed(t *testing.T, in *installation) staff {
	t.Helper()
	first, err := os.ReadFile(filepath.Join(in.dir, passwordFile))
	if err != nil {
		t.Fatal(err)
	}
	return staff{in, visit(t, in.url).logIn("admin", strings.TrimSpace(string(first)))}
}

var shownSecret = regexp.MustCompile(`<code class="secret">([^<]*)</code>`)

// add has the administrator add a person, who logs in.
func (s staff) add(t *testing.T, name string, roles ...string) *visitor {
	t.Helper()
	fields := []string{"name", name, "label", "Person " + name}
	for _, r := range roles {
		fields = append(fields, "roles", r)
	}
	s.admin.get("/verwaltung").fill("/verwaltung/benutzer", fields...).want(200, "nur jetzt gezeigt")
	return visit(t, s.in.url).logIn(name, shownSecret.FindStringSubmatch(s.admin.page)[1])
}

// button sends a form to where one of its buttons leads.
func (v *visitor) button(form, action string, fields ...string) *visitor {
	v.Helper()
	values := v.form(form)
	if !strings.Contains(v.page, `formaction="`+action+`"`) {
		v.Fatalf("%s has no button for %s", v.at, action)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return v.send("POST", action, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
}

// wantNot fails when a page says something.
func (v *visitor) wantNot(texts ...string) *visitor {
	v.Helper()
	for _, text := range texts {
		if strings.Contains(v.page, text) {
			v.Errorf("%s says %q", v.at, text)
		}
	}
	return v
}

// TestVisitorsDispose has two persons dispose of records by the pages alone, without
// scripts: from the login to the certificate, with everything that can come between.
func TestVisitorsDispose(t *testing.T) {
	converters(t)
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance), "--backup-days", "30").serve(t)
	c := in.admin(t)
	archive := func(id string) string {
		t.Helper()
		_, r := c.archive(about(id, leave, "Urlaub "+id, "closed", "2001-02-28"), file(id+".bin", blob("Inhalt "+id)))
		return r.ID
	}
	gone, claimed, held, kept, extra := archive("eins"), archive("zwei"), archive("drei"), archive("vier"), archive("fuenf")
	eventually(t, "the records are due", func() bool { return len(c.due()) == 5 })
	people := staffed(t, in)
	otto, paula := people.add(t, "otto", "records_officer"), people.add(t, "paula", "approver")

	// A run takes what is due, at most so much of it, and says what is wrong.
	eventually(t, "the classes are counted", func() bool {
		return strings.Contains(otto.get("/aussonderung/laeufe/neu").want(200).page, leave+" ")
	})
	otto.fill("/aussonderung/laeufe", "title", "Personalamt 2026", "klasse", leave, "due_by", "2026-01-01", "limit", "viele").want(422, "ist keine ganze Zahl", `value="Personalamt 2026"`, `href="#f-limit"`)
	otto.fill("/aussonderung/laeufe", "title", "Zu klein", "klasse", leave, "due_by", "2026-01-01", "limit", "1").want(200, "Der Lauf ist begonnen", "alle (1)")
	small := strings.Split(otto.at, "?")[0]
	otto.fill(small+"/abbruch", "reason", "").want(422, "fehlt")
	otto.fill(small+"/abbruch", "reason", "zu klein").want(200, "Der Lauf ist abgebrochen", "zurückgehalten", "Der Lauf wurde abgebrochen: zu klein")
	otto.get("/aussonderung/laeufe/neu").fill("/aussonderung/laeufe", "title", "Personalamt 2026", "klasse", leave, "due_by", "2026-01-01").want(200, "Der Lauf ist begonnen", "alle (5)", "Urlaub eins", "noch nicht bewertet", "5 Akten sind nicht bewertet", "Sie haben diesen Lauf vorgeschlagen")
	at := strings.Split(otto.at, "?")[0]
	if regexp.MustCompile(`type="radio"[^>]*checked`).MatchString(otto.page) {
		t.Error("something is chosen beforehand")
	}
	paula.get("/").want(200).wantNot("wartet auf Ihre Zustimmung")

	// Appraisal: of the marked, of a class, with a reason where one is needed.
	decide := at + "/bewertung"
	otto.fill(decide, "scope", "marked", "decision", "V").want(422, "keine Akte ist markiert", `href="#f-scope"`)
	otto.fill(decide, "scope", "all", "note", "bleibt stehen").want(422, "Bewertung: fehlt", "bleibt stehen")
	otto.fill(decide, "scope", "marked", "akte", kept, "decision", "K", "until", "2099-12-31").want(422, "Begründung: fehlt", `id="a-`+kept+`" name="akte" value="`+kept+`" checked`)
	colleague := people.add(t, "olga", "records_officer")
	overtaken := colleague.get(at).want(200).form(decide)
	otto.fill(decide, "scope", "class", "class", leave, "decision", "V", "note", "ohne Wert").want(200, "Die Bewertung ist eingetragen", "V – vernichten", "5 Akten zur Vernichtung sind dem Archiv noch anzubieten")
	otto.fill(decide, "scope", "marked", "akte", kept, "akte", extra, "decision", "K", "until", "2099-12-31", "note", "Klage angekündigt").want(200, "K – länger behalten bis 31.12.2099")
	for name, value := range map[string]string{"scope": "all", "decision": "A", "note": "anders gesehen"} {
		overtaken.Set(name, value)
	}
	colleague.send("POST", decide, "application/x-www-form-urlencoded", strings.NewReader(overtaken.Encode())).want(422, "Die Liste hat sich geändert", "anders gesehen")
	otto.get(at+"?ansicht=keep").want(200, "vier", "fuenf").wantNot("Urlaub eins")

	// The offer runs for six months from the day on which the list can have been sent.
	otto.get(at).want(200, at+"/anbieteverzeichnis").get(at+"/anbieteverzeichnis").want(200, "PK")
	otto.get(at).fill(at+"/anbietung", "authority", "Kreisarchiv", "offered", "2999-01-01").want(422, "liegt in der Zukunft", "Kreisarchiv")
	otto.get(at).fill(at+"/anbietung", "authority", "Kreisarchiv", "offered", "2020-01-15").want(422, "liegt vor dem Beginn des Laufs", "Kreisarchiv")
	day, err := time.Parse(time.DateOnly, today(t))
	if err != nil {
		t.Fatal(err)
	}
	otto.fill(at+"/anbietung", "authority", "Kreisarchiv", "offered", day.Format(time.DateOnly), "reference", "12/26").want(200, "Angeboten an Kreisarchiv am "+day.Format("02.01.2006")+".").wantNot("Die sechs Monate sind um")
	otto.fill(decide, "scope", "marked", "akte", claimed, "by", "archive", "decision", "A").want(200, "Die Antwort des Archivs ist eingetragen", "Archiv: übernimmt")
	otto.fill(decide, "scope", "marked", "akte", gone, "akte", held, "by", "archive", "decision", "V").want(200, "Das Archiv hat zu allem geantwortet").wantNot(`action="` + at + `/zustimmung"`)

	// The second person finds it on the start page and approves what was looked at.
	approvable := at + "/zustimmung"
	// It is no second person who has a second account.
	twin := people.add(t, "otto-dienst", "approver")
	same := regexp.MustCompile(`action="(/verwaltung/benutzer/[a-z0-9]+/person)"`).FindAllStringSubmatch(people.admin.get("/verwaltung").page, -1)
	person := same[len(same)-1][1]
	people.admin.fill(person, "same_as", "niemand").want(422, "Anderes Konto derselben Person: gibt es nicht", `value="niemand"`)
	people.admin.fill(person, "same_as", "Otto").want(200, "Gespeichert.", "Dieselbe Person wie <code>otto</code>", `value="otto"`)
	twin.get("/").want(200).wantNot("wartet auf Ihre Zustimmung")
	forged := twin.get(at).want(200, "Sie haben diesen Lauf vorgeschlagen").wantNot(`action="` + approvable + `"`).form("/abmelden")
	for _, f := range [][2]string{{"bestaetigt", "1"}, {"revision", "0"}} {
		forged.Set(f[0], f[1])
	}
	twin.send("POST", approvable, "application/x-www-form-urlencoded", strings.NewReader(forged.Encode())).want(403, "Zwei Konten einer Person zählen als eine")
	paula.get("/").want(200, "wartet auf Ihre Zustimmung", `href="`+at+`"`)
	paula.get(at).want(200, "Zu vernichten: 2; an das Archiv zu geben: 1.")
	stale := paula.form(approvable)
	otto.fill(decide, "scope", "marked", "akte", gone, "decision", "V", "note", "noch einmal angesehen").want(200)
	stale.Set("bestaetigt", "1")
	send := func(v *visitor, path string, values url.Values) *visitor {
		t.Helper()
		return v.send("POST", path, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
	}
	send(paula, approvable, stale).want(422, "Die Liste hat sich geändert")
	paula.fill(approvable).want(422, "Bestätigung: fehlt")
	paula.fill(approvable, "bestaetigt", "1").want(200, "Sie haben zugestimmt", "Zustimmung erteilt")
	mine := url.Values{"_csrf": {otto.form(at + "/abbruch").Get("_csrf")}, "bestaetigt": {"1"}, "revision": {"1"}}
	send(otto, approvable, mine).want(403, "Ihre Rolle erlaubt das nicht")
	late := url.Values{"_csrf": mine["_csrf"], "scope": {"all"}, "decision": {"V"}}
	send(otto, decide, late).want(422, "Der Lauf ist schon freigegeben (Stand: Zustimmung erteilt)").wantNot("withdraw the approval")

	// A hold comes in between; the run waits, is stopped, and goes on.
	c.post("/v1/holds", map[string]any{"scope": map[string]any{"records": []string{held}}, "authority": "Amtsgericht", "reason": "Klage", "review": "2099-01-01"}).want(t, 201)
	order := at + "/ausfuehrung"
	otto.get(at).want(200, "2 Akten sollen unwiderruflich vernichtet werden", `name="grace_days" type="number" value="7"`)
	otto.fill(order, "grace_days", "3").want(422, "Bestätigung: fehlt")
	otto.fill(order, "bestaetigt", "1", "grace_days", "3").want(200, "Die Ausführung ist angeordnet", "Schonfrist bis", "Bis dahin wird nichts vernichtet")
	paula.get(at).fill(at+"/halt", "reason", "Rückfrage").want(200, "Der Lauf ist angehalten", "Angehalten von Person paula (paula)", "Rückfrage")
	otto.get(at).fill(order, "bestaetigt", "1", "grace_days", "0").want(200)
	eventually(t, "the run did what it can", func() bool {
		return strings.Contains(otto.get(at).want(200).page, "vernichtet (1)") && strings.Contains(otto.page, "zurückgehalten (3)")
	})
	otto.get(at+"?ansicht=left").want(200, "Eine Sperre hält sie fest", "Sie bleibt bis 31.12.2099: Klage angekündigt")
	otto.get(at+"/stand").want(200, "1 Akte wartet auf die Übernahme").wantNot("<html")

	// The archive takes its record over, and the run ends with a certificate.
	otto.get(at).want(200)
	otto.fill(at+"/uebergabe", "scope", "all", "receiver", "Kreisarchiv", "reference", "Ü 3/26", "acknowledged", today(t), "own_copy", "keep").want(422, "Der Zustand erlaubt das nicht").wantNot(`<span lang="en">`)
	otto.get(at).want(200, `href="/akte/`+claimed+`/paket?profile=xdomea&amp;disposal=`)
	otto.get("/akte/" + claimed + "/paket?profile=xdomea&disposal=" + strings.TrimPrefix(at, "/aussonderung/laeufe/")).want(200)
	otto.get(at).fill(at+"/uebergabe", "scope", "all", "receiver", "Kreisarchiv", "reference", "Ü 3/26", "acknowledged", today(t)).want(422, "Unser Exemplar: fehlt", "Ü 3/26")
	plan := string(c.get("/v1/classification", "Accept", "text/csv").want(t, 200).body)
	c.do("POST", "/v1/classification", strings.NewReader(strings.ReplaceAll(plan, retention.CertificateRule, "")), "Content-Type", "text/csv").want(t, 201)
	otto.get(at).fill(at+"/uebergabe", "scope", "all", "receiver", "Kreisarchiv", "reference", "Ü 3/26", "acknowledged", "2026-01-02", "own_copy", "keep").want(422, "liegt vor dem Beginn des Laufs", "Ü 3/26")
	otto.fill(at+"/uebergabe", "scope", "all", "receiver", "Kreisarchiv", "reference", "Ü 3/26", "acknowledged", today(t), "own_copy", "keep").want(200, "Die Übernahme ist eingetragen")
	eventually(t, "the run has ended", func() bool { return strings.Contains(otto.get(at).page, "Zum Vernichtungsnachweis") })

	// Its class was taken out of the plan: the page says what to do, and that is enough.
	const waits = "Der Nachweis kann noch nicht archiviert werden"
	const toPlan = `href="/einrichtung/aktenplan"`
	otto.want(200, waits, "nennt die Regel "+retention.CertificateRule).wantNot("Der Nachweis wird archiviert", toPlan)
	otto.get("/einrichtung/aktenplan").want(403)
	people.admin.get(at).want(200, waits, toPlan).get("/einrichtung/aktenplan").want(200)
	c.do("POST", "/v1/classification", strings.NewReader(plan), "Content-Type", "text/csv").want(t, 201)
	otto.get(at).want(200).wantNot(waits)
	paula.get(at+"/nachweis").want(200, "Vernichtungsnachweis", gone, "otto", "paula", "Kreisarchiv", "30 Tage", "Eine Sperre hält sie fest").wantNot("Urlaub")
	paula.get(at+"/nachweis/json").want(200, gone)
	var certificate retention.Certificate
	if err := json.Unmarshal([]byte(paula.page), &certificate); err != nil || certificate.Approval.By != "paula" || !strings.HasSuffix(paula.header.Get("Content-Disposition"), `.json"`) {
		t.Errorf("%v %+v %s", err, certificate, paula.header)
	}
	paula.get(at + "/nachweis/pdf").want(200)
	verifier := newVerifier(t, in)
	verifier.valid(verifier.save("nachweis.pdf", []byte(paula.page)), "2b")
	otto.get("/akte/"+gone).want(410, "rechtmäßig vernichtet", at)
	otto.get("/aussonderung?ansicht=destroyed").want(200, gone, at)
	otto.get("/aussonderung/laeufe").want(200, "Personalamt 2026", "abgeschlossen", "Zu klein", "abgebrochen")
	otto.get(small + "/nachweis").want(409)
	otto.get("/aussonderung/laeufe/01jq2m9cfp2y8r0v6k3c5t7n4e").want(404)
}
