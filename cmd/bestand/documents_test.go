package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
)

// TestFaultDocuments sends every file below the folder BESTAND_DOCUMENTS (see
// deploy/documents.sh) through a running service, each as a record of its own.
//
// Each must end archived: with a valid rendition or as its own, or with a
// finding that names why there is none. Renditions are held against their
// sources by a route that the service does not take (documents_check_test.go).
// BESTAND_DOCUMENTS_EVERY=N takes every Nth document of each ending only, counted
// in the order of their names.
//
// The report stands in BESTAND_DOCUMENTS/.report: report.csv, report.md and the
// renditions, to be looked at.
func TestFaultDocuments(t *testing.T) {
	folder := os.Getenv("BESTAND_DOCUMENTS")
	if os.Getenv("BESTAND_FAULT") != "1" || folder == "" {
		t.Skip("a campaign: BESTAND_FAULT=1 and BESTAND_DOCUMENTS=DIR run it; make documents DIR=… collects documents")
	}
	converters(t)
	folder, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(folder, ".report")
	if err := os.MkdirAll(filepath.Join(report, "renditions"), 0o755); err != nil {
		t.Fatal(err)
	}
	documents := collect(t, folder)
	in := install(t, "--log-level", "debug").serve(t)
	c := in.admin(t)
	queue := make(chan *document)
	var clients sync.WaitGroup
	for range 3 { // one more than are processed at a time
		clients.Go(func() {
			for d := range queue {
				d.pass(c, report)
				t.Logf("%s: %s %s %s", d.name, d.outcome, d.elapsed.Round(time.Second/10), d.failures)
			}
		})
	}
	for _, d := range documents {
		queue <- d
	}
	close(queue)
	clients.Wait()
	rendered := in.log.rendered()
	for _, line := range in.log.having(`"level":"ERROR"`) {
		t.Error(line)
	}
	in.stop(t)

	check := newCheck(t, folder)
	for _, d := range documents {
		d.measure(rendered)
		check.document(t, d)
		for _, f := range d.failures {
			t.Errorf("%s: %s", d.name, f)
		}
	}
	t.Logf("\n%s", writeReport(t, report, documents))
}

// document is one file of the campaign and what became of it.
type document struct {
	name string // relative to the folder
	path string
	size int64

	status  status
	record  holding
	elapsed time.Duration // from delivery to receipt, waiting included
	working time.Duration // of the conversions alone
	cpu     time.Duration
	peak    int64

	renditions []string // on disk, that of the document itself first
	numbers    string   // the service's own comparison
	outcome    string   // see judge
	checked    string   // what the independent check saw
	failures   []string
}

// collect lists the documents below a folder. What begins with a dot is not one.
func collect(t *testing.T, folder string) (documents []*document) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(e.Name(), ".") && e.IsDir() && path != folder:
			return filepath.SkipDir
		case strings.HasPrefix(e.Name(), ".") || !e.Type().IsRegular():
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		documents = append(documents, &document{name: name, path: path, size: info.Size()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) == 0 {
		t.Fatalf("no document below %s", folder)
	}
	return everyNth(t, documents)
}

// everyNth leaves out what BESTAND_DOCUMENTS_EVERY says.
func everyNth(t *testing.T, documents []*document) []*document {
	t.Helper()
	setting := os.Getenv("BESTAND_DOCUMENTS_EVERY")
	if setting == "" {
		return documents
	}
	n, err := strconv.Atoi(setting)
	if err != nil || n < 1 {
		t.Fatalf("BESTAND_DOCUMENTS_EVERY=%s: a number from 1", setting)
	}
	seen := map[string]int{}
	return slices.DeleteFunc(documents, func(d *document) bool {
		ending := strings.ToLower(filepath.Ext(d.name))
		seen[ending]++
		return (seen[ending]-1)%n != 0
	})
}

func (d *document) fail(format string, args ...any) {
	d.failures = append(d.failures, fmt.Sprintf(format, args...))
}

