package convert

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
	textunicode "golang.org/x/text/encoding/unicode"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// head stands before every page. The policy lets nothing run and nothing load
// but what the page itself carries. The first byte order mark settles the
// character set. Pages are A4 unless the page asks for another size.
const head = "\ufeff<!DOCTYPE html><meta charset=\"utf-8\">" +
	`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:">` +
	`<style>@page { size: A4; margin: 20mm }</style>`

var browserLimits = sandbox.Limits{
	Memory: 1536 << 20, CPU: time.Minute, Idle: 20 * time.Second, FileSize: 512 << 20, Output: 1 << 20, Processes: 64,
}

// lost is a sandbox.ErrKilled of which the program does not tell that from a file
// that makes it fall.
type lost struct{ program, how string }

func (l *lost) Error() string { return l.program + " " + l.how }
func (l *lost) Unwrap() error { return sandbox.ErrKilled }

const maxPage = 32 << 20 // bytes of a web page that is printed

// renderHTML prints a page as a browser without scripts and network shows it.
func (j *job) renderHTML(ctx context.Context) error {
	b, whole, err := beginning(j.src.Path, maxPage)
	if err != nil {
		return err
	}
	if !whole {
		return &Refusal{CodeLong, fmt.Sprintf("A web page of more than %d MiB is not put on pages; it is kept as it is.", maxPage>>20)}
	}
	e, _, sure := charset.DetermineEncoding(b, contentType(j.src.Charset))
	if !sure {
		if utf8.Valid(b) {
			e = textunicode.UTF8
		} else {
			var name string
			e, name = guess(b, true)
			j.note(preservation.EventIdentify, preservation.Warning, CodeCharset, "Nothing in the page says its character set; read as "+name+".", j.cfg.Agent)
		}
	}
	if b, err = e.NewDecoder().Bytes(b); err != nil {
		return &Refusal{CodeUnconvertible, "The character set of the page cannot be read."}
	}
	var source numbers
	var outside int
	source.letters, source.shows, outside = htmlContent(b)
	pdf, err := j.printHTML(ctx, bytes.NewReader(b))
	if err != nil {
		return err
	}
	if begun, ended := bytes.Contains(bytes.ToLower(b), []byte("<html")), bytes.Contains(bytes.ToLower(b), []byte("</html")); begun && !ended {
		j.note(preservation.EventCheck, preservation.Warning, CodeTruncated, "The page has no end: </html> is missing. What may have followed is not in the file.", j.cfg.Agent)
	}
	if outside > 0 {
		j.note(preservation.EventConvert, preservation.Warning, CodeRemote,
			fmt.Sprintf("%d pictures, styles or frames of the page are not in the file, and missing in the rendition.", outside), j.cfg.Agent)
	}
	return j.accept(ctx, pdf, defaultFlavour, source, tolerances["html"])
}

func contentType(charset string) string {
	if charset == "" {
		return "text/html"
	}
	return "text/html; charset=" + charset
}

// HTML prints a page (UTF-8; pictures as data: URLs) to a PDF that claims
// PDF/A-2b, in a new folder inside of dir, and returns its path. It does not validate:
// Render does so with what a Renderer returns. Errors are as for a Renderer.
func (c *Converter) HTML(ctx context.Context, page io.Reader, dir string) (string, error) {
	own, err := os.MkdirTemp(dir, "html-")
	if err != nil {
		return "", err
	}
	j := &job{Converter: c, dir: own}
	pdf, err := j.printHTML(ctx, page)
	if err = j.tried(ctx, err); err != nil {
		return "", fmt.Errorf("print HTML: %w", err)
	}
	return pdf, nil
}

// HTMLAgent names the browser for the events of those who call HTML.
func (c *Converter) HTMLAgent(ctx context.Context) preservation.Agent { return c.chromium(ctx) }

func (j *job) printHTML(ctx context.Context, page io.Reader) (string, error) {
	pdf, err := j.browse(ctx, page)
	if err != nil {
		return "", err
	}
	j.note(preservation.EventConvert, preservation.Success, "", "Printed without scripts and without anything from outside of the page.", j.chromium(ctx))
	return j.addMetadata(ctx, pdf)
}

