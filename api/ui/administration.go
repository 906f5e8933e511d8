package ui

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"bestand/api"
	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// usersView lists people, and is the form to add one.
type usersView struct {
	Items  []api.User
	Next   string
	Roles  []auth.Role
	Values map[string]string
	Chosen map[string]bool
	Fields map[string]api.FieldError
	Made   *api.NewUser // with the password, shown this once
}

func usersPage(v *visit) error { return v.showUsers(http.StatusOK, usersView{}) }

func (v *visit) showUsers(status int, p usersView) error {
	var page struct {
		Items []api.User
		Next  string
	}
	if err := v.get("/v1/users?limit=100&after="+url.QueryEscape(v.r.URL.Query().Get("after")), &page); err != nil {
		return err
	}
	p.Items, p.Roles = barred(page.Items, v.ui.Now()), auth.Roles
	if page.Next != "" {
		p.Next = "/verwaltung?after=" + url.QueryEscape(page.Next)
	}
	return v.showStatus(status, "users", v.lang.t("users.title"), p)
}

// barred leaves the time until which no attempt of a person to log in counts only where it
// is still to come.
func barred(all []api.User, now time.Time) []api.User {
	for i := range all {
		if !all[i].Barred.After(now) {
			all[i].Barred = time.Time{}
		}
	}
	return all
}

// roleFaults are the faults of a form with roles, of which there has to be one.
func roleFaults(err error) map[string]api.FieldError {
	fields := faults(err)
	if f, ok := fields["roles"]; ok && f.Code == "min" {
		fields["roles"] = api.FieldError{Field: "roles", Code: "required"}
	}
	return fields
}

func createUser(v *visit) error {
	p := usersView{Values: v.values(), Chosen: map[string]bool{}}
	for _, r := range v.r.PostForm["roles"] {
		p.Chosen[r] = true
	}
	body := map[string]any{"name": strings.ToLower(p.Values["name"]), "label": p.Values["label"], "roles": list(v.r.PostForm["roles"])}
	var made api.NewUser
	err := v.post("/v1/users", body, &made)
	if p.Fields = roleFaults(err); p.Fields != nil {
		return v.showUsers(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.showUsers(http.StatusOK, usersView{Made: &made})
}

func resetPassword(v *visit) error {
	var made api.NewUser
	if err := v.post(joinPath("/v1/users/", v.r.PathValue("id"), "/password"), nil, &made); err != nil {
		return err
	}
	return v.showUsers(http.StatusOK, usersView{Made: &made})
}

func setRoles(v *visit) error {
	err := v.post(joinPath("/v1/users/", v.r.PathValue("id"), "/roles"), map[string]any{"roles": list(v.r.PostForm["roles"])}, nil)
	if fields := faults(err); fields != nil {
		return v.showUsers(http.StatusUnprocessableEntity, usersView{Fields: map[string]api.FieldError{"roles-" + v.r.PathValue("id"): {Code: "required"}}})
	}
	if err != nil {
		return err
	}
	return v.redirect("/verwaltung", "roles-set")
}

// setPerson notes that two accounts belong to one person.
func setPerson(v *visit) error {
	id, other := v.r.PathValue("id"), strings.TrimSpace(v.r.PostForm.Get("same_as"))
	err := v.post(joinPath("/v1/users/", id, "/person"), map[string]any{"same_as": other}, nil)
	fields := faults(err)
	if f, ok := fields["same_as"]; ok {
		field := "same_as-" + id
		return v.showUsers(http.StatusUnprocessableEntity, usersView{Values: map[string]string{field: other}, Fields: map[string]api.FieldError{field: f}})
	}
	if fields != nil {
		return v.showUsers(http.StatusConflict, usersView{Fields: fields})
	}
	if err != nil {
		return err
	}
	return v.redirect("/verwaltung", "person-set")
}

func lockUser(v *visit) error {
	err := v.post(joinPath("/v1/users/", v.r.PathValue("id"), "/lock"), nil, nil)
	if fields := faults(err); fields != nil {
		return v.showUsers(http.StatusConflict, usersView{Fields: fields})
	}
	if err != nil {
		return err
	}
	return v.redirect("/verwaltung", "locked")
}

func unlockUser(v *visit) error {
	if err := v.post(joinPath("/v1/users/", v.r.PathValue("id"), "/unlock"), nil, nil); err != nil {
		return err
	}
	return v.redirect("/verwaltung", "unlocked")
}

// sessionsView lists where somebody is logged in.
type sessionsView struct {
	User  catalog.User
	Items []api.Session
	This  string // identifier of the session that looks at it
}

func sessionsPage(v *visit) error {
	id := v.r.PathValue("id")
	var page struct{ Items []api.Session }
	if err := v.get(joinPath("/v1/users/", id, "/sessions"), &page); err != nil {
		return err
	}
	u, err := v.ui.Catalog.Tenant(v.who.Tenant).User(v.r.Context(), id)
	if err != nil {
		return err
	}
	return v.show("sessions", v.lang.t("sessions.title", u.Label), sessionsView{u, page.Items, v.session.ID}, crumb{v.lang.t("users.title"), "/verwaltung"})
}

// endSessionOf logs somebody out of one browser.
func endSessionOf(v *visit) error {
	id := v.r.PathValue("id")
	if err := v.post(joinPath("/v1/users/", id, "/sessions/", v.r.PathValue("session"), "/end"), nil, nil); err != nil {
		return err
	}
	return v.redirect(joinPath("/verwaltung/benutzer/", id, "/sitzungen"), "session-ended")
}

// endSessionsOf logs somebody out everywhere.
func endSessionsOf(v *visit) error {
	id := v.r.PathValue("id")
	if err := v.post(joinPath("/v1/users/", id, "/sessions/end"), nil, nil); err != nil {
		return err
	}
	return v.redirect(joinPath("/verwaltung/benutzer/", id, "/sitzungen"), "sessions-ended")
}

// tokensView lists API tokens, and is the form to make one.
type tokensView struct {
	Items  []api.Token
	Next   string
	Roles  []auth.Role
	Values map[string]string
	Chosen map[string]bool
	Fields map[string]api.FieldError
	Made   *api.NewToken // with its secret, shown this once
	At     time.Time
}

// Active reports whether a token can still be used.
func (p tokensView) Active(k api.Token) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || p.At.Before(k.Expires))
}

