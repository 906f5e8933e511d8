package aip_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// told is a PREMIS document in which everything occurs.
func told(t testing.TB) ([]byte, *preservation.Record) {
	p, _ := sample()
	r, events := p.Record, p.Events
	for i := range r.Files {
		r.Files[i].Path = aip.DataPath(r.Files[i])
	}
	at := time.Date(2026, 3, 14, 10, 0, 0, 5, time.FixedZone("", 3600))
	for i, detail := range []string{"", "<a href=\"x\">&amp;lt; ]]></a>", "Zeile 1\r\nZeile\t2\n\n", "  umgeben ", "Müller \U0001F4DC \uFFFD \u0085", "&", "''"} {
		events = append(events, preservation.Event{ID: "e" + string(rune('a'+i)), Type: preservation.EventValidate, At: at, Detail: detail, Code: detail,
			Outcome: preservation.Success, Agent: preservation.Agent{Type: preservation.Software, Name: "x " + detail, Version: detail}})
	}
	var b bytes.Buffer
	if err := aip.WritePremis(&b, &r, events); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), &r
}

// What is read fast is what is read with care.
func TestOwnPremis(t *testing.T) {
	doc, r := told(t)
	fast, ok := aip.ReadOwnPremis(doc, r.ID)
	if !ok {
		t.Fatal("not read fast")
	}
	careful, err := aip.ReadPremis(doc, r.ID)
	if err != nil || !reflect.DeepEqual(fast, careful) {
		t.Fatalf("%v\n%+v\n%+v", err, fast, careful)
	}
	if len(fast) < 8 {
		t.Errorf("%d events", len(fast))
	}
	const marks = "<>/&;\" \n\r\t\x00:a=#\xff]"
	for i := 0; i < len(doc); i += 3 {
		changed := bytes.Clone(doc)
		changed[i] = marks[i/3%len(marks)]
		sameOrNothing(t, changed, r.ID)
		if i%51 == 0 {
			sameOrNothing(t, slices.Delete(bytes.Clone(doc), i, i+1), r.ID)
		}
	}
	for _, change := range [][2]string{
		{"<eventType", "<eventType>x</eventType><eventType"}, {"</eventDetail>", "<b/></eventDetail>"}, {"</premis>", "</premis><premis/>"},
		{"</premis>", "</premis>x"}, {"<event>", "<event><!-- x -->"}, {"<event>", "<event><![CDATA[x]]>"}, {"<event>", `<event xmlns="y">`},
		{"</eventDetail>", "</eventDetail></eventDetailInformation><eventDetailInformation><eventDetail></eventDetail>"},
		{"<agent>", "<other></other><agent>"}, {"<agent>", "x<agent>"}, {"</agent>", "x</agent>"}, {"&lt;", "&foo;"}, {"&lt;", "&#60;"}, {"&lt;", "&#0;"},
	} {
		sameOrNothing(t, bytes.Replace(doc, []byte(change[0]), []byte(change[1]), 1), r.ID)
	}
}

// sameOrNothing wants a document to be read fast as it is with care, or not fast.
func sameOrNothing(t *testing.T, doc []byte, id preservation.RecordID) {
	t.Helper()
	fast, ok := aip.ReadOwnPremis(doc, id)
	if !ok {
		return
	}
	if careful, err := aip.ReadPremis(doc, id); err != nil || !reflect.DeepEqual(fast, careful) {
		t.Fatalf("%v\n%+v\n%+v\n%s", err, fast, careful, doc)
	}
}

func FuzzOwnPremis(f *testing.F) {
	doc, r := told(f)
	f.Add(doc)
	f.Fuzz(func(t *testing.T, doc []byte) { sameOrNothing(t, doc, r.ID) })
}
