package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// load sends deliveries of every kind to an installation that may die at any
// moment, each again until it is acknowledged, and remembers what it was told.
type load struct {
	name string

	mu         sync.Mutex
	url, token string
	count      int
	sent       []*handover
	lost       []string // what the service forgot or did wrong
}

// handover is one of them.
type handover struct {
	n                  int
	kind, id, word     string
	metadata           map[string]any // nil: a package
	files              []sent
	upload             bool     // its file goes through /v1/uploads
	renditions         int      // that it must have
	destroy            bool     // a permit covers it
	submission         string   // that acknowledged it
	records            []string // found by its receipt
	destroyed, checked bool
}

// kinds of deliveries, in the order in which they come.
var kinds = []string{"docx", "blob", "pdf", "large", "mail", "text", "several", "upload", "xml", "destroy", "odt", "package", "html", "image", "signed", "blob"}

// next makes a delivery. Each has a word of its own in its title.
func (l *load) next(t *testing.T) *handover {
	l.mu.Lock()
	n := l.count
	l.count++
	l.mu.Unlock()
	d := &handover{n: n, kind: kinds[n%len(kinds)], id: fmt.Sprintf("%s-%d", l.name, n), word: fmt.Sprintf("probe%sx%dx", l.name, n)}
	class, more := "63.10", []any(nil)
	sample := func(path string) sent { return fromDisk(t, filepath.Join(samples, filepath.FromSlash(path))) }
	text := file("vermerk.txt", "Ein Vermerk über "+d.word+"\n")
	switch d.kind {
	case "docx":
		d.files, d.renditions = []sent{sample("bauakte/bauantrag.docx")}, 1
	case "odt":
		d.files, d.renditions = []sent{sample("bauakte/baugenehmigung.odt")}, 1
	case "pdf":
		d.files, d.renditions = []sent{file("bescheid.pdf", textPDF(d.word))}, 1
	case "signed":
		d.files, d.renditions = []sent{sample("bauakte/Bescheid (Ausfertigung).pdf"), text}, 1
	case "mail":
		d.files, d.renditions = []sent{sample("schriftwechsel/rueckfrage.eml")}, 1
	case "text":
		d.files, d.renditions = []sent{text}, 1
	case "xml":
		d.files, d.renditions = []sent{sample("rechnung/xrechnung.xml")}, 1
	case "html":
		d.files, d.renditions = []sent{file("seite.html", "<!DOCTYPE html><title>x</title><p>Seite über "+d.word)}, 1
	case "image":
		d.files, d.renditions = []sent{sample("scan/posteingang.tif")}, 1
	case "several":
		d.files, d.renditions = []sent{file("a.bin", blob(d.id)), text, sample("gebuehren/gebührenbescheid.xlsx")}, 2
	case "large":
		d.files = []sent{{"gross.bin", func() io.Reader {
			return io.MultiReader(strings.NewReader("\x01\x9b\x00"+d.id), noise(byte(n), 20<<20))
		}}}
	case "upload":
		d.upload, d.files = true, []sent{file("hochgeladen.bin", strings.Repeat(blob(d.id), 2000))}
	case "destroy":
		class, more, d.destroy = parentContacts, []any{"closed", "2010-07-31"}, true
		d.files, d.renditions = []sent{file("a.bin", blob(d.id)), text}, 1
	case "package":
		d.files, d.renditions = []sent{file(d.id+".zip", bagOf(t, d.word))}, 1
		return d
	default:
		d.files = []sent{file("daten.bin", blob(d.id))}
	}
	d.metadata = about(d.id, class, "Killprobe "+d.word, more...)
	return d
}

// bagOf is a package of one record (RFC 8493).
func bagOf(t *testing.T, word string) string {
	content := "Vermerk in einem Paket über " + word
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct{ name, content string }{
		{"akte/bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"},
		{"akte/bag-info.txt", "Source-Organization: test\nExternal-Identifier: " + word + "\nTitle: Killprobe " + word + "\nClass: 63.10\n"},
		{"akte/data/vermerk.txt", content},
		{"akte/manifest-sha256.txt", hex256([]byte(content)) + " data/vermerk.txt\n"},
	} {
		w, err := z.Create(f.name)
		if err != nil {
			t.Error(err)
			return ""
		}
		io.WriteString(w, f.content)
	}
	if err := z.Close(); err != nil {
		t.Error(err)
	}
	return b.String()
}

// textPDF is a PDF whose font is not embedded: it has to be written anew.
func textPDF(word string) string {
	var b strings.Builder
	b.WriteString("%PDF-1.4\n")
	content := "BT /F1 14 Tf 40 300 Td (Bescheid der Stadt Musterstadt zum Bauantrag " + word + ") Tj ET"
	var at []int
	for i, object := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(content), content),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	b.WriteString("xref\n0 6\n0000000000 65535 f \n")
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	return b.String()
}

