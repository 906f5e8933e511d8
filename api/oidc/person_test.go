package oidc

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	var c claims
	if err := json.Unmarshal([]byte(`{"roles":["a","b","a",1,"",null],"one":"a b","none":[],"text":"","n":7,"deep":{"er":{"roles":["x"]},"n":1},"https://example.de/roles":["u"],"a.b":["literal"],"a":{"b":["path"]}}`), &c); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"roles": {"a", "b"}, "one": {"a b"}, "none": nil, "text": nil, "n": nil, "missing": nil, "deep.er.roles": {"x"}, "deep.er": nil, "deep.n.roles": nil,
		"roles.x": nil, "https://example.de/roles": {"u"}, "a.b": {"literal"}, "": nil, ".": nil, "deep.": nil,
	} {
		if got := c.list(path); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestAccountName(t *testing.T) {
	for in, want := range map[string]string{
		"e.muster": "e.muster", "E.Müller": "e.mueller", "Groß": "gross", "STADT\\muster": "stadt-muster", "a": "", "": "", "_x": "", "__xy": "xy", "Ж": "", "e@musterstadt.de": "e@musterstadt.de",
		strings.Repeat("x", 100): strings.Repeat("x", 64),
	} {
		if got := accountName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := legible("  Erika\u202e\n Muster\x00"); got != "Erika Muster" {
		t.Errorf("%q", got)
	}
}

func TestRoles(t *testing.T) {
	r, err := parseRoles([]byte("Archiv: {musterstadt: [reader, archivist]}\n\"IT, Betrieb\":\n  musterstadt: [operator]\n  neustadt: [operator]\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := r.Of([]string{"IT, Betrieb", "Kantine", "Archiv"})
	if len(got) != 2 || strings.Join(got["musterstadt"], " ") != "archivist operator reader" || strings.Join(got["neustadt"], " ") != "operator" {
		t.Errorf("%v", got)
	}
	for bad, says := range map[string]string{
		"": "nobody could log in", "{}": "nobody could log in", "Archiv: {}": "names no tenant", "Archiv: {musterstadt: []}": "no role in", "Archiv: {Muster Stadt: [reader]}": "not the name of a tenant",
		"Archiv: {musterstadt: [chef]}": "there is no role", "Archiv: [reader]": "cannot unmarshal", "Archiv: {m: [reader]}\nArchiv: {m: [admin]}": "already defined",
	} {
		if _, err := parseRoles([]byte(bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for address, good := range map[string]bool{
		"https://sso.example.de/realms/m": true, "http://localhost:8081/x": true, "http://127.0.0.1:8081": true, "http://[::1]:1": true,
		"http://sso.example.de": false, "http://127.0.0.1.example.de": false, "ftp://x": false, "sso.example.de": false, "": false, "https://u:p@x.de": false, "https://x.de/#a": false,
	} {
		if err := CheckURL(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
}
