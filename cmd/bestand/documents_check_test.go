package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"bestand/ingest/sandbox"
	"bestand/ingest/verapdf"
)

// independent holds renditions against their sources by other routes than the
// service's: a veraPDF process of its own; Apache Tika for the words of both,
// where the service counts letters with its own readers and poppler; Ghostscript
// for the pictures of pages, where the service takes poppler; and Go's image
// decoders, where the service has its own.
type independent struct {
	pdfa            *verapdf.Validator
	folder, scratch string
	sources, made   string // folders of what Tika read
}

func newCheck(t *testing.T, folder string) *independent {
	t.Helper()
	box, err := sandbox.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(folder, ".report")
	x := &independent{pdfa: verapdf.New(verapdf.Config{Sandbox: box, Read: []string{report}}), folder: folder,
		scratch: t.TempDir(), sources: filepath.Join(report, "sources"), made: t.TempDir()}
	t.Cleanup(func() { x.pdfa.Close() })
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to := filepath.Join(x.sources, e.Name()); e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			if _, err := os.Stat(to); err != nil { // else read in an earlier campaign
				x.tika(t, filepath.Join(folder, e.Name()), to)
			}
		}
	}
	x.tika(t, filepath.Join(report, "renditions"), x.made)
	return x
}

// tikaSettings: without OCR, which reads what no text layer holds.
const tikaSettings = `<properties><parsers><parser class="org.apache.tika.parser.DefaultParser">` +
	`<parser-exclude class="org.apache.tika.parser.ocr.TesseractOCRParser"/></parser></parsers></properties>`

// tika reads all files of a folder. What it cannot read has no text.
func (x *independent) tika(t *testing.T, from, to string) {
	t.Helper()
	jar := filepath.Join(x.folder, ".tika-app.jar")
	if _, err := os.Stat(jar); err != nil {
		t.Fatalf("the second reader is missing, deploy/documents.sh brings it: %v", err)
	}
	settings := filepath.Join(x.scratch, "tika.xml")
	if err := os.WriteFile(settings, []byte(tikaSettings), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool(t, "java"), "-Xmx1g", "-XX:+UseSerialGC", "-jar", jar, "-J", "-t", "-c", settings,
		"-numConsumers", "2", "-timeoutThresholdMillis", "60000", "-i", from, "-o", to).CombinedOutput()
	if err != nil {
		t.Logf("Tika on %s: %v %s", from, err, out[max(0, len(out)-400):])
	}
}

// document checks what was made of one document.
func (x *independent) document(t *testing.T, d *document) {
	t.Helper()
	for _, path := range d.renditions {
		switch v, err := x.pdfa.Validate(t.Context(), path, verapdf.Auto); {
		case err != nil:
			d.fail("veraPDF: %v", err)
		case !v.Valid:
			d.fail("%s: not valid PDF/A", filepath.Base(path))
		}
	}
	if d.outcome != "rendition" || len(d.renditions) == 0 {
		return
	}
	var seen []string
	mime := d.format().Format.MIME
	pages := x.pages(t, d.renditions[0])
	if len(pages) == 0 {
		d.fail("the rendition cannot be drawn")
		return
	}
	blank := 0
	for _, p := range pages {
		if p.ink() == 0 {
			blank++
		}
	}
	seen = append(seen, fmt.Sprintf("%d pages, %d blank", len(pages), blank))
	switch {
	case mime == "application/pdf":
		source := x.pages(t, d.path)
		seen = append(seen, d.samePages(source, pages))
		if !slices.ContainsFunc(source, func(p picture) bool { return p.ink() > 0 }) {
			blank = 0 // so it was before
		}
	case strings.HasPrefix(mime, "image/") && len(pages) > 0:
		seen = append(seen, d.samePicture(pages[0]))
	}
	if words := x.words(x.sources, d.name); len(words) > 0 {
		have := map[string]bool{}
		for _, path := range d.renditions {
			for _, w := range x.words(x.made, filepath.Base(path)) {
				have[w] = true
			}
		}
		all, end := share(words, have), share(words[len(words)*4/5:], have)
		seen = append(seen, fmt.Sprintf("%.0f %% of %d words, %.0f %% of the last fifth", 100*all, len(words), 100*end))
		told := strings.Contains(d.codes(), "text-differs") || strings.Contains(d.codes(), "charset-guessed") || mime == "application/pdf" // whose pages were compared
		if len(words) >= 20 && min(all, end) < 0.5 && !told {
			d.fail("words of the source are missing: %s", seen[len(seen)-1])
		}
		if len(words) >= 5 && blank == len(pages) {
			d.fail("every page is blank, the source has words: %s", strings.Join(words[:5], " "))
		}
	}
	d.checked = strings.Join(seen, ", ")
}

