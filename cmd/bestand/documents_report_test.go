package main

import (
	table "encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// columns of the report.
var columns = []struct {
	name string
	of   func(*document) string
}{
	{"document", func(d *document) string { return d.name }},
	{"bytes", func(d *document) string { return fmt.Sprint(d.size) }},
	{"puid", func(d *document) string { return d.format().Format.PUID }},
	{"mime", func(d *document) string { return d.format().Format.MIME }},
	{"outcome", func(d *document) string { return d.outcome }},
	{"flavour", func(d *document) string { return d.flavour() }},
	{"files", func(d *document) string { return fmt.Sprint(len(d.record.Files)) }},
	{"numbers", func(d *document) string { return d.numbers }},
	{"check", func(d *document) string { return d.checked }},
	{"seconds", func(d *document) string { return fmt.Sprintf("%.1f", d.working.Seconds()) }},
	{"cpu", func(d *document) string { return fmt.Sprintf("%.1f", d.cpu.Seconds()) }},
	{"MiB", func(d *document) string { return fmt.Sprint(d.peak >> 20) }},
	{"findings", func(d *document) string { return d.codes() }},
	{"detail", func(d *document) string { return d.detail() }},
	{"failures", func(d *document) string { return strings.Join(d.failures, "; ") }},
}

func (d *document) format() (f held) {
	if len(d.record.Files) > 0 {
		return d.record.Files[0]
	}
	return f
}

func (d *document) flavour() string {
	for _, f := range d.record.Files {
		if f.Flavour != "" {
			return f.Flavour
		}
	}
	return ""
}

func (d *document) codes() string {
	var codes []string
	for _, p := range d.status.Problems {
		if !slices.Contains(codes, p.Code) {
			codes = append(codes, p.Code)
		}
	}
	return strings.Join(codes, " ")
}

// writeReport writes the table of all documents and returns it with the summary of formats.
func writeReport(t *testing.T, folder string, documents []*document) string {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, "report.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := table.NewWriter(f)
	md := &strings.Builder{}
	row := func(of func(int) string) {
		cells := make([]string, len(columns))
		for i := range columns {
			cells[i] = of(i)
		}
		w.Write(cells)
		for i, c := range cells {
			cells[i] = strings.NewReplacer("|", "¦", "\n", " ").Replace(c)
		}
		fmt.Fprintf(md, "| %s |\n", strings.Join(cells, " | "))
	}
	row(func(i int) string { return columns[i].name })
	fmt.Fprintf(md, "|%s\n", strings.Repeat("---|", len(columns)))
	for _, d := range documents {
		row(func(i int) string { return columns[i].of(d) })
	}
	w.Flush()
	if err := w.Error(); err != nil {
		t.Fatal(err)
	}
	summary := summarise(documents)
	if err := os.WriteFile(filepath.Join(folder, "report.md"), []byte("# Documents\n\n"+summary+"\n"+md.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return md.String() + "\n" + summary
}

// formatRow is one row of the summary.
type formatRow struct {
	all, rendition, own, finding, failed int
	working                              []time.Duration
	peak                                 int64
}

func summarise(documents []*document) string {
	rows := map[string]*formatRow{}
	for _, d := range documents {
		for _, name := range []string{kindOf(d), "~ all"} {
			r := rows[name]
			if r == nil {
				r = &formatRow{}
				rows[name] = r
			}
			r.all++
			switch {
			case len(d.failures) > 0:
				r.failed++
			case d.outcome == "rendition":
				r.rendition++
			case d.outcome == "own":
				r.own++
			default:
				r.finding++
			}
			r.working, r.peak = append(r.working, d.working), max(r.peak, d.peak)
		}
	}
	var s strings.Builder
	s.WriteString("| format | documents | valid rendition | own rendition | named finding | failed | seconds, median | longest | MiB at most |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r := rows[name]
		slices.Sort(r.working)
		fmt.Fprintf(&s, "| %s | %d | %d | %d | %d | %d | %.1f | %.1f | %d |\n", strings.TrimPrefix(name, "~ "), r.all, r.rendition, r.own, r.finding, r.failed,
			r.working[len(r.working)/2].Seconds(), r.working[len(r.working)-1].Seconds(), r.peak>>20)
	}
	return s.String()
}

// kindOf names the row of the summary: the format by its MIME type, shortened.
func kindOf(d *document) string {
	f := d.format().Format
	mime, _, _ := strings.Cut(f.MIME, ",")
	switch {
	case f.PUID == "" && mime == "":
		return "(unknown)"
	case mime == "":
		return f.Name
	}
	return strings.NewReplacer("application/vnd.openxmlformats-officedocument.", "", "application/vnd.", "", "application/", "").Replace(mime)
}
