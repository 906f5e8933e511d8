package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"bestand/api"
)

// TestTenantRefused: a tenant that is refused for its name leaves no bucket. Of several that
// want one name at once one gets it, and what is left of the others is theirs, under
// another name, and no problem of a rebuild.
func TestTenantRefused(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	buckets := func() (names []string) {
		t.Helper()
		all, err := os.ReadDir(filepath.Join(in.dir, "objects", "objects"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if strings.HasPrefix(e.Name(), "bestand-") {
				names = append(names, e.Name())
			}
		}
		return names
	}
	before := buckets()
	if len(before) < 2 {
		t.Fatalf("%v", before)
	}
	for _, body := range []map[string]any{
		{"id": "neustadt", "name": string(firstTenant), "admin": "nina"},
		{"id": "neustadt", "name": strings.ToUpper(string(firstTenant)), "admin": "nina"},
		{"id": string(firstTenant), "name": "Neustadt", "admin": "nina"},
	} {
		admin.post("/v1/tenants", body).refused(t, 409, "conflict", "")
	}
	if after := buckets(); len(after) != len(before) {
		t.Errorf("%v, were %v", after, before)
	}

	ids := []string{"eins", "zwei", "drei", "vier"}
	codes := make([]int, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			codes[i] = admin.post("/v1/tenants", map[string]any{"id": id, "name": "Neustadt", "admin": "nina"}).StatusCode
		})
	}
	all.Wait()
	made := 0
	for i, id := range ids {
		switch codes[i] {
		case 201:
			made++
		case 409:
			admin.post("/v1/tenants", map[string]any{"id": id, "name": "Gemeinde " + id, "admin": "nina"}).want(t, 201)
		default:
			t.Errorf("%s: %d", id, codes[i])
		}
	}
	if after := buckets(); made != 1 || len(after) != len(before)+len(ids) {
		t.Errorf("%d made, %v", made, after)
	}

	in.stop(t)
	a := in.opened(t)
	if _, err := a.bucket(t.Context(), "verlierer"); err != nil { // as one leaves that is killed
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if out, said, code := program(t, "rebuild", "--data", in.dir); code != 0 || !strings.Contains(out, "bestand-verlierer: empty") {
		t.Errorf("rebuild: exit code %d\n%s%s", code, out, said)
	}
}

// TestTenantSettings: what a tenant chooses holds from then on, is told by the audit log and
// comes back from the bucket.
func TestTenantSettings(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	settings := func(want string, args ...string) {
		t.Helper()
		out, complaint, code := program(t, append([]string{"tenant", "settings", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile)}, args...)...)
		if said := out + complaint; (code == 0) != (complaint == "") || !strings.Contains(strings.Join(strings.Fields(said), " "), want) {
			t.Errorf("%q: exit code %d\n%s", args, code, said)
		}
	}
	settings("no-rendition default receipt-after default seal default zone default")
	settings("seal B-B zone default", "--seal", "B-B")
	settings("no-rendition default receipt-after default seal B-B zone Atlantic/Azores", "--zone", "Atlantic/Azores")
	settings("must be a time zone", "--zone", "Europe/Musterstadt")
	settings("must be one of B-B, B-T, B-LT", "--seal", "B-X")
	settings("is no flag", "B-B")
	var all struct{ Items []api.Schedule }
	if admin.get("/v1/schedules").want(t, 200).decode(t, &all); all.Items[0].Zone != "Atlantic/Azores" {
		t.Errorf("%+v", all.Items[0])
	}
	_, r := admin.archive(about("1", "63.10", "Bauantrag"), file("a.txt", "Die Baugenehmigung wird erteilt."))
	if events := string(admin.get("/v1/records/"+r.ID+"/events").want(t, 200).body); !strings.Contains(events, "PAdES B-B") {
		t.Errorf("the seal: %s", events)
	}
	for _, detail := range []string{`"seal":"B-B"`, `"zone":"Atlantic/Azores"`} {
		if log := text(admin.log()); !strings.Contains(log, detail) {
			t.Errorf("the audit log does not tell of %s", detail)
		}
	}
	settings("seal default zone Atlantic/Azores", "--seal", "default")
	in.settled(t, admin)
	in.stop(t)
	in.lose(t, "catalog.db*", "index", tokenFile)
	if out, complaint, code := program(t, "rebuild", "--data", in.dir); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, complaint)
	}
	in.serve(t)
	settings("seal default zone Atlantic/Azores")
}

