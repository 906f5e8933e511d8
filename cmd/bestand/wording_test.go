package main

import (
	"errors"
	"strings"
	"testing"
)

// TestWording: what is wrong with a command is said once, at the end, in its own words.
func TestWording(t *testing.T) {
	for _, c := range []struct{ args, said string }{
		{"disposal show --nonsense run", "flag provided but not defined: -nonsense"},
		{"config check --dispose-grace 1s", `--dispose-grace "1s": want a whole number of days`},
		{"config check --s3-timeout soon", `--s3-timeout "soon": want`},
		{"disposal message --server http://127.0.0.1:1 --token-file /dev/null run offer.zip", "takes the run and nothing behind it; --out names the folder"},
		{"classification publish --server http://127.0.0.1:1 --token-file /dev/null template.json", "--name is needed"},
	} {
		_, complaint, code := program(t, strings.Fields(c.args)...)
		lines := strings.Split(strings.TrimSpace(complaint), "\n")
		if code != 2 || strings.Count(complaint, c.said) != 1 || !strings.Contains(lines[len(lines)-1], c.said) {
			t.Errorf("%s: exit %d\n%s", c.args, code, complaint)
		}
	}
	if one, none := quantity(1, "record"), quantity(int64(0), "record"); one != "1 record" || none != "0 records" {
		t.Errorf("%q, %q", one, none)
	}
	err := asFlags(&answerError{said: "422 The content is not valid; own_copy: is missing"})
	if err.Error() != "422 The content is not valid; --own-copy: is missing" {
		t.Error(err)
	}
	if err := asFlags(&answerError{said: "409 125 records in one run: say allow: 125 if that is right"}); !strings.Contains(err.Error(), "say --allow 125 if") {
		t.Error(err)
	}
	if other := errors.New("allow: x"); asFlags(other) != other {
		t.Error("another error was changed")
	}
}
