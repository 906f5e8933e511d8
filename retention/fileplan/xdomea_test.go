package fileplan

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/retention"
)

func message(t *testing.T, s retention.Scheme) []byte {
	t.Helper()
	_, rules, err := retention.SampleData()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := retention.NewSchedule(s, rules)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	h := Head{Process: "00000000-0000-4000-8000-000000000001", Sender: "Stadt Musterstadt", Receiver: "Stadtarchiv", At: time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)}
	if err := WriteXdomea(&out, s, plan, h); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestXdomeaRoundTrip(t *testing.T) {
	s, _, err := retention.SampleData()
	if err != nil {
		t.Fatal(err)
	}
	s.Classes[1].Closed = true
	p, err := ReadXdomea(bytes.NewReader(message(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.On(s); !sameClasses(got, s) || got.Title != s.Title {
		t.Errorf("got %+v\nwant %+v", got, s)
	}
}

// sameClasses compares without the order, which a tree puts depth first.
func sameClasses(a, b retention.Scheme) bool {
	order := func(s retention.Scheme) []retention.Class {
		return slices.SortedFunc(slices.Values(s.Classes), func(a, b retention.Class) int { return strings.Compare(a.Code, b.Code) })
	}
	return reflect.DeepEqual(order(a), order(b))
}

// TestXdomeaSchema has the schema of the standard judge what is written. It is
// not part of the program: BESTAND_XDOMEA_XSD names the folder with xdomea.xsd of
// version 3.1.0.
func TestXdomeaSchema(t *testing.T) {
	dir := os.Getenv("BESTAND_XDOMEA_XSD")
	if dir == "" {
		t.Skip("BESTAND_XDOMEA_XSD does not name the schemas of xdomea 3.1.0")
	}
	s, _, err := retention.SampleData()
	if err != nil {
		t.Fatal(err)
	}
	s.Classes = append(s.Classes, retention.Class{Code: "99", Title: "Ohne Regel", Closed: true})
	file := filepath.Join(t.TempDir(), "plan.xml")
	if err := os.WriteFile(file, message(t, s), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "xmllint", "--nonet", "--noout", "--schema", filepath.Join(dir, "xdomea.xsd"), file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestXdomeaFaults(t *testing.T) {
	const open = `<x:Aktenplan.Aktenplan.0301 xmlns:x="urn:xoev-de:xdomea:schema:3.0.0"><x:Aktenplan><x:Bezeichnung>P</x:Bezeichnung>` + "\n"
	const end = `</x:Aktenplan></x:Aktenplan.Aktenplan.0301>`
	unit := func(code, rest string) string {
		return "<x:Einheit><x:Kennzeichen>" + code + "</x:Kennzeichen><x:BetreffKurz>T</x:BetreffKurz>" + rest + "</x:Einheit>\n"
	}
	for name, c := range map[string]struct{ text, subject, code string }{
		"other message":  {`<x:Aussonderung.Aussonderung.0503 xmlns:x="urn:xoev-de:xdomea:schema:3.0.0"/>`, "file", "not-an-aktenplan"},
		"other language": {`<html/>`, "file", "not-an-aktenplan"},
		"no plan":        {`<x:Aktenplan.Aktenplan.0301 xmlns:x="urn:xoev-de:xdomea:schema:3.0.0"><x:Kopf/></x:Aktenplan.Aktenplan.0301>`, "line 1", "malformed"},
		"broken":         {open + "<x:Einheit>", "line 2", "malformed"},
		"nothing in it":  {open + end, "file", "required"},
		"twice":          {open + unit("1", "") + unit("1", "") + end, "line 3, column Kennzeichen", "duplicate"},
		"no code":        {open + "<x:Einheit><x:BetreffKurz>T</x:BetreffKurz></x:Einheit>" + end, "line 2, column Kennzeichen", "required"},
		"deep":           {open + strings.Repeat("<x:Einheit><x:Kennzeichen>1</x:Kennzeichen>", 100), "line 2", "too-deep"},
		"other version":  {`<x:Aktenplan.Aktenplan.0301 xmlns:x="urn:xoev-de:xdomea:schema:9.9.9"/>`, "line 1, column 72", "unknown-version"},
		"disposition":    {open + unit("1", "<x:Aussonderungsart><x:Aussonderungsart><code>Z</code></x:Aussonderungsart></x:Aussonderungsart>") + end, "line 2, column 122", "unknown-code"},
		"entities":       {`<!DOCTYPE a [<!ENTITY b "c">]>` + open + unit("&b;", "") + end, "line 2", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadXdomea(strings.NewReader(c.text))
			var bad retention.Invalid
			if !errors.As(err, &bad) || bad[0].Subject != c.subject || bad[0].Code != c.code {
				t.Errorf("%v", err)
			}
		})
	}
	p, err := ReadXdomea(strings.NewReader(open + unit("1", "<x:Aussonderungsart><x:AussonderungsartKonfigurierbar>Auswahl</x:AussonderungsartKonfigurierbar></x:Aussonderungsart><x:Stillgelegt>true</x:Stillgelegt>"+unit("1.1", "")) + end))
	if err != nil || p.Title != "P" || !p.Classes[0].Closed || p.Classes[1].Parent != "1" {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzXdomea(f *testing.F) {
	f.Add([]byte(`<x:Aktenplan.Aktenplan.0301 xmlns:x="urn:xoev-de:xdomea:schema:3.0.0"><x:Aktenplan><x:Einheit><x:Kennzeichen>1</x:Kennzeichen><x:BetreffKurz>T</x:BetreffKurz></x:Einheit></x:Aktenplan></x:Aktenplan.Aktenplan.0301>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ReadXdomea(bytes.NewReader(data))
		var bad retention.Invalid
		if err != nil && !errors.As(err, &bad) {
			t.Fatal(err)
		}
		if err == nil && len(p.Classes) == 0 {
			t.Fatal("an empty plan")
		}
	})
}
