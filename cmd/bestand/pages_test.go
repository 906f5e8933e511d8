package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestPages looks at every page as people see it: in each look axe-core finds nothing,
// nothing scrolls sideways, and nothing is complained about in the console; with the
// keyboard every stop shows where it is.
func TestPages(t *testing.T) {
	in := install(t).serve(t)
	c := in.admin(t)
	_, r := c.archive(about("seite-1", "63.10", "Bauantrag <script>alert(1)</script> Lindenstraße 12"),
		file("bescheid.txt", "Die Baugenehmigung wird erteilt.\n"), file("<img src=x onerror=alert(2)>.xml", `<?xml version="1.0"?><a><script xmlns="http://www.w3.org/1999/xhtml">alert(3)</script></a>`))
	picture, err := os.ReadFile(filepath.Join(samples, "scan", "foto.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	_, scan := c.archive(about("seite-2", "63.10", "Posteingang mit Foto"), file("foto.jpg", string(picture)))
	var hold struct{ ID string }
	c.post("/v1/holds", map[string]any{"scope": map[string]any{"records": []string{r.ID}}, "authority": "Verwaltungsgericht", "reason": "Klage 12 K 3/26", "review": "2099-01-01"}).want(t, 201).decode(t, &hold)
	c.post("/v1/permits", map[string]any{"classes": []string{"63.10"}, "authority": "Stadtarchiv", "granted": "2020-01-01", "legal_basis": "SächsArchivG §5(9)", "valid_from": "2020-01-01"}).want(t, 201)
	c.post("/v1/evidence/batches", nil).want(t, 200)
	var subs struct{ Items []struct{ ID string } }
	c.get("/v1/submissions").want(t, 200).decode(t, &subs)
	eventually(t, "the records are found", func() bool { return len(c.find("Lindenstraße")) > 0 })
	for _, name := range []string{"Bauanträge der Lindenstraße", "Fällig"} {
		c.post("/v1/searches", map[string]string{"name": name, "query": "q=Lindenstra%C3%9Fe"}).want(t, 201)
	}
	b := browse(t, in.url)
	b.logIn(t, in)
	b.gallery(t, r.ID, scan.ID, subs.Items[0].ID, hold.ID)
}

// gallery goes through all pages in all looks, and weighs them.
func (b *tab) gallery(t *testing.T, record, scan, submission, hold string) {
	pages := []struct{ name, path string }{
		{"start", "/"},
		{"search", "/suche?q=Lindenstra%C3%9Fe"},
		{"search-all", "/suche?kind=file"},
		{"search-none", "/suche?q=" + url.QueryEscape("\"><script>alert(4)</script>")},
		{"plan", "/aktenplan"},
		{"class", "/aktenplan/63.10"},
		{"record", "/akte/" + record},
		{"history", "/akte/" + record + "/verlauf"},
		{"file-text", "/akte/" + record + "/datei/f0001"},
		{"file-xml", "/akte/" + record + "/datei/f0002"},
		{"file-image", "/akte/" + scan + "/datei/f0001"},
		{"submissions", "/uebernahme"},
		{"submission", "/uebernahme/" + submission},
		{"upload", "/uebernahme/neu"},
		{"disposal", "/aussonderung"},
		{"destroyed", "/aussonderung?ansicht=destroyed"},
		{"holds", "/aussonderung/sperren"},
		{"hold", "/aussonderung/sperren/" + hold},
		{"permits", "/aussonderung/genehmigungen"},
		{"rules", "/aussonderung/regeln"},
		{"preservation", "/bestandserhaltung"},
		{"operation", "/betrieb"},
		{"users", "/verwaltung"},
		{"tokens", "/verwaltung/zugaenge"},
		{"audit", "/verwaltung/protokoll"},
		{"tenants", "/verwaltung/mandanten"},
		{"settings", "/verwaltung/einstellungen"},
		{"profile", "/profil"},
		{"help", "/hilfe/akte"},
		{"interface", "/schnittstelle"},
		{"statement", "/barrierefreiheit"},
		{"missing", "/gibtsnicht"},
		{"absent", "/akte/01jq2m9cfp2y8r0v6k3c5t7n4e"},
	}
	for _, l := range looks {
		b.as(l)
		for _, p := range pages {
			b.open(p.path)
			b.check(p.name, l)
		}
	}
	for _, p := range pages {
		b.weigh(p.name, p.path)
	}
}

// weigh wants little to be transferred for a page that somebody comes to for the first
// time, with fonts and all but the documents that it shows.
func (b *tab) weigh(name, path string) {
	b.Helper()
	b.run(network.ClearBrowserCache())
	b.settle()
	b.open(path)
	b.run(chromedp.Poll(`document.fonts.status === "loaded" && performance.timing.loadEventEnd > 0`, nil))
	shown := eval[int64](b, `performance.getEntriesByType("resource").filter(e => /\/inhalt(\?|$)/.test(e.name)).reduce((n, e) => n + e.transferSize, 0)`)
	if _, n := b.settle(); n-shown <= 0 || n-shown > 120_000 {
		b.Errorf("%s: %d bytes the first time, 120,000 at most", name, n-shown)
	} else {
		b.Logf("%s: %d bytes the first time", name, n-shown)
	}
}

// check wants a page to be good in one look.
func (b *tab) check(name string, l look) {
	b.Helper()
	at := name + ", " + l.name
	b.accessible(at)
	if shown := eval[string](b, `(() => { const t = document.querySelector(".nav__toggle"), was = t?.hidden; if (t) t.hidden = true; const all = [...document.querySelectorAll("[hidden]")].filter(e => e.getClientRects().length).map(e => e.tagName + "." + e.className).join(" "); if (t) t.hidden = was; return all; })()`); shown != "" {
		b.Errorf("%s: shows what is hidden, %s", at, shown)
	}
	if l.width < 400 {
		if wide := eval[string](b, `(() => { const w = document.documentElement.clientWidth; if (document.documentElement.scrollWidth <= w) return ""; return document.documentElement.scrollWidth + ": " + [...document.querySelectorAll("main *, header *, footer *")].filter(e => e.getBoundingClientRect().right > w + 1).map(e => e.tagName + "." + e.className).slice(0, 5).join(" "); })()`); wide != "" {
			b.Errorf("%s: scrolls sideways, %s", at, wide)
		}
	}
	b.picture(l.name + "-" + name)
	if l.name != "dark" {
		b.ringed(at)
	}
	if complaints, _ := b.settle(); len(complaints) > 0 {
		b.Errorf("%s: %s", at, strings.Join(complaints, "\n  "))
	}
}

// password is what the administrator of the tests chooses.
const password = "ein ganzer Satz als Kennwort"

// logIn logs the first administrator in and gives it a password of its own.
func (b *tab) logIn(t *testing.T, in *installation) {
	t.Helper()
	first, err := os.ReadFile(filepath.Join(in.dir, passwordFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range looks {
		b.as(l)
		b.open("/anmelden")
		b.check("login", l)
	}
	b.as(looks[0])
	b.open("/anmelden")
	b.run(chromedp.SendKeys("#name", "admin"), chromedp.SendKeys("#kennwort", strings.TrimSpace(string(first))+"\r"), chromedp.WaitVisible("#f-kennwort-neu"))
	b.check("first-login", looks[0])
	b.run(chromedp.SendKeys("#f-kennwort", strings.TrimSpace(string(first))), chromedp.SendKeys("#f-kennwort-neu", password),
		chromedp.SendKeys("#f-kennwort-wieder", password+"\r"), chromedp.WaitVisible("#tasks"))
}
