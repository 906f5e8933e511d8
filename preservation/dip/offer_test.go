package dip_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/dip"
)

const offeredRun = "01k0000000000000000000000a"

// offer has an Akte with a Vorgang in it, both offered, a Vorgang in an Akte that is only
// context, a single document, and two records that came with the same UUID.
func offer() dip.Offer {
	record := func(id, kind, producer string) preservation.Record {
		return preservation.Record{ID: preservation.RecordID("01k000000000000000000000" + id), Metadata: preservation.Metadata{Kind: kind, ProducerRecordID: producer, Title: "Titel <" + id + ">",
			Class: "63.10", Reference: "63.10/" + id, Confidentiality: "internal", Opened: preservation.Date{Year: 2001, Month: 1, Day: 2}, Closed: preservation.Date{Year: 2003, Month: 4, Day: 5}}}
	}
	const twice = "10000000-0000-4000-8000-00000000000a"
	akte, vorgang, context := record("b1", "file", "10000000-0000-4000-8000-00000000000B"), record("b2", "case", "v"), record("b3", "file", "c")
	o := dip.Offer{Run: offeredRun, Archive: "Stadt Musterstadt", Reader: "Kreisarchiv <Mitte>", Agent: preservation.Agent{Version: "1"}, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for i, r := range []struct {
		preservation.Record
		parents []preservation.Record
	}{
		{vorgang, []preservation.Record{akte}}, {akte, nil}, {record("b4", "case", "d"), []preservation.Record{context}},
		{record("b5", "document", "e"), nil}, {record("b6", "document", "f"), []preservation.Record{context, record("b9", "case", "x")}},
		{record("b7", "file", twice), nil}, {record("b8", "file", twice), nil},
	} {
		o.Records = append(o.Records, dip.Offered{Record: r.Record, Until: preservation.Date{Year: 2013, Month: 12, Day: 31}, Proposed: []string{"A", "V", ""}[i%3], Note: "Grund & Boden",
			Filing: dip.Filing{ClassTitle: "Bauanträge", Disposition: "B", Years: 10, Permanent: i == 1, Parents: r.parents}})
	}
	return o
}

func offerText(t *testing.T, o dip.Offer) string {
	t.Helper()
	var b bytes.Buffer
	if err := dip.XdomeaOffer(t.Context(), &b, o); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	w := written{Reader: z}
	name := strings.TrimSuffix(dip.XdomeaOfferName(o.Run), ".zip") + ".xml"
	if len(w.File) != 1 || w.File[0].Name != name {
		t.Fatalf("%d files, the first %s", len(w.File), w.File[0].Name)
	}
	return string(w.read(t, name))
}

// schema has xmllint hold a message against the schemas of its version.
func schema(t *testing.T, version, message string) {
	t.Helper()
	dir := os.Getenv("BESTAND_XDOMEA_SCHEMAS")
	if dir == "" {
		t.Log("BESTAND_XDOMEA_SCHEMAS does not name the schemas of xdomea: the message is not judged by them")
		return
	}
	path := filepath.Join(t.TempDir(), "message.xml")
	if err := os.WriteFile(path, []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "xmllint", "--nonet", "--noout", "--huge", "--schema", filepath.Join(dir, "xdomea_"+version, "xdomea-Nachrichten-AussonderungDurchfuehren.xsd"), path)
}

func TestXdomeaOffer(t *testing.T) {
	message := offerText(t, offer())
	schema(t, "4.0.0", message)
	for part, times := range map[string]int{
		"<xdomea:Kontextobjekt>0<": 7, "<xdomea:Kontextobjekt>1<": 2, "<xdomea:Schriftgutobjekt>": 5, "Primaerdokument": 0, "<xdomea:Akte>": 4, "<xdomea:Vorgang>": 4, "<xdomea:Teilvorgang>": 1,
		"<xdomea:Unbefristet>1<": 1, "<xdomea:AnzahlJahre>10<": 6, "<xdomea:Aufbewahrungsende>2013-12-31<": 7, "Begruendung>Grund &amp; Boden<": 5, `bewertungsvorschlag" listVersionID="1.0"><code>A<`: 3, `bewertungsvorschlag" listVersionID="1.0"><code>V<`: 2,
		"<xdomea:leser><xdomea:NameInstitution><xdomea:Name>Kreisarchiv &lt;Mitte&gt;<": 1, "Titel &lt;b4&gt;": 1,
		"10000000-0000-4000-8000-00000000000b": 1, "10000000-0000-4000-8000-00000000000a": 0,
	} {
		if n := strings.Count(message, part); n != times {
			t.Errorf("%s: %d times, want %d", part, n, times)
		}
	}
	if message != offerText(t, offer()) {
		t.Error("the same offer is another message")
	}
}

var (
	processOf = regexp.MustCompile(`ProzessID>([^<]*)<`)
	messageOf = regexp.MustCompile(`nachrichtenUUID>([^<]*)<`)
	objectOf  = regexp.MustCompile(`<xdomea:xdomeaUUID>([^<]*)</xdomea:xdomeaUUID></xdomea:Identifikation><xdomea:Kontextobjekt>0<`)
)

// answer is a message 0502 about an offer, with the decision of each record.
func answer(version, offered string, decide func(n int) string) string {
	process, origin := processOf.FindStringSubmatch(offered)[1], messageOf.FindStringSubmatch(offered)[1]
	head := `<xdomea:Kopf><xdomea:ProzessID>` + process + `</xdomea:ProzessID><xdomea:Nachrichtentyp listURI="urn:xoev-de:xdomea:codeliste:nachrichtentyp" listVersionID="1.0"><code>0502</code></xdomea:Nachrichtentyp>` +
		`<xdomea:Erstellungszeitpunkt>2026-05-06T07:08:09</xdomea:Erstellungszeitpunkt><xdomea:Absender/><xdomea:Empfaenger/><xdomea:Empfangsbestaetigung>0</xdomea:Empfangsbestaetigung></xdomea:Kopf>`
	root, object, id := "", "BewertetesObjekt", "ID"
	if version == "4.0.0" {
		root, object, id = ` produkt="p" produkthersteller="h" standard="xdomea" version="4.0.0"`, "BewertetesSGO", "xdomeaUUID"
		head = `<xdomea:nachrichtenkopf><xdomea:identifikation.nachricht><nachrichtenUUID>20000000-0000-4000-8000-000000000001</nachrichtenUUID>` +
			`<nachrichtentyp listURI="urn:xoev-de:xdomea:codeliste:nachrichtentyp" listVersionID="3.0"><code>0502</code></nachrichtentyp><erstellungszeitpunkt>2026-05-06T07:08:09Z</erstellungszeitpunkt></xdomea:identifikation.nachricht>` +
			`<xdomea:leser/><xdomea:autor/><xdomea:ProzessID>` + process + `</xdomea:ProzessID></xdomea:nachrichtenkopf><xdomea:Empfangsbestaetigung>0</xdomea:Empfangsbestaetigung>` +
			`<xdomea:UUIDUrsprungsnachricht>` + origin + `</xdomea:UUIDUrsprungsnachricht><xdomea:LfdNrNachrichtProTyp>1</xdomea:LfdNrNachrichtProTyp><xdomea:GesamtanzahlNachrichtenProTyp>1</xdomea:GesamtanzahlNachrichtenProTyp>`
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<xdomea:Aussonderung.Bewertungsverzeichnis.0502 xmlns:xdomea="urn:xoev-de:xdomea:schema:%s"%s>%s`, version, root, head)
	for n, m := range objectOf.FindAllStringSubmatch(offered, -1) {
		fmt.Fprintf(&b, "\n<xdomea:%s><xdomea:%s>%s</xdomea:%s><xdomea:Aussonderungsart><xdomea:Aussonderungsart><code>%s</code></xdomea:Aussonderungsart></xdomea:Aussonderungsart></xdomea:%s>", object, id, m[1], id, decide(n), object)
	}
	return b.String() + "\n</xdomea:Aussonderung.Bewertungsverzeichnis.0502>\n"
}

func TestXdomeaAnswer(t *testing.T) {
	o := offer()
	offered := offerText(t, o)
	mixed := func(n int) string { return []string{"A", "V", "B"}[n%3] }
	for _, version := range []string{"3.0.0", "3.1.0", "4.0.0"} {
		message := answer(version, offered, mixed)
		if version == "4.0.0" { // heads of 3.x have to have much that nobody reads here
			schema(t, version, message)
		}
		a, found, err := dip.ReadXdomeaAnswer(strings.NewReader(message), o)
		if err != nil || len(found) > 0 || len(a.Decisions) != len(o.Records) || !strings.HasPrefix(a.Created, "2026-05-06T07:08:09") {
			t.Fatalf("%s: %+v %+v %v", version, a, found, err)
		}
		decided := map[preservation.RecordID]string{}
		for _, d := range a.Decisions {
			decided[d.Record] += d.Decision
		}
		// In the order of the offer's tree: the Akte stands before the Vorgang in it.
		if want := o.Records[1].Record.ID; decided[want] != "A" || decided[o.Records[0].Record.ID] != "V" || len(decided) != len(o.Records) {
			t.Errorf("%s: %v", version, decided)
		}
	}
}

// TestXdomeaAnswerKept has a record kept longer since it was offered, and one that never was.
func TestXdomeaAnswerKept(t *testing.T) {
	sent, o := offer(), offer()
	sent.Records = sent.Records[:6]
	message := answer("4.0.0", offerText(t, sent), func(int) string { return "V" })
	o.Records = o.Records[:7]
	o.Records[0].Kept, o.Records[6].Kept = true, true
	o.Records[6].Record.ProducerRecordID = "g"
	a, found, err := dip.ReadXdomeaAnswer(strings.NewReader(message), o)
	if err != nil || len(found) > 0 || len(a.Decisions) != 5 {
		t.Errorf("%+v %+v %v", a.Decisions, found, err)
	}
}

func TestXdomeaAnswerFaults(t *testing.T) {
	o := offer()
	offered := offerText(t, o)
	good := answer("4.0.0", offered, func(int) string { return "V" })
	ids := objectOf.FindAllStringSubmatch(offered, -1)
	lines := strings.SplitAfter(good, "\n")
	deep := strings.Repeat("<a>", 200_000)
	for name, c := range map[string]struct {
		message, code, subject string
	}{
		"another process":   {strings.Replace(good, processOf.FindStringSubmatch(good)[1], "30000000-0000-4000-8000-000000000001", 1), dip.AnswerProcess, "ProzessID"},
		"no process":        {strings.Replace(good, "ProzessID", "X", 2), dip.AnswerProcess, "ProzessID"},
		"another offer":     {strings.Replace(good, messageOf.FindStringSubmatch(offered)[1], "30000000-0000-4000-8000-000000000001", 1), dip.AnswerProcess, "UUIDUrsprungsnachricht"},
		"no UUID":           {strings.Replace(good, lines[len(lines)-2], strings.Replace(lines[len(lines)-3], ids[6][1], "", 1)+lines[len(lines)-2], 1), dip.AnswerUnknown, "line 10"},
		"unknown record":    {strings.Replace(good, lines[len(lines)-2], strings.Replace(lines[len(lines)-3], ids[6][1], "30000000-0000-4000-8000-000000000001", 1)+lines[len(lines)-2], 1), dip.AnswerUnknown, "30000000-0000-4000-8000-000000000001"},
		"record twice":      {strings.Replace(good, lines[2], lines[2]+lines[2], 1), dip.AnswerRepeated, string(o.Records[1].Record.ID)},
		"record left out":   {strings.Replace(good, lines[2], "", 1), dip.AnswerMissing, string(o.Records[1].Record.ID)},
		"no decision":       {strings.Replace(good, "<code>V</code>", "<code></code>", 1), dip.AnswerMissing, string(o.Records[1].Record.ID)},
		"foreign decision":  {strings.Replace(good, "<code>V</code>", "<code>K</code>", 1), dip.AnswerMissing, string(o.Records[1].Record.ID)},
		"own words":         {strings.Replace(good, "<xdomea:Aussonderungsart><code>V</code></xdomea:Aussonderungsart>", "<xdomea:AussonderungsartKonfigurierbar>V</xdomea:AussonderungsartKonfigurierbar>", 1), dip.AnswerMissing, string(o.Records[1].Record.ID)},
		"nothing":           {"", dip.AnswerMalformed, "line 1"},
		"an offer":          {offered, dip.AnswerMalformed, "line 2"},
		"another version":   {strings.Replace(good, "schema:4.0.0", "schema:9.0.0", 1), dip.AnswerMalformed, "line 2"},
		"cut off":           {good[:len(good)-30], dip.AnswerMalformed, "line "},
		"two roots":         {good + good[39:], dip.AnswerMalformed, "line "},
		"entity":            {`<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + strings.Replace(good[39:], ">V<", ">&e;<", 1), dip.AnswerMalformed, "line 1"},
		"unknown entity":    {strings.Replace(good, ">V<", ">&e;<", 1), dip.AnswerMalformed, "line 3"},
		"other encoding":    {strings.Replace(good, "UTF-8", "UTF-16", 1), dip.AnswerMalformed, "line 1"},
		"deep":              {strings.Replace(good, "<code>V</code>", deep+strings.Repeat("</a>", 200_000), 1), dip.AnswerMalformed, "line "},
		"head in head":      {strings.Replace(good, "<xdomea:ProzessID>", strings.Repeat("<xdomea:identifikation.nachricht>", 3_000)+"<xdomea:ProzessID>", 1), dip.AnswerMalformed, "line "},
		"decided twice":     {strings.Replace(good, "<code>V</code>", "<code>A</code><code>V</code>", 1), dip.AnswerMalformed, "line "},
		"deep and not shut": {strings.Replace(good, "<code>V</code>", deep, 1), dip.AnswerMalformed, "line "},
	} {
		t.Run(name, func(t *testing.T) {
			_, found, err := dip.ReadXdomeaAnswer(strings.NewReader(c.message), o)
			if err != nil || len(found) != 1 || found[0].Code != c.code || !strings.HasPrefix(found[0].Subject, c.subject) || found[0].Detail == "" {
				t.Errorf("%+v %v, want %s of %s", found, err, c.code, c.subject)
			}
		})
	}
	none := answer("4.0.0", strings.ReplaceAll(offered, "Kontextobjekt>0<", "Kontextobjekt>2<"), nil)
	if _, found, err := dip.ReadXdomeaAnswer(strings.NewReader(none), o); err != nil || len(found) != len(o.Records) {
		t.Errorf("an answer about nothing: %+v %v", found, err)
	}
}

func FuzzXdomeaAnswer(f *testing.F) {
	o := offer()
	var b bytes.Buffer
	if err := dip.XdomeaOffer(f.Context(), &b, o); err != nil {
		f.Fatal(err)
	}
	f.Add(`<x:Aussonderung.Bewertungsverzeichnis.0502 xmlns:x="urn:xoev-de:xdomea:schema:3.1.0"><x:Kopf><x:ProzessID>1</x:ProzessID></x:Kopf><x:BewertetesObjekt><x:ID>2</x:ID></x:BewertetesObjekt></x:Aussonderung.Bewertungsverzeichnis.0502>`)
	f.Fuzz(func(t *testing.T, message string) {
		a, found, err := dip.ReadXdomeaAnswer(strings.NewReader(message), o)
		if err != nil || len(found) == 0 && len(a.Decisions) != len(o.Records) {
			t.Errorf("%+v %+v %v", a, found, err)
		}
	})
}
