package main

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"
)

// TestHelp asks every command what it is for.
func TestHelp(t *testing.T) {
	var all bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &all, &all); err != nil {
		t.Fatal(err)
	}
	asked := []string{"tenant create", "tenant list", "token create", "token list", "token revoke", "config check"}
	for _, c := range commands() {
		asked = append(asked, c.name)
		if !c.hidden && !strings.Contains(all.String(), "  "+c.name+" ") {
			t.Errorf("%s is not in the list", c.name)
		}
		if c.hidden {
			asked = asked[:len(asked)-1]
		}
	}
	for _, name := range asked {
		for _, help := range []string{"--help", "-h"} {
			var out bytes.Buffer
			err := run(t.Context(), append(strings.Fields(name), help), &out, &out)
			if err != nil && !errors.Is(err, flag.ErrHelp) {
				t.Errorf("bestand %s %s: %v", name, help, err)
			}
			first, _, _ := strings.Cut(name, " ")
			if said := out.String(); !strings.HasPrefix(said, "Usage: bestand "+name) || !strings.Contains(said, purposes[first]) || len(purposes[first]) < 10 {
				t.Errorf("bestand %s %s says:\n%s", name, help, said)
			}
		}
	}
}
