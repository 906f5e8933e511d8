package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPagesRun looks at the pages of a disposal run in each of its states, as TestPages
// does at the others.
func TestPagesRun(t *testing.T) {
	in := install(t, "--lock-mode", "GOVERNANCE").serve(t)
	c := in.admin(t)
	o := newOffice(c)
	archive := func(id string) string {
		_, r := c.archive(about(id, leave, "Urlaub und Krankheit "+id, "closed", "2001-02-28", "reference", "11-0322/"+id), file(id+".bin", blob("Inhalt "+id)))
		return r.ID
	}
	gone, claimed, kept, due := archive("1"), archive("2"), archive("3"), archive("4")
	eventually(t, "the records are due", func() bool { return len(c.due()) == 4 })
	begin := func(title string, ids ...string) string {
		var run disposalRun
		o.officer.post("/v1/disposals", map[string]any{"title": title, "records": ids}).want(t, 201).decode(t, &run)
		return run.ID
	}
	decide := func(run, decision string, ids ...string) {
		d := map[string]any{"scope": map[string]any{"records": ids}, "decision": decision, "note": "ohne bleibenden Wert"}
		if decision == "K" {
			d["until"] = "2099-12-31"
		}
		o.officer.post("/v1/disposals/"+run+"/decisions", map[string]any{"decisions": []any{d}}).want(t, 200)
	}
	draft := begin("Aussonderung 2026, Bauamt", due)
	run := begin("Aussonderung 2026, Personalamt", gone, claimed, kept)
	decide(run, "V", gone, claimed)
	decide(run, "K", kept)
	o.officer.post("/v1/disposals/"+run+"/offer", map[string]any{"authority": "Stadtarchiv Musterstadt", "offered": today(t), "reference": "12/26"}).want(t, 200)

	b := browse(t, in.url)
	b.logIn(t, in)
	look := b.look
	look([2]string{"due", "/aussonderung"}, [2]string{"runs", "/aussonderung/laeufe"}, [2]string{"run-new", "/aussonderung/laeufe/neu"},
		[2]string{"run-draft", "/aussonderung/laeufe/" + draft}, [2]string{"run-offered", "/aussonderung/laeufe/" + run})
	o.officer.post("/v1/disposals/"+run+"/answers", map[string]any{"answers": []any{
		map[string]any{"scope": map[string]any{"records": []string{claimed}}, "answer": "A"}, map[string]any{"scope": map[string]any{"records": []string{gone}}, "answer": "V"}}}).want(t, 200)
	look([2]string{"run-ready", "/aussonderung/laeufe/" + run}, [2]string{"start-office", "/"})
	o.head.post("/v1/disposals/"+run+"/approval", nil).want(t, 200)
	look([2]string{"run-approved", "/aussonderung/laeufe/" + run})
	o.officer.post("/v1/disposals/"+run+"/execution", map[string]any{"grace_days": 3}).want(t, 202)
	look([2]string{"run-waiting", "/aussonderung/laeufe/" + run})
	o.head.post("/v1/disposals/"+run+"/stop", map[string]any{"reason": "Rückfrage des Rechtsamts"}).want(t, 200)
	look([2]string{"run-stopped", "/aussonderung/laeufe/" + run})
	c.get("/v1/records/"+claimed+"/package?disposal="+run).want(t, 200)
	o.officer.post("/v1/disposals/"+run+"/transfers", map[string]any{"scope": map[string]any{"all": true}, "receiver": "Stadtarchiv", "reference": "Ü 3/26", "acknowledged": today(t), "own_copy": "keep"}).want(t, 200)
	o.officer.post("/v1/disposals/"+run+"/execution", map[string]any{"grace_days": 0}).want(t, 202)
	eventually(t, "the run has ended", func() bool { return c.disposalRun(run).Status == "completed" })
	look([2]string{"run-completed", "/aussonderung/laeufe/" + run}, [2]string{"certificate", "/aussonderung/laeufe/" + run + "/nachweis"}, [2]string{"tombstone", "/akte/" + gone}, [2]string{"destroyed-run", "/aussonderung?ansicht=destroyed"})
}

// look checks pages, each a name and a path, in all looks, and weighs them.
func (b *tab) look(pages ...[2]string) {
	b.Helper()
	for _, l := range looks {
		b.as(l)
		for _, p := range pages {
			b.open(p[1])
			b.check(p[0], l)
		}
	}
	for _, p := range pages {
		b.weigh(p[0], p[1])
	}
}

