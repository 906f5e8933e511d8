package fileplan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/retention"
)

// unusual is a rule with everything that most rules do without.
func unusual() retention.Rule {
	day := preservation.Date{Year: 2024, Month: 2, Day: 29}
	return retention.Rule{ID: "unusual", Version: 3, Title: "=Summe; \"alles\"", Trigger: "contract-end", Duration: retention.Duration{Years: 1, Months: 6, Days: 30},
		Base: retention.NextFiscalYear, FiscalMonth: 7, Minimum: &retention.Bound{Trigger: "award", Duration: retention.Duration{Years: 3}, Base: retention.Day},
		Maximum: &retention.Bound{Trigger: "closure", Duration: retention.Duration{Years: 30}, Base: retention.YearEnd}, Transfer: retention.Duration{Months: 1},
		Disposition: retention.Destroy, Sampling: &retention.Sampling{Every: 10, Share: 5, Letters: []string{"A", "O"}, Birthdays: []int{1, 15}},
		LegalBasis: "VgV §8", Checked: day, Confidence: "medium", Note: "-", ValidFrom: day, ValidTo: preservation.Date{Year: 2030, Month: 12, Day: 31}, Applies: "new"}
}

// TestRulesRoundTrip: what is written is read again as it was.
func TestRulesRoundTrip(t *testing.T) {
	_, shipped, err := retention.SampleData()
	if err != nil {
		t.Fatal(err)
	}
	want := append(retention.NewestRules(shipped), unusual())
	for i := range want {
		want[i].ApprovedBy = ""
	}
	var out bytes.Buffer
	if err := WriteRules(&out, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRules(&out, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got.Rules {
		if !reflect.DeepEqual(r, want[i]) {
			t.Errorf("got  %+v\nwant %+v", r, want[i])
		}
	}
}

// TestNoTime: no length is another thing than nothing.
func TestNoTime(t *testing.T) {
	read, err := ReadRules(strings.NewReader("Kurzname;Frist;Transferfrist\na;0 Tage;\nb;;0 Tage\nc;0 Jahre 0 Monate;1 Tag\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []retention.Rule{{ID: "a", Duration: retention.NoTime()}, {ID: "b", Transfer: retention.NoTime()}, {ID: "c", Duration: retention.NoTime(), Transfer: retention.Duration{Days: 1}}}
	if !reflect.DeepEqual(read.Rules, want) {
		t.Errorf("%+v", read.Rules)
	}
	for text, want := range map[string]retention.Duration{`{}`: retention.NoTime(), `{"days":0}`: retention.NoTime(), `null`: {}, `{"years":3}`: {Years: 3}} {
		var r retention.Rule
		if err := json.Unmarshal([]byte(`{"duration":`+text+`}`), &r); err != nil || r.Duration != want {
			t.Errorf("%s: %+v, %v", text, r.Duration, err)
		}
		again, err := json.Marshal(r)
		var back retention.Rule
		if err == nil {
			err = json.Unmarshal(again, &back)
		}
		if err != nil || back.Duration != want {
			t.Errorf("%s came back as %s, %v", text, again, err)
		}
	}
}

// TestRulesPartly: what the file has no column for stays.
func TestRulesPartly(t *testing.T) {
	now := unusual()
	read, err := ReadRules(strings.NewReader("Regel;Frist;Gelesen am\nunusual;2 J;1.3.2025\nnew;P;\n"), []retention.Rule{now})
	var bad retention.Invalid
	if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Subject != "line 3, column Frist" {
		t.Fatalf("%v", err)
	}
	now.Version, now.Duration, now.Checked = 0, retention.Duration{Years: 2}, preservation.Date{Year: 2025, Month: 3, Day: 1}
	if !reflect.DeepEqual(read.Rules, []retention.Rule{now, {ID: "new"}}) {
		t.Errorf("%+v", read.Rules)
	}
}

// TestRulesFaults: all are named at once, in the words of the file.
func TestRulesFaults(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"commas":         {"Kurzname,Titel\na,A\n", "line 1 separator"},
		"no names":       {"Titel\nA\n", "line 1 missing-column"},
		"unknown column": {"Kurzname;Farbe;Titel;Bezeichnung\n", "line 1, column 2 unknown-column, line 1, column 4 duplicate"},
		"no row":         {"Kurzname\n\n", "line 2 required"},
		"surplus":        {"Kurzname;Titel\na;A;B\n", "line 2, column 3 surplus"},
		"words": {"Kurzname;Dauerhaft;Frist;Gerechnet;Gültig ab;Haushaltsjahr ab Monat;Stichprobe: geboren am\na;vielleicht;10;Woche;31.2.2026;Juli;1, x\n",
			"line 2, column Dauerhaft format, line 2, column Frist format, line 2, column Gerechnet format, line 2, column Haushaltsjahr ab Monat format, line 2, column Stichprobe: geboren am format, line 2, column Gültig ab format"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadRules(strings.NewReader(c.file), nil)
			var bad retention.Invalid
			if !errors.As(err, &bad) {
				t.Fatalf("%v", err)
			}
			var got []string
			for _, f := range bad {
				got = append(got, f.Subject+" "+f.Code)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %s", strings.Join(got, ", "))
			}
		})
	}
	read, err := ReadRules(strings.NewReader("Kurzname;Höchstfrist\na;\n\nb;1 Jahr\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	found := retention.Invalid{{Subject: "rules[1].maximum.base"}, {Subject: "rules[1].maximum"}, {Subject: "rules[0].duration.years"}, {Subject: "rules[1].sampling.letters[2]"}, {Subject: "rules[1].id", Detail: `"b" is also rules[0]`}}
	if got := fmt.Sprint(read.Locate(found)); got != `line 4, column Höchstfrist gerechnet: ; line 4, column Höchstens ab: ; line 2, column Frist: ; line 4, column Stichprobe: Namen mit: ; line 4, column Kurzname: "b" is also line 2` {
		t.Error(got)
	}
}

// TestLarge: what is too much is refused while it is read.
func TestLarge(t *testing.T) {
	rules := func(text string) error { _, err := ReadRules(strings.NewReader(text), nil); return err }
	plan := func(text string) error { _, err := ReadCSV(strings.NewReader(text)); return err }
	for name, c := range map[string]struct {
		err   error
		found int
		last  string
	}{
		"rules":           {rules("Kurzname\n" + strings.Repeat("a\n", retention.MaxRules+1)), 1, "line 10002 too-many"},
		"bytes of rules":  {rules("Kurzname\n" + strings.Repeat("a", maxRuleBytes)), 1, "file too-large"},
		"faults of rules": {rules("Kurzname;Frist;Gerechnet\n" + strings.Repeat("a;x;y\n", 5000)), maxFaults + 1, "line 502 unread"},
		"columns":         {rules("Kurzname\n\"a;\n;\";b\n;" + strings.Repeat(";", maxColumns) + "\n"), 1, "line 4 too-many"},
		"classes":         {plan("Kennzeichen;Bezeichnung\n" + strings.Repeat("1;A\n", maxPlanRows+1)), 1, "line 200002 too-many"},
		"faults of plan":  {plan("Kennzeichen;Bezeichnung;Stillgelegt\n" + strings.Repeat("1;A;vielleicht\n", 5000)), maxFaults + 1, "line 1002 unread"},
	} {
		var bad retention.Invalid
		if !errors.As(c.err, &bad) || len(bad) != c.found {
			t.Errorf("%s: %d faults, %.200q", name, len(bad), fmt.Sprint(c.err))
			continue
		}
		if f := bad[len(bad)-1]; f.Subject+" "+f.Code != c.last {
			t.Errorf("%s: %s %s", name, f.Subject, f.Code)
		}
	}
}

func FuzzRules(f *testing.F) {
	var out bytes.Buffer
	if err := WriteRules(&out, []retention.Rule{unusual()}); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := ReadRules(bytes.NewReader(data), nil)
		if err != nil {
			var bad retention.Invalid
			if !errors.As(err, &bad) || len(bad) == 0 {
				t.Fatalf("%v", err)
			}
			return
		}
		var out bytes.Buffer
		if err := WriteRules(&out, read.Rules); err != nil {
			t.Fatal(err)
		}
		again, err := ReadRules(&out, nil)
		if err != nil || !reflect.DeepEqual(again.Rules, read.Rules) {
			t.Fatalf("%v\n%+v\n%+v", err, again, read.Rules)
		}
	})
}