// words returns the words of a file as Tika read them, without those of files
// inside of it. Half words and numbers are left out: they are written anew.
func (x *independent) words(folder, name string) []string {
	raw, err := os.ReadFile(filepath.Join(folder, name+".json"))
	if err != nil {
		return nil
	}
	var parts []map[string]any
	if json.Unmarshal(raw, &parts) != nil || len(parts) == 0 {
		return nil
	}
	text, _ := parts[0]["X-TIKA:content"].(string)
	other := map[string]bool{} // Tika adds the title, and the names of the files inside
	for i, part := range parts {
		keys := []string{"resourceName", "X-TIKA:embedded_resource_path", "embeddedRelationshipId"}
		if i == 0 {
			keys = []string{"dc:title"}
		}
		for _, key := range keys {
			for _, w := range wordsOf(fmt.Sprint(part[key])) {
				other[w] = true
			}
		}
	}
	return slices.DeleteFunc(wordsOf(text), func(w string) bool { return other[w] })
}

func wordsOf(text string) (words []string) {
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if n := len([]rune(w)); n >= 3 && n <= 30 {
			words = append(words, w)
		}
	}
	return words
}

func share(words []string, have map[string]bool) float64 {
	n := 0
	for _, w := range words {
		if have[w] {
			n++
		}
	}
	return float64(n) / float64(max(len(words), 1))
}

// picture is a page in gray.
type picture struct {
	w, h int
	gray []byte
}

// ink is the share of the picture that differs from its brightest shade.
func (p picture) ink() float64 {
	top, n := byte(0), 0
	for _, g := range p.gray {
		top = max(top, g)
	}
	for _, g := range p.gray {
		if top-g > 8 {
			n++
		}
	}
	return float64(n) / float64(max(len(p.gray), 1))
}

// at is the mean shade of cell i,j of 16×16.
func (p picture) at(i, j int) float64 {
	const cells = 16
	sum, n := 0, 0
	for y := j * p.h / cells; y < max((j+1)*p.h/cells, j*p.h/cells+1); y++ {
		for x := i * p.w / cells; x < max((i+1)*p.w/cells, i*p.w/cells+1); x++ {
			sum, n = sum+int(p.gray[min(y, p.h-1)*p.w+min(x, p.w-1)]), n+1
		}
	}
	return float64(sum) / float64(max(n, 1))
}

// far is the mean distance of the cells of two pictures, and the largest one.
func (p picture) far(q picture) (mean, most float64) {
	for i := range 16 {
		for j := range 16 {
			d := math.Abs(p.at(i, j) - q.at(i, j))
			mean, most = mean+d/256, max(most, d)
		}
	}
	return mean, most
}

