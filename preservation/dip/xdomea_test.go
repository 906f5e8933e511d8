package dip_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"bestand/ingest/sip"
	"bestand/preservation"
	"bestand/preservation/dip"
)

// TestXdomea has the schema judge messages, and our own ingest take them.
func TestXdomea(t *testing.T) {
	parent := func(kind, id, title string) preservation.Record {
		return preservation.Record{ID: preservation.RecordID(id), Metadata: preservation.Metadata{Kind: kind, Title: title, Class: "63.10", ProducerRecordID: id,
			Opened: preservation.Date{Year: 2014, Month: 1, Day: 1}}}
	}
	akte, vorgang := parent("file", "06f1e2g3h4j5k6m7n8p9q0r1a1", "Lindenstraße 12"), parent("case", "06f1e2g3h4j5k6m7n8p9q0r1b1", "Bauantrag")
	for name, c := range map[string]struct {
		kind    string
		parents []preservation.Record
		names   []string
	}{
		"Akte":                         {"file", nil, []string{"Bauantrag.docx", "Lageplan.pdf", "Bescheid.pdf"}},
		"not told":                     {"", nil, []string{"a.txt"}},
		"hostile":                      {"file", nil, hostileNames},
		"Vorgang":                      {"case", nil, []string{"a.txt", "b.txt"}},
		"Vorgang in Akte":              {"case", []preservation.Record{akte}, []string{"a.txt", "b.txt"}},
		"Teilvorgang":                  {"case", []preservation.Record{akte, vorgang}, []string{"a.txt"}},
		"Teilakte":                     {"file", []preservation.Record{akte}, []string{"a.txt"}},
		"Dokument":                     {"document", nil, []string{"a.txt"}},
		"Dokument in Vorgang in Akte":  {"document", []preservation.Record{akte, vorgang}, []string{"a.txt", "b.txt"}},
		"Dokument in Akte":             {"document", []preservation.Record{akte}, []string{"a.txt"}},
		"Akte in Vorgang, against all": {"file", []preservation.Record{vorgang}, []string{"a.txt"}},
		"deep":                         {"file", []preservation.Record{akte, parent("file", "2", "2"), parent("file", "3", "3"), parent("file", "4", "4"), parent("file", "5", "5")}, []string{"a.txt"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := record(t, c.kind, c.names...)
			s.Filing.Parents = c.parents
			w := export(t, dip.XdomeaName(s)+".zip", dip.Xdomea, s)
			t.Run("schema", func(t *testing.T) { validate(t, w, dip.XdomeaName(s)+".xml") })
			p, err := (&sip.Reader{}).Open(t.Context(), w.path, dip.XdomeaName(s)+".zip", t.TempDir())
			if err != nil {
				var refusal *sip.Refusal
				errors.As(err, &refusal)
				t.Fatalf("%v %+v", err, refusal)
			}
			if len(p.Units) != 1 || p.Message != "0503" {
				t.Fatalf("%+v", p)
			}
			for _, f := range p.Findings {
				if f.Code != "xdomea-classified" && (c.kind != "document" || f.Code != sip.NoClosure) { // a Dokument has no such date
					t.Errorf("%+v", f)
				}
			}
			r, m := s.Package.Record(), p.Units[0].Metadata
			kind := r.Kind
			if kind == "" {
				kind = "file"
			}
			if m.Kind != kind || m.Producer != "Stadt Musterstadt" || m.Class != r.Class || m.Title != r.Title || m.Reference != r.Reference || m.Creator != r.Creator || m.Confidentiality != r.Confidentiality {
				t.Errorf("%+v", m)
			}
			if kind != "document" && (m.Opened != r.Opened || m.Closed != r.Closed || m.Extra["Aussonderungsart"] != "B" || m.Extra["Aufbewahrungsdauer"] != "20" || m.Extra["Aufbewahrungsende"] != "2035-12-31") {
				t.Errorf("%+v", m)
			}
			if above := len(c.parents) > 0 && name != "Akte in Vorgang, against all"; above && !strings.Contains(m.Extra["Übergeordnet"], c.parents[len(c.parents)-1].Title) {
				t.Errorf("above it: %s", m.Extra["Übergeordnet"])
			}
			files := map[string]string{}
			for _, f := range p.Units[0].Files {
				files[f.SHA512] = f.Name
			}
			for _, f := range r.Files {
				if name, ok := files[f.SHA512]; ok == (f.Representation == preservation.Text) {
					t.Errorf("%s: %q", f.ID, name)
				}
			}
			for _, f := range w.File {
				if last, _ := utf8.DecodeLastRuneInString(f.Name); last == '.' || unicode.IsSpace(last) {
					t.Errorf("%q ends in what file systems drop", f.Name)
				}
			}
			message := string(w.read(t, dip.XdomeaName(s)+".xml"))
			if name == "hostile" && !strings.Contains(message, "_100％</xdomea:Dateiname><xdomea:DateinameOriginal>100%<") {
				t.Error("a name that XML holds is another")
			}
			for _, f := range r.Files {
				if f.Representation != preservation.Original || strings.ContainsAny(f.Name, `<>&"'`) {
					continue
				}
				found := false
				for _, part := range strings.Split(message, "<xdomea:DateinameOriginal>")[1:] {
					original, _, _ := strings.Cut(part, "<")
					found = found || illegible(original) == f.Name
				}
				if !found {
					t.Errorf("%q is not told", f.Name)
				}
			}
		})
	}
}

