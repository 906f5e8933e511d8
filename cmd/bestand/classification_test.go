package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bestand/retention"
)

// TestClassificationFiles carries classification and rules out and in as an
// office does: through a spreadsheet, through xdomea, with a preview first.
func TestClassificationFiles(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	admin.archive(about("1", "63.10", "Bauantrag", "closed", "2015-11-30"), file("a.bin", blob("a")))
	dir := t.TempDir()
	command := func(want int, args ...string) (string, string) {
		t.Helper()
		at := append([]string{args[0], args[1], "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile)}, args[2:]...)
		out, complaint, code := program(t, at...)
		if code != want {
			t.Fatalf("bestand %s: %d\n%s%s", strings.Join(args, " "), code, out, complaint)
		}
		return out, complaint
	}
	sheet := filepath.Join(dir, "plan.csv")
	command(0, "classification", "export", sheet)
	data, err := os.ReadFile(sheet)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.HasPrefix(text, "\ufeffKennzeichen;Übergeordnet;Bezeichnung;") || !strings.Contains(text, "\r\n63.10;63;") {
		t.Fatalf("%.300s", text)
	}
	rewrite := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, args := range [][]string{{"--preview", sheet}, {sheet}} {
		if out, _ := command(0, append([]string{"classification", "import"}, args...)...); out != "nothing changes: the version in force says the same\n" {
			t.Error(out)
		}
	}
	var without []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "63.10;") {
			without = append(without, line)
		}
	}
	less := strings.Join(without, "")
	if _, complaint := command(1, "classification", "import", rewrite("less.csv", less)); !strings.Contains(complaint, `"63.10" is left out, and there are records in it (1)`) {
		t.Error(complaint)
	}
	if out, _ := command(0, "classification", "import", rewrite("heir.csv", less+"63.10;;;;;;01.10\r\n")); !strings.Contains(out, "of 1 records move") || !strings.Contains(out, "version 2") {
		t.Error(out)
	}
	if _, complaint := command(1, "classification", "import", rewrite("ansi.csv", "Kennzeichen;Bezeichnung\n1;Stra\xdfe\n")); !strings.Contains(complaint, "line 2, column 2") || !strings.Contains(complaint, "Windows-1252") {
		t.Error(complaint)
	}
	message := filepath.Join(dir, "plan.xml")
	command(0, "classification", "export", message)
	if out, _ := command(0, "classification", "import", message); out != "nothing changes: the version in force says the same\n" {
		t.Error(out)
	}
	if out, _ := command(0, "classification", "list", "--version", "1"); !strings.Contains(out, "    63.10  ") {
		t.Error(out)
	}
	if out, _ := command(0, "classification", "list", "--versions"); strings.Count(out, "\n") != 2 {
		t.Error(out)
	}
	for _, kind := range []string{"classification", "rules"} {
		if _, complaint := command(2, kind, "import", filepath.Join(dir, "plan.xlsx")); !strings.Contains(complaint, "plan.xlsx: its name does not end in .csv") {
			t.Error(complaint)
		}
	}

	template := filepath.Join(dir, "template.json")
	command(0, "classification", "publish", "--name", "kreis", "--version", "4", template)
	if out, _ := command(0, "classification", "adopt", "--preview", template); strings.Contains(out, "new classes") || !strings.Contains(out, "no record moves") {
		t.Error(out)
	}
	if out, _ := command(0, "classification", "adopt", template); !strings.Contains(out, "version 3 of the classification follows version 4 of kreis") {
		t.Error(out)
	}
	if out, _ := command(0, "classification", "adopt", template); out != "nothing changes: the classification follows version 4 of kreis already\n" {
		t.Error(out)
	}
	command(0, "classification", "publish", "--name", "kreis", template) // as version 3, which the classification has
	if _, complaint := command(1, "classification", "adopt", template); !strings.Contains(complaint, "is older than version 4") {
		t.Error(complaint)
	}
	command(1, "classification", "publish", "--name", "Kreis Ä")

	rules := filepath.Join(dir, "rules.json")
	command(0, "rules", "export", rules)
	if out, _ := command(0, "rules", "import", rules); out != "rules that change: 0, that stay: 32\nnothing changes: the rules in the archive say the same\n" {
		t.Error(out)
	}
	var all struct {
		Items []map[string]any `json:"items"`
	}
	if data, err = os.ReadFile(rules); err != nil || json.Unmarshal(data, &all) != nil {
		t.Fatal(err)
	}
	for _, r := range all.Items {
		if r["id"] == "general-10y" {
			r["duration"] = map[string]any{"years": 40}
		}
	}
	if data, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	out, _ := command(0, "rules", "import", rewrite("rules.json", string(data)))
	if !strings.Contains(out, "\n  general-10y version 2: Allgemeines Schriftgut\n    duration.years: 10 → 40\n1 of 1 records move: 0 end earlier, 1 later") || !strings.HasSuffix(out, "\nin force\n") {
		t.Error(out)
	}
	table := filepath.Join(dir, "rules.csv")
	command(0, "rules", "export", table)
	if data, err = os.ReadFile(table); err != nil || !strings.HasPrefix(string(data), "\ufeffKurzname;Fassung;Titel;") {
		t.Fatalf("%.200s, %v", data, err)
	}
	shorter := strings.Replace(string(data), "general-10y;2;Allgemeines Schriftgut;;closure;40 Jahre;", "general-10y;2;Allgemeines Schriftgut;;closure;20 Jahre;", 1)
	if out, _ := command(0, "rules", "import", "--preview", rewrite("rules.csv", shorter)); !strings.Contains(out, "1 end earlier") || strings.Contains(out, "in force") {
		t.Error(out)
	}
	if out, _ := command(0, "rules", "import", table); !strings.HasSuffix(out, "\nin force\n") {
		t.Error(out)
	}
	if _, complaint := command(1, "rules", "import", rewrite("rules.csv", strings.Replace(shorter, "20 Jahre", "20 Wochen", 1))); !strings.Contains(complaint, "rules.csv: 422") || !strings.Contains(complaint, "line ") || !strings.Contains(complaint, ", column Frist: ") {
		t.Error(complaint)
	}
}