// browse has the browser print a page.
func (j *job) browse(ctx context.Context, page io.Reader) (string, error) {
	dir, err := j.folder()
	if err != nil {
		return "", err
	}
	in := filepath.Join(dir, "page.html")
	err = writeFile(in, func(out io.Writer) error {
		_, err := io.Copy(out, io.MultiReader(strings.NewReader(head), page))
		return err
	})
	if err != nil {
		return "", err
	}
	address := url.URL{Scheme: "file", Path: in}
	run, stop := context.WithCancel(ctx)
	defer stop()
	fell := &watchword{word: "Unexpected renderer destruction", seen: stop}
	res, err := j.tool(run, sandbox.Command{
		Name: "chromium-headless-shell", Dir: dir, Limits: browserLimits, Stderr: fell,
		Args: []string{
			// The sandbox around it is stronger than its own, which needs rights that it does not have inside.
			"--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
			"--disable-background-networking",
			"--no-pdf-header-footer", "--print-to-pdf=" + filepath.Join(dir, "page.pdf"), address.String(),
		},
	})
	if ctx.Err() == nil && (fell.was || res.Limit == sandbox.LimitIdle || err == nil && res.ExitCode > 128) {
		return "", &lost{"chromium-headless-shell", "lost one of its processes"}
	}
	if err != nil {
		return "", err
	}
	pdf, err := produced(dir, "page.pdf")
	if err != nil {
		return "", err
	}
	if pdf == "" && res.ExitCode == 0 { // so it ends when it is told to
		return "", &lost{"chromium-headless-shell", "ended before the page was printed"}
	}
	if pdf == "" || res.ExitCode != 0 {
		return "", &Refusal{CodeUnconvertible, fmt.Sprintf("Chromium could not print the page (exit code %d).", res.ExitCode)}
	}
	return pdf, nil
}

// watchword looks for a word in what a program says. The browser waits for ever
// when the process of its page has gone, and mostly says so.
type watchword struct {
	word string
	seen func() // called once
	last []byte
	was  bool
}

func (w *watchword) Write(p []byte) (int, error) {
	w.last = append(w.last, p...)
	if !w.was && bytes.Contains(w.last, []byte(w.word)) {
		w.was = true
		w.seen()
	}
	w.last = append(w.last[:0], w.last[max(0, len(w.last)-len(w.word)):]...)
	return len(p), nil
}

// Elements that show something other than text, or would with scripts and network.
var shownElements = map[string]bool{"img": true, "picture": true, "svg": true, "canvas": true, "video": true, "object": true, "embed": true,
	"iframe": true, "frame": true, "script": true, "input": true, "math": true, "image": true}

// Attributes of elements that name what a page shows of other files.
var remoteAttributes = map[string]string{"img": "src", "image": "href", "iframe": "src", "frame": "src", "embed": "src", "object": "data",
	"video": "src", "source": "src", "link": "href"}

// outside reports whether the element at which the tokenizer stands shows
// something that is not in the page.
func outside(z *html.Tokenizer, name string) bool {
	attribute := remoteAttributes[name]
	if attribute == "" {
		return false
	}
	address, style := "", name != "link"
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case attribute, "xlink:" + attribute:
			address = strings.ToLower(strings.TrimSpace(string(value)))
		case "rel":
			style = style || strings.Contains(strings.ToLower(string(value)), "stylesheet")
		}
	}
	return style && address != "" && !strings.HasPrefix(address, "data:") && !strings.HasPrefix(address, "#") && !strings.HasPrefix(address, "about:")
}

// htmlContent counts the letters that a page without scripts shows, roughly, as
// styles may hide some of them, tells whether there is something else to show,
// and counts what it would show of other files.
func htmlContent(page []byte) (count int, more bool, remote int) {
	hidden := ""
	z := html.NewTokenizer(bytes.NewReader(page))
	z.SetMaxBuf(maxPage)
	for {
		switch z.Next() {
		case html.ErrorToken:
			return count, more, remote
		case html.StartTagToken, html.SelfClosingTagToken:
			tag, _ := z.TagName()
			name := string(tag)
			more = more || shownElements[name]
			if outside(z, name) {
				remote++
			}
			if hidden == "" && strings.Contains(" script noscript style title template noframes textarea select ", " "+name+" ") {
				hidden = name
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == hidden {
				hidden = ""
			}
		case html.TextToken:
			if hidden == "" {
				count += letters(string(z.Text()))
			}
		}
	}
}