func tokensPage(v *visit) error {
	return v.showTokens(http.StatusOK, tokensView{})
}

func (v *visit) showTokens(status int, p tokensView) error {
	var page struct {
		Items []api.Token
		Next  string
	}
	if err := v.get("/v1/tokens?limit=100&after="+url.QueryEscape(v.r.URL.Query().Get("after")), &page); err != nil {
		return err
	}
	p.Items, p.Roles, p.At = page.Items, auth.Roles, v.ui.Now()
	if page.Next != "" {
		p.Next = "/verwaltung/zugaenge?after=" + url.QueryEscape(page.Next)
	}
	return v.showStatus(status, "tokens", v.lang.t("tokens.title"), p, crumb{v.lang.t("users.title"), "/verwaltung"})
}

func createToken(v *visit) error {
	p := tokensView{Values: v.values(), Chosen: map[string]bool{}}
	for _, r := range v.r.PostForm["roles"] {
		p.Chosen[r] = true
	}
	body := map[string]any{"actor": p.Values["actor"], "label": p.Values["label"], "roles": list(v.r.PostForm["roles"])}
	if day, err := time.ParseInLocation(time.DateOnly, p.Values["expires"], v.lang.zone); err == nil {
		body["expires"] = day.AddDate(0, 0, 1).UTC()
	}
	var made api.NewToken
	err := v.post("/v1/tokens", body, &made)
	if p.Fields = roleFaults(err); p.Fields != nil {
		return v.showTokens(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.showTokens(http.StatusOK, tokensView{Made: &made})
}

func revokeToken(v *visit) error {
	if err := v.post(joinPath("/v1/tokens/", v.r.PathValue("id"), "/revoke"), nil, nil); err != nil {
		return err
	}
	return v.redirect("/verwaltung/zugaenge", "token-revoked")
}

// auditView is a page of the audit log, the newest entries first.
type auditView struct {
	Items  []catalog.AuditEntry
	Called map[string]string // what their objects are called
	Object string
	Begun  bool
	Next   string
}

const auditShown = 50

func auditPage(v *visit) error {
	q := v.r.URL.Query()
	p := auditView{Object: strings.TrimSpace(q.Get("object")), Begun: q.Has("vor")}
	var before int64
	if p.Begun {
		var err error
		if before, err = strconv.ParseInt(q.Get("vor"), 10, 64); err != nil || before < 1 {
			return &refusal{status: http.StatusBadRequest, code: "invalid-cursor"}
		}
	}
	if utf8.RuneCountInString(p.Object) > 200 || !utf8.ValidString(p.Object) || strings.ContainsRune(p.Object, 0) {
		return &refusal{status: http.StatusBadRequest, code: "invalid-parameter"}
	}
	all, err := v.ui.Catalog.Tenant(v.who.Tenant).AuditLatest(v.r.Context(), before, p.Object, auditShown+1)
	if err != nil {
		return err
	}
	p.Items = all[:min(len(all), auditShown)]
	if len(all) > auditShown {
		more := url.Values{"vor": {strconv.FormatInt(p.Items[auditShown-1].Seq, 10)}}
		if p.Object != "" {
			more.Set("object", p.Object)
		}
		p.Next = "/verwaltung/protokoll?" + more.Encode()
	}
	if p.Called, err = v.called(p.Items); err != nil {
		return err
	}
	return v.show("audit", v.lang.t("audit.title"), p, crumb{v.lang.t("users.title"), "/verwaltung"})
}

// called says what entries of the audit log are about, as far as the visitor may know it:
// the titles of records, the names of people.
func (v *visit) called(entries []catalog.AuditEntry) (map[string]string, error) {
	all := map[string]string{}
	var records []preservation.RecordID
	for _, e := range entries {
		id := preservation.RecordID(e.Object)
		if _, known := all[e.Object]; known || !id.Valid() {
			continue
		}
		all[e.Object] = ""
		if !strings.HasPrefix(e.Action, "user.") {
			records = append(records, id)
			continue
		}
		u, err := v.ui.Catalog.Tenant(v.who.Tenant).User(v.r.Context(), e.Object)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return nil, err
		}
		all[e.Object] = u.Label
	}
	if err := v.name(records...); err != nil {
		return nil, err
	}
	for id, title := range v.titles {
		all[string(id)] = title
	}
	return all, nil
}

func tenantsPage(v *visit) error {
	var page struct{ Items []api.Tenant }
	if err := v.get("/v1/tenants", &page); err != nil {
		return err
	}
	return v.show("tenants", v.lang.t("tenants.title"), page.Items, crumb{v.lang.t("users.title"), "/verwaltung"})
}

// list is never nil, so that it is [] in JSON and not null.
func list(items []string) []string {
	if items == nil {
		return []string{}
	}
	return items
}