// TestReportsAndSchedules asks for them as an officer and an operator do.
func TestReportsAndSchedules(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	admin.archive(about("1", "01.10", "Vorgang", "closed", "2015-11-30"), file("a.bin", blob("a")))
	admin.archive(about("2", "63.10", "Ohne Ende"), file("b.bin", blob("b")))
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	today := time.Now().In(berlin).Format(time.DateOnly)
	hold := map[string]any{"query": map[string]any{"class": "01"}, "authority": "=Gericht", "reason": "Klage", "review": today}
	var h struct{ ID string }
	admin.post("/v1/holds", hold).want(t, 201).decode(t, &h)
	command := func(want int, args ...string) (string, string) {
		t.Helper()
		at := append([]string{args[0], args[1], "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile)}, args[2:]...)
		out, complaint, code := program(t, at...)
		if code != want {
			t.Fatalf("bestand %s: %d\n%s%s", strings.Join(args, " "), code, out, complaint)
		}
		return out, complaint
	}
	eventually(t, "the hold is applied", func() bool {
		var one struct{ Progress retention.Progress }
		admin.get("/v1/holds/"+h.ID).want(t, 200).decode(t, &one)
		return one.Progress == retention.Progress{Total: 1, Applied: 1}
	})
	in.stop(t)
	if ready := in.shifted(t, 72); ready != "200 OK" { // three days later
		t.Fatal(ready)
	}
	admin = in.admin(t)
	if out, _ := command(0, "report", "due"); !strings.Contains(out, "\r\n2026;01.10;") || !strings.HasSuffix(out, ";B;1;1\r\n") {
		t.Error(out)
	}
	if out, _ := command(0, "report", "due", "--years", "0", "--format", "json"); !strings.Contains(out, `"held":1`) {
		t.Error(out)
	}
	if out, _ := command(0, "report", "unresolved"); !strings.Contains(out, ";missing-trigger;Das auslösende Ereignis wurde nicht gemeldet;") {
		t.Error(out)
	}
	sheet := filepath.Join(t.TempDir(), "holds.csv")
	command(0, "report", "holds", sheet)
	if data, err := os.ReadFile(sheet); err != nil || !strings.Contains(string(data), ";'=Gericht;Klage;") || !strings.HasSuffix(string(data), ";"+today+";ja;1;1;\r\n") {
		t.Errorf("%s, %v", data, err)
	}
	named := filepath.Join(t.TempDir(), "holds.json") // its name says its form
	command(0, "report", "holds", named)
	if data, err := os.ReadFile(named); err != nil || !json.Valid(data) {
		t.Errorf("%s, %v", data, err)
	}
	command(2, "report", "holds", named+".pdf")
	if out := string(admin.get("/metrics").want(t, 200).body); !strings.Contains(out, `bestand_holds_past_review{tenant="musterstadt"} 1`) {
		t.Error("no metric of holds past review")
	}
	command(2, "report", "weather")

	if out, _ := command(0, "schedule", "list"); !strings.Contains(out, "review-holds") || !strings.Contains(out, "5 0 * * *") || !regexp.MustCompile(`evaluate .* 00:05:00 CES?T`).MatchString(out) {
		t.Error(out)
	}
	command(0, "schedule", "run", "review-holds")
	eventually(t, "the run is over", func() bool { out, _ := command(0, "schedule", "list"); return strings.Contains(out, "done") })
	if out, _ := command(0, "schedule", "pause", "dispose"); !strings.Contains(out, "paused") {
		t.Error(out)
	}
	if _, complaint := command(1, "schedule", "pause", "extend-locks"); !strings.Contains(complaint, "protects the records") {
		t.Error(complaint)
	}
	if _, complaint := command(1, "schedule", "run", "weather"); !strings.Contains(complaint, `no schedule "weather": bestand schedule list`) {
		t.Error(complaint)
	}
	command(0, "schedule", "resume", "dispose")
}