// run sends deliveries one after the other until the context ends; each is over
// when its submission is.
func (l *load) run(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		d := l.next(t)
		l.mu.Lock()
		l.sent = append(l.sent, d)
		l.mu.Unlock()
		if !l.deliver(ctx, d) {
			return
		}
		for ctx.Err() == nil {
			var s status
			if r, err := l.do(ctx, http.MethodGet, "/v1/submissions/"+d.submission, nil); err == nil && r.StatusCode == 200 &&
				json.Unmarshal(r.body, &s) == nil && s.Status != "received" && s.Status != "processing" {
				break
			}
			pause(ctx, 250*time.Millisecond)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (l *load) do(ctx context.Context, method, path string, body io.Reader, header ...string) (reply, error) {
	l.mu.Lock()
	c := caller{url: l.url, token: l.token}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return c.requestIn(ctx, method, path, body, header...)
}

// deliver sends a delivery until it is acknowledged. One that was before must be
// known.
func (l *load) deliver(ctx context.Context, d *handover) bool {
	for ; ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		r, err := l.try(ctx, d)
		if err != nil || r.StatusCode >= 500 || r.StatusCode == http.StatusTooManyRequests {
			continue
		}
		var s status
		if r.StatusCode != 200 && r.StatusCode != 202 || json.Unmarshal(r.body, &s) != nil || s.ID == "" {
			if r.StatusCode == 409 && bytes.Contains(r.body, []byte("conflict")) {
				continue // the earlier attempt is being taken away
			}
			l.complain("%s %s: %d %s", d.kind, d.id, r.StatusCode, r.body)
			return false
		}
		if d.submission != "" && (r.StatusCode == 202 || s.ID != d.submission) {
			l.complain("%s %s was acknowledged as %s and is now %d %s", d.kind, d.id, d.submission, r.StatusCode, s.ID)
		}
		d.submission = s.ID
		return true
	}
	return d.submission != ""
}

func (l *load) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = append(l.lost, fmt.Sprintf(format, args...))
}

// try sends a delivery once.
func (l *load) try(ctx context.Context, d *handover) (reply, error) {
	const multipart = "multipart/form-data; boundary=" + boundary
	switch {
	case d.metadata == nil:
		return l.do(ctx, http.MethodPost, "/v1/submissions", packageForm(d.files[0]), "Content-Type", multipart)
	case d.upload:
		return l.tryUpload(ctx, d)
	}
	return l.do(ctx, http.MethodPost, "/v1/submissions", form(d.metadata, d.files...), "Content-Type", multipart)
}

// tryUpload sends the file in two halves and then names it.
func (l *load) tryUpload(ctx context.Context, d *handover) (reply, error) {
	content, err := io.ReadAll(d.files[0].open())
	if err != nil {
		return reply{}, err
	}
	tus := []string{"Tus-Resumable", "1.0.0"}
	r, err := l.do(ctx, http.MethodPost, "/v1/uploads", nil, append(tus, "Upload-Length", fmt.Sprint(len(content)))...)
	if err != nil || r.StatusCode != 201 {
		return r, errors.Join(err, fmt.Errorf("upload: %d", status0(r)))
	}
	at := r.Header.Get("Location")
	half := len(content) / 2
	for i, part := range [][]byte{content[:half], content[half:]} {
		r, err := l.do(ctx, http.MethodPatch, at, bytes.NewReader(part), append(tus, "Upload-Offset", fmt.Sprint(i*half), "Content-Type", "application/offset+octet-stream")...)
		if err != nil || r.StatusCode != 204 {
			return r, errors.Join(err, fmt.Errorf("upload: %d", status0(r)))
		}
	}
	m := map[string]any{"files": []any{map[string]any{"name": d.files[0].name, "upload": filepath.Base(at)}}}
	for k, v := range d.metadata {
		m[k] = v
	}
	text, err := json.Marshal(m)
	if err != nil {
		return reply{}, err
	}
	return l.do(ctx, http.MethodPost, "/v1/submissions", bytes.NewReader(text), "Content-Type", "application/json")
}

func status0(r reply) int {
	if r.Response == nil {
		return 0
	}
	return r.StatusCode
}

// proc lists the processes below another one, by what the kernel says.
func proc(pid int) (tree []int) {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range threads {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for _, f := range strings.Fields(string(children)) {
			var child int
			if _, err := fmt.Sscan(f, &child); err == nil {
				tree = append(append(tree, child), proc(child)...)
			}
		}
	}
	return tree
}
