package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDisposalMessages hands a record over as xdomea has it in four steps: 0501 goes out,
// 0502 comes in, 0503 goes out by the same ProzessID, and the receiver acknowledges.
func TestDisposalMessages(t *testing.T) {
	in := install(t).serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	_, r := admin.archive(about("1", leave, "Urlaub", "closed", "2001-02-28"), file("1.bin", blob("Urlaub")))
	eventually(t, "the record is due", func() bool { return len(admin.due()) == 1 })
	var run disposalRun
	o.officer.post("/v1/disposals", map[string]any{"records": []string{r.ID}}).want(t, 201).decode(t, &run)
	dir, token := t.TempDir(), filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(o.officer.token), 0o600); err != nil {
		t.Fatal(err)
	}
	disposal := func(want int, act string, args ...string) string {
		t.Helper()
		out, complaint, code := program(t, append([]string{"disposal", act, "--server", in.url, "--token-file", token}, args...)...)
		if code != want {
			t.Fatalf("disposal %s: exit code %d %s", act, code, complaint)
		}
		return strings.TrimSpace(out + complaint)
	}
	offer := disposal(0, "message", "--out", dir, run.ID)
	disposal(0, "offer", "--authority", "Kreisarchiv", "--reference", "12/26", run.ID)
	if said := disposal(1, "answer", "--xdomea", offer, run.ID); !strings.Contains(said, "no Aussonderung.Bewertungsverzeichnis.0502") {
		t.Errorf("the offer as its answer: %s", said)
	}
	v := newVerifier(t, in)
	text := v.run("unzip", "-p", offer)
	process, object := regexp.MustCompile(`ProzessID>([^<]*)<`).FindStringSubmatch(text)[1], regexp.MustCompile(`xdomeaUUID>([^<]*)<`).FindStringSubmatch(text)[1]
	answer := filepath.Join(dir, "answer.xml")
	if err := os.WriteFile(answer, fmt.Appendf(nil, `<x:Aussonderung.Bewertungsverzeichnis.0502 xmlns:x="urn:xoev-de:xdomea:schema:3.0.0"><x:Kopf><x:ProzessID>%s</x:ProzessID></x:Kopf>`+
		`<x:BewertetesObjekt><x:ID>%s</x:ID><x:Aussonderungsart><x:Aussonderungsart><code>A</code></x:Aussonderungsart></x:Aussonderungsart></x:BewertetesObjekt></x:Aussonderung.Bewertungsverzeichnis.0502>`, process, object), 0o600); err != nil {
		t.Fatal(err)
	}
	// A person reads it in on the page of the run as well.
	at := "/aussonderung/laeufe/" + run.ID
	otto := staffed(t, in).add(t, "otto", "records_officer").get(at).want(200, "Antwort als xdomea-Datei einlesen")
	for _, c := range []struct {
		file   string
		status int
		says   string
	}{{offer, 422, "Diese Antwort passt nicht"}, {answer, 200, "Die Antwort des Archivs ist eingetragen"}} {
		message, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		otto.file(at+"/antwort", filepath.Base(c.file), string(message)).want(c.status, c.says)
	}
	if said := disposal(0, "answer", "--xdomea", answer, run.ID); !strings.Contains(said, "to be archived 1") {
		t.Error(said)
	}
	stale := otto.get(at).want(200, at+"/antwort").page
	o.head.post("/v1/disposals/"+run.ID+"/approval", nil).want(t, 200)
	// Whoever still has the form learns why it comes too late.
	for file, says := range map[string][]string{answer: {"Der Zustand erlaubt das nicht", "Stand: Zustimmung erteilt"}, offer: {"Der Zustand erlaubt das nicht", "Diese Antwort passt nicht"}} {
		message, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		otto.page = stale
		otto.file(at+"/antwort", filepath.Base(file), string(message)).want(422, says...).wantNot("Laden Sie die Datei neu herunter", `href="#f-file"`)
	}
	// Who was logged out meanwhile comes back to the run.
	otto.page = stale
	delete(otto.cookies, "__Host-bestand")
	otto.file(at+"/antwort", "answer.xml", "<x/>").want(401, "Dateien können nicht behalten werden", `name="weiter" value="`+at+`"`)
	otto.fill("/anmelden", "name", "otto", "kennwort", password).want(200, "Kreisarchiv")
	transfer := []string{"--receiver", "Kreisarchiv", "--reference", "Ü 3/26", "--own-copy", "keep", run.ID}
	if said := disposal(1, "transfer", transfer...); !strings.Contains(said, "bestand disposal export") {
		t.Errorf("acknowledged before it was fetched: %s", said)
	}
	container := disposal(0, "export", "--out", dir, run.ID)
	if filepath.Base(container) != process+"_0503_1.zip" {
		t.Errorf("%s, of the process %s", container, process)
	}
	if message := v.run("unzip", "-p", container, "*.xml"); !strings.Contains(message, "xdomeaUUID>"+object+"<") {
		t.Error("the record is handed over under another UUID than it was offered")
	}
	disposal(0, "transfer", transfer...)
	disposal(0, "execute", "--grace", "0", run.ID)
	eventually(t, "the run has ended", func() bool { return admin.disposalRun(run.ID).Status == "completed" })
}
