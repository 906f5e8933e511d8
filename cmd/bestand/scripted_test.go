package main

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestScripted does the main tasks in a browser with scripts, as TestVisitors does them
// without: from files on a desk to a record that is verified.
func TestScripted(t *testing.T) {
	in := install(t, "--max-upload", "3000000").serve(t)
	c := in.admin(t)
	b := in.visited(t)
	b.translates()
	b.finds(t, b.handsOver(t, c))
	b.quiet("scripts")
}

// TestWatched looks on while the archive works: what fails appears by itself, and
// nobody who looks on keeps the program from its end.
func TestWatched(t *testing.T) {
	in := install(t).serve(t)
	c := in.admin(t)
	b := in.visited(t)
	b.fails(t, c)

	// A token in two clicks.
	b.open("/")
	b.follow("/verwaltung")
	b.follow("/verwaltung/zugaenge")
	b.run(chromedp.SendKeys("#f-actor", "dms-bauamt"), chromedp.Click("#f-roles-submitter"), chromedp.Submit("#f-actor"), chromedp.WaitVisible(".secret"))
	b.quiet("scripts")

	b.open("/betrieb")
	time.Sleep(time.Second) // the stream begins when the page is there
	begin := time.Now()
	in.stop(t)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the program took %v to stop while a page was watched", took)
	}
}

// visited is a browser in which the administrator has logged in.
func (in *installation) visited(t *testing.T) *tab {
	t.Helper()
	first, err := os.ReadFile(filepath.Join(in.dir, passwordFile))
	if err != nil {
		t.Fatal(err)
	}
	visit(t, in.url).logIn("admin", strings.TrimSpace(string(first)))
	b := browse(t, in.url)
	b.as(looks[0])
	b.open("/")
	b.run(chromedp.SendKeys("#name", "admin"), chromedp.SendKeys("#kennwort", password+"\r"), chromedp.WaitVisible("#tasks"))
	return b
}

// follow clicks on the link that leads to a page of the installation.
func (b *tab) follow(path string) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.ctx, 60*time.Second)
	defer stop()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(`main a[href="`+path+`"], nav a[href="`+path+`"]`)); err != nil {
		b.Fatalf("%s: %v", path, err)
	}
}

// until waits until an expression holds in a page, the next one if need be.
func (b *tab) until(what, expression string) {
	b.Helper()
	eventually(b.T, what, func() (holds bool) {
		err := chromedp.Run(b.ctx, chromedp.Evaluate(`Boolean(`+expression+`)`, &holds))
		return err == nil && holds
	})
}

// press clicks until that has the effect: after something was dropped onto a page the
// browser loses one of some dozen clicks.
func (b *tab) press(selector, what, effect string) {
	b.Helper()
	holds := func() (is bool) {
		err := chromedp.Run(b.ctx, chromedp.Evaluate(`Boolean(`+effect+`)`, &is))
		return err == nil && is
	}
	eventually(b.T, what, func() bool {
		ctx, stop := context.WithTimeout(b.ctx, 5*time.Second)
		defer stop()
		if holds() || chromedp.Run(ctx, chromedp.Click(selector)) != nil {
			return holds()
		}
		for ctx.Err() == nil && !holds() {
			time.Sleep(50 * time.Millisecond)
		}
		return holds()
	})
}

// online sets whether the page reaches the service. The browser says that it is done
// before its requests know.
func (b *tab) online(is bool) {
	b.Helper()
	b.run(network.EmulateNetworkConditions(!is, 0, -1, -1))
	eventually(b.T, "the network is as it was set", func() bool {
		return eval[bool](b, `fetch("/", {method: "HEAD", cache: "no-store"}).then(() => true, () => false)`) == is
	})
}

// quiet fails for whatever was complained about in the console.
func (b *tab) quiet(at string) {
	b.Helper()
	if complaints, _ := b.settle(); len(complaints) > 0 {
		b.Errorf("%s: %s", at, strings.Join(complaints, "\n  "))
	}
}

