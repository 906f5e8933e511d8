package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestSavedSearchPages keeps a search under a name, opens it from the start page,
// renames and forgets it, without scripts.
func TestSavedSearchPages(t *testing.T) {
	in := install(t).serve(t)
	_, add := in.people(t)
	archivist, reader := add("anna", "archivist"), add("rosa", "reader")
	archivist.get("/suche?q=Kleingarten&kind=file").fill("/suche/gemerkt", "name", "<i>Gärten</i>").want(200, "Die Suche ist gemerkt", "&lt;i&gt;Gärten&lt;/i&gt;")
	archivist.fill("/suche/gemerkt", "name", "<i>Gärten</i>").want(422, "ist schon vergeben", `value="&lt;i&gt;Gärten`)
	saved := regexp.MustCompile(`href="/suche\?([^"]*)">&lt;i&gt;Gärten`).FindStringSubmatch(archivist.get("/").want(200, "Gemerkte Suchen").page)
	if saved == nil {
		t.Fatalf("the start page does not lead to the search:\n%s", archivist.page)
	}
	archivist.get("/suche?"+strings.ReplaceAll(saved[1], "&amp;", "&")).want(200, `value="Kleingarten"`, "Art: ")
	reader.get("/")
	if strings.Contains(reader.page, "Gärten") {
		t.Error("somebody else's search is shown")
	}
	one := regexp.MustCompile(`action="(/suche/gemerkt/[^"/]*)/name"`).FindStringSubmatch(archivist.page)[1]
	archivist.fill(one+"/name", "name", strings.Repeat("x", 101)).want(422, "ist zu lang", `aria-invalid="true"`)
	archivist.fill(one+"/name", "name", "Parzellen").want(200, "neuen Namen", "Parzellen")
	form := reader.get("/suche").form("/abmelden")
	reader.send(http.MethodPost, one+"/loeschung", "application/x-www-form-urlencoded", strings.NewReader(form.Encode())).want(404)
	archivist.fill(one+"/loeschung").want(200, "ist gelöscht")
}
