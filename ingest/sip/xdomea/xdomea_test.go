package xdomea_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bestand/ingest/sip/finding"
	"bestand/ingest/sip/siptest"
	"bestand/ingest/sip/xdomea"
	"bestand/ingest/xmltree"
	"bestand/preservation"
)

const (
	process3 = "00000000-0000-4000-8000-000000000001"
	process4 = "10000000-0000-4000-8000-000000000001"
	name3    = process3 + "_Aussonderung.Aussonderung.0503"
	name4    = process4 + "_0503_2"
)

func testdata(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// container3 is a message of 3.0.0 with its files.
func container3(t testing.TB) siptest.Files {
	fs := siptest.Files{{Name: name3 + ".xml", Content: testdata(t, "3.0.0.xml")}}
	for _, n := range []string{"1_Anschreiben.pdf", "2.pdf", "3.txt", "4_Antrag ä.pdf", "5.p7s", "6.tif", "7.txt"} {
		fs = append(fs, siptest.File{Name: "00000000-0000-4000-8000-0000000000f" + n, Content: n})
	}
	return fs
}

// container4 is a message of 4.0.0 with its files.
func container4(t testing.TB) siptest.Files {
	return siptest.Files{
		{Name: "10000000-0000-4000-8000-0000000000f1.txt", Content: "Ausweis"},
		{Name: "10000000-0000-4000-8000-0000000000f2_Weber.txt", Content: "Weber"},
		{Name: "10000000-0000-4000-8000-0000000000f3_Aktenplan.txt", Content: "Aktenplan"},
		{Name: name4 + ".xml", Content: testdata(t, "4.0.0.xml")},
	}
}

// change replaces a text in the message, which must be there.
func change(t testing.TB, fs siptest.Files, pairs ...string) siptest.Files {
	t.Helper()
	for _, f := range fs {
		if strings.HasSuffix(f.Name, ".xml") {
			for i := 0; i < len(pairs); i += 2 {
				if !strings.Contains(f.Content, pairs[i]) {
					t.Fatalf("the message does not hold %q", pairs[i])
				}
				f.Content = strings.Replace(f.Content, pairs[i], pairs[i+1], 1)
			}
			return fs.Set(f.Name, f.Content)
		}
	}
	t.Fatal("no message")
	return nil
}

func read(t testing.TB, fs siptest.Files, name string, o xdomea.Options) (*xdomea.Message, []preservation.Finding) {
	t.Helper()
	c := fs.Unpack(t)
	roots, err := xdomea.Detect(c)
	if err != nil || len(roots) != 1 {
		t.Fatalf("roots %q, %v", roots, err)
	}
	var found finding.List
	m, err := xdomea.Read(t.Context(), c, roots[0], name, o, &found)
	if err != nil {
		t.Fatal(err)
	}
	return m, found.All()
}

// outline writes a tree as one line per object.
func outline(o *xdomea.Object, to *strings.Builder) {
	to.WriteString(o.Position + " " + string(o.Kind) + " " + o.Subject)
	for _, p := range o.Primary {
		to.WriteString(" [" + p.Name[34:] + "]")
	}
	to.WriteString("\n")
	for _, c := range o.Children {
		outline(c, to)
	}
}

func TestRead3(t *testing.T) {
	m, all := read(t, container3(t), name3+".zip", xdomea.Options{Receivers: []string{"stadtarchiv musterstadt"}})
	want := []string{xdomea.PaperPart, xdomea.Classified, xdomea.ForDestroying}
	if got := siptest.Codes(all, preservation.Notice); !slices.Equal(got, want) || len(all) != len(want) {
		t.Fatalf("findings %v", all)
	}
	var tree strings.Builder
	for _, o := range m.Records() {
		outline(o, &tree)
	}
	if want := `1 Akte Bauantrag Lindenstraße 12 & 14
1.1 Dokument Aktendeckel [f2.pdf]
1.2 Vorgang Prüfung
1.2.1 Anlage Notiz im Umlauf [f3.txt]
1.2.2 Dokument Bauantrag [f4_Antrag ä.pdf] [f5.p7s]
1.2.2.1 Anlage Lageplan [f6.tif]
1.2.3 Teilvorgang ` + `
1.2.3.1 Dokument ` + `
2 Vorgang ` + `
2.1 Dokument Anmeldung [f7.txt]
`; tree.String() != want {
		t.Errorf("tree\n%s", &tree)
	}
	a := m.Records()[0]
	if a.UUID != "00000000-0000-4000-8000-000000000010" || a.Reference != "63.10-2014/0815" || a.Responsible != "Bauordnungsamt, SG 2" || a.Class != "63.10" ||
		a.Opened.String() != "2014-03-02" || a.Ended.String() != "2015-11-30" || a.Closed.String() != "2015-11-30" || a.Confidentiality.Code != "003" || a.Disposal.Code != "A" {
		t.Errorf("Akte %+v", a)
	}
	for _, f := range []xdomea.Field{{Label: "Bemerkung", Value: "Eckgrundstück, zwei Flurstücke"}, {Label: "Aufbewahrungsdauer", Value: "30"},
		{Label: "Aufbewahrungsende", Value: "2045-12-31"}, {Label: "Aussonderungsart", Value: "A"}, {Label: "Aktenplaneinheit", Value: "Baugenehmigungen"}} {
		if !slices.Contains(a.Extra, f) {
			t.Errorf("%v is missing in %v", f, a.Extra)
		}
	}
	if m.Version != "3.0.0" || m.Type != "0503" || m.Process != process3 || m.Sender.Institution != "Stadt Musterstadt" || m.Receiver.Short != "StA MS" ||
		m.System != "VIS 5" || len(m.Enclosures) != 1 {
		t.Errorf("message %+v", m)
	}
}

func TestRead4(t *testing.T) {
	m, all := read(t, container4(t), name4+".zip", xdomea.Options{})
	want := []string{xdomea.Classified, xdomea.WeakDigest}
	if got := siptest.Codes(all, preservation.Notice); !slices.Equal(got, want) || len(all) != len(want) {
		t.Fatalf("findings %v", all)
	}
	var tree strings.Builder
	for _, o := range m.Records() {
		outline(o, &tree)
	}
	if want := `1.2 Vorgang Anmeldung Schmidt
1.2.1 Dokument Antrag
1.2.1.1 Anlage Ausweis [f1.txt]
1.3 Vorgang Anmeldung Weber
1.3.1 Dokument ` + `
1.3.1.1 Schriftstueck  [f2_Weber.txt]
`; tree.String() != want {
		t.Errorf("tree\n%s", &tree)
	}
	if m.ID != "10000000-0000-4000-8000-00000000000a" || m.Number != 2 || m.Total != 3 || m.System != "Muster GmbH eAkte 1" || len(m.Enclosures) != 1 {
		t.Errorf("message %+v", m)
	}
}

// TestVersions reads what differs from the messages above in its name only.
func TestVersions(t *testing.T) {
	m, all := read(t, change(t, container3(t), "schema:3.0.0", "schema:3.1.0"), "", xdomea.Options{})
	if len(siptest.Codes(all, preservation.Failed)) > 0 || m.Version != "3.1.0" {
		t.Error(all)
	}
	fs := change(t, container3(t), "Aussonderung.Aussonderung.0503 ", "Zwischenarchivierung.Auslagerung.0701 ", "/xdomea:Aussonderung.Aussonderung.0503",
		"/xdomea:Zwischenarchivierung.Auslagerung.0701", "<code>0503", "<code>0701", "<xdomea:RueckmeldungArchivkennung>0</xdomea:RueckmeldungArchivkennung>", "")
	fs[0].Name = process3 + "_Zwischenarchivierung.Auslagerung.0701.xml"
	m, all = read(t, fs, "", xdomea.Options{})
	if len(siptest.Codes(all, preservation.Failed)) > 0 || m.Type != "0701" || len(m.Records()) != 2 {
		t.Error(all)
	}
}

func TestFailures(t *testing.T) {
	const other = "99999999-0000-4000-8000-000000000001"
	c3, c4 := container3(t), container4(t)
	contents := regexp.MustCompile(`(?s)<xdomea:Akteninhalt>.*</xdomea:Akteninhalt>`)
	deeper := ""
	for _, n := range []string{"33", "32", "31"} {
		deeper = "<xdomea:Teilvorgang><xdomea:Identifikation><xdomea:ID>00000000-0000-4000-8000-0000000000" + n + "</xdomea:ID></xdomea:Identifikation>" + deeper + "</xdomea:Teilvorgang>"
	}

	for name, c := range map[string]struct {
		files siptest.Files
		zip   string
		want  []string
	}{
		xdomea.BadProcess + " container":             {c3, other + "_Aussonderung.Aussonderung.0503.zip", []string{xdomea.BadProcess}},
		xdomea.BadProcess + " message":               {change(t, c3, process3, other), "", []string{xdomea.BadProcess}},
		xdomea.BadProcess + " missing":               {change(t, c3, process3, ""), "", []string{xdomea.BadProcess}},
		xdomea.NoMessage + " but two":                {c3.Set(other+"_Aussonderung.Aussonderung.0503.xml", c3[0].Content), "", []string{xdomea.NoMessage}},
		xdomea.BadVersion:                            {change(t, c3, "schema:3.0.0", "schema:2.4.0"), "", []string{xdomea.BadVersion}},
		xdomea.BadType + " code":                     {change(t, c3, "<code>0503", "<code>0501"), "", []string{xdomea.BadType}},
		xdomea.BadType + " name":                     {append(siptest.Files{{Name: process3 + "_Aussonderung.Aussonderung.0501.xml", Content: c3[0].Content}}, c3[1:]...), "", []string{xdomea.BadType}},
		xdomea.BadType + " other family":             {change(t, c3, "Aussonderung.Aussonderung.0503 ", "Aussonderung.Anbieteverzeichnis.0501 ", "/xdomea:Aussonderung.Aussonderung.0503", "/xdomea:Aussonderung.Anbieteverzeichnis.0501"), "", []string{xdomea.BadType}},
		xdomea.BadUUID + " missing":                  {change(t, c3, "<xdomea:ID>00000000-0000-4000-8000-000000000012</xdomea:ID>", ""), "", []string{xdomea.BadUUID}},
		xdomea.BadUUID + " of 4.0 in 3.0":            {change(t, c3, "<xdomea:ID>00000000-0000-4000-8000-000000000012</xdomea:ID>", "<xdomea:xdomeaUUID>00000000-0000-4000-8000-000000000012</xdomea:xdomeaUUID>"), "", []string{xdomea.BadUUID}},
		xdomea.BadUUID + " twice":                    {change(t, c3, "000000000020", "000000000010"), "", []string{xdomea.BadUUID}},
		xdomea.BadUUID + " message":                  {change(t, c4, "10000000-0000-4000-8000-00000000000a", "x"), "", []string{xdomea.BadUUID}},
		xdomea.TooDeep:                               {change(t, c3, "</xdomea:Teilvorgang>", deeper+"</xdomea:Teilvorgang>"), "", []string{xdomea.TooDeep}},
		xdomea.MissingFile:                           {c3.Without("00000000-0000-4000-8000-0000000000f2.pdf"), "", []string{xdomea.MissingFile}},
		xdomea.MissingFile + " signature":            {c3.Without("00000000-0000-4000-8000-0000000000f5.p7s"), "", []string{xdomea.MissingFile}},
		xdomea.MissingFile + " Aktenplan":            {c4.Without("10000000-0000-4000-8000-0000000000f3_Aktenplan.txt"), "", []string{xdomea.MissingFile}},
		xdomea.MissingFile + " named as a path":      {change(t, c3, "0000000000f2.pdf", "0000000000f2/../../x"), "", []string{xdomea.MissingFile, xdomea.SurplusFile}},
		xdomea.SurplusFile:                           {c3.Set("Thumbs.db", ""), "", []string{xdomea.SurplusFile}},
		xdomea.SurplusFile + " in a folder":          {c3.Set("more/00000000-0000-4000-8000-0000000000f9.pdf", ""), "", []string{xdomea.SurplusFile}},
		xdomea.BadName + " without UUID":             {change(t, c3, "00000000-0000-4000-8000-0000000000f2.pdf", "deckel.pdf").Without("00000000-0000-4000-8000-0000000000f2.pdf").Set("deckel.pdf", ""), "", []string{xdomea.BadName}},
		xdomea.BadName + " not UTF-8":                {c3.Without("00000000-0000-4000-8000-0000000000f4_Antrag ä.pdf").Set("00000000-0000-4000-8000-0000000000f4_Antrag \x84.pdf", ""), "", []string{xdomea.BadName}},
		xdomea.NoFile:                                {change(t, c3, "<code>003</code></xdomea:Medium>", "<code>001</code></xdomea:Medium>"), "", []string{xdomea.NoFile}},
		xdomea.TooMany:                               {many(t, 5001), "", []string{xdomea.TooMany}},
		xdomea.BadForm + " two objects in one":       {change(t, c3, "  </xdomea:Schriftgutobjekt>\n  <xdomea:Schriftgutobjekt>\n", ""), "", []string{xdomea.BadForm}},
		xdomea.BadReceiver:                           {change(t, c3, "Stadtarchiv Musterstadt", "Staatsarchiv", "StA MS", "X"), "", []string{xdomea.BadReceiver}},
		xdomea.BadDate + " ZdADatum":                 {change(t, c3, "2015-11-30+01:00", "2015-11-31"), "", []string{xdomea.BadDate}},
		xdomea.BadDate + " zone":                     {change(t, c3, "2015-11-30+01:00", "2015-11-30T10:00:00"), "", []string{xdomea.BadDate}},
		xdomea.BadDate + " before it began":          {change(t, c3, "2015-11-30+01:00", "2013-11-30"), "", []string{xdomea.BadDate}},
		xdomea.BadSequence:                           {change(t, c4, "<xdomea:LfdNrNachrichtProTyp>2", "<xdomea:LfdNrNachrichtProTyp>4"), "", []string{xdomea.BadSequence, xdomea.BadSequence}},
		xdomea.BadSequence + " name":                 {append(c4[:3:3], siptest.File{Name: process4 + "_0503_1.xml", Content: c4[3].Content}), "", []string{xdomea.BadSequence}},
		xdomea.BadForm + " attribute standard":       {change(t, c4, `standard="xdomea"`, `standard="XDOMEA"`), "", []string{xdomea.BadForm}},
		xdomea.BadForm + " attribute version":        {change(t, c4, `version="4.0.0"`, `version="4.0"`), "", []string{xdomea.BadForm}},
		xdomea.BadForm + " qualified":                {change(t, c4, "<nachrichtenUUID>", "<xdomea:nachrichtenUUID>", "</nachrichtenUUID>", "</xdomea:nachrichtenUUID>"), "", []string{xdomea.BadForm}},
		"none: documents of context objects":         {change(t, c4, "<xdomea:Kontextobjekt>0", "<xdomea:Kontextobjekt>1", "<xdomea:Kontextobjekt>0", "<xdomea:Kontextobjekt>1"), "", nil},
		xdomea.NoRecord:                              {c4.Set(name4+".xml", contents.ReplaceAllString(c4[3].Content, "")), "", []string{xdomea.NoRecord, xdomea.SurplusFile, xdomea.SurplusFile}},
		xdomea.Mismatch:                              {c4.Set("10000000-0000-4000-8000-0000000000f1.txt", "ausweis"), "", []string{xdomea.Mismatch}},
		xmltree.HasDTD:                               {change(t, c3, "?>", "?><!DOCTYPE x SYSTEM \"http://example.org/x\">"), "", []string{xmltree.HasDTD}},
		xmltree.Malformed:                            {c3.Set(name3+".xml", c3[0].Content[:5000]), "", []string{xmltree.Malformed}},
		xmltree.Malformed + " entity":                {change(t, c3, "Aktendeckel", "&xxe;"), "", []string{xmltree.Malformed}},
		"none: a message is also a file of a record": {change(t, c3, "0000000000f3.txt", "0000000000f3.xml").Without("00000000-0000-4000-8000-0000000000f3.txt").Set("00000000-0000-4000-8000-0000000000f3.xml", c4[3].Content), "", nil},
		"all faults and not the first":               {change(t, c3.Set("a", "").Set("b", ""), "2015-11-30+01:00", "x", "000000000020", "000000000010"), other + ".zip", []string{xdomea.BadProcess, xdomea.BadDate, xdomea.BadUUID, xdomea.SurplusFile, xdomea.SurplusFile}},
	} {
		t.Run(name, func(t *testing.T) {
			o := xdomea.Options{Receivers: []string{"StA MS", "Stadtarchiv Musterstadt"}}
			_, all := read(t, c.files, c.zip, o)
			if got := siptest.Codes(all, preservation.Failed); !slices.Equal(got, c.want) {
				t.Errorf("findings %v\nwant %v", all, c.want)
			}
		})
	}
}

func TestNotices(t *testing.T) {
	c3, c4 := container3(t), container4(t)
	for name, c := range map[string]struct {
		files siptest.Files
		zip   string
		want  string
	}{
		xdomea.Loose + " container":         {c3, "lieferung.xdomea", xdomea.Loose},
		xdomea.Loose + " message":           {append(siptest.Files{{Name: "nachricht.xml", Content: c3[0].Content}}, c3[1:]...), "", xdomea.Loose},
		xdomea.Loose + " folder":            {c3.Below(process3), "", xdomea.Loose},
		xdomea.Loose + " normalisation":     {change(t, c3, "Antrag ä.pdf</xdomea:Dateiname>", "Antrag a\u0308.pdf</xdomea:Dateiname>"), "", xdomea.Loose},
		xdomea.BadForm + " prefix":          {c4.Set(name4+".xml", strings.NewReplacer("xdomea:", "xd:", "xmlns:xdomea", "xmlns:xd", "urn:xoev-de:xdomea:", "urn:xoev-de:xdomea:").Replace(c4[3].Content)), "", xdomea.BadForm},
		xdomea.BadForm + " boolean":         {change(t, c4, "<xdomea:Importbestaetigung>1", "<xdomea:Importbestaetigung>true"), "", xdomea.BadForm},
		xdomea.SharedFile:                   {change(t, c3, "0000000000f6.tif", "0000000000f2.pdf").Without("00000000-0000-4000-8000-0000000000f6.tif"), "", xdomea.SharedFile},
		xdomea.NoFile:                       {change(t, c3, "<code>003</code></xdomea:Medium>", "</xdomea:Medium>"), "", xdomea.NoFile},
		xdomea.BadName + " of its Dokument": {change(t, c4, "8000-0000000000f1", "8000-000000000014").Without("10000000-0000-4000-8000-0000000000f1.txt").Set("10000000-0000-4000-8000-000000000014.txt", "Ausweis"), "", xdomea.BadName},
		xdomea.UnknownDigest:                {change(t, c4, "<xdomea:SonstigerAlgorithmus>SHA-1", "<xdomea:SonstigerAlgorithmus>RIPEMD-160"), "", xdomea.UnknownDigest},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := read(t, c.files, c.zip, xdomea.Options{})
			if len(siptest.Codes(all, preservation.Failed)) > 0 || !slices.Contains(siptest.Codes(all, preservation.Notice), c.want) {
				t.Errorf("findings %v", all)
			}
		})
	}
}

