package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// TestFaultLargeDisposal has people destroy BESTAND_ROUNDS records in one run, 20,000 by
// default, and looks at the run and at its certificate. It prints how fast they went, how
// much memory the service took, and how long answers took meanwhile.
func TestFaultLargeDisposal(t *testing.T) { largeDisposal(t, faultRounds(t, 20_000)) }

func largeDisposal(t *testing.T, n int) {
	converters(t)
	in := install(t, "--lock-mode", string(preservation.Governance), "--dispose-max-share", "1")
	g := grow(t, in.dir)
	g.original = 1 << 10
	g.lock.Mode = preservation.Governance
	g.change = func(m *preservation.Metadata) {
		m.Class, m.Opened, m.Closed = leave, preservation.Date{Year: 2000, Month: 1, Day: 1}, preservation.Date{Year: 2001, Month: 2, Day: 28}
	}
	t.Logf("%d records archived in %s", n, g.fill(0, n, true).Round(time.Second))
	g.end()
	in.serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	// until waits for a number that may only come nearer to what is wanted; it is patient
	// while it does, also when records end a whole page at a time.
	until := func(what string, want int64, have func() int64) time.Duration {
		t.Helper()
		begin := time.Now()
		last, moved := int64(-1), begin
		for {
			now := have()
			if now == want {
				return time.Since(begin)
			}
			if now != last {
				last, moved = now, time.Now()
			} else if time.Since(moved) > 20*time.Minute {
				t.Fatalf("%s: at %d of %d for twenty minutes", what, now, want)
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
	until("due records", int64(n), func() int64 { return in.count(t, `SELECT COUNT(*) FROM record WHERE retention_state = 'due'`) })
	var run disposalRun
	o.officer.post("/v1/disposals", map[string]any{"title": "2026/1", "classes": []string{"02"}}).want(t, 201).decode(t, &run)
	path, all := "/v1/disposals/"+run.ID, map[string]any{"all": true}
	until("listed records", int64(n), func() int64 { return admin.disposalRun(run.ID).Counts.Open })
	o.officer.post(path+"/decisions", map[string]any{"decisions": []any{map[string]any{"scope": all, "decision": "V", "note": "ohne Wert"}}}).want(t, 200)
	o.officer.post(path+"/offer", map[string]any{"authority": "Kreisarchiv", "offered": today(t), "reference": "12/26"}).want(t, 200)
	o.archivist.post(path+"/answers", map[string]any{"answers": []any{map[string]any{"scope": all, "answer": "V", "note": "ohne Archivwert"}}}).want(t, 200)
	o.head.post(path+"/approval", nil).want(t, 200)
	o.officer.post(path+"/execution", map[string]any{"grace_days": 0}).want(t, 202)

	v := visit(t, in.url)
	first, err := os.ReadFile(filepath.Join(in.dir, passwordFile))
	if err != nil {
		t.Fatal(err)
	}
	v.logIn("admin", strings.TrimSpace(string(first)))
	var answers, pages []time.Duration
	took := until("destroyed records", int64(n), func() int64 {
		begin := time.Now()
		now := admin.disposalRun(run.ID).Counts.Destroyed
		answers = append(answers, time.Since(begin))
		begin = time.Now()
		v.get("/aussonderung/laeufe/" + run.ID).want(http.StatusOK)
		pages = append(pages, time.Since(begin))
		return now
	})
	t.Logf("%d records destroyed in %s, %.0f in a second", n, took.Round(time.Second), float64(n)/took.Seconds())
	for name, all := range map[string][]time.Duration{"the answer of the interface": answers, "the page": pages} {
		slices.Sort(all)
		t.Logf("%s: half of %d within %s, 95 of 100 within %s", name, len(all), all[len(all)/2].Round(time.Millisecond), all[len(all)*95/100].Round(time.Millisecond))
	}
	until("certificate", 1, func() int64 { return in.count(t, `SELECT COUNT(*) FROM audit WHERE action = 'disposal.certified'`) })

	begin := time.Now()
	text := o.head.get(path+"/certificate").want(t, 200).body
	t.Logf("the certificate: %d KiB of JSON in %s", len(text)>>10, time.Since(begin).Round(time.Millisecond))
	var certificate struct {
		retention.Certificate
		Records []retention.CertifiedRecord
	}
	if err := json.Unmarshal(text, &certificate); err != nil {
		t.Fatal(err)
	}
	listed := map[preservation.RecordID]bool{}
	for _, r := range certificate.Records {
		if r.Outcome != "destroyed" || r.Destroyed.IsZero() || r.LegalBasis == "" || listed[r.Record] {
			t.Fatalf("%+v", r)
		}
		listed[r.Record] = true
	}
	if len(listed) != n || certificate.Counts.Destroyed != int64(n) {
		t.Errorf("the certificate lists %d of %d records: %+v", len(listed), n, certificate.Counts)
	}
	begin = time.Now()
	pdf := o.head.get(path+"/certificate?format=pdf").want(t, 200).body
	t.Logf("and %d KiB of PDF in %s", len(pdf)>>10, time.Since(begin).Round(time.Millisecond))
	printed := newVerifier(t, in).page("certificate.pdf", pdf, "Nachweis einer Aussonderung")
	words := []string{hex256(text)} // of the JSON, which has all
	if n > 2000 {
		words = append(words, fmt.Sprintf("Und %d weitere: sie stehen in der JSON-Fassung.", n-2000))
	}
	for _, word := range words {
		if !strings.Contains(strings.Join(strings.Fields(printed), ""), strings.Join(strings.Fields(word), "")) {
			t.Errorf("the certificate does not say %q", word)
		}
	}
	var of struct{ Certificate string }
	admin.get(path).want(t, 200).decode(t, &of)
	archived := admin.record(of.Certificate)
	admin.verified(archived.ID)
	if i := slices.IndexFunc(archived.Files, func(f held) bool { return f.Name == "certificate.json" }); i < 0 {
		t.Errorf("the archived certificate has no JSON: %+v", archived.Files)
	} else if f := archived.Files[i]; f.SHA256 != hex256(text) {
		t.Errorf("the archived certificate lists something else: %+v", f)
	}
	for query, want := range map[string]int{
		`SELECT COUNT(*) FROM tombstone`:                                           n,
		`SELECT COUNT(DISTINCT object) FROM audit WHERE action = 'record.destroy'`: n,
		`SELECT COUNT(*) FROM disposal`:                                            0,
	} {
		if have := in.count(t, query); have != int64(want) {
			t.Errorf("%s: %d, want %d", query, have, want)
		}
	}
	t.Logf("the service took %d MiB at most (VmHWM)", memoryPeak(in.cmd.Process.Pid)>>20)
}