// TestPagesOffice looks at the pages for rules, records, persons concerned and reports.
func TestPagesOffice(t *testing.T) {
	in := install(t).serve(t)
	c := in.admin(t)
	erika := []any{map[string]any{"name": "Muster, Erika", "born": "1961-05-04"}}
	_, r := c.archive(about("a", leave, "Urlaub und Krankheit Muster", "closed", "2024-07-31", "subjects", erika), file("a.bin", blob("a")))
	c.archive(about("b", "05.10", "Vergabe Turnhalle", "closed", "2020-03-31"), file("b.bin", blob("b")))
	c.archive(about("c", leave, "Urlaub und Krankheit Beispiel", "closed", "2015-07-31"), file("c.bin", blob("c")))
	c.post("/v1/holds", map[string]any{"scope": map[string]any{"classes": []string{"21"}}, "authority": "Verwaltungsgericht", "reason": "Klage 12 K 3/26", "review": "2099-01-01"}).want(t, 201)
	var asked struct{ Request struct{ ID string } }
	c.post("/v1/subject-requests", map[string]any{"kind": "erasure", "subject": map[string]any{"name": "Erika Muster"}, "received": "2026-01-15", "reference": "10-4/26"}).want(t, 201).decode(t, &asked)
	c.post("/v1/records/"+r.ID+"/restriction", map[string]any{"reason": "Richtigkeit bestritten", "legal_basis": "DSGVO Art. 18"}).want(t, 201)
	eventually(t, "two records are evaluated", func() bool { return len(c.due()) == 1 })
	b := browse(t, in.url)
	b.logIn(t, in)
	b.look([2]string{"reports", "/aussonderung/berichte"}, [2]string{"start-due", "/"}, [2]string{"rules-office", "/aussonderung/regeln"}, [2]string{"rule-new", "/aussonderung/regeln/neu"}, [2]string{"rule-file", "/aussonderung/regeln/datei"},
		[2]string{"rule", "/aussonderung/regeln/leave-sickness/aenderung"}, [2]string{"reclassify", "/akte/" + r.ID + "/umsortierung"}, [2]string{"trigger", "/akte/" + r.ID + "/ereignis"},
		[2]string{"restrict", "/akte/" + r.ID + "/einschraenkung"}, [2]string{"record-restricted", "/akte/" + r.ID}, [2]string{"persons", "/aussonderung/betroffene"},
		[2]string{"person-new", "/aussonderung/betroffene/neu"}, [2]string{"person", "/aussonderung/betroffene/" + asked.Request.ID})
	sheet, bad := filepath.Join(t.TempDir(), "regeln.csv"), filepath.Join(t.TempDir(), "falsch.csv")
	rules := c.get("/v1/rules", "Accept", "text/csv").want(t, 200).body
	if err := errors.Join(os.WriteFile(sheet, bytes.ReplaceAll(rules, []byte(";5 Jahre;"), []byte(";20 Jahre;")), 0o600), os.WriteFile(bad, []byte("Kurzname;Titel;Frist\nneu;;zehn\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, l := range looks {
		b.as(l)
		b.open("/aussonderung/regeln/leave-sickness/aenderung")
		if eval[bool](b, `(() => { const r = document.querySelector("input[type=radio]:checked"); return getComputedStyle(r, "::before").backgroundColor === getComputedStyle(r).backgroundColor; })()`) {
			t.Errorf("%s: what is chosen is not seen", l.name)
		}
		b.run(chromedp.SetValue("#f-duration\\.years", "20"), chromedp.Click("form[action$=vorschau] button.kern-btn--primary"), chromedp.WaitVisible("#effect"))
		b.check("rule-preview", l)
		b.open("/aussonderung/regeln/datei")
		b.run(chromedp.SetUploadFiles("#f-file", []string{sheet}), chromedp.Click("form[enctype] button.kern-btn--primary"), chromedp.WaitVisible("#effect"))
		b.check("rule-file-preview", l)
		b.open("/aussonderung/regeln/datei")
		b.run(chromedp.SetUploadFiles("#f-file", []string{bad}), chromedp.Click("form[enctype] button.kern-btn--primary"), chromedp.WaitVisible("#f-file-e"))
		b.check("rule-file-wrong", l)
		b.open("/akte/" + r.ID + "/umsortierung")
		b.run(chromedp.SetValue("#f-class", "05.10"), chromedp.SetValue("#f-reason", "falsch abgelegt"), chromedp.Click("button[formaction$=vorschau]"), chromedp.WaitVisible("#effect"))
		b.check("reclassify-preview", l)
	}
}