// TestExcerpt cuts a message into the parts of its records: together they hold
// every object, and none holds a word of another one.
func TestExcerpt(t *testing.T) {
	for name, c := range map[string]struct {
		files siptest.Files
		words [][]string // of each record
		both  []string
	}{
		"3.0.0": {container3(t), [][]string{{"Lindenstraße", "Lageplan", "f2.pdf"}, {"Gewerbe", "Anmeldung", "f7.txt"}}, []string{"Anschreiben.pdf", "<xdomea:Kopf>"}},
		"4.0.0": {container4(t), [][]string{{"Schmidt", "Ausweis"}, {"Weber"}}, []string{"Gewerbeakte", "Nur zur Information", "Aktenplan Musterstadt"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := read(t, c.files, "", xdomea.Options{})
			for i, record := range m.Records() {
				var buf bytes.Buffer
				if err := m.Excerpt(t.Context(), &buf, record); err != nil {
					t.Fatal(err)
				}
				if _, err := xmltree.Parse(t.Context(), bytes.NewReader(buf.Bytes()), xmltree.Limits{}, nil); err != nil {
					t.Errorf("excerpt %d: %v", i, err)
				}
				for j, words := range append(c.words, c.both) {
					for _, w := range words {
						if want := j == i || j == len(c.words); strings.Contains(buf.String(), w) != want {
							t.Errorf("excerpt %d holds %q: %v", i, w, !want)
						}
					}
				}
			}
		})
	}
	fs := many(t, 7)
	m, _ := read(t, fs, "", xdomea.Options{})
	for i, record := range m.Records() {
		var buf bytes.Buffer
		if err := m.Excerpt(t.Context(), &buf, record); err != nil {
			t.Fatal(err)
		}
		if got := regexp.MustCompile("Vorgang [0-9]").FindAllString(buf.String(), -1); len(got) != 1 || got[0] != fmt.Sprint("Vorgang ", i) || int64(buf.Len()) != m.ExcerptSize(record) {
			t.Errorf("excerpt %d holds %q", i, got)
		}
	}
	m, _ = read(t, change(t, container4(t), "<xdomea:Kontextobjekt>1", "<xdomea:Kontextobjekt>0"), "", xdomea.Options{})
	var buf bytes.Buffer
	if err := m.Excerpt(t.Context(), &buf, m.Records()[0]); err != nil || buf.Len() != int(m.Entry.Size) {
		t.Errorf("the only record has %d bytes of the message, which has %d (%v)", buf.Len(), m.Entry.Size, err)
	}
}

// many is a message with n records and no files.
func many(t testing.TB, n int) siptest.Files {
	t.Helper()
	head, _, _ := strings.Cut(testdata(t, "3.0.0.xml"), "<xdomea:Anschreiben>")
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		fmt.Fprintf(&b, "<xdomea:Schriftgutobjekt><xdomea:Vorgang><xdomea:Identifikation><xdomea:ID>00000000-0000-4000-8000-%012x</xdomea:ID></xdomea:Identifikation>"+
			"<xdomea:AllgemeineMetadaten><xdomea:Betreff>Vorgang %d</xdomea:Betreff></xdomea:AllgemeineMetadaten></xdomea:Vorgang></xdomea:Schriftgutobjekt>\n", 1<<32+i, i)
	}
	b.WriteString("</xdomea:Aussonderung.Aussonderung.0503>")
	return siptest.Files{{Name: name3 + ".xml", Content: b.String()}}
}
