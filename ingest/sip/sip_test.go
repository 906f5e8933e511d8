package sip_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bestand/ingest/sip"
	"bestand/ingest/sip/bagit"
	"bestand/ingest/sip/container"
	"bestand/ingest/sip/eark"
	"bestand/ingest/sip/siptest"
	"bestand/ingest/sip/xdomea"
	"bestand/preservation"
)

func sha(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

func bag(info string) siptest.Files {
	return siptest.Files{
		{Name: "akte/bagit.txt", Content: "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"},
		{Name: "akte/bag-info.txt", Content: info},
		{Name: "akte/data/a/antrag.txt", Content: "Antrag"},
		{Name: "akte/data/A/antrag.txt", Content: "antrag"},
		{Name: "akte/manifest-sha256.txt", Content: sha("Antrag") + " data/a/antrag.txt\n" + sha("antrag") + " data/A/antrag.txt\n"},
	}
}

const bagInfo = `Source-Organization: Stadt Musterstadt
External-Identifier: 63.10-2014/0815
Title: Bauantrag Lindenstraße 12
Aktenplankennzeichen: 63.10
Aktenzeichen: 63.10-2014/0815
Opened: 2014-03-02
Closed: 2015-11-30
Contact-Name: A
Contact-Name: B
`

func message(t testing.TB, version string) (name string, fs siptest.Files) {
	t.Helper()
	xml, err := os.ReadFile("xdomea/testdata/" + version + ".xml")
	if err != nil {
		t.Fatal(err)
	}
	name, files := "00000000-0000-4000-8000-000000000001_Aussonderung.Aussonderung.0503", []string{"1_Anschreiben.pdf", "2.pdf", "3.txt", "4_Antrag ä.pdf", "5.p7s", "6.tif", "7.txt"}
	if version == "4.0.0" {
		name = "10000000-0000-4000-8000-000000000001_0503_2"
		return name, siptest.Files{{Name: "10000000-0000-4000-8000-0000000000f1.txt", Content: "Ausweis"}, {Name: "10000000-0000-4000-8000-0000000000f2_Weber.txt", Content: "Weber"},
			{Name: "10000000-0000-4000-8000-0000000000f3_Aktenplan.txt", Content: "Aktenplan"}, {Name: name + ".xml", Content: string(xml)}}
	}
	fs = siptest.Files{{Name: name + ".xml", Content: string(xml)}}
	for _, n := range files {
		fs = append(fs, siptest.File{Name: "00000000-0000-4000-8000-0000000000f" + n, Content: n})
	}
	return name, fs
}

func earkSIP() siptest.Files {
	return siptest.Files{{Name: "urn-1/METS.xml", Content: `<mets xmlns="http://www.loc.gov/METS/" xmlns:csip="https://DILCIS.eu/XML/METS/CSIPExtensionMETS" xmlns:xlink="http://www.w3.org/1999/xlink"
 OBJID="urn-1" LABEL="Bauantrag" TYPE="Mixed" PROFILE="https://earksip.dilcis.eu/profile/E-ARK-SIP.xml"><metsHdr csip:OAISPACKAGETYPE="SIP"><agent ROLE="CREATOR" TYPE="ORGANIZATION"><name>Stadt Musterstadt</name></agent></metsHdr>
 <fileSec><fileGrp><file SIZE="6" CHECKSUM="` + sha("Antrag") + `" CHECKSUMTYPE="SHA-256"><FLocat xlink:href="representations/rep1/data/antrag.txt"/></file></fileGrp></fileSec></mets>`},
		{Name: "urn-1/representations/rep1/data/antrag.txt", Content: "Antrag"}}
}

func open(t testing.TB, r sip.Reader, fs siptest.Files, name string) *sip.Package {
	t.Helper()
	p, err := r.Open(t.Context(), fs.Path(t), name, t.TempDir())
	if err != nil {
		var refusal *sip.Refusal
		errors.As(err, &refusal)
		t.Fatalf("%v %+v", err, refusal)
	}
	return p
}

// list writes the files of a unit as one line each.
func list(u sip.Unit) string {
	var b strings.Builder
	for _, f := range u.Files {
		fmt.Fprintf(&b, "%s|%s|%s\n", f.Document, f.Title, f.Name)
	}
	return b.String()
}

func TestBag(t *testing.T) {
	p := open(t, sip.Reader{}, bag(bagInfo), "")
	if p.Format != "BagIt 1.0" || len(p.Units) != 1 || len(p.Findings) != 0 {
		t.Fatalf("%+v", p)
	}
	m := p.Units[0].Metadata
	if m.Extra["Contact-Name"] != "A; B" {
		t.Errorf("extra %v", m.Extra)
	}
	m.Extra = nil
	want := preservation.Metadata{Producer: "Stadt Musterstadt", ProducerRecordID: "63.10-2014/0815", Class: "63.10", Title: "Bauantrag Lindenstraße 12", Reference: "63.10-2014/0815",
		Opened: preservation.Date{Year: 2014, Month: 3, Day: 2}, Closed: preservation.Date{Year: 2015, Month: 11, Day: 30}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("metadata %+v", m)
	}
	if got := list(p.Units[0]); got != `||data/a/antrag.txt
||data/A/antrag.txt
_message||bagit.txt
_message||bag-info.txt
_message||manifest-sha256.txt
` {
		t.Errorf("files\n%s", got)
	}
	if f := p.Units[0].Files[0]; f.Announced.SHA256 != sha("Antrag") || f.SHA256 != sha("Antrag") || f.Announced.SHA512 != "" {
		t.Errorf("%+v", f)
	}
	again, another := open(t, sip.Reader{}, bag(""), ""), open(t, sip.Reader{}, bag("x: y\n"), "")
	if a, b := again.Units[0].Metadata, another.Units[0].Metadata; a.ProducerRecordID != b.ProducerRecordID || !strings.HasPrefix(a.ProducerRecordID, "sha256:") || a.Title != "akte" {
		t.Errorf("a bag without identifier: %+v, %+v", a, b)
	}
}

func TestEARK(t *testing.T) {
	p := open(t, sip.Reader{}, earkSIP(), "")
	if p.Format != "E-ARK SIP 2.x" || !slices.Equal(siptest.Codes(p.Findings, preservation.Notice), []string{sip.NoClass, sip.NoClosure}) {
		t.Fatalf("%+v", p)
	}
	if m := p.Units[0].Metadata; m.Producer != "Stadt Musterstadt" || m.ProducerRecordID != "urn-1" || m.Title != "Bauantrag" || m.Extra["Content category"] != "Mixed" {
		t.Errorf("%+v", m)
	}
	if got := list(p.Units[0]); got != "_message||METS.xml\nrep1||representations/rep1/data/antrag.txt\n" {
		t.Errorf("files\n%s", got)
	}
}

func TestXdomea(t *testing.T) {
	name, fs := message(t, "3.0.0")
	p := open(t, sip.Reader{Receivers: []string{"ags:14625000"}}, fs, name+".zip")
	if p.Format != "xdomea 3.0.0" || p.Process != "00000000-0000-4000-8000-000000000001" || p.Message != "0503" || len(p.Units) != 2 {
		t.Fatalf("%+v", p)
	}
	m := p.Units[0].Metadata
	x := m.Extra
	m.Extra = nil
	want := preservation.Metadata{Producer: "Stadt Musterstadt", ProducerRecordID: "00000000-0000-4000-8000-000000000010", Kind: "file", Class: "63.10",
		Title: "Bauantrag Lindenstraße 12 & 14", Reference: "63.10-2014/0815", Creator: "Bauordnungsamt, SG 2", Confidentiality: "open",
		Opened: preservation.Date{Year: 2014, Month: 3, Day: 2}, Closed: preservation.Date{Year: 2015, Month: 11, Day: 30}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("metadata %+v", m)
	}
	for label, want := range map[string]string{"Aussonderungsart": "A", "Aufbewahrungsdauer": "30", "Absender": "Stadt Musterstadt, Bauordnungsamt", "Laufzeit Ende": "2015-11-30",
		"Nachricht SHA-256": sha(fs[0].Content)} {
		if x[label] != want {
			t.Errorf("%s: %q", label, x[label])
		}
	}
	const uuid = "00000000-0000-4000-8000-0000000000"
	if got, want := list(p.Units[0]), `1|Aktendeckel|`+uuid+`f2.pdf
2.1|Notiz im Umlauf|`+uuid+`f3.txt
2.2|Bauantrag|`+uuid+`f4_Antrag ä.pdf
2.2|Bauantrag (Signatur)|`+uuid+`f5.p7s
2.2.1|Lageplan|`+uuid+`f6.tif
_message||`+uuid+`f1_Anschreiben.pdf
_message|xdomea-Nachricht 0503|`+name+`.xml
`; got != want {
		t.Errorf("files\n%s", got)
	}
	second := p.Units[1]
	if m := second.Metadata; m.Kind != "case" || m.Title != "Gewerbe" || m.Class != "32.20" || m.Confidentiality != "restricted" || !m.Closed.IsZero() {
		t.Errorf("metadata %+v", m)
	}
	if got, want := list(second), `1|Anmeldung|`+uuid+`f7.txt
_message||`+uuid+`f1_Anschreiben.pdf
_message|xdomea-Nachricht 0503|`+name+`.xml
`; got != want {
		t.Errorf("files\n%s", got)
	}
}

func TestContext(t *testing.T) {
	name, fs := message(t, "4.0.0")
	p := open(t, sip.Reader{}, fs, name+".zip")
	if len(p.Units) != 2 {
		t.Fatalf("%+v", p)
	}
	m := p.Units[0].Metadata
	if m.ProducerRecordID != "10000000-0000-4000-8000-000000000012" || m.Class != "32.20" || m.Closed.String() != "2020-06-30" || m.Confidentiality != "confidential" || m.Kind != "case" {
		t.Errorf("metadata %+v", m)
	}
	for label, want := range map[string]string{"Übergeordnet": "Akte Gewerbeakte (10000000-0000-4000-8000-000000000010)", "Aufbewahrungsdauer": "5", "Transferfristende": "",
		"Nachricht Nummer": "2 von 3", "NachrichtenUUID": "10000000-0000-4000-8000-00000000000a", "Sendendes System": "Muster GmbH eAkte 1"} {
		if m.Extra[label] != want {
			t.Errorf("%s: %q", label, m.Extra[label])
		}
	}
	f := p.Units[0].Files[0]
	if f.Document != "1.1" || f.Title != "Ausweis" || f.Announced.SHA256 != sha("Ausweis") {
		t.Errorf("%+v", f)
	}
}

// TestNothingLost holds what comes out against what went in: every file of the
// package is in a unit, and what a unit says of a file is true.
func TestNothingLost(t *testing.T) {
	_, three := message(t, "3.0.0")
	_, four := message(t, "4.0.0")
	for name, fs := range map[string]siptest.Files{"bag": bag(bagInfo), "E-ARK": earkSIP(), "xdomea 3": three, "xdomea 4": four} {
		t.Run(name, func(t *testing.T) {
			p := open(t, sip.Reader{}, fs, "")
			kept := map[string]bool{}
			for _, u := range p.Units {
				for _, f := range u.Files {
					data, err := os.ReadFile(f.Path)
					if err != nil || int64(len(data)) != f.Size || sha(string(data)) != f.SHA256 || len(f.SHA512) != 128 {
						t.Errorf("%s: %d bytes, %v", f.Name, len(data), err)
					}
					kept[string(data)] = true
				}
			}
			for _, f := range fs {
				if !kept[f.Content] && (len(p.Units) == 1 || !strings.HasSuffix(f.Name, ".xml")) { // several records share the message in parts
					t.Errorf("%s is lost", f.Name)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	_, three := message(t, "3.0.0")
	for name, c := range map[string]struct {
		files siptest.Files
		want  []string
	}{
		sip.Unknown:         {siptest.Files{{Name: "a.pdf", Content: "%PDF"}}, []string{sip.Unknown}},
		sip.Several:         {append(bag("").Below("x"), siptest.Files{{Name: "a/bagit.txt"}, {Name: "b/bagit.txt"}}...), []string{sip.Several}},
		container.BadName:   {bag("").Set("../x", ""), []string{container.BadName}},
		bagit.BadTagFile:    {bag("Closed: 30.11.2015\n"), []string{bagit.BadTagFile}},
		bagit.Mismatch:      {bag("").Set("akte/data/a/antrag.txt", "x"), []string{bagit.Mismatch}},
		eark.Missing:        {earkSIP().Without("urn-1/representations/rep1/data/antrag.txt"), []string{eark.Missing, eark.NoContent}},
		xdomea.SurplusFile:  {three.Set("x", "").Set("y", ""), []string{xdomea.SurplusFile, xdomea.SurplusFile}},
		xdomea.BadName + "": {three.Set("\xff", ""), []string{xdomea.BadName, xdomea.SurplusFile}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&sip.Reader{}).Open(t.Context(), c.files.Path(t), "", t.TempDir())
			var refusal *sip.Refusal
			if !errors.As(err, &refusal) {
				t.Fatal(err)
			}
			if got := siptest.Codes(refusal.Findings, preservation.Failed); !slices.Equal(got, c.want) || !strings.Contains(err.Error(), c.want[0]) {
				t.Errorf("%v\n%+v", err, refusal.Findings)
			}
		})
	}
}

// TestMachine tells faults of the machine from refusals: they are worth another try.
func TestMachine(t *testing.T) {
	path := bag("").Path(t)
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx       context.Context
		path, dir string
	}{
		"no package":     {t.Context(), path + "x", t.TempDir()},
		"no folder":      {t.Context(), path, filepath.Join(t.TempDir(), "x")},
		"ended":          {ended, path, t.TempDir()},
		"a folder in it": {t.Context(), t.TempDir(), t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := (&sip.Reader{}).Open(c.ctx, c.path, "", c.dir)
			var refusal *sip.Refusal
			if p != nil || err == nil || errors.As(err, &refusal) {
				t.Errorf("%v, %v", p, err)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	info := "Title: " + long + "\nA: " + long + "\nExternal-Identifier: " + long + "\nControl: a\x07b\x1b[31m\n" + long + ": x\n"
	for i := range 300 {
		info += fmt.Sprintf("Field-%d: x\n", i)
	}
	p := open(t, sip.Reader{}, bag(info), "")
	m := p.Units[0].Metadata
	if len([]rune(m.Title)) != 1000 || len([]rune(m.Extra["A"])) != 4000 || len(m.Extra) != 200 || len(m.ProducerRecordID) != 71 || m.Extra["Control"] != "a b [31m" {
		t.Errorf("title %d, extra %d, identifier %q, %q", len(m.Title), len(m.Extra), m.ProducerRecordID, m.Extra["Control"])
	}
	if !slices.Contains(siptest.Codes(p.Findings, preservation.Notice), sip.Clipped) {
		t.Error("nobody was told")
	}
}

func FuzzOpen(f *testing.F) {
	_, three := message(f, "3.0.0")
	_, four := message(f, "4.0.0")
	f.Add(bag(bagInfo).ZIP(f))
	f.Add(earkSIP().ZIP(f))
	f.Add(three.ZIP(f))
	f.Add(four.ZIP(f))
	r := sip.Reader{Limits: sip.Limits{Bytes: 1 << 20, Entries: 100}}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		path := filepath.Join(t.TempDir(), "package.zip")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, &r, path, dir)
	})
}

// FuzzMetadata lets what describes a package be anything, in a sound ZIP.
func FuzzMetadata(f *testing.F) {
	name, three := message(f, "3.0.0")
	f.Add("akte/manifest-sha256.txt", "00 data/x\n")
	f.Add("akte/bag-info.txt", bagInfo)
	f.Add("akte/bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-16\n")
	f.Add("akte/METS.xml", earkSIP()[0].Content)
	f.Add(name+".xml", three[0].Content)
	f.Fuzz(func(t *testing.T, name, content string) {
		if len(name) > 1000 || strings.HasSuffix(name, "/") {
			return
		}
		for _, fs := range []siptest.Files{bag(bagInfo), earkSIP(), nil} {
			check(t, &sip.Reader{}, fs.Set(name, content).Path(t), t.TempDir())
		}
	})
}

func check(t *testing.T, r *sip.Reader, path, dir string) {
	p, err := r.Open(t.Context(), path, "x", dir)
	var refusal *sip.Refusal
	switch {
	case err == nil:
		for _, u := range p.Units {
			if u.Metadata.ProducerRecordID == "" || u.Metadata.Title == "" || len(u.Files) == 0 {
				t.Errorf("unit %+v", u)
			}
			for _, f := range u.Files {
				if filepath.Dir(f.Path) != dir || len(f.SHA256) != 64 {
					t.Errorf("file %+v", f)
				}
			}
		}
	case !errors.As(err, &refusal):
		t.Errorf("neither taken nor refused: %v", err)
	case len(siptest.Codes(refusal.Findings, preservation.Failed)) == 0:
		t.Errorf("refused without a reason: %+v", refusal)
	}
}
