package ui

import (
	"net/http"
	"net/url"
	"slices"

	"bestand/api"
)

// savedView is the searches that somebody has kept, and the form to keep this one.
type savedView struct {
	Items  []api.SavedSearch
	Query  string // of this page, "" when it searches for nothing that could be kept
	Name   string // as typed
	Failed string // identifier of the search that did not get this name; "" for the new one
	Fields map[string]api.FieldError
}

// saved asks for somebody's own searches. Who may not search has none.
func (v *visit) saved() (items []api.SavedSearch, err error) {
	if !v.may("GET /v1/searches") {
		return nil, nil
	}
	var page struct{ Items []api.SavedSearch }
	err = v.get("/v1/searches", &page)
	c := v.lang.collator()
	slices.SortStableFunc(page.Items, func(a, b api.SavedSearch) int { return c.CompareString(a.Name, b.Name) })
	return page.Items, err
}

// saveSearch keeps the search of the page that the form is on.
func saveSearch(v *visit) error {
	s := savedView{Name: v.r.PostForm.Get("name")}
	err := v.post("/v1/searches", map[string]string{"name": s.Name, "query": v.r.PostForm.Get("suche")}, nil)
	return v.savedOr(err, s, "search-saved")
}

func renameSearch(v *visit) error {
	s := savedView{Name: v.r.PostForm.Get("name"), Failed: v.r.PathValue("id")}
	err := v.post(joinPath("/v1/searches/", s.Failed, "/rename"), map[string]string{"name": s.Name}, nil)
	return v.savedOr(err, s, "search-renamed")
}

func deleteSearch(v *visit) error {
	err := v.post(joinPath("/v1/searches/", v.r.PathValue("id"), "/delete"), nil, nil)
	return v.savedOr(err, savedView{}, "search-deleted")
}

// savedOr goes back to the search where a form stood, or shows it with what was wrong.
func (v *visit) savedOr(err error, s savedView, notice string) error {
	q, _ := url.ParseQuery(v.r.PostForm.Get("suche")) // what cannot be read is left out
	v.r.URL = &url.URL{Path: "/suche", RawQuery: q.Encode()}
	if all := faults(err); all != nil {
		s.Fields = map[string]api.FieldError{}
		for name, f := range all {
			if name == "name" {
				name = "suchname" // other forms call the user's name so
			}
			s.Fields[name] = f
		}
		return v.showSearch(http.StatusUnprocessableEntity, s)
	}
	if err != nil {
		return err
	}
	return v.redirect("/suche?"+searchQuery(v).Encode(), notice)
}
