package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"bestand/api"
	"bestand/ingest/sandbox"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// TestTroubles: why a job failed is said in words with what to do, whatever was said around
// the cause on the way here.
func TestTroubles(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{preservation.Down(preservation.PartStore, errors.New("dial tcp 127.0.0.1:9000: connect: connection refused")), "Objektspeicher antwortet nicht"},
		{fmt.Errorf("seal: %w", preservation.Down(preservation.PartTSA, errors.New("503"))), "Zeitstempeldienst"},
		{&catalog.Final{Err: preservation.Down(preservation.PartCatalog, errors.New("EOF"))}, "Datenbank"},
		{preservation.Down(preservation.PartDisk, fmt.Errorf("%w: 3 MiB are free", preservation.ErrFull)), "kein Platz mehr"},
		{fmt.Errorf("write: %w", syscall.ENOSPC), "kein Platz mehr"},
		{fmt.Errorf("soffice: %w", sandbox.ErrMissing), "bestand doctor"},
		{fmt.Errorf("soffice: %w", sandbox.ErrKilled), "Arbeitsspeicher"},
		{fmt.Errorf("copy: %w", preservation.ErrCorrupt), "Bestandserhaltung"},
		{errors.New("panic: runtime error: index out of range"), "Fehler im Programm"},
		{&retention.Stopped{Reason: "3 of 4 records"}, "ungewöhnlich viele Akten"},
		{errors.New("Post \"https://tsa.example\": context deadline exceeded"), "zu lange"},
		{errors.New("tls: failed to verify certificate: x509: certificate has expired"), "Zertifikat"},
		{errors.New("dial tcp: lookup tsa.example: no such host"), "Netz"},
	} {
		if got := languages[0].trouble(c.err.Error()); !strings.Contains(got, c.want) {
			t.Errorf("%v: %q does not say %q", c.err, got, c.want)
		}
	}
	if got := languages[0].trouble("what nobody thought of"); got != "" {
		t.Errorf("an unknown cause is called %q", got)
	}
	for _, l := range languages {
		for _, text := range troubles {
			if key := "trouble." + text.key; l.t(key) == key {
				t.Errorf("%s: %s is missing", l.code, key)
			}
		}
	}
}

// TestOperationTells: the page says what is wrong, and what the program said is below it.
func TestOperationTells(t *testing.T) {
	v, w := stranger(t, "/betrieb")
	var p operationView
	if err := json.Unmarshal([]byte(`{"dead":[{"kind":"process","attempts":8,"error":"the object store is not available: <b>refused</b>"},{"kind":"index","attempts":8,"error":"what nobody thought of"}],"away":[{"part":"tsa","jobs":2,"why":"the time-stamping service is not available: 503"}]}`), &p); err != nil {
		t.Fatal(err)
	}
	if err := v.showPart("operation", "state", p); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Der Objektspeicher antwortet nicht", "Wiederholen Sie den Auftrag; scheitert", "Meldung des Programms", `lang="en">the object store is not available: &lt;b&gt;refused`, "Der Zeitstempeldienst antwortet nicht", `lang="en">the time-stamping service is not available: 503`}, nil)
}

// TestWaitingTells: a submission that waits is not said to have failed for good.
func TestWaitingTells(t *testing.T) {
	for reason, want := range map[string]string{"the malware scanner is not available": "Der Virenscanner antwortet nicht", "the step convert failed and is tried again": "Meldung des Programms"} {
		v, w := stranger(t, "/uebernahme/x")
		if err := v.showPart("submission", "state", submissionView{Submission: api.Submission{ID: "x", Status: "processing", Waiting: api.Waiting{Reason: reason}}}); err != nil {
			t.Fatal(err)
		}
		says(t, w.Body.String(), []string{want, reason}, []string{"gescheitert"})
	}
}
