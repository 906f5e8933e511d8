package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const attemptCookie = "__Host-bestand-anmeldung"

const providerRoles = `
Archiv: {musterstadt: [archivist]}
Lesesaal: {musterstadt: [reader]}
Verbund: {musterstadt: [reader], neustadt: [auditor], gibtsnicht: [admin]}
Fern: {neustadt: [reader]}
`

// at is an installation whose people can log in at a provider.
func (i *issuer) at(t *testing.T) *installation {
	t.Helper()
	dir := t.TempDir()
	roles, secret := filepath.Join(dir, "roles.yaml"), filepath.Join(dir, "secret")
	if err := os.WriteFile(roles, []byte(providerRoles), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, []byte(clientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return install(t, "--oidc-issuer", i.URL, "--oidc-client-id", clientID, "--oidc-client-secret-file", secret, "--oidc-roles-file", roles, "--oidc-claim", "realm_access.roles")
}

// logInAt logs in by the provider, from the page to log in on.
func (v *visitor) logInAt(i *issuer, path string) *visitor {
	v.Helper()
	return v.get(i.answer(v.get(path)))
}

// entered wants a login to have succeeded, and goes on as the browser does.
func (v *visitor) entered() *visitor {
	v.Helper()
	v.want(200, "Sie sind angemeldet")
	next, ok := strings.CutPrefix(v.header.Get("Refresh"), "0; url=")
	if !ok {
		v.Fatalf("does not go on: %v", v.header)
	}
	return v.get(next).want(200)
}

// TestProvider logs people in by an OpenID provider, and wants nobody in who has no
// right to be.
func TestProvider(t *testing.T) {
	p := newIssuer(t)
	in := p.at(t).serve(t)
	api := in.admin(t)
	begin := "/anmelden/dienst"

	t.Run("first login", func(t *testing.T) {
		v := visit(t, in.url)
		v.get("/anmelden").want(200, "Mit dem Dienstkonto anmelden", strings.TrimPrefix(p.URL, "http://"))
		p.as("s-anna", "Anna.Müller", "Archiv", "Kantine")
		v.get("/suche?q=x").want(200, `href="/anmelden/dienst?weiter=%2Fsuche%3Fq%3Dx"`)
		v.logInAt(p, begin+"?weiter=%2Fsuche%3Fq%3Dx").entered().want(200, "Person Anna.Müller")
		if v.at != "/suche?q=x" {
			t.Errorf("leads to %s", v.at)
		}
		v.get("/profil").want(200, "anna.mueller", "Dieser Browser", p.URL)
		if strings.Contains(v.page, "/profil/kennwort") {
			t.Error("is offered a password")
		}
		if _, kept := v.cookies[attemptCookie]; kept {
			t.Error("the attempt is kept")
		}
		v.get("/verwaltung").want(403)
	})

	t.Run("bad answers", func(t *testing.T) {
		other, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		set := func(name string, value any) func() {
			return func() { p.twist = func(c map[string]any) { c[name] = value } }
		}
		for name, change := range map[string]func(){
			"nonce of another login": set("nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
			"no nonce":               func() { p.twist = func(c map[string]any) { delete(c, "nonce") } },
			"for another client":     set("aud", "dms"),
			"for several":            set("aud", []string{clientID, "dms"}),
			"given to another":       set("azp", "dms"),
			"of another issuer":      set("iss", "https://sso.example.org"),
			"expired":                set("exp", time.Now().Add(-time.Minute).Unix()),
			"not yet":                set("nbf", time.Now().Add(time.Hour).Unix()),
			"no subject":             set("sub", ""),
			"wrong hash of access":   set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
			"key of somebody else":   func() { p.sign = func(b []byte) string { return signedWith(t, other, b) } },
			"alg none": func() {
				p.sign = func(b []byte) string {
					return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
				}
			},
			"no token": func() { p.sign = func([]byte) string { return "" } },
		} {
			t.Run(name, func(t *testing.T) {
				v := visit(t, in.url)
				p.as("s-anna", "anna", "Archiv")
				change()
				v.logInAt(p, begin).want(401, "ließ sich nicht bestätigen")
				v.get("/profil").want(200, "Benutzername")
			})
		}
		v := visit(t, in.url)
		p.denies = true
		v.logInAt(p, begin).want(401, "abgelehnt oder Sie haben sie abgebrochen")
		p.denies = false
		back := p.answer(v.get(begin))
		v.get(strings.Replace(back, url.QueryEscape(p.URL), url.QueryEscape("https://sso.example.org"), 1)).want(401, "ließ sich nicht bestätigen")
		back = p.answer(v.get(begin))
		v.get(regexp.MustCompile(`code=[^&]*`).ReplaceAllString(back, "code=guessed")).want(401, "ließ sich nicht bestätigen")
	})

	t.Run("state", func(t *testing.T) {
		p.as("s-anna", "anna", "Archiv")
		v, stranger := visit(t, in.url), visit(t, in.url)
		back := p.answer(v.get(begin))
		stranger.get(back).want(401, "gilt nicht mehr") // has begun none
		p.answer(stranger.get(begin))
		stranger.get(back).want(401, "gilt nicht mehr") // has begun another one
		back = p.answer(v.get(begin))
		kept := v.cookies[attemptCookie]
		v.get(back).entered()
		v.cookies = map[string]string{attemptCookie: kept}
		v.get(back).want(401, "gilt nicht mehr") // again
		for _, rubbish := range []string{"", "AAAA", base64.RawURLEncoding.EncodeToString([]byte(`{"State":""}`))} {
			v.cookies[attemptCookie] = rubbish
			v.get("/anmelden/dienst/antwort?code=x&state=").want(401, "gilt nicht mehr")
		}
		forged := fmt.Sprintf(`{"State":"s","Nonce":"n","Verifier":"v","Begun":%q}`, time.Now().Format(time.RFC3339))
		v.cookies[attemptCookie] = base64.RawURLEncoding.EncodeToString([]byte(forged))
		v.get("/anmelden/dienst/antwort?code=x&state=s").want(401, "gilt nicht mehr") // the provider is not asked
		p.answer(v.get(begin + "?weiter=//sso.example.org"))
		if b, _ := base64.RawURLEncoding.DecodeString(v.cookies[attemptCookie]); strings.Contains(string(b), "example.org") {
			t.Errorf("leads away: %s", b)
		}
	})

	t.Run("another account of the name", func(t *testing.T) {
		v := visit(t, in.url)
		p.as("s-other", "admin", "Archiv")
		v.logInAt(p, begin).entered().get("/profil").want(200, "admin-")
		v.get("/verwaltung").want(403)
		p.as("s-müller-2", "anna.mueller", "Archiv")
		visit(t, in.url).logInAt(p, begin).entered().get("/profil").want(200, "anna.mueller-")
		p.as("s-nameless", "", "Archiv")
		visit(t, in.url).logInAt(p, begin).entered().get("/profil").want(200, "oidc-")
		// Whose password is elsewhere has none here.
		guess := visit(t, in.url)
		guess.get("/anmelden").fill("/anmelden", "name", "anna.mueller", "kennwort", "").want(401)
	})

	t.Run("roles", func(t *testing.T) {
		old := visit(t, in.url)
		p.as("s-rolf", "rolf", "Archiv")
		old.logInAt(p, begin).entered().get("/uebernahme/neu").want(200)
		p.as("s-rolf", "rolf", "Lesesaal")
		visit(t, in.url).logInAt(p, begin).entered().get("/uebernahme/neu").want(403)
		old.get("/uebernahme/neu").want(403) // the other browser's session has them no more
		p.as("s-rolf", "rolf", "Kantine <b>")
		visit(t, in.url).logInAt(p, begin).want(403, "hat im Archiv aber keine Rolle", "realm_access.roles", "Kantine &lt;b&gt;", "ein anderes Konto", "/logout?client_id=")
		old.get("/suche").want(200, "Benutzername") // nor is there a session any more
		p.as("s-rolf", "rolf")
		visit(t, in.url).logInAt(p, begin).want(403, "keine Gruppe")
		p.as("s-rolf", "rolf", "Fern")
		visit(t, in.url).logInAt(p, begin+"?mandant=neustadt").want(403, "keine Rolle") // there is no such tenant yet
		p.as("s-rolf", "rolf", "Archiv")
		old.logInAt(p, begin).entered().get("/uebernahme/neu").want(200)
	})

	t.Run("tenants", func(t *testing.T) {
		api.post("/v1/tenants", map[string]any{"id": "neustadt", "name": "Neustadt", "admin": "n"}).want(t, 201)
		v := visit(t, in.url)
		p.as("s-vera", "vera", "Verbund")
		v.logInAt(p, begin).want(200, "In welchem Mandanten", "Neustadt", `href="/anmelden/dienst?mandant=neustadt"`)
		v.logInAt(p, begin+"?mandant=neustadt").entered().want(200, "Neustadt").get("/verwaltung/protokoll").want(200)
		v.logInAt(p, begin+"?mandant=musterstadt").entered().want(200, "Musterstadt").get("/verwaltung/protokoll").want(403)
		v.logInAt(p, begin+"?mandant=gibtsnicht").want(403, "keine Rolle")
		v = visit(t, in.url)
		p.as("s-fern", "fern", "Fern")
		v.logInAt(p, begin+"?mandant=musterstadt").want(403, "in diesem Mandanten aber keine Rolle")
		v.logInAt(p, begin).entered().want(200, "Neustadt")
	})

	t.Run("managed", func(t *testing.T) {
		p.as("s-lena", "lena", "Archiv")
		v := visit(t, in.url)
		v.logInAt(p, begin).entered()
		var users struct {
			Items []struct{ ID, Name, Issuer string }
		}
		api.get("/v1/users?limit=200").want(t, 200).decode(t, &users)
		id := ""
		for _, u := range users.Items {
			if u.Name == "lena" && u.Issuer == p.URL {
				id = u.ID
			}
		}
		api.post("/v1/users/"+id+"/password", nil).refused(t, 409, "conflict", "")
		api.post("/v1/users/"+id+"/roles", map[string]any{"roles": []string{"admin"}}).refused(t, 409, "conflict", "")
		if _, said, code := program(t, "user", "password", "--data", in.dir, "--name", "lena"); code == 0 || !strings.Contains(said, p.URL) {
			t.Errorf("a password on the command line: %d %s", code, said)
		}
		api.post("/v1/users/"+id+"/lock", nil).want(t, 200)
		v.get("/suche").want(200, "Benutzername")
		v.logInAt(p, begin).want(403, "im Archiv gesperrt")
		api.post("/v1/users/"+id+"/unlock", nil).want(t, 200)
		v.logInAt(p, begin).entered()
	})

	t.Run("logout", func(t *testing.T) {
		p.as("s-anna", "anna", "Archiv")
		v, second := visit(t, in.url), visit(t, in.url)
		v.logInAt(p, begin).entered()
		second.logInAt(p, begin).entered()
		end := regexp.MustCompile(`action="(/profil/sitzungen/[^"]*)"`).FindStringSubmatch(v.get("/profil").page)
		v.fill(end[1]).want(200)
		cookie := v.cookies["__Host-bestand"]
		v.fill("/abmelden").want(200, "Sie sind abgemeldet", "id_token_hint=")
		to, err := url.Parse(strings.TrimPrefix(v.header.Get("Refresh"), "0; url="))
		if err != nil || !strings.HasPrefix(to.String(), p.URL+"/logout?") || to.Query().Get("post_logout_redirect_uri") != in.url+"/anmelden" || strings.Count(to.Query().Get("id_token_hint"), ".") != 2 {
			t.Errorf("leads to %s", to)
		}
		v.cookies["__Host-bestand"] = cookie
		v.get("/suche").want(200, "Benutzername")
	})

	t.Run("form of a session that is over", func(t *testing.T) {
		p.as("s-anna", "anna", "Archiv")
		v := visit(t, in.url)
		v.logInAt(p, begin).entered()
		form := v.get("/aussonderung/genehmigungen").form("/aussonderung/genehmigungen")
		form.Set("authority", "lange getippt")
		delete(v.cookies, "__Host-bestand")
		v.send("POST", "/aussonderung/genehmigungen", "application/x-www-form-urlencoded", strings.NewReader(form.Encode())).want(401, "bleiben erhalten", `target="_blank"`)
		kept := v.form("/anmelden")
		if kept.Get("behalten.authority") != "lange getippt" || kept.Get("angemeldet") == "" {
			t.Fatalf("not kept: %v", kept)
		}
		v.send("POST", "/anmelden", "application/x-www-form-urlencoded", strings.NewReader(kept.Encode())).want(401, "noch nicht angemeldet", "lange getippt") // too early
		v.logInAt(p, begin).entered()                                                                                                                          // in the other window
		v.send("POST", "/anmelden", "application/x-www-form-urlencoded", strings.NewReader(kept.Encode())).want(200, "Ihre Eingaben sind noch da", "lange getippt")

		form = v.get("/uebernahme/neu").form("/uebernahme/neu")
		delete(v.cookies, "__Host-bestand")
		v.upload(form, map[string]string{"title": "lange getippt", "class": "63.10 Bauanträge"}, "a.txt").want(401, "Dateien können nicht behalten werden", `target="_blank"`)
		kept = v.form("/anmelden")
		v.logInAt(p, begin).entered()
		v.send("POST", "/anmelden", "application/x-www-form-urlencoded", strings.NewReader(kept.Encode())).want(200, "Dateien: wählen Sie mindestens eine Datei aus", `value="lange getippt"`, `value="63.10 Bauanträge"`)
		v.upload(v.form("/uebernahme/neu"), map[string]string{"title": "lange getippt", "class": "63.10 Bauanträge", "producer": "hand", "producer_record_id": "spaet-1"}, "a.txt").want(200, "Übergeben.")
	})

	t.Run("audit", func(t *testing.T) {
		log := in.auditLog(t, api)
		if n := strings.Count(log, `"reason":"token"`); n > 3 {
			t.Errorf("%d entries on answers that were not believed", n)
		}
		for _, want := range []string{"user.create", "user.login", "user.login.refused", "user.roles", "s-anna", `"reason":"token"`, `"reason":"denied"`, `"reason":"roles"`, `"reason":"locked"`, p.URL} {
			if !strings.Contains(log, want) {
				t.Errorf("the audit log says nothing of %s", want)
			}
		}
	})

	t.Run("outage", func(t *testing.T) {
		doctor := func() external {
			cfg, err := loadConfig(flags("doctor", io.Discard), in.flags)
			if err != nil {
				t.Fatal(err)
			}
			return examineProvider(t.Context(), cfg)
		}
		if said := doctor(); !said.Found || said.Version != p.URL {
			t.Errorf("doctor: %+v", said)
		}
		back := p.answer(visit(t, in.url).get(begin))
		p.Close()
		if said := doctor(); said.Found || !strings.Contains(said.Lost, "connection refused") {
			t.Errorf("doctor, with the provider away: %+v", said)
		}
		v := visit(t, in.url)
		v.get(back).want(401)
		eventually(t, "the outage is told", func() bool { return v.get(begin).status == 503 })
		v.want(503, "antwortet nicht", "Benutzername")
		first, err := readSecret(filepath.Join(in.dir, passwordFile))
		if err != nil {
			t.Fatal(err)
		}
		v.get("/anmelden?mandant=musterstadt").fill("/anmelden", "mandant", "musterstadt", "name", "admin", "kennwort", first).want(200, "eigenes Kennwort")
		v.fill("/profil/kennwort", "kennwort", first, "kennwort-neu", password, "kennwort-wieder", password).want(200)
		v.get("/verwaltung").want(200, p.URL, "Kennwort und Rollen kommen von dort")
	})
}

// auditLog is all that the audit log says, as JSON.
func (in *installation) auditLog(t *testing.T, c *caller) string {
	t.Helper()
	var all strings.Builder
	next := ""
	for {
		a := c.get("/v1/audit?limit=200&after="+url.QueryEscape(next)).want(t, 200)
		all.Write(a.body)
		var page struct{ Next string }
		a.decode(t, &page)
		if next = page.Next; next == "" {
			return all.String()
		}
	}
}

// TestProviderPages logs in by a provider on another site with a browser, which keeps
// strict cookies away from whatever comes from there.
func TestProviderPages(t *testing.T) {
	p := newIssuer(t)
	p.URL = strings.Replace(p.URL, "127.0.0.1", "localhost", 1)
	in := p.at(t).serve(t)
	b := browse(t, in.url)
	link, out := `a[href^="/anmelden/dienst"]`, `form[action="/abmelden"] button`
	for _, l := range looks {
		b.as(l)
		p.as("s-anna", "anna", "Kantine")
		b.open("/anmelden")
		b.check("provider", l)
		b.run(chromedp.Click(link), chromedp.WaitVisible(`.kern-alert--danger`))
		b.check("provider-roles", l)
	}
	b.as(looks[0])
	p.as("s-anna", "anna", "Archiv")
	b.open("/suche?q=x")
	b.run(chromedp.Click(link), chromedp.WaitVisible(`.searchbox`))
	if at := eval[string](b, `location.pathname + location.search`); at != "/suche?q=x" {
		t.Errorf("leads to %s", at)
	}
	b.run(chromedp.Click(out), chromedp.WaitVisible(`#kennwort`))
	b.open("/suche")
	b.run(chromedp.WaitVisible(`#kennwort`))
	if complaints, _ := b.settle(); len(complaints) > 0 {
		t.Error(complaints)
	}
}
