package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// visitor is a person whose browser runs no scripts: it follows links, fills in the
// forms that a page has, and keeps cookies.
type visitor struct {
	testing.TB
	url     string
	cookies map[string]string
	page    string
	status  int
	header  http.Header
	at      string // path of the page
}

func visit(t testing.TB, url string) *visitor {
	return &visitor{TB: t, url: url, cookies: map[string]string{}}
}

// send asks for a page and follows where it leads.
func (v *visitor) send(method, path, media string, body io.Reader) *visitor {
	v.Helper()
	for range 5 {
		r, err := http.NewRequestWithContext(v.Context(), method, v.url+path, body)
		if err != nil {
			v.Fatal(err)
		}
		if media != "" {
			r.Header.Set("Content-Type", media)
			r.Header.Set("Origin", v.url)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		for name, value := range v.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		a, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			v.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil {
			v.Fatal(err)
		}
		for _, c := range a.Cookies() {
			site := http.SameSiteStrictMode
			if c.Name == attemptCookie { // has to come back from another site
				site = http.SameSiteLaxMode
			}
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != site || c.Path != "/" {
				v.Errorf("%s sets a cookie that is not protected: %v", path, c)
			}
			v.cookies[c.Name] = c.Value
			if c.MaxAge < 0 {
				delete(v.cookies, c.Name)
			}
		}
		v.page, v.status, v.header, v.at = string(b), a.StatusCode, a.Header, path
		if v.status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/") {
			v.pointing()
			return v
		}
		method, path, media, body = http.MethodGet, a.Header.Get("Location"), "", nil
	}
	v.Fatalf("%s leads round in circles", path)
	return v
}

func (v *visitor) get(path string) *visitor { return v.send(http.MethodGet, path, "", nil) }

