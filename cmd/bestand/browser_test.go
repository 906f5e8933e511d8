package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// screenshotsVariable names in the environment a folder for pictures of every page.
const screenshotsVariable = "BESTAND_TEST_SCREENSHOTS"

// look is a way in which people see a page.
type look struct {
	name          string
	width, height int64
	features      []*emulation.MediaFeature
}

var looks = []look{
	{"desktop", 1280, 900, nil},
	{"narrow", 320, 800, nil},
	{"dark", 1280, 900, []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}},
	{"forced", 1280, 900, []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}, {Name: "prefers-color-scheme", Value: "dark"}}},
}

// tab is a window of a headless Chromium that remembers what went wrong in it.
type tab struct {
	*testing.T
	ctx context.Context
	url string
	axe string

	mu         sync.Mutex
	complaints []string
	received   int64 // bytes as they were transferred
}

// browse opens a window on an installation.
func browse(t *testing.T, url string) *tab {
	t.Helper()
	shell := tool(t, "chromium-headless-shell")
	axe, err := os.ReadFile("../../api/ui/testdata/axe/axe.js")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(shell), chromedp.Flag("lang", "de"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	alloc, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...) // it is asked after a test that failed
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(end)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // it ends by itself, with its processes
			t.Log(err)
		}
	})
	b := &tab{T: t, ctx: ctx, url: url, axe: string(axe)}
	chromedp.ListenTarget(ctx, b.listen)
	// The browser lives as long as the context of the first run, which has no limit.
	if err := chromedp.Run(ctx, log.Enable(), network.Enable(), runtime.Enable()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.tell)
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			b.complaints = append(b.complaints, fmt.Sprintf("console %s: %s", e.Type, e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork { // a page of an error has its status
			b.complaints = append(b.complaints, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		}
	case *network.EventLoadingFinished:
		b.received += int64(e.EncodedDataLength)
	}
}

// tell says of a test that failed what the page was then.
func (b *tab) tell() {
	if !b.Failed() {
		return
	}
	ctx, stop := context.WithTimeout(b.ctx, 10*time.Second)
	defer stop()
	var text string
	err := chromedp.Run(ctx, chromedp.Evaluate(`[location.href, "focus: " + document.activeElement?.outerHTML.slice(0, 200), "offline: " + !navigator.onLine, document.querySelector("main")?.innerText].join("\n")`, &text))
	complaints, _ := b.settle()
	b.Logf("the page: %s\n%q %v", text, complaints, err)
}

// settle returns what was complained about since the last time.
func (b *tab) settle() (complaints []string, received int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	complaints, received = b.complaints, b.received
	b.complaints, b.received = nil, 0
	return complaints, received
}

func (b *tab) run(actions ...chromedp.Action) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.ctx, 60*time.Second)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.Fatalf("browser: %v", err)
	}
}

// open goes to a page of the installation.
func (b *tab) open(path string) {
	b.Helper()
	b.run(chromedp.Navigate(b.url+path), chromedp.WaitReady("main"))
}

// as sets how pages are seen.
func (b *tab) as(l look) {
	b.Helper()
	b.run(emulation.SetDeviceMetricsOverride(l.width, l.height, 1, false), emulation.SetEmulatedMedia().WithFeatures(l.features))
}

// eval returns what an expression is in the page.
func eval[T any](b *tab, expression string) (v T) {
	b.Helper()
	b.run(chromedp.Evaluate(expression, &v, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return v
}

// violation is what axe-core found.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML           string
		FailureSummary string
	}
}

// accessible fails for whatever axe-core finds: levels A and AA of WCAG 2.1, and what
// it calls best practice.
func (b *tab) accessible(at string) {
	b.Helper()
	b.run(chromedp.Evaluate(b.axe+"; 0", nil))
	text := eval[string](b, `axe.run(document, {iframes: false, resultTypes: ["violations"], runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}).then(r => JSON.stringify(r.violations))`)
	var all []violation
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		b.Fatal(err)
	}
	for _, v := range all {
		for i, n := range v.Nodes {
			if i == 3 {
				break
			}
			b.Errorf("%s: %s (%s)\n  %.300s\n  %s", at, v.ID, v.Help, n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", " "))
		}
	}
}

// ringed walks through the page with the tab key and wants to see where it is.
func (b *tab) ringed(at string) {
	b.Helper()
	b.run(chromedp.Evaluate(`document.activeElement.blur(); window.getSelection().removeAllRanges(); window.stops = new Set(); 0`, nil))
	for range 200 {
		b.run(chromedp.KeyEvent(kb.Tab), chromedp.Sleep(10*time.Millisecond))
		stop := "?"
		for try := 0; try < 100 && stop != "" && stop != "end"; try++ { // a frame is told a moment later
			if try > 0 {
				b.run(chromedp.Sleep(20 * time.Millisecond))
			}
			stop = eval[string](b, `(() => {
				const e = document.activeElement;
				if (!e || e === document.body || window.stops.has(e)) return "end";
				const seen = (x) => { const y = getComputedStyle(x); return y.outlineStyle !== "none" && parseFloat(y.outlineWidth) >= 2 || y.boxShadow !== "none"; };
				if (!seen(e) && !seen(e.parentElement)) return e.outerHTML.slice(0, 200);
				window.stops.add(e);
				return "";
			})()`)
		}
		if stop == "end" {
			return
		}
		if stop != "" {
			b.Errorf("%s: no ring around %s", at, stop)
			b.run(chromedp.Evaluate(`window.stops.add(document.activeElement); 0`, nil))
		}
	}
}

// picture keeps what a page looks like, where somebody wants to see it.
func (b *tab) picture(name string) {
	b.Helper()
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	var png []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).Do(ctx)
		return err
	}))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.Fatal(err)
	}
}
