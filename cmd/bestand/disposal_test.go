package main

import (
	"strings"
	"testing"
)

func TestReadAppraisals(t *testing.T) {
	got, err := readAppraisals(strings.NewReader("\ufeffKlasse;Decision;record;until;note\n1;V;r1;;ohne Wert\n1;;r2;;\n1;K;r3;2030-01-31;Klage\n1;V;r4;;ohne Wert\n"))
	if err != nil || len(got) != 2 || len(got[0].Scope.Records) != 2 || got[0].Scope.Records[1] != "r4" || got[0].Note != "ohne Wert" || got[1].Until.String() != "2030-01-31" {
		t.Errorf("%+v %v", got, err)
	}
	for text, want := range map[string]string{
		"":                               "EOF",
		"record,note\n":                  "Datensatz and Entscheidung",
		"record,decision,until\nr,K,x\n": "line 2",
		"record,decision\nr,V,x\n":       "wrong number of fields",
	} {
		if _, err := readAppraisals(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
