package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// TestSavedSearches: a search belongs to who keeps it.
func TestSavedSearches(t *testing.T) {
	a := newArchive(t)
	erika, paula, other := a.token(ours, "erika", auth.Reader), a.token(ours, "paula", auth.Admin), a.token(theirs, "erika", auth.Reader)
	keep := func(who, name, query string, status int) answer {
		t.Helper()
		return a.do(who, "POST", "/v1/searches", map[string]any{"name": name, "query": query}).want(t, status)
	}
	kept := decode[SavedSearch](t, keep(erika, " Garagen ", "?q=Garage%20Lindenstra%C3%9Fe&state=due&limit=20&after=x", 201))
	if kept.Name != "Garagen" || kept.Query != "q=Garage+Lindenstra%C3%9Fe&state=due" || kept.Created.IsZero() {
		t.Errorf("%+v", kept)
	}
	a.do(erika, "GET", "/v1/records?"+kept.Query, nil).want(t, 200)
	keep(paula, "Garagen", "q=x", 201)
	keep(other, "Garagen", "q=x", 201)
	if v := keep(erika, "Garagen", "q=x", 409); v.field(t, "name") != "taken" {
		t.Errorf("%s", v.body)
	}
	for query, field := range map[string]string{"%zz": "query", "limit=20": "query", "farbe=rot": "query", "q=a&q=b": "query", "from=gestern": "query", " ": "query", "q=" + strings.Repeat("x", 2000): "query"} {
		if v := keep(erika, "x", query, 422); v.field(t, field) == "" {
			t.Errorf("%.20s: %s", query, v.body)
		}
	}
	keep(erika, strings.Repeat("x", 101), "q=x", 422)
	keep(erika, " ", "q=x", 422)
	for _, who := range []string{paula, other} {
		a.do(who, "POST", "/v1/searches/"+kept.ID+"/rename", map[string]any{"name": "mine"}).want(t, http.StatusNotFound)
		a.do(who, "POST", "/v1/searches/"+kept.ID+"/delete", nil).want(t, http.StatusNotFound)
		if all := decode[ListSearches200JSONResponse](t, a.do(who, "GET", "/v1/searches", nil).want(t, 200)); len(all.Items) != 1 || all.Items[0].ID == kept.ID {
			t.Errorf("somebody else's: %+v", all)
		}
	}
	a.do(a.token(ours, "sub", auth.Submitter), "GET", "/v1/searches", nil).want(t, 403)
	a.do(a.token(ours, "erika", auth.Archivist), "POST", "/v1/searches/"+kept.ID+"/rename", map[string]any{"name": "Carports"}).want(t, 200) // the same person
	for i := 1; i < catalog.MaxSavedSearches; i++ {
		keep(erika, fmt.Sprint(i), "q=x", 201)
	}
	if v := keep(erika, "one more", "q=x", 409); v.field(t, "name") != "searches-full" {
		t.Errorf("%s", v.body)
	}
	if v := a.do(erika, "POST", "/v1/searches/"+kept.ID+"/rename", map[string]any{"name": "1"}).want(t, 409); v.field(t, "name") != "taken" {
		t.Errorf("%s", v.body)
	}
	a.do(erika, "POST", "/v1/searches/"+kept.ID+"/delete", nil).want(t, 204)
	a.do(erika, "POST", "/v1/searches/"+kept.ID+"/delete", nil).want(t, 404)
	keep(erika, "one more", "q=x", 201)
}