var (
	forms  = regexp.MustCompile(`(?s)<form[^>]*method="post"[^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// fill sends the form with an action, with what it hides and what is filled in.
func (v *visitor) fill(action string, fields ...string) *visitor {
	v.Helper()
	values := v.form(action)
	for i := 0; i+1 < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return v.send(http.MethodPost, action, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
}

// form returns what a form of the page hides.
func (v *visitor) form(action string) url.Values {
	v.Helper()
	for _, m := range forms.FindAllStringSubmatch(v.page, -1) {
		if m[1] != action {
			continue
		}
		values := url.Values{}
		for _, h := range hidden.FindAllStringSubmatch(m[2], -1) {
			values.Set(h[1], html.UnescapeString(h[2]))
		}
		return values
	}
	v.Fatalf("%s has no form for %s:\n%.1500s", v.at, action, v.page)
	return nil
}

// want fails unless a page has a status and says something.
func (v *visitor) want(status int, texts ...string) *visitor {
	v.Helper()
	if v.status != status {
		v.Fatalf("%s: %d, want %d\n%.600s", v.at, v.status, status, v.page)
	}
	for _, text := range texts {
		if !strings.Contains(v.page, text) {
			v.Fatalf("%s does not say %q", v.at, text)
		}
	}
	return v
}

// logIn logs somebody in who has a password for one login.
func (v *visitor) logIn(name, first string) *visitor {
	v.Helper()
	v.get("/anmelden").want(200)
	v.fill("/anmelden", "name", name, "kennwort", first).want(200, "eigenes Kennwort")
	return v.fill("/profil/kennwort", "kennwort", first, "kennwort-neu", password, "kennwort-wieder", password).want(200, "Kennwort ist geändert")
}

// people returns the first administrator, logged in, and what adds others.
func (in *installation) people(t *testing.T) (admin *visitor, add func(name string, roles ...string) *visitor) {
	t.Helper()
	first, err := os.ReadFile(filepath.Join(in.dir, passwordFile))
	if err != nil {
		t.Fatal(err)
	}
	admin = visit(t, in.url).logIn("admin", strings.TrimSpace(string(first)))
	secret := regexp.MustCompile(`<code class="secret">([^<]*)</code>`)
	return admin, func(name string, roles ...string) *visitor {
		t.Helper()
		fields := []string{"name", name, "label", "Person " + name}
		for _, r := range roles {
			fields = append(fields, "roles", r)
		}
		admin.get("/verwaltung").fill("/verwaltung/benutzer", fields...).want(200, "nur jetzt gezeigt")
		return visit(t, in.url).logIn(name, secret.FindStringSubmatch(admin.page)[1])
	}
}

// TestVisitors does the work of each role without scripts, and what people and
// attackers do wrong.
func TestVisitors(t *testing.T) {
	in := install(t).serve(t)
	admin, add := in.people(t)
	archivist, officer, second, reader := add("anna", "archivist"), add("otto", "records_officer"), add("paul", "approver"), add("rosa", "reader")

	// The archivist hands over by hand and looks at the record.
	archivist.get("/uebernahme/neu").want(200)
	form := archivist.form("/uebernahme/neu")
	archivist.upload(form, map[string]string{"producer": "hand", "producer_record_id": "v-1", "class": "63.10 Bauanträge", "title": "<script>alert(1)</script> Kleingarten"}).want(422, "mindestens eine Datei", "&lt;script&gt;")
	archivist.upload(form, map[string]string{"producer": "hand", "producer_record_id": "v-1", "class": "gibt es nicht", "title": "Kleingarten"}, "a.txt").want(422, "gibt es im Aktenplan nicht")
	archivist.upload(form, map[string]string{"producer": "hand", "producer_record_id": "v-1", "class": "63.10 Bauanträge", "title": "<script>alert(1)</script> Kleingarten", "closed": "2015-11-30"}, "ordner/<b>.txt").want(200, "Übergeben.")
	submission := strings.Split(strings.TrimPrefix(archivist.at, "/uebernahme/"), "?")[0]
	record := regexp.MustCompile(`href="/akte/([a-z0-9]+)"`)
	eventually(t, "the record is archived", func() bool { return record.MatchString(archivist.get("/uebernahme/" + submission).page) })
	id := record.FindStringSubmatch(archivist.page)[1]
	archivist.get("/akte/"+id).want(200, "&lt;script&gt;alert(1)&lt;/script&gt; Kleingarten", "ungeklärt")
	archivist.fill("/akte/"+id+"/pruefung").want(200, "alles unverändert", "Alle Prüfungen")
	archivist.get("/akte/"+id+"/verlauf").want(200, "Zuletzt zurückgelesen", "Archiviert und quittiert")
	if strings.Index(archivist.page, "Zuletzt zurückgelesen") > strings.Index(archivist.page, "Archiviert und quittiert") {
		t.Error("that it was verified counts not as reading it back")
	}
	archivist.get("/akte/"+id+"/datei/f0001").want(200, "&lt;b&gt;", "Inhalt von")
	archivist.get("/akte/" + id + "/paket").want(200)
	eventually(t, "the record is found", func() bool { return strings.Contains(archivist.get("/suche?q=Kleingarten").page, "/akte/"+id) })
	archivist.get("/suche?q=Kleingarten").want(200, "Zeitstempel folgt", ">Textdatei</", "evidence=pending&amp;q=Kleingarten", "hold=false&amp;q=Kleingarten")
	archivist.get("/suche?q=Kleingarten&evidence=pending&hold=false").want(200, "/akte/"+id, "Sperre: nicht gesperrt", `class="chip" href="/suche?evidence=pending&amp;q=Kleingarten"`)
	archivist.get("/suche?q=Kleingarten&hold=true").want(200, "Keine Akte gefunden", `class="chip" href="/suche?q=Kleingarten"`)
	archivist.get("/suche?q=Kleingarten&hold=maybe").want(200, "Eine Angabe der Suche stimmt nicht", "Sperre: ")
	archivist.get("/suche.csv?q=Kleingarten&evidence=pending").want(200, id, "Zeitstempel folgt")

	// The officer sets a hold and proposes a permit; the second person approves it.
	officer.get("/aussonderung/sperren?akte="+id).want(200, id)
	officer.fill("/aussonderung/sperren", "records", id, "authority", "Gericht", "reason", "").want(422, "fehlt")
	officer.fill("/aussonderung/sperren", "authority", "Gericht", "reason", "Klage", "review", "2099-01-01").want(422, `href="#f-classes"`, "Nennen Sie Aktenplaneinheiten oder Akten")
	officer.fill("/aussonderung/sperren", "classes", "63.10 99.99", "authority", "Gericht", "reason", "Klage", "review", "2099-01-01").want(422, `href="#f-classes"`, "99.99: gibt es im Aktenplan nicht")
	officer.fill("/aussonderung/sperren", "records", id, "authority", "Gericht", "reason", "Klage", "review", "2099-01-01").want(200, "Die Sperre ist gesetzt", "Klage", "Kleingarten</a>")
	officer.get(regexp.MustCompile(`"(/aussonderung/sperren/[a-z0-9]+)"`).FindStringSubmatch(officer.page)[1]).want(200, ">Gesetzt<", "Person otto (otto)", "Kleingarten</a>")
	officer.get("/akte/"+id).want(200, "gesperrt", "Klage")
	const set, why, checked = "Sperre gesetzt</strong>", "Klage (Gericht)", "Akte geprüft</strong>"
	for _, c := range []struct {
		who      *visitor
		sees     []string
		seesNone []string
	}{
		{officer, []string{set, why, "Person otto (otto)", "Zuletzt zurückgelesen"}, []string{checked}},
		{admin, []string{set, why, checked, "Person anna (anna)", "/verwaltung/protokoll?object=" + id}, []string{"Akte angesehen</strong>", "Paket gelesen</strong>"}},
		{reader, []string{"Zuletzt zurückgelesen"}, []string{set, why, checked}},
	} {
		c.who.get("/akte/"+id+"/verlauf").want(200, c.sees...)
		for _, text := range c.seesNone {
			if strings.Contains(c.who.page, text) {
				t.Errorf("the history says %q to whom it is not for", text)
			}
		}
	}
	eventually(t, "the hold is found", func() bool { return strings.Contains(officer.get("/suche?hold=true").page, "/akte/"+id) })
	officer.get("/aussonderung/genehmigungen").fill("/aussonderung/genehmigungen", "classes", "63.10", "authority", "Stadtarchiv", "legal_basis", "SächsArchivG §5(9)", "granted", "2020-01-01", "valid_from", "2020-01-01").want(200, "zweite Person")
	approval := regexp.MustCompile(`action="(/aussonderung/genehmigungen/[a-z0-9]+/zustimmung)"`)
	if approval.MatchString(officer.page) {
		t.Error("who proposed a permit is offered to approve it")
	}
	action := approval.FindStringSubmatch(second.get("/aussonderung/genehmigungen").want(200).page)[1]
	second.fill(action, "bestaetigt", "1").want(200, "in Kraft")

	// What the archive does by itself is paused and started by hand, but for what protects it.
	const tasks = "/betrieb/aufgaben/"
	admin.get("/betrieb").want(200, tasks+"dispose/pause", tasks+"extend-locks/start").wantNot(tasks + "extend-locks/pause")
	admin.fill(tasks+"dispose/pause").want(200, "Die Aufgabe ruht", tasks+"dispose/weiter").wantNot(tasks + "dispose/pause")
	admin.fill(tasks+"dispose/weiter").want(200, "Die Aufgabe läuft wieder nach Plan", tasks+"dispose/pause")
	admin.fill(tasks+"evaluate/start").want(200, "Die Aufgabe ist angestoßen")

	// What a role may not do it is not shown and does not get.
	for path, status := range map[string]int{"/suche": 200, "/akte/" + id: 200, "/verwaltung": 403, "/betrieb": 403, "/uebernahme": 403, "/akte/01jq2m9cfp2y8r0v6k3c5t7n4e": 404, "/gibtsnicht": 404} {
		reader.get(path).want(status)
		if strings.Contains(reader.page, `href="/verwaltung"`) {
			t.Errorf("%s: the menu shows what is refused", path)
		}
	}
	reader.get("/suche?q="+strings.Repeat("x", 5000)).want(200, "Eine Angabe der Suche stimmt nicht", "Suchtext: ist zu lang")

	// A form that is sent when the session is over keeps what was typed.
	officer.get("/aussonderung/sperren")
	gone := officer.form("/aussonderung/sperren")
	gone.Set("reason", "lange getippt")
	gone.Set("authority", "Amt")
	gone.Set("records", id)
	gone.Set("review", "2099-12-31")
	cookie := officer.cookies["__Host-bestand"]
	officer.fill("/abmelden").want(200, "abgemeldet")
	const urlencoded = "application/x-www-form-urlencoded"
	send := func(values url.Values) *visitor {
		return officer.send(http.MethodPost, "/aussonderung/sperren", urlencoded, strings.NewReader(values.Encode()))
	}
	officer.cookies["__Host-bestand"] = cookie
	var body strings.Builder // in the order of the form
	for _, name := range []string{"_csrf", "_einmal", "reason", "authority", "classes", "records", "review"} {
		fmt.Fprintf(&body, "&%s=%s", name, url.QueryEscape(gone.Get(name)))
	}
	officer.send(http.MethodPost, "/aussonderung/sperren", urlencoded, strings.NewReader(body.String()[1:])).want(401, "bleiben erhalten")
	body.Reset()
	asks := regexp.MustCompile(`(?s)action="/anmelden".*?</form>`).FindString(officer.page)
	officer.fill("/ansicht", "sprache", "en").want(200, "Your session had expired", `name="behalten.reason" value="lange getippt"`)
	officer.fill("/ansicht", "sprache", "de").want(200, "bleiben erhalten", `name="behalten.reason" value="lange getippt"`)
	for _, h := range hidden.FindAllStringSubmatch(asks, -1) {
		fmt.Fprintf(&body, "%s=%s&", h[1], url.QueryEscape(html.UnescapeString(h[2])))
	}
	officer.send(http.MethodPost, "/anmelden", urlencoded, strings.NewReader(body.String()+"name=otto&kennwort="+url.QueryEscape(password))).want(200, "lange getippt")
	order := regexp.MustCompile(`(?s)<dt[^>]*>([^<]*)</dt>`).FindAllStringSubmatch(officer.page, -1)
	if len(order) != 4 || order[0][1] != "Begründung" || order[1][1] != "Anordnende Stelle" || order[2][1] != "Akten" || order[3][1] != "Wiedervorlage" {
		t.Errorf("what was typed is shown as %q", order)
	}
	officer.fill("/aussonderung/sperren").want(200, "Die Sperre ist gesetzt", "lange getippt")

	// One that has nothing to keep leads back to a page.
	admin.get("/")
	skip := admin.form("/einrichtung/verzicht")
	again := admin.cookies["__Host-bestand"]
	admin.fill("/abmelden").want(200, "abgemeldet")
	admin.cookies["__Host-bestand"] = again
	admin.send(http.MethodPost, "/einrichtung/verzicht", urlencoded, strings.NewReader(skip.Encode())).want(401, "bleiben erhalten")
	admin.fill("/anmelden", "name", "admin", "kennwort", password).want(200, "Name der Verwaltung")

	// A form of another session, of none, or of another site does nothing.
	officer.get("/aussonderung/sperren")
	stranger := officer.form("/aussonderung/sperren")
	stranger.Set("_csrf", "AAAA")
	send(stranger).want(403, "gehört nicht zu Ihrer Sitzung")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.url+"/abmelden", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.AddCookie(&http.Cookie{Name: "__Host-bestand", Value: officer.cookies["__Host-bestand"]})
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %d", a.StatusCode)
	}
	officer.get("/profil").want(200, "Dieser Browser")

	// Guessing ends: for the account after five attempts, whatever comes then.
	guess := visit(t, in.url)
	for range 5 {
		guess.get("/anmelden").fill("/anmelden", "name", "rosa", "kennwort", "falsch").want(401, "stimmen nicht")
	}
	guess.get("/anmelden").fill("/anmelden", "name", "rosa", "kennwort", password).want(401, "stimmen nicht")
	user := regexp.MustCompile(`action="(/verwaltung/benutzer/[a-z0-9]+/sperre)"`)
	actions := user.FindAllStringSubmatch(admin.get("/verwaltung").page, -1)
	if len(actions) != 5 {
		t.Fatalf("%d users can be locked", len(actions))
	}
	admin.fill(actions[4][1]).want(200, "gesperrt")
	reader.get("/suche").want(200, "Anmelden") // the session has ended with it
	if strings.Contains(reader.page, "Abmelden") {
		t.Error("a locked person is still logged in")
	}
	for _, header := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} {
		if reader.header.Get(header) == "" {
			t.Errorf("no %s", header)
		}
	}
}

// upload sends the form for files as a browser does.
func (v *visitor) upload(form url.Values, fields map[string]string, files ...string) *visitor {
	v.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name := range form {
		w.WriteField(name, form.Get(name))
	}
	for name, value := range fields {
		w.WriteField(name, value)
	}
	for _, name := range files {
		p, err := w.CreateFormFile("file", name)
		if err != nil {
			v.Fatal(err)
		}
		io.WriteString(p, "Inhalt von "+name+"\n")
	}
	if len(files) == 0 {
		w.CreateFormFile("file", "")
	}
	w.Close()
	return v.send(http.MethodPost, "/uebernahme/neu", w.FormDataContentType(), &body)
}