// validate asks xmllint. The schemas of the standard are not part of the project:
// BESTAND_XDOMEA_SCHEMAS names the folder that has xdomea_4.0.0/ with them, with
// schemaLocations that are found there.
func validate(t *testing.T, w written, message string) {
	t.Helper()
	dir := os.Getenv("BESTAND_XDOMEA_SCHEMAS")
	if dir == "" {
		t.Skip("BESTAND_XDOMEA_SCHEMAS does not name the schemas of xdomea: the message is not judged by them")
	}
	path := filepath.Join(t.TempDir(), message)
	if err := os.WriteFile(path, w.read(t, message), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "xmllint", "--nonet", "--noout", "--huge", "--schema", filepath.Join(dir, "xdomea_4.0.0/xdomea-Nachrichten-AussonderungDurchfuehren.xsd"), path)
}

// TestXdomeaIDs keeps the UUID that a record came with, and gives every message its own.
func TestXdomeaIDs(t *testing.T) {
	s := record(t, "file", "a.txt")
	const came = "10000000-0000-4000-8000-00000000000a"
	s.Filing.Parents = []preservation.Record{{ID: "06f1e2g3h4j5k6m7n8p9q0r1a1", Metadata: preservation.Metadata{Kind: "file", ProducerRecordID: came}}}
	if w := export(t, "x.zip", dip.Xdomea, s); !strings.Contains(string(w.read(t, dip.XdomeaName(s)+".xml")), "<xdomea:xdomeaUUID>"+came+"<") {
		t.Error("a record has another UUID than it came with")
	}
	later := s
	later.At = s.At.Add(1)
	if dip.XdomeaName(s) == dip.XdomeaName(later) {
		t.Error("the ProzessID is that of another hand-over")
	}
}

// TestXdomeaFields hands over what xdomea has no element for.
func TestXdomeaFields(t *testing.T) {
	m := about("document")
	m.PersonalData, m.Keywords = true, []string{"Carport", "Abstand & Höhe"}
	m.Subjects = []preservation.Subject{{Name: "Erika Muster", Born: preservation.Date{Year: 1950, Month: 2, Day: 3}, ID: "P-1"}, {Name: "Max Muster", Died: preservation.Date{Year: 2001, Month: 4, Day: 5}}}
	m.Extra = map[string]string{"Gemarkung": "Görlitz <12>", "Flurstück": "17/4"}
	s := described(t, m, "a.txt")
	w := export(t, "x.zip", dip.Xdomea, s)
	validate(t, w, dip.XdomeaName(s)+".xml")
	message := string(w.read(t, dip.XdomeaName(s)+".xml"))
	for _, f := range [][2]string{{"Personal data", "true"}, {"Keyword", "Carport"}, {"Keyword", "Abstand &amp; Höhe"}, {"Subject 1", "Erika Muster"}, {"Subject 1 born", "1950-02-03"},
		{"Subject 1 ID", "P-1"}, {"Subject 2", "Max Muster"}, {"Subject 2 died", "2001-04-05"}, {"Extra: Gemarkung", "Görlitz &lt;12&gt;"}, {"Extra: Flurstück", "17/4"}} {
		if want := "<xdomea:Feld><xdomea:Name>" + f[0] + "</xdomea:Name><xdomea:Wert>" + f[1] + "</xdomea:Wert></xdomea:Feld>"; !strings.Contains(message, want) {
			t.Errorf("no %s", want)
		}
	}
}