// translates switches the language while a form is filled in, and once more after it was
// refused: what was typed stays, and a password is kept nowhere.
func (b *tab) translates() {
	b.Helper()
	const typed = `["#f-classes", "#f-authority", "#f-reason"].map((at) => document.querySelector(at).value).join("|")`
	b.open("/aussonderung/sperren")
	b.run(chromedp.SendKeys("#f-classes", "99.99"), chromedp.SendKeys("#f-authority", "Gericht"), chromedp.SendKeys("#f-reason", "Klage\nzwei Zeilen"),
		chromedp.SetValue("#f-review", "2099-01-01"), chromedp.Click(`.foot__view [value=en]`), chromedp.WaitVisible(`html[lang=en] #f-reason`))
	b.until("what was typed stays", typed+` === "99.99|Gericht|Klage\nzwei Zeilen"`)
	b.run(chromedp.Submit("#f-reason"), chromedp.WaitVisible("#fehler"), chromedp.Click(`.foot__view [value=de]`), chromedp.WaitVisible(`html[lang=de] #f-reason`))
	b.until("what was refused stays", typed+` === "99.99|Gericht|Klage\nzwei Zeilen" && location.pathname === "/aussonderung/sperren"`)
	b.open("/aussonderung/sperren")
	b.until("the next visit begins anew", typed+` === "||"`)
	for what, change := range map[string]string{"another person": `left.user = "other"`, "another page": `left.page = "/suche"`} {
		const sees = `document.querySelector("#f-reason").value`
		b.run(chromedp.SendKeys("#f-reason", "vertraulich"))
		eval[bool](b, `(() => {
			const view = document.querySelector(".foot__view");
			view.addEventListener("submit", (e) => e.preventDefault());
			view.requestSubmit();
			const left = JSON.parse(sessionStorage.getItem("typed"));
			`+change+`;
			sessionStorage.setItem("typed", JSON.stringify(left));
			return true;
		})()`)
		b.open("/aussonderung/sperren")
		b.until(what+" does not get what was typed", sees+` === "" && sessionStorage.length === 0`)
	}
	b.open("/profil")
	b.run(chromedp.SendKeys("#f-kennwort", "geheim"), chromedp.Click(`.foot__view [value=de]`))
	b.until("a password is not kept", `document.querySelector("#f-kennwort")?.value === "" && sessionStorage.length === 0`)
}

// handsOver uploads files and a folder by hand, with what goes wrong on the way, and
// watches until there is a receipt. It returns the record.
func (b *tab) handsOver(t *testing.T, c *caller) string {
	dir := t.TempDir()
	folder := filepath.Join(dir, "Anlagen")
	decomposed := "Gebu\u0308hren.txt"             // as Macs write it, which is kept
	const quoted = `Anlagen/innen/Liste "neu".csv` // which a browser would write %22
	for name, text := range map[string]string{"Anlagen/" + decomposed: "Gebühren\n", quoted: "a;b\n", "plan.txt": "Lageplan\n", "groß.bin": strings.Repeat("x", 4_000_000)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.open("/")
	b.follow("/uebernahme/neu")
	b.run(chromedp.SendKeys("#f-title", "Kleingarten am Bach"), chromedp.SendKeys("#f-class", "bauantrag"), chromedp.WaitVisible("#f-class-list [role=option]"))
	b.accessible("class picker")
	b.picture("desktop-picker")
	b.run(chromedp.SendKeys("#f-class", kb.ArrowDown), input.DispatchKeyEvent(input.KeyRawDown).WithKey("Enter").WithCode("Enter").WithWindowsVirtualKeyCode(13))
	if got := eval[string](b, `document.querySelector("#f-class").value`); !strings.HasPrefix(got, "63.10 ") || eval[bool](b, `!document.querySelector("#f-class-list").hidden`) {
		t.Fatalf("the picker chose %q", got)
	}
	b.run(chromedp.SetUploadFiles("#f-file", []string{filepath.Join(dir, "plan.txt"), filepath.Join(dir, "groß.bin")}), chromedp.WaitVisible(".upload-note"))
	b.until("too much is said", `document.querySelector(".upload-note").textContent.includes("höchstens")`)
	b.drop("[data-drop]", folder)
	b.until("the folder is listed", `document.querySelectorAll(".drop__list li").length === 4`)
	b.accessible("upload")
	b.picture("desktop-upload-chosen")

	// The archive refuses what is too large, and nothing that was entered is lost.
	submit := "#upload .kern-btn--primary"
	b.press(submit, "the refusal says what to do", `document.querySelector("#fehler")?.textContent.includes("teilen Sie sie") && document.querySelector("#f-title").value === "Kleingarten am Bach" && document.querySelectorAll(".drop__list li").length === 4`)
	b.accessible("upload refused")
	b.picture("desktop-upload-refused")
	b.press(`.drop__list button[aria-label$="groß.bin"]`, "the file is taken off", `document.querySelectorAll(".drop__list li").length === 3`)

	// A broken connection keeps it as well.
	b.online(false)
	b.press(submit, "the break is said", `document.querySelector(".upload-note").textContent.includes("abgebrochen") && !document.querySelector("#upload .kern-btn--primary").disabled`)
	b.online(true)
	b.settle()
	b.press(submit, "the submission is shown", `document.querySelector("#stand")`)
	b.run(chromedp.Evaluate(`window.same = true; 0`, nil))
	if s := c.await(eval[string](b, `location.pathname.split("/").pop()`)); s.Status != "archived" {
		t.Fatalf("the submission is %s", s.Status)
	}
	b.until("the receipt is offered without another load", `window.same && document.querySelector("#stand a[href*=quittung]") && document.querySelector("#stand a[href^='/akte/']")`)
	b.accessible("submission that was watched")
	b.picture("desktop-watched")
	if got := eval[string](b, `fetch(document.querySelector("#stand a[href*=quittung]").href).then(async r => r.status + " " + (await r.blob()).type)`); got != "200 application/pdf" {
		t.Errorf("the receipt: %s", got)
	}
	id := eval[string](b, `document.querySelector("#stand a[href^='/akte/']").getAttribute("href").slice(6)`)
	names := map[string]bool{}
	for _, f := range c.record(id).Files {
		names[f.Name] = true
	}
	for _, name := range []string{"plan.txt", "Anlagen/" + decomposed, quoted} {
		if !names[name] {
			t.Errorf("no file %q: %v", name, names)
		}
	}
	eventually(t, "the record is found", func() bool { return len(c.find("Kleingarten")) > 0 })
	return id
}

// drop drags a file or folder from outside onto an element.
func (b *tab) drop(selector, path string) {
	b.Helper()
	at := eval[[]float64](b, `(() => { const e = document.querySelector(`+strconv.Quote(selector)+`); e.scrollIntoView({block: "center", behavior: "instant"}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`)
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{path}, DragOperationsMask: 1}
	for _, what := range []input.DispatchDragEventType{input.DragEnter, input.DragOver, input.Drop} {
		b.run(input.DispatchDragEvent(what, at[0], at[1], data))
	}
}

