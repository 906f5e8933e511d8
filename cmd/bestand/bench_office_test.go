package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkOffice holds the whole way of Office documents into the archive
// (conversion, veraPDF, seals, package, store, receipt) by one worker against
// what people do by hand: soffice --convert-to pdf for each file, with an
// ordinary profile. Both take the same documents in turns; the ratio is that of
// the medians of all rounds. BESTAND_DOCUMENTS names a folder with other documents.
func BenchmarkOffice(b *testing.B) {
	converters(b)
	all := officeDocuments(b)
	for _, c := range []struct {
		name string
		each int // documents of a submission
	}{{"one per submission", 1}, {"ten per submission", 10}} {
		b.Run(c.name, func(b *testing.B) {
			s := &officeRound{TB: b, in: install(b, "--workers", "1").serve(b), plain: b.TempDir(), each: c.each}
			s.byHand(all[:1])                // makes the profile
			s.archive(all)                   // lets the validator's compiler see them
			var ours, theirs []time.Duration // per document
			for b.Loop() {
				for part := range slices.Chunk(all, 10) {
					n := time.Duration(len(part))
					theirs = append(theirs, s.byHand(part)/n)
					ours = append(ours, s.archive(part)/n)
				}
			}
			our, their := median(ours), median(theirs)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(time.Second)/float64(our), "docs/s")
			b.ReportMetric(float64(time.Second)/float64(their), "soffice-docs/s")
			b.ReportMetric(float64(their)/float64(our), "ratio")
		})
	}
}

// officeRound lets both sides do the same.
type officeRound struct {
	testing.TB
	in    *installation
	plain string // profile and output of the other side
	each  int
	sent  int
}

// byHand converts each file as a person or a script does.
func (s *officeRound) byHand(paths []string) time.Duration {
	s.Helper()
	start := time.Now()
	for _, p := range paths {
		// The exit code says nothing, and what it cannot convert costs it time as well.
		_ = exec.CommandContext(s.Context(), "soffice", "-env:UserInstallation=file://"+s.plain+"/profile",
			"--headless", "--convert-to", "pdf", "--outdir", s.plain, p).Run()
	}
	return time.Since(start)
}

// archive sends the files and returns when all of them are archived.
func (s *officeRound) archive(paths []string) time.Duration {
	s.Helper()
	token, err := readSecret(filepath.Join(s.in.dir, tokenFile))
	if err != nil {
		s.Fatal(err)
	}
	ask := func(method, path string, body io.Reader, to any) {
		req, err := http.NewRequestWithContext(context.Background(), method, s.in.url+path, body)
		if err != nil {
			s.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(to); err != nil || resp.StatusCode >= 300 {
			s.Fatalf("%s %s: %s, %v", method, path, resp.Status, err)
		}
	}
	start := time.Now()
	var ids []string
	for group := range slices.Chunk(paths, s.each) {
		s.sent++
		var files []sent
		for i, p := range group {
			content, err := os.ReadFile(p)
			if err != nil {
				s.Fatal(err)
			}
			files = append(files, file(fmt.Sprintf("%d-%s", i, filepath.Base(p)), string(content)))
		}
		var a struct{ ID string }
		ask(http.MethodPost, "/v1/submissions", form(about(fmt.Sprint("office-", s.sent), "63.10", "Schriftverkehr"), files...), &a)
		ids = append(ids, a.ID)
	}
	for _, id := range ids {
		for {
			var st status
			if ask(http.MethodGet, "/v1/submissions/"+id, nil, &st); st.Status == "archived" {
				break
			} else if st.Status != "received" && st.Status != "processing" {
				s.Logf("submission is %s: %v", st.Status, st.Problems) // of other documents: a finding takes its time, too
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return time.Since(start)
}

// officeDocuments returns files of all usual Office formats, of some pages each.
// The old and the foreign formats are written by LibreOffice itself.
func officeDocuments(b *testing.B) (paths []string) {
	b.Helper()
	if dir := os.Getenv("BESTAND_DOCUMENTS"); dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range entries {
			if e.Type().IsRegular() {
				paths = append(paths, filepath.Join(dir, e.Name()))
			}
		}
		return paths
	}
	dir := b.TempDir()
	for _, s := range []struct {
		name, kind string
		body       func() string
		to         []string
	}{
		{"bescheid.fodt", "text", letter, []string{"odt", "docx", "doc", "rtf"}},
		{"haushalt.fods", "spreadsheet", budget, []string{"ods", "xlsx", "xls"}},
		{"vortrag.fodp", "presentation", slides, []string{"odp", "pptx", "ppt"}},
	} {
		path := filepath.Join(dir, s.name)
		if err := os.WriteFile(path, []byte(flat(s.kind, s.body())), 0o600); err != nil {
			b.Fatal(err)
		}
		for _, ext := range s.to {
			out, err := exec.CommandContext(b.Context(), "soffice", "-env:UserInstallation=file://"+dir+"/profile",
				"--headless", "--convert-to", ext, "--outdir", dir, path).CombinedOutput()
			made := strings.TrimSuffix(path, filepath.Ext(path)) + "." + ext
			if _, missing := os.Stat(made); err != nil || missing != nil {
				b.Fatalf("%s: %v %v\n%s", made, err, missing, out)
			}
			paths = append(paths, made)
		}
	}
	return paths
}

// flat wraps a body into a document of one XML file (OpenDocument 1.3, part 3, 3.1.1).
func flat(kind, body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
 xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" office:version="1.3"
 office:mimetype="application/vnd.oasis.opendocument.` + kind + `"><office:body><office:` + kind + `>` + body + `</office:` + kind + `></office:body></office:document>`
}

const sentenceOfOffice = "Der Bescheid über die Gebühren der Straßenreinigung wird aufgehoben, soweit die Größe des Grundstücks unrichtig festgestellt worden ist. "

func letter() string {
	var s bytes.Buffer
	for i := range 12 {
		fmt.Fprintf(&s, `<text:h text:outline-level="1">%d. Abschnitt</text:h>`, i+1)
		for range 3 {
			fmt.Fprintf(&s, `<text:p>%s</text:p>`, strings.Repeat(sentenceOfOffice, 4))
		}
	}
	return s.String() + grid(20)
}

func budget() string { return grid(150) }

func grid(rows int) string {
	var s bytes.Buffer
	s.WriteString(`<table:table table:name="Haushalt"><table:table-column table:number-columns-repeated="5"/>`)
	for i := range rows {
		fmt.Fprintf(&s, `<table:table-row><table:table-cell><text:p>Produkt %d</text:p></table:table-cell>`, 1000+i)
		for k := range 4 {
			v := (i*7919 + k*104729) % 100000
			fmt.Fprintf(&s, `<table:table-cell office:value-type="float" office:value="%d"><text:p>%d</text:p></table:table-cell>`, v, v)
		}
		s.WriteString(`</table:table-row>`)
	}
	return s.String() + `</table:table>`
}

func slides() string {
	var s bytes.Buffer
	for i := range 8 {
		fmt.Fprintf(&s, `<draw:page draw:name="p%d"><draw:frame svg:x="2cm" svg:y="1cm" svg:width="20cm" svg:height="2cm"><draw:text-box><text:p>Folie %d</text:p></draw:text-box></draw:frame>`+
			`<draw:frame svg:x="2cm" svg:y="4cm" svg:width="22cm" svg:height="12cm"><draw:text-box><text:p>%s</text:p></draw:text-box></draw:frame></draw:page>`, i, i+1, strings.Repeat(sentenceOfOffice, 3))
	}
	return s.String()
}