// TestVisitorsSettings has an administrator choose for a tenant by the pages, without
// scripts, and what people and others do wrong.
func TestVisitorsSettings(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin, add := in.people(t)
	const settings = "/verwaltung/einstellungen"
	chosen := regexp.MustCompile(`name="([a-z_]+)" value="([^"]*)" checked`)
	shows := func(v *visitor, want ...string) {
		t.Helper()
		var got []string
		for _, m := range chosen.FindAllStringSubmatch(v.page, -1) {
			got = append(got, m[1]+"="+m[2])
		}
		if !slices.Equal(got, want) {
			t.Errorf("chosen are %q, want %q", got, want)
		}
	}
	choose := func(v *visitor, seal, zone string) *visitor {
		t.Helper()
		return v.fill(settings, "seal", seal, "no_rendition", "quarantine", "receipt_after", "stored", "zone", zone)
	}
	shows(admin.get("/verwaltung").want(200, `href="`+settings+`"`).get(settings).want(200, "keine zweite Kopie", `value="Europe/Berlin"`), "seal=default", "no_rendition=default", "receipt_after=default")
	colleague := add("ada", "admin")
	colleague.get(settings).want(200)

	admin.get(settings)
	choose(admin, "B-T", "Europe/Musterstadt").want(422, `href="#f-zone"`, "Zeitzone: gibt es nicht", `value="Europe/Musterstadt"`)
	shows(admin, "seal=B-T", "no_rendition=quarantine", "receipt_after=stored")
	choose(admin, "B-LTA", "Europe/Berlin").want(422, "Stufe der Siegel: ist keiner der möglichen Werte", `href="#f-seal"`)
	choose(admin, "B-T", "Atlantic/Azores").want(200, "Die Einstellungen sind gespeichert", `value="Atlantic/Azores"`)
	shows(admin, "seal=B-T", "no_rendition=quarantine", "receipt_after=stored")

	// Who opened the form before that is told, keeps what was chosen, and may go on.
	choose(colleague, "B-B", "Europe/Berlin").want(409, "Jemand anderes hat die Einstellungen inzwischen geändert", "Atlantic/Azores", "B-T: Siegel und Zeitstempel", `value="Europe/Berlin"`)
	shows(colleague, "seal=B-B", "no_rendition=quarantine", "receipt_after=stored")
	shows(admin.get(settings).want(200, `value="Atlantic/Azores"`), "seal=B-T", "no_rendition=quarantine", "receipt_after=stored")
	choose(colleague, "default", "Europe/Berlin").want(200, "Die Einstellungen sind gespeichert")
	shows(admin.get(settings).want(200, `value="Europe/Berlin"`), "seal=default", "no_rendition=quarantine", "receipt_after=stored")
	admin.get("/verwaltung/protokoll").want(200, "Zeitzone: Atlantic/Azores", "Siegel: B-T: Siegel und Zeitstempel", "Quittung erlaubt das Löschen: Sobald die Akte gespeichert")

	// It is nobody else's business, and so is it in the other language.
	forged := admin.get(settings).form(settings)
	auditor := add("rita", "auditor")
	auditor.get(settings).want(403)
	forged.Set("_csrf", auditor.get("/").form("/abmelden").Get("_csrf"))
	auditor.send(http.MethodPost, settings, "application/x-www-form-urlencoded", strings.NewReader(forged.Encode())).want(403)
	visit(t, in.url).get(settings).want(200, "Anmelden")
	admin.get("/").fill("/ansicht", "sprache", "en").get(settings).want(200, "Level of the seals", "seal and time-stamp", "no second copy").wantNot("Siegel")
	admin.get("/hilfe/verwaltung").want(200, "Settings of the tenant")
}