// finds goes from the start page to a record, verifies it and takes what proves it.
func (b *tab) finds(t *testing.T, id string) {
	b.open("/")
	b.run(chromedp.SendKeys("#q", "Kleingarten\r"), chromedp.WaitVisible(".rows"))
	b.follow("/akte/" + id)
	b.run(chromedp.Click(`form[action$="/pruefung"] button`), chromedp.WaitVisible("#pruefung"))
	b.until("it is verified", `document.querySelector("#pruefung").textContent.includes("unverändert")`)
	b.accessible("verified record")
	for _, link := range []string{"/paket", "/datei/f0001/inhalt"} {
		if got := eval[int](b, `fetch("/akte/`+id+link+`").then(async r => (await r.blob()).size && r.status)`); got != http.StatusOK {
			t.Errorf("%s: %d", link, got)
		}
	}
	b.run(chromedp.NavigateBack(), chromedp.WaitVisible("main"), chromedp.NavigateBack(), chromedp.WaitVisible(".rows"))
	if got := eval[string](b, `document.querySelector("#q").value`); got != "Kleingarten" {
		t.Errorf("back in the search: %q", got)
	}

	// On paper stands what the record is and what proves it, and no menu.
	b.open("/akte/" + id)
	var pdf []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		pdf, _, err = page.PrintToPDF().WithPrintBackground(false).WithPaperWidth(8.27).WithPaperHeight(11.69).Do(ctx)
		return err
	}))
	name := filepath.Join(t.TempDir(), "akte.pdf")
	if dir := os.Getenv(screenshotsVariable); dir != "" {
		name = filepath.Join(dir, "akte.pdf")
	}
	if err := os.WriteFile(name, pdf, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(tool(t, "pdftotext"), "-layout", name, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{"Kleingarten am Bach": true, "Beweiswert": true, "Warum und wie lange?": true, "plan.txt": true, id: true, "Abmelden": false, "Aussonderung": false, "Sperre setzen": false, "Herunterladen": false} {
		if strings.Contains(string(text), word) != want {
			t.Errorf("on paper %q is %v\n%s", word, !want, text)
		}
	}
}

// fails watches a submission fail, and finds with one click what to do.
func (b *tab) fails(t *testing.T, c *caller) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	p, err := w.CreateFormFile("package", "paket.zip")
	if err != nil {
		t.Fatal(err)
	}
	p.Write([]byte("PK\x03\x04 kaputt"))
	w.Close()
	b.open("/uebernahme")
	b.run(chromedp.Evaluate(`window.same = true; 0`, nil))
	s := c.await(c.do("POST", "/v1/submissions", &form, "Content-Type", w.FormDataContentType()).accepted(t))
	if s.Status != "rejected" {
		t.Fatalf("a broken package is %s", s.Status)
	}
	b.until("the list shows it without another load", `window.same && document.querySelector("#stand a[href='/uebernahme/`+s.ID+`']")?.closest("li").textContent.includes("abgewiesen")`)
	b.follow("/uebernahme/" + s.ID)
	if !eval[bool](b, `document.querySelector("#stand").textContent.includes("noch einmal") && !document.querySelector("form[action$='/wiederholung']")`) {
		t.Error("what was rejected for good is offered to be tried again, or nothing says what to do")
	}
	b.accessible("rejected submission")
	b.quiet("rejected submission")
}
