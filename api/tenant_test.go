package api

import (
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// TestOwnTenant renames a tenant and goes through its guided set-up, which only its
// administrators do.
func TestOwnTenant(t *testing.T) {
	a := newArchive(t)
	admin, other := a.token(ours, "anna", auth.Admin), a.token(theirs, "nina", auth.Admin)
	if v := decode[OwnTenant](t, a.do(admin, "GET", "/v1/tenant", nil).want(t, 200)); v.ID != ours || v.Setup != "name" {
		t.Errorf("%+v", v)
	}
	if v := decode[OwnTenant](t, a.do(admin, "POST", "/v1/tenant/rename", `{"name":"Große Kreisstadt Musterstadt"}`).want(t, 200)); v.Name != "Große Kreisstadt Musterstadt" {
		t.Errorf("%+v", v)
	}
	for range 2 { // the second time it is so already
		a.do(admin, "POST", "/v1/tenant/setup", `{"step":"people"}`).want(t, 200)
	}
	if v := decode[OwnTenant](t, a.do(admin, "GET", "/v1/tenant", nil).want(t, 200)); v.Name != "Große Kreisstadt Musterstadt" || v.Setup != "people" {
		t.Errorf("%+v", v)
	}
	if v := decode[OwnTenant](t, a.do(other, "GET", "/v1/tenant", nil).want(t, 200)); v.Name != string(theirs) || v.Setup != "name" {
		t.Errorf("another tenant: %+v", v)
	}
	for body, field := range map[string]string{`{"name":" "}`: "name", `{}`: "name", `{"name":"` + strings.Repeat("x", 201) + `"}`: "name"} {
		if v := a.do(admin, "POST", "/v1/tenant/rename", body).want(t, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", body, v.body)
		}
	}
	if v := a.do(admin, "POST", "/v1/tenant/setup", `{"step":"nowhere"}`).want(t, 422); v.field(t, "step") == "" {
		t.Errorf("%s", v.body)
	}
	if v := decode[OwnTenant](t, a.do(admin, "POST", "/v1/tenant/settings", `{"seal":"B-T","zone":"Europe/Vienna"}`).want(t, 200)); v.Settings != (TenantSettings{Seal: "B-T", Zone: "Europe/Vienna", Tag: v.Settings.Tag}) || v.Setup != "people" {
		t.Errorf("%+v", v)
	} else if first := v.Settings.Tag; first == "" {
		t.Error("nothing tells the settings from others")
	} else {
		// Of two who saw the same, the second does not undo what the first chose.
		second := `{"seal":"B-B","zone":"Europe/Vienna","tag":"` + first + `"}`
		chosen := decode[OwnTenant](t, a.do(admin, "POST", "/v1/tenant/settings", `{"seal":"B-T","zone":"Europe/Madrid","tag":"`+first+`"}`).want(t, 200))
		a.do(admin, "POST", "/v1/tenant/settings", second).want(t, 409)
		if now := decode[OwnTenant](t, a.do(admin, "GET", "/v1/tenant", nil).want(t, 200)); now != chosen {
			t.Errorf("%+v", now)
		}
		a.do(admin, "POST", "/v1/tenant/settings", `{"seal":"B-T","zone":"Europe/Vienna","tag":"`+chosen.Settings.Tag+`"}`).want(t, 200)
	}
	for body, field := range map[string]string{`{"seal":"B-LTA"}`: "seal", `{"zone":"../etc/passwd"}`: "zone", `{"zone":"Local"}`: "zone", `{"receipt_after":"never"}`: "receipt_after", `{"no_rendition":"x"}`: "no_rendition"} {
		if v := a.do(admin, "POST", "/v1/tenant/settings", body).want(t, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", body, v.body)
		}
	}
	a.do(admin, "POST", "/v1/tenant/settings", `{"lock_mode":"GOVERNANCE"}`).want(t, 422)
	if v := decode[OwnTenant](t, a.do(admin, "POST", "/v1/tenant/settings", `{}`).want(t, 200)); v.Settings != (TenantSettings{Tag: v.Settings.Tag}) {
		t.Errorf("%+v", v)
	}
	for _, r := range auth.Roles {
		if r == auth.Admin {
			continue
		}
		token := a.token(ours, "paul", r)
		a.do(token, "GET", "/v1/tenant", nil).want(t, 403)
		a.do(token, "POST", "/v1/tenant/rename", `{"name":"x"}`).want(t, 403)
		a.do(token, "POST", "/v1/tenant/setup", `{"step":"done"}`).want(t, 403)
		a.do(token, "POST", "/v1/tenant/settings", `{"seal":"B-B"}`).want(t, 403)
	}
	tenant := a.db.Tenant(ours)
	log, err := tenant.AuditLog(t.Context(), 0, string(ours), 100)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range log {
		if e.Action == "tenant.describe" && e.Actor == "anna" {
			told = append(told, e.Detail["name"]+e.Detail["setup"]+e.Detail["seal"]+e.Detail["zone"])
		}
	}
	if strings.Join(told, ", ") != "Große Kreisstadt Musterstadt, people, B-TEurope/Vienna, Europe/Madrid, Europe/Vienna, defaultdefault" {
		t.Errorf("the audit log tells of %q", told)
	}
	// The newest document is what a rebuild goes by.
	d, err := tenant.View().Document(t.Context(), catalog.KindTenant, catalog.KindTenant, 0)
	if err != nil || d.Version != 6 || !strings.Contains(string(d.Body), `"name":"Große Kreisstadt Musterstadt"`) || !strings.Contains(string(d.Body), `"setup":"people"`) {
		t.Errorf("%+v %s %v", d.Version, d.Body, err)
	}
}

// TestTenantsGoByNames wants no tenant to take a name by which the people of another one
// log in.
func TestTenantsGoByNames(t *testing.T) {
	a := newArchive(t)
	admin, other := a.token(ours, "anna", auth.Admin), a.token(theirs, "nina", auth.Admin)
	a.do(admin, "POST", "/v1/tenant/rename", `{"name":"Große Kreisstadt"}`).want(t, 200)
	for _, name := range []string{"Große Kreisstadt", "GROßE kreisstadt ", string(ours), strings.ToUpper(string(ours))} {
		if v := a.do(other, "POST", "/v1/tenant/rename", `{"name":"`+name+`"}`).want(t, 409); v.field(t, "name") != "taken" {
			t.Errorf("%s: %s", name, v.body)
		}
	}
	a.do(other, "POST", "/v1/tenant/rename", `{"name":"`+strings.ToUpper(string(theirs))+`"}`).want(t, 200) // its own
	provider := a.tokenLike(ours, catalog.Token{Actor: "provider", Roles: []string{"admin"}, Installation: true})
	a.do(other, "POST", "/v1/tenant/rename", `{"name":"Neustadt"}`).want(t, 200)
	for body, detail := range map[string]string{
		`{"id":"neustadt","name":"Neue Stadt","admin":"n"}`:   `another tenant goes by the name "neustadt"`,
		`{"id":"neu","name":" große kreisstadt","admin":"n"}`: `another tenant goes by the name " große kreisstadt"`,
	} {
		if p := a.do(provider, "POST", "/v1/tenants", body).want(t, 409).problem(t); p.Detail != detail {
			t.Errorf("%s: %+v", body, p)
		}
	}
	a.do(provider, "POST", "/v1/tenants", `{"id":"neu","name":"Neue Stadt","admin":"n"}`).want(t, 201)
}

// TestRenameUser changes how others read a person, and not who that is.
// TestSessionsOfOthers: an administrator sees where a person is logged in and ends one
// session or all, which the log says; of people of other tenants nobody learns anything.
func TestSessionsOfOthers(t *testing.T) {
	a := newArchive(t)
	admin := a.token(ours, "anna", auth.Admin)
	tenant := a.db.Tenant(ours)
	id := decode[NewUser](t, a.do(admin, "POST", "/v1/users", `{"name":"paula","label":"Paula","roles":["reader"]}`).want(t, 201)).User.ID
	u, err := tenant.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"one", "two", "three"} {
		if err := tenant.BeginSession(t.Context(), catalog.Session{Hash: auth.Hash(secret), Agent: "Firefox " + secret, Ends: time.Now().Add(time.Hour), User: u}); err != nil {
			t.Fatal(err)
		}
	}
	at := "/v1/users/" + id + "/sessions"
	sessions := func() []Session {
		t.Helper()
		return decode[struct{ Items []Session }](t, a.do(admin, "GET", at, nil).want(t, 200)).Items
	}
	all := sessions()
	if len(all) != 3 || !strings.HasPrefix(all[0].Agent, "Firefox ") || all[0].Begun.IsZero() || all[0].Seen.IsZero() {
		t.Fatalf("%+v", all)
	}
	for _, path := range []string{at, at + "/end", at + "/" + all[0].ID + "/end"} {
		method := map[bool]string{true: "GET", false: "POST"}[path == at]
		a.do(a.token(theirs, "nina", auth.Admin), method, path, nil).want(t, 404)
		a.do(a.token(ours, "rita", auth.Auditor), method, path, nil).want(t, 403)
	}
	other := decode[NewUser](t, a.do(admin, "POST", "/v1/users", `{"name":"otto","label":"Otto","roles":["reader"]}`).want(t, 201)).User.ID
	a.do(admin, "POST", "/v1/users/"+other+"/sessions/"+all[0].ID+"/end", nil).want(t, 204)
	if n := len(sessions()); n != 3 {
		t.Errorf("%d are left after one was ended that is of somebody else", n)
	}
	a.do(admin, "POST", at+"/"+all[0].ID+"/end", nil).want(t, 204)
	if left := sessions(); len(left) != 2 || left[0].ID == all[0].ID || left[1].ID == all[0].ID {
		t.Errorf("%+v", left)
	}
	a.do(admin, "POST", at+"/end", nil).want(t, 204)
	a.do(admin, "POST", at+"/end", nil).want(t, 204)
	if left := sessions(); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	log, err := tenant.AuditLatest(t.Context(), 0, id, 2)
	if err != nil || len(log) != 2 || log[0].Action != "user.logout" || log[0].Actor != "anna" || log[0].Detail["everything"] != "true" || log[1].Action != "user.logout" || log[1].Detail["everything"] != "" {
		t.Errorf("%+v %v", log, err)
	}
}

func TestRenameUser(t *testing.T) {
	a := newArchive(t)
	admin := a.token(ours, "anna", auth.Admin)
	made := decode[NewUser](t, a.do(admin, "POST", "/v1/users", `{"name":"paula","label":"Paula","roles":["reader"]}`).want(t, 201))
	if u := decode[User](t, a.do(admin, "POST", "/v1/users/"+made.User.ID+"/rename", `{"label":"Paula Beispiel"}`).want(t, 200)); u.Label != "Paula Beispiel" || u.Name != "paula" {
		t.Errorf("%+v", u)
	}
	a.do(a.token(theirs, "nina", auth.Admin), "POST", "/v1/users/"+made.User.ID+"/rename", `{"label":"x"}`).want(t, 404)
	a.do(admin, "POST", "/v1/users/"+made.User.ID+"/rename", `{"label":""}`).want(t, 422)
}