// pages draws the first pages of a PDF with Ghostscript, cut to the crop box.
func (x *independent) pages(t *testing.T, path string) (pages []picture) {
	t.Helper()
	dir, err := os.MkdirTemp(x.scratch, "pages-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for try := 0; ; try++ { // a busy machine may have no process to spare
		cmd := exec.CommandContext(ctx, tool(t, "gs"), "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sDEVICE=pgmraw", "-r72", "-dUseCropBox", "-dPrinted=false",
			"-dTextAlphaBits=4", "-dGraphicsAlphaBits=4", "-dLastPage=100", "-sOutputFile=%04d.pgm", path)
		var complaint bytes.Buffer
		cmd.Dir, cmd.Stderr = dir, &complaint
		err := cmd.Run()
		var exit *exec.ExitError
		if err == nil || errors.As(err, &exit) && !bytes.Contains(complaint.Bytes(), []byte("fork")) {
			break // it drew what it can; the caller compares
		}
		if try == 10 {
			t.Fatalf("gs: %v", err)
		}
		time.Sleep(3 * time.Second)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.pgm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var p picture
		lines := bytes.SplitN(raw, []byte("\n"), 5) // P5, a comment, the size, the depth, the shades
		if len(lines) != 5 {
			continue
		}
		if _, err := fmt.Sscan(string(lines[2]), &p.w, &p.h); err != nil || len(lines[4]) != p.w*p.h {
			continue
		}
		p.gray = lines[4]
		pages = append(pages, p)
	}
	return pages
}

// samePages compares the pages of a PDF with those of its rendition.
func (d *document) samePages(source, rendition []picture) string {
	if len(source) == 0 {
		return "source not drawn"
	}
	if len(source) != len(rendition) {
		d.fail("the source has %d pages, the rendition %d", len(source), len(rendition))
		return ""
	}
	worst, page := 0.0, 0
	for i, p := range source {
		q := rendition[i]
		if p.ink() > 0.001 && q.ink() == 0 {
			d.fail("page %d is blank, the source's is not", i+1)
		}
		if _, most := p.far(q); most > worst {
			worst, page = most, i+1
		}
	}
	if worst > 60 {
		d.fail("page %d looks different: a part of it by %.0f of 255 shades", page, worst)
	}
	return fmt.Sprintf("pages differ by %.0f at most", worst)
}

// samePicture compares a picture that Go can decode with the page made of it.
func (d *document) samePicture(page picture) string {
	f, err := os.Open(d.path)
	if err != nil {
		d.fail("%v", err)
		return ""
	}
	defer f.Close()
	m, _, err := image.Decode(f)
	if err != nil {
		return "Go cannot decode it"
	}
	b := m.Bounds()
	source := picture{w: b.Dx(), h: b.Dy(), gray: make([]byte, b.Dx()*b.Dy())}
	for y := range source.h {
		for x := range source.w {
			r, g, bl, a := m.At(b.Min.X+x, b.Min.Y+y).RGBA() // over white
			white := 0xFFFF - a
			source.gray[y*source.w+x] = color.GrayModel.Convert(color.RGBA64{uint16(r + white), uint16(g + white), uint16(bl + white), 0xFFFF}).(color.Gray).Y
		}
	}
	best, way := math.Inf(1), 0
	for turn := range 8 { // the orientation that a camera notes is followed
		if mean, _ := source.turned(turn).far(page); mean < best {
			best, way = mean, turn
		}
	}
	if best > 25 {
		d.fail("the page does not look like the picture: %.0f of 255 shades apart", best)
	}
	if way != 0 {
		return fmt.Sprintf("picture turned (%d), %.0f apart", way, best)
	}
	return fmt.Sprintf("picture %.0f apart", best)
}

// turned is the picture in one of its eight orientations.
func (p picture) turned(way int) picture {
	q := picture{w: p.w, h: p.h, gray: make([]byte, len(p.gray))}
	if way&1 != 0 {
		q.w, q.h = p.h, p.w
	}
	for y := range p.h {
		for x := range p.w {
			u, v := x, y
			if way&2 != 0 {
				u = p.w - 1 - u
			}
			if way&4 != 0 {
				v = p.h - 1 - v
			}
			if way&1 != 0 {
				u, v = v, u
			}
			q.gray[v*q.w+u] = p.gray[y*p.w+x]
		}
	}
	return q
}