// pass sends the document and fetches what was made of it. It runs beside others.
func (d *document) pass(c *caller, report string) {
	began := time.Now()
	r, err := c.trySend(about(d.name, "63.10", d.name), sent{filepath.Base(d.path), func() io.Reader {
		return &lazy{path: d.path}
	}})
	if err != nil || r.StatusCode != http.StatusAccepted {
		d.fail("not accepted: %v %s", err, r.body)
		return
	}
	var accepted struct{ ID string }
	if err := json.Unmarshal(r.body, &accepted); err != nil {
		d.fail("%v", err)
		return
	}
	for {
		d.status = status{}
		if err := d.fetch(c, "/v1/submissions/"+accepted.ID, &d.status); err != nil {
			d.fail("%v", err)
			return
		}
		if d.status.Status != "received" && d.status.Status != "processing" {
			break
		}
		if time.Since(began) > 20*time.Minute {
			d.fail("still %s after 20 minutes", d.status.Status)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.elapsed = time.Since(began)
	if d.status.Status != "archived" {
		d.fail("is %s: %+v", d.status.Status, d.status.Problems)
		return
	}
	if err := d.fetch(c, "/v1/records/"+d.status.RecordID, &d.record); err != nil {
		d.fail("%v", err)
		return
	}
	var events struct{ Items []preservation.Event }
	if err := d.fetch(c, "/v1/records/"+d.status.RecordID+"/events", &events); err != nil {
		d.fail("%v", err)
		return
	}
	for _, e := range events.Items {
		if numbers, ok := strings.CutPrefix(e.Detail, "Compared with the source: "); ok && d.numbers == "" {
			d.numbers = strings.TrimSuffix(numbers, ".")
		}
	}
	for _, f := range d.record.Files {
		if f.Representation != preservation.Preservation || f.Format.MIME != "application/pdf" || f.Flavour == "" {
			continue
		}
		to := filepath.Join(report, "renditions", strings.ReplaceAll(d.name, "/", "_")+fmt.Sprintf(".%d.pdf", len(d.renditions)))
		r, err := c.request(http.MethodGet, fmt.Sprintf("/v1/records/%s/files/%s", d.record.ID, f.ID), nil)
		if err == nil {
			err = os.WriteFile(to, r.body, 0o644)
		}
		if err != nil || r.StatusCode != http.StatusOK {
			d.fail("rendition %s: %v", f.ID, err)
			return
		}
		d.renditions = append(d.renditions, to)
	}
	d.judge()
}

func (d *document) fetch(c *caller, path string, v any) error {
	r, err := c.request(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, r.Status)
	}
	return json.Unmarshal(r.body, v)
}

// judge says what became of the document, and fails where a file of it has
// neither a valid rendition nor a finding with a name.
func (d *document) judge() {
	rendered := map[preservation.FileID]held{}
	for _, f := range d.record.Files {
		if f.DerivedFrom != "" && f.Flavour != "" {
			rendered[f.DerivedFrom] = f
		}
	}
	for i, f := range d.record.Files {
		if f.Representation == preservation.Text || f.DerivedFrom != "" && f.Flavour != "" && f.Verdict == preservation.VerdictValid && rendered[f.ID].ID == "" {
			continue
		}
		outcome := ""
		switch r, ok := rendered[f.ID]; {
		case ok && r.Verdict == preservation.VerdictValid:
			outcome = "rendition"
		case ok:
			d.fail("%s: rendition is %s", f.ID, r.Verdict)
		case f.Verdict == preservation.VerdictValid:
			outcome = "own"
		default:
			if outcome = d.finding(f); outcome == "" {
				d.fail("%s: no rendition (%q) and no finding", f.ID, f.Verdict)
			}
		}
		if i == 0 {
			d.outcome = outcome
		}
	}
}

// finding returns the code of what was found about a file that has no rendition.
func (d *document) finding(f held) string {
	var codes []string
	for _, p := range d.status.Problems {
		if strings.HasPrefix(p.Subject, string(f.ID)+" ") && !slices.Contains(notReasons, p.Code) {
			codes = append(codes, p.Code)
		}
	}
	if len(codes) == 0 {
		return ""
	}
	return strings.Join(codes, " ")
}

// notReasons are findings that do not say why a file has no rendition.
var notReasons = []string{"extension-mismatch", "ambiguous-format", "not-scanned", "charset-guessed"}

// detail returns what the first finding about the document says.
func (d *document) detail() string {
	for _, p := range d.status.Problems {
		if !slices.Contains(notReasons, p.Code) {
			return p.Detail
		}
	}
	return ""
}

// measure takes over what the service logged about its tools.
func (d *document) measure(rendered []toolUse) {
	for _, u := range rendered {
		if u.Submission == d.status.ID {
			d.working, d.cpu, d.peak = d.working+u.Elapsed, d.cpu+u.CPU, max(d.peak, u.Peak)
		}
	}
}

// toolUse is a line of the service's log.
type toolUse struct {
	Submission   string
	Elapsed, CPU time.Duration
	Peak         int64
}

func (l *logText) rendered() (uses []toolUse) {
	for _, line := range l.having(`"file rendered"`) {
		var u toolUse
		if json.Unmarshal([]byte(line), &u) == nil {
			uses = append(uses, u)
		}
	}
	return uses
}

func (l *logText) having(text string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// lazy opens its file at the first read.
type lazy struct {
	path string
	f    *os.File
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.f == nil {
		f, err := os.Open(l.path)
		if err != nil {
			return 0, err
		}
		l.f = f
	}
	n, err := l.f.Read(p)
	if err == io.EOF {
		l.f.Close()
	}
	return n, err
}
