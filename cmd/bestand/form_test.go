package main

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// TestFormTwice sends forms twice, one after the other and at the same time.
func TestFormTwice(t *testing.T) {
	in := install(t).serve(t)
	admin, _ := in.people(t)
	secret := regexp.MustCompile(`<code class="secret">([^<]*)</code>`)
	count := func(path string) int {
		var page struct{ Items []struct{ ID string } }
		in.admin(t).get(path).want(t, 200).decode(t, &page)
		return len(page.Items)
	}
	send := func(v *visitor, path string, form url.Values) *visitor {
		return v.send(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	}
	const tokens, permits = "/verwaltung/zugaenge", "/aussonderung/genehmigungen"

	form := admin.get(tokens).form(tokens)
	form.Set("actor", "dms")
	form.Set("roles", "submitter")
	had := count("/v1/tokens")
	first := secret.FindStringSubmatch(send(admin, tokens, form).want(200).page)[1]
	if again := secret.FindStringSubmatch(send(admin, tokens, form).want(200).page)[1]; again != first {
		t.Error("the second click shows another token")
	}
	if n := count("/v1/tokens"); n != had+1 {
		t.Errorf("%d tokens came of one form", n-had)
	}
	form.Set("_einmal", admin.get(tokens).form(tokens).Get("_einmal")) // on purpose, from the page anew
	if other := secret.FindStringSubmatch(send(admin, tokens, form).want(200).page)[1]; other == first {
		t.Error("the same words sent on purpose make no token")
	}

	permit := admin.get(permits).form(permits)
	for name, value := range map[string]string{"classes": "63.10", "legal_basis": "SächsArchivG §5(9)", "granted": "2020-01-01", "valid_from": "2020-01-01"} {
		permit.Set(name, value)
	}
	send(admin, permits, permit).want(422, "fehlt")
	permit.Set("authority", "Stadtarchiv")
	var both sync.WaitGroup
	for range 4 {
		v := &visitor{TB: t, url: in.url, cookies: map[string]string{"__Host-bestand": admin.cookies["__Host-bestand"]}}
		both.Go(func() {
			if send(v, permits, permit); v.status != 200 || !strings.Contains(v.page, "Eine zweite Person muss zustimmen") {
				t.Errorf("a click at the same time: %d", v.status)
			}
		})
	}
	both.Wait()
	if n := count("/v1/permits"); n != 1 {
		t.Errorf("%d permits came of one form", n)
	}
}

// TestForeign asks for what another municipality has: it does not exist here.
func TestForeign(t *testing.T) {
	in := install(t).serve(t)
	admin, _ := in.people(t)
	api := in.admin(t)
	var made struct{ Token string }
	api.post("/v1/tenants", map[string]any{"id": "neustadt", "name": "Neustadt", "admin": "nina"}).want(t, 201).decode(t, &made)
	theirs := &caller{T: t, url: in.url, token: made.Token}
	id := func(r reply) string {
		t.Helper()
		var v struct {
			ID   string
			User struct{ ID string }
		}
		r.decode(t, &v)
		return v.ID + v.User.ID
	}
	permit := id(theirs.post("/v1/permits", map[string]any{"classes": []string{"63.10"}, "authority": "Stadtarchiv", "granted": "2020-01-01", "legal_basis": "SächsArchivG §5(9)", "valid_from": "2020-01-01"}).want(t, 201))
	token := id(theirs.post("/v1/tokens", map[string]any{"actor": "x", "roles": []string{"reader"}}).want(t, 201))
	user := id(theirs.post("/v1/users", map[string]any{"name": "nora", "label": "Nora", "roles": []string{"reader"}}).want(t, 201))
	search := id(theirs.post("/v1/searches", map[string]any{"name": "x", "query": "q=x"}).want(t, 201))
	nothing := "01jq2m9cfp2y8r0v6k3c5t7n4e"
	for _, c := range []struct{ path, theirs string }{
		{"/aussonderung/genehmigungen/ID/widerruf", permit}, {"/aussonderung/genehmigungen/ID/zustimmung", permit},
		{"/verwaltung/zugaenge/ID/widerruf", token}, {"/verwaltung/benutzer/ID/sperre", user}, {"/verwaltung/benutzer/ID/kennwort", user},
		{"/suche/gemerkt/ID/loeschung", search},
	} {
		ask := func(id string) string {
			form := admin.get("/profil").form("/abmelden")
			form.Set("bestaetigt", "1")
			path := strings.Replace(c.path, "ID", id, 1)
			admin.send(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
			if admin.status != 404 {
				t.Errorf("%s: %d", path, admin.status)
			}
			return regexp.MustCompile(`(?s)<main.*</main>`).FindString(admin.page)
		}
		if foreign, missing := ask(c.theirs), ask(nothing); foreign != missing {
			t.Errorf("%s: another tenant's differs from what there is not:\n%s\n%s", c.path, foreign, missing)
		}
	}
	admin.get("/profil?mandant=neustadt").want(200, "Musterstadt")
	admin.get("/verwaltung/protokoll?object=" + user).want(200)
	if strings.Contains(admin.page, "Nora") || strings.Contains(admin.page, "nora") {
		t.Error("another tenant's audit log is shown")
	}
	for said, status := range map[string]int{"musterstadt": 200, "MusterStadt": 200, "neustadt": 401, "": 401} {
		v := visit(t, in.url)
		v.get("/anmelden").fill("/anmelden", "name", "admin", "kennwort", password, "mandant", said).want(status)
	}
}

// TestFormLate sends forms of pages that are no longer true, or never were: it is told
// in words, and leads to the field.
func TestFormLate(t *testing.T) {
	in := install(t).serve(t)
	admin, _ := in.people(t)
	api := in.admin(t)
	const holds, people = "/aussonderung/sperren", "/verwaltung/benutzer"

	admin.get(holds).fill(holds, "records", "06h0dtc6tjnrrs41zrs856tkx8", "authority", "Gericht", "reason", "Klage", "review", "2099-01-01").want(422, `href="#f-records"`, "Akten: gibt es nicht", ">Klage<")
	admin.get(holds).fill(holds, "classes", "63.10", "authority", "Gericht", "reason", "Klage", "review", "2099-01-01").want(200, "Die Sperre ist gesetzt")
	release := regexp.MustCompile(`action="(/aussonderung/sperren/[^/]+/aufhebung)"`).FindStringSubmatch(admin.page)[1]
	late := &visitor{TB: t, url: in.url, cookies: map[string]string{"__Host-bestand": admin.cookies["__Host-bestand"]}}
	late.get(holds).want(200)
	admin.fill(release, "reason", "").want(422, "fehlt")
	admin.fill(release, "reason", "Urteil").want(200, "Die Sperre ist aufgehoben")
	if late.fill(release, "reason", "Vergleich").want(422, "Diese Sperre ist inzwischen aufgehoben"); strings.Contains(late.page, "fehlt") {
		t.Error("a reason that was given is said to be missing")
	}

	// What is wrong with a thing on a later page of a list is told there.
	for range 31 {
		api.post("/v1/holds", map[string]any{"scope": map[string]any{"classes": []string{"63.10"}}, "authority": "Gericht", "reason": "Klage", "review": "2099-01-01"}).want(t, 201)
	}
	second := html.UnescapeString(regexp.MustCompile(`href="(/aussonderung/sperren\?after=[^"]*)"`).FindStringSubmatch(admin.get(holds).page)[1])
	release = regexp.MustCompile(`action="(/aussonderung/sperren/[^/]+/aufhebung[^"]*)"`).FindStringSubmatch(admin.get(second).page)[1]
	admin.fill(release, "reason", "").want(422, "fehlt", `action="`+release+`"`)

	admin.get("/verwaltung").fill(people, "name", "anna", "label", "Anna", "roles", "reader").want(200, "nur jetzt gezeigt")
	admin.get("/verwaltung").fill(people, "name", "anna", "label", "Anna Zwei", "roles", "reader").want(422, `href="#f-name"`, "ist schon vergeben", `value="Anna Zwei"`)
}
