package api

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"bestand/api/auth"
)

var (
	offeredProcess = regexp.MustCompile(`ProzessID>([^<]*)<`)
	offeredObject  = regexp.MustCompile(`xdomeaUUID>([^<]*)</xdomea:xdomeaUUID></xdomea:Identifikation><xdomea:Kontextobjekt>0<`)
)

// messageIn is the one message in a container.
func messageIn(t testing.TB, container []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(container), int64(len(container)))
	if err != nil {
		t.Fatal(err)
	}
	in, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// answerTo is a message 0502 of xdomea 3.1.0 that decides alike about all of an offer.
func answerTo(t testing.TB, container []byte, decision string) string {
	t.Helper()
	text := messageIn(t, container)
	var b strings.Builder
	fmt.Fprintf(&b, `<x:Aussonderung.Bewertungsverzeichnis.0502 xmlns:x="urn:xoev-de:xdomea:schema:3.1.0"><x:Kopf><x:ProzessID>%s</x:ProzessID><x:Erstellungszeitpunkt>2026-03-04T05:06:07</x:Erstellungszeitpunkt></x:Kopf>`, offeredProcess.FindStringSubmatch(text)[1])
	for _, id := range offeredObject.FindAllStringSubmatch(text, -1) {
		fmt.Fprintf(&b, `<x:BewertetesObjekt><x:ID>%s</x:ID><x:Aussonderungsart><x:Aussonderungsart><code>%s</code></x:Aussonderungsart></x:Aussonderungsart></x:BewertetesObjekt>`, id[1], decision)
	}
	return b.String() + `</x:Aussonderung.Bewertungsverzeichnis.0502>`
}

// TestDisposalXdomea offers a run and takes the archive's answer by messages of xdomea.
func TestDisposalXdomea(t *testing.T) {
	a := newArchive(t)
	officer, second, reader := a.token(ours, "olga", auth.RecordsOfficer), a.token(ours, "leitung", auth.Approver), a.token(ours, "bauamt", auth.Reader)
	one, two := string(a.due(ours, "1")), string(a.due(ours, "2"))
	run := decode[DisposalRun](t, a.do(officer, "POST", "/v1/disposals", map[string]any{"records": []string{one, two}}).want(t, 201))
	path := "/v1/disposals/" + run.ID
	send := func(message, media string) answer {
		t.Helper()
		return a.do(officer, "POST", path+"/xdomea", strings.NewReader(message), "Content-Type", media)
	}
	a.do(reader, "GET", path+"/xdomea", nil).want(t, 403)
	offer := a.do(officer, "GET", path+"/xdomea", nil).want(t, 200)
	if d := offer.Header.Get("Content-Disposition"); !strings.Contains(d, `_0501_1.zip"`) {
		t.Error(d)
	}
	v := answerTo(t, offer.body, "V")
	if p := send(v, "application/xml").want(t, 409).problem(t); !strings.Contains(p.Detail, "it was not offered") {
		t.Errorf("%+v", p)
	}
	a.do(officer, "POST", path+"/offer", `{"authority":"Kreisarchiv","offered":"`+today(t)+`"}`).want(t, 200)
	if text := messageIn(t, a.do(officer, "GET", path+"/xdomea", nil).want(t, 200).body); !strings.Contains(text, "<xdomea:leser><xdomea:NameInstitution><xdomea:Name>Kreisarchiv<") {
		t.Errorf("the offer does not say to whom: %s", text)
	}
	first, last := strings.Index(v, "<x:BewertetesObjekt>"), strings.LastIndex(v, "<x:BewertetesObjekt>")
	if code := send(v[:first]+v[last:], "application/xml").want(t, 422).field(t, one); code != "missing-decision" {
		t.Errorf("a record left out: %q", code)
	}
	send("<!DOCTYPE a>"+v, "application/xml").want(t, 422)
	send(v, "application/zip").want(t, 400)
	a.do(officer, "POST", path+"/xdomea", `{}`).want(t, 415)
	run = decode[DisposalRun](t, send(answerTo(t, offer.body, "B"), "application/xml").want(t, 200))
	if run.Counts.Undecided != 2 {
		t.Errorf("%+v", run.Counts)
	}
	a.do(officer, "POST", path+"/decisions", `{"decisions":[{"scope":{"all":true},"decision":"V"}]}`).want(t, 200)
	if p := a.do(second, "POST", path+"/approval", nil).want(t, 409).problem(t); !strings.Contains(p.Detail, "the archive has not answered about 2 records") {
		t.Errorf("approved what the archive has still to decide: %+v", p)
	}
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	in, err := z.Create("x_0502_1.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, v); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	run = decode[DisposalRun](t, send(packed.String(), "application/zip").want(t, 200))
	if run.Counts.Destroy != 2 || run.Counts.Unanswered != 0 {
		t.Errorf("%+v", run.Counts)
	}
	run = decode[DisposalRun](t, a.do(officer, "GET", path, nil).want(t, 200))
	if i := run.Items[0]; i.Answer != "V" || !strings.HasPrefix(i.Note, "xdomea 0502 of 2026-03-04T05:06:07, SHA-256 ") || i.DecidedBy != "olga" {
		t.Errorf("%+v", i)
	}
	a.do(second, "POST", path+"/approval", nil).want(t, 200)
	send(v, "application/xml").want(t, 409)
}

// TestDueList says of a record that is due in which run it is, and until when one decided to
// keep it.
func TestDueList(t *testing.T) {
	a := newArchive(t)
	officer, second := a.token(ours, "olga", auth.RecordsOfficer), a.token(ours, "leitung", auth.Approver)
	free, taken := a.due(ours, "1"), a.due(ours, "2")
	run := decode[DisposalRun](t, a.do(officer, "POST", "/v1/disposals", map[string]any{"records": []string{string(taken)}}).want(t, 201))
	want := func(in string, kept bool) {
		t.Helper()
		p := decode[ListDisposals200JSONResponse](t, a.do(officer, "GET", "/v1/disposals", nil).want(t, 200))
		if len(p.Items) != 2 || p.Items[0].ID != free || p.Items[0].Run != "" || !p.Items[0].KeptUntil.IsZero() ||
			p.Items[1].ID != taken || p.Items[1].Run != in || p.Items[1].KeptUntil.IsZero() == kept {
			t.Errorf("%+v", p.Items)
		}
	}
	want(run.ID, false)
	path := "/v1/disposals/" + run.ID
	bare := a.do(officer, "POST", path+"/decisions", `{"decisions":[{"scope":{"all":true},"decision":"K"}]}`).want(t, 422)
	if bare.field(t, "decisions[0].until") != "required" || bare.field(t, "decisions[0].note") != "required" {
		t.Errorf("of a day and a reason that are missing one alone is told: %s", bare.body)
	}
	a.do(officer, "POST", path+"/decisions", map[string]any{"decisions": []any{map[string]any{"scope": map[string]any{"all": true}, "decision": "K", "until": "2099-12-31", "note": "Klage"}}}).want(t, 200)
	want(run.ID, true)
	a.do(second, "POST", path+"/approval", nil).want(t, 200)
	a.do(officer, "POST", path+"/execution", map[string]any{"grace_days": 0}).want(t, 202)
	a.execute(ours, run.ID)
	want("", true)
}
