package fileplan

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/retention"
)

const (
	one   = "01jq2m9cfp2y8r0v6k3c5t7n41"
	two   = "01jq2m9cfp2y8r0v6k3c5t7n42"
	three = "01jq2m9cfp2y8r0v6k3c5t7n43"
	four  = "01jq2m9cfp2y8r0v6k3c5t7n44"
)

func TestReadAppraisals(t *testing.T) {
	got, err := ReadAppraisals(strings.NewReader("\ufeffKlasse;Decision;record;until;note\n1;V;" + one + ";;ohne Wert\n1;;" + two + ";;\n1;K;" + three + ";2030-01-31;Klage\n1;V;" + four + ";;ohne Wert\n"))
	if err != nil || len(got) != 2 || !slices.Equal(got[0].Scope.Records, []preservation.RecordID{one, four}) || got[0].Note != "ohne Wert" || got[1].Until.String() != "2030-01-31" {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := ReadAppraisals(strings.NewReader("record,decision\n" + one + ",A\n")); err != nil || len(got) != 1 || got[0].Decision != "A" {
		t.Errorf("with commas: %+v %v", got, err)
	}
	if got, err := ReadAppraisals(strings.NewReader("record,decision,note\n" + one + ",A," + strings.Repeat(";", 200) + "\n")); err != nil || len(got) != 1 || len(got[0].Note) != 200 {
		t.Errorf("with commas around semicolons: %+v %v", got, err)
	}
	for text, want := range map[string][]string{
		"":              {"line 1: the file is empty"},
		"record,note\n": {"line 1: has to name the columns Datensatz and Entscheidung"},
		"record;decision;until\n" + one + ";K;x\n":            {`line 2, column Bis: "x": write an existing day`},
		"record;decision;until\n" + one + ";K;29.02.2023\n":   {"line 2, column Bis: "},
		"record;decision\n" + one + ";V;x\n":                  {"line 2, column 3: there are more columns"},
		"record;decision\nAkte 7;v\n":                         {`column Entscheidung: "v": write A, B, V or K`, `line 2, column Datensatz: "Akte 7" is not`},
		"record;decision\n" + one + ";V\n\n" + one + ";A\n":   {"line 4, column Datensatz: record " + one + " is decided about in line 2, too"},
		"record;decision;note\n" + one + ";V;ge\xf6ffnet\n":   {"line 2, column 3: is not UTF-8"},
		"record;decision\n\"" + one + ";V\n" + two + ";V\n":   {"the quotes that begin in line 2 do not fit"},
		"record;decision" + strings.Repeat(";", 200) + "\n\n": {"at most 100 columns"},
		"record,decision" + strings.Repeat(",", 200) + "\n\n": {"at most 100 columns"},
		"record,decision\n" + one + ",V,x\n":                  {"line 2, column 3: there are more columns than the heading has: put text with a comma into quotes"},
		"record,decision,note\n" + one + ",V,ge\xf6ffnet\n":   {"line 2, column 3: is not UTF-8"},
		"record\tdecision\n" + one + "\tV\n":                  {"the heading has no comma: columns have to be parted by commas"},
	} {
		_, err := ReadAppraisals(strings.NewReader(text))
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %v, want %q", text, err, part)
			}
		}
	}
}

// FuzzAppraisals: what is read decides about each record once, and is the same when it is
// written again.
func FuzzAppraisals(f *testing.F) {
	f.Add([]byte("\ufeffDatensatz;Entscheidung;Bis;Vermerk\n" + one + ";K;31.12.2030;'=Klage\n" + two + ";V;;\n"))
	f.Add([]byte("record,decision\n" + one + ",none\n" + one + ",A\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := ReadAppraisals(bytes.NewReader(data))
		if err != nil {
			var bad retention.Invalid
			if !errors.As(err, &bad) || len(bad) == 0 {
				t.Fatal(err)
			}
			return
		}
		rows := [][]string{{"Datensatz", "Entscheidung", "Bis", "Vermerk"}}
		seen := make(map[preservation.RecordID]bool)
		for _, a := range all {
			for _, id := range a.Scope.Records {
				if seen[id] || !id.Valid() || a.Decision == "" {
					t.Fatalf("%+v", a)
				}
				seen[id] = true
				rows = append(rows, []string{string(id), a.Decision, a.Until.String(), a.Note})
			}
		}
		var out bytes.Buffer
		if err := WriteTable(&out, rows); err != nil {
			t.Fatal(err)
		}
		again, err := ReadAppraisals(&out)
		if err != nil || !reflect.DeepEqual(again, all) {
			t.Fatalf("%v\n%s\n%s", err, fmt.Sprintf("%+v", again), fmt.Sprintf("%+v", all))
		}
	})
}
