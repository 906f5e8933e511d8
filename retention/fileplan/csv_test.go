package fileplan

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"bestand/retention"
)

// TestCSVRoundTrip: what is written is read again as it was, whatever the text.
func TestCSVRoundTrip(t *testing.T) {
	sample, _, err := retention.SampleData()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"=1+1", "-", "@x", "'", "'=", "''+", "Straße; Weg", `"A"`, "ein\nanderer", "Ä", "+49", "\ttab", "x"}
	text := func() string { return words[r.IntN(len(words))] + words[r.IntN(len(words))] }
	made := retention.Scheme{Title: "x", Successors: map[string]string{"9": "1.1"}}
	for i := range 60 {
		c := retention.Class{Code: fmt.Sprintf("1.%d", i), Title: strings.TrimSpace(text()), Scope: strings.TrimSpace(text()), Closed: r.IntN(2) == 0}
		if i > 0 {
			c.Parent = fmt.Sprintf("1.%d", r.IntN(i))
			for _, above := range made.Classes { // not deeper than permitted
				if above.Code == c.Parent {
					c.Parent = above.Parent
				}
			}
		}
		made.Classes = append(made.Classes, c)
	}
	for _, s := range []retention.Scheme{sample, made} {
		var out bytes.Buffer
		if err := WriteCSV(&out, s); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			for cell := range strings.SplitSeq(line, ";") {
				if cell = strings.Trim(cell, "\""); cell != "" && strings.ContainsRune("=+-@\t", rune(cell[0])) {
					t.Errorf("a spreadsheet calculates %q", cell)
				}
			}
		}
		p, err := ReadCSV(&out)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.On(s); !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v\nwant %+v", got, s)
		}
	}
}

func TestCSVHierarchyByCode(t *testing.T) {
	p, err := ReadCSV(strings.NewReader("Aktenplankennzeichen;Titel\r\n6;Bauen\r\n63;Bauordnung\r\n63.10;Anträge\r\n63.1;Anderes\r\n63.10/2;Neubau\r\n;;\r\n7;Umwelt\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"6": "", "63": "6", "63.10": "63", "63.1": "63", "63.10/2": "63.10", "7": ""}
	for _, c := range p.Classes {
		if c.Parent != want[c.Code] {
			t.Errorf("%s lies below %q, want %q", c.Code, c.Parent, want[c.Code])
		}
	}
	if len(p.Classes) != len(want) {
		t.Errorf("%d classes", len(p.Classes))
	}
	// What the file does not say stays.
	now := retention.Scheme{Version: 3, Title: "Plan", Classes: []retention.Class{{Code: "63", Title: "Alt", Rule: "r", Scope: "s", Closed: true}}}
	if s := p.On(now); s.Version != 3 || s.Title != "Plan" || s.Classes[1] != (retention.Class{Code: "63", Title: "Bauordnung", Parent: "6", Rule: "r", Scope: "s", Closed: true}) {
		t.Errorf("%+v", s)
	}
}

func TestCSVFaults(t *testing.T) {
	for name, c := range map[string]struct{ file, subject, code string }{
		"empty":              {"", "line 1", "empty"},
		"commas":             {"Kennzeichen,Bezeichnung\n1,A\n", "line 1", "separator"},
		"tabs":               {"Kennzeichen\tBezeichnung\n1\t\"A\" B\n", "line 1", "separator"},
		"Macintosh":          {"Kennzeichen;Bezeichnung\r1;A\r", "line 1", "line-ends"},
		"Windows-1252":       {"Kennzeichen;Bezeichnung\n1;A\n2;Stra\xdfe\n", "line 3, column 2", "encoding"},
		"UTF-16":             {"\xff\xfeK\x00", "line 1", "encoding"},
		"no titles":          {"Kennzeichen;Regel\n1;r\n", "line 1", "missing-column"},
		"unknown column":     {"Kennzeichen;Bezeichnung;Farbe\n1;A;rot\n", "line 1, column 3", "unknown-column"},
		"column twice":       {"Kennzeichen;Bezeichnung;Titel\n1;A;B\n", "line 1, column 3", "duplicate"},
		"quotes":             {"Kennzeichen;Bezeichnung\n1;\"A\n2;B\n", "line 3", "malformed"},
		"too many":           {"Kennzeichen;Bezeichnung\n1;A;und B\n", "line 2, column 3", "surplus"},
		"no title":           {"Kennzeichen;Bezeichnung\n1;A\n\n2;\n", "line 4, column Bezeichnung", "required"},
		"twice":              {"Kennzeichen;Bezeichnung\n1;A\n1;B\n", "line 3, column Kennzeichen", "duplicate"},
		"unknown parent":     {"Kennzeichen;Bezeichnung;Übergeordnet\n1;A;\n2;B;9\n", "line 3, column Übergeordnet", "unknown-class"},
		"circle":             {"Kennzeichen;Bezeichnung;Übergeordnet\n1;A;2\n2;B;1\n", "line 2, column Übergeordnet", "cycle"},
		"code":               {"Kennzeichen;Bezeichnung\n../x;A\n", "line 2, column Kennzeichen", "code"},
		"closed or not":      {"Kennzeichen;Bezeichnung;Stillgelegt\n1;A;vielleicht\n", "line 2, column Stillgelegt", "oneof"},
		"unknown successor":  {"Kennzeichen;Bezeichnung;Nachfolger\n1;A;\n2;;9\n", "line 3, column Nachfolger", "unknown-class"},
		"two successors":     {"Kennzeichen;Bezeichnung;Nachfolger\n1;A;\n2;;1\n2;;1\n", "line 4, column Kennzeichen", "duplicate"},
		"heading and no row": {"Kennzeichen;Bezeichnung\n", "line 2", "required"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadCSV(strings.NewReader(c.file))
			var bad retention.Invalid
			if !errors.As(err, &bad) || bad[0].Subject != c.subject || bad[0].Code != c.code || bad[0].Detail == "" {
				t.Errorf("%v", err)
			}
		})
	}
	p, err := ReadCSV(strings.NewReader("\ufeffKennzeichen;Bezeichnung;Regel\n1;A;r\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = retention.NewSchedule(p.On(retention.Scheme{Title: "x"}), nil)
	if err = p.Locate(err); err == nil || !strings.HasPrefix(err.Error(), "line 2, column Aufbewahrungsregel: ") {
		t.Errorf("%v", err)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("Kennzeichen;Bezeichnung;Übergeordnet\n1;A;\n2;'=B;1\n"))
	f.Add([]byte("\ufeffKennzeichen;Titel;Nachfolger\n1;A;\n2;;1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ReadCSV(bytes.NewReader(data))
		if err != nil {
			var bad retention.Invalid
			if !errors.As(err, &bad) || len(bad) == 0 {
				t.Fatalf("%v", err)
			}
			return
		}
		s := p.On(retention.Scheme{Title: "t"})
		var out bytes.Buffer
		if err := WriteCSV(&out, s); err != nil {
			t.Fatal(err)
		}
		again, err := ReadCSV(&out)
		if err != nil {
			t.Fatalf("%v\n%q", err, data)
		}
		if got := again.On(retention.Scheme{Title: "t"}); !reflect.DeepEqual(got, s) {
			t.Fatalf("got %+v\nwant %+v", got, s)
		}
	})
}
