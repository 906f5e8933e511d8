package main

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// TestStreams: a session has as many streams as a browser can use, and they end with it.
func TestStreams(t *testing.T) {
	in := install(t).serve(t)
	admin, add := in.people(t)
	otto := add("otto", "archivist")
	stream := func(v *visitor) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.url+"/arbeit", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range v.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		a, err := (&http.Transport{}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Body.Close() })
		return a
	}
	var open []*http.Response
	for range 6 {
		a := stream(admin)
		if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(a.Status, a.Header)
		}
		open = append(open, a)
	}
	if a := stream(admin); a.StatusCode != http.StatusNoContent {
		t.Errorf("a seventh stream: %s", a.Status)
	}
	if a := stream(otto); a.StatusCode != http.StatusOK {
		t.Errorf("the stream of another session: %s", a.Status)
	}
	admin.get("/profil").fill("/abmelden").want(200)
	for _, a := range open {
		last := ""
		for s := bufio.NewScanner(a.Body); s.Scan(); {
			if event, ok := strings.CutPrefix(s.Text(), "event: "); ok {
				last = event
			}
		}
		if last != "end" {
			t.Errorf("the last event is %q", last)
		}
	}
}
