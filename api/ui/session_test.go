package ui

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// elsewhere are addresses that a browser would take for one of another site, or that are
// none of a page.
var elsewhere = []string{"//evil.example", `/\evil.example`, `\/evil.example`, "https://evil.example", "https:evil.example", "javascript:alert(1)", "/\t/evil.example", "/\n/evil.example", "/\x00x", "evil", ""}

func TestHere(t *testing.T) {
	for _, to := range elsewhere {
		if got := here(to); got != "" {
			t.Errorf("%q leads to %q", to, got)
		}
	}
	for _, to := range []string{"/", "/suche?q=x%2F%2F&kind=file", "/akte/01jq/datei/f0001"} {
		if got := here(to); got != to {
			t.Errorf("%q leads to %q", to, got)
		}
	}
}

// TestFirstLogin: people come to the page that they asked for, by way of the login and
// of the first password, and to no other site.
func TestFirstLogin(t *testing.T) {
	h := newHouse(t)
	hash, err := auth.HashPassword(t.Context(), "ein erstes Kennwort")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.tenant.CreateUser(t.Context(), catalog.User{Name: "anna", Label: "Anna", Roles: []string{"archivist"}, Password: hash, MustChange: true}, "test"); err != nil {
		t.Fatal(err)
	}
	var cookie *http.Cookie
	ask := func(method, at string, form url.Values) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, at, strings.NewReader(form.Encode()))
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if cookie != nil {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		h.ui.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			if c.Name == sessionCookie {
				cookie = c
			}
		}
		return w
	}
	leads := func(w *httptest.ResponseRecorder, to string) {
		t.Helper()
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != to {
			t.Fatalf("%d leads to %q, want %q\n%.500s", w.Code, got, to, w.Body)
		}
	}
	const page, next = "/suche?q=Plan&kind=file", "weiter=%2Fsuche%3Fq%3DPlan%26kind%3Dfile"
	leads(ask(http.MethodGet, page, nil), "/anmelden?"+next)
	says(t, ask(http.MethodGet, "/anmelden?"+next, nil).Body.String(), []string{`name="weiter" value="/suche?q=Plan&amp;kind=file"`}, nil)
	login := url.Values{"mandant": {"musterstadt"}, "name": {"anna"}, "kennwort": {"ein erstes Kennwort"}}
	for _, to := range elsewhere {
		login.Set("weiter", to)
		leads(ask(http.MethodPost, "/anmelden", login), "/profil")
		leads(ask(http.MethodGet, "/anmelden?"+url.Values{"weiter": {to}}.Encode(), nil), "/")
		says(t, ask(http.MethodGet, "/profil?"+url.Values{"weiter": {to}}.Encode(), nil).Body.String(), []string{`name="weiter" value="/profil"`}, []string{"evil"})
	}
	login.Set("weiter", page)
	leads(ask(http.MethodPost, "/anmelden", login), "/profil?"+next)
	leads(ask(http.MethodGet, page, nil), "/profil?"+next)
	says(t, ask(http.MethodGet, "/profil?"+next, nil).Body.String(), []string{`name="weiter" value="/suche?q=Plan&amp;kind=file"`, `name="weiter" value="/profil?` + next + `"`}, nil)

	kept := url.Values{"mandant": {"musterstadt"}, "name": {"anna"}, "kennwort": {"ein erstes Kennwort"}, "weiter": {"/aussonderung/genehmigungen/x/widerruf?after=y"}, "behalten.reason": {"r"}}
	leads(ask(http.MethodPost, "/anmelden", kept), "/profil?weiter=%2Faussonderung%2Fgenehmigungen") // no form can be gone to

	change := url.Values{csrfField: {csrfToken(cookie.Value)}, "weiter": {page}, "kennwort": {"ein erstes Kennwort"}, "kennwort-neu": {"ein zweites Kennwort"}}
	refused := ask(http.MethodPost, "/profil/kennwort", change)
	if refused.Code != http.StatusUnprocessableEntity {
		t.Fatal(refused.Code)
	}
	says(t, refused.Body.String(), []string{`name="weiter" value="/suche?q=Plan&amp;kind=file"`}, nil)
	change.Set("kennwort-wieder", "ein zweites Kennwort")
	leads(ask(http.MethodPost, "/profil/kennwort", change), page)
	leads(ask(http.MethodGet, "/anmelden?"+next, nil), page) // in another window, meanwhile
}

// TestPartOfExpired: a part of a page that is asked for when the session is over leads to
// the login, and from there back to the page.
func TestPartOfExpired(t *testing.T) {
	u := newHouse(t).ui
	for at, want := range map[string]string{
		"https://archiv.example/betrieb?x=1": "/anmelden?weiter=%2Fbetrieb%3Fx%3D1",
		"https://archiv.example/":            "/anmelden",
		"":                                   "/anmelden",
		"https://archiv.example//evil":       "/anmelden",
		":":                                  "/anmelden",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/betrieb/stand", nil)
		r.Header.Set("HX-Request", "true")
		r.Header.Set("HX-Current-URL", at)
		w := httptest.NewRecorder()
		u.ServeHTTP(w, r)
		if got := w.Header().Get("HX-Redirect"); w.Code != http.StatusUnauthorized || got != want {
			t.Errorf("%q: %d %s, want %s", at, w.Code, got, want)
		}
	}
}
