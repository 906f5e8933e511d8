package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBulk moves records to another class and answers persons concerned as an office
// does from its command line.
func TestBulk(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	person := map[string]any{"name": "Muster, Erika", "born": "1970-05-04"}
	var ids []string
	for _, name := range []string{"1", "2", "3"} {
		_, h := admin.archive(about(name, "63.10", "Bauantrag "+name, "closed", "2015-11-30", "subjects", []any{person}), file("a.bin", blob(name)))
		ids = append(ids, h.ID)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	command := func(want int, args ...string) (string, string) {
		t.Helper()
		at := []string{args[0]}
		if rest := args[1:]; args[0] == "subject" {
			at, args = append(at, rest[0]), rest
		}
		at = append(append(at, "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile)), args[1:]...)
		out, complaint, code := program(t, at...)
		if code != want {
			t.Fatalf("bestand %s: %d\n%s%s", strings.Join(at, " "), code, out, complaint)
		}
		return out, complaint
	}
	list := write("list.csv", "\ufeffDatensatz;Vermerk\r\n"+ids[0]+";x\r\n\r\n"+ids[1]+";\r\n"+ids[0]+";\r\n")
	if out, _ := command(0, "reclassify", "--class", "01.10", "--preview", "--file", list); !strings.Contains(out, ids[1]+"  due 2025-12-31\n") || !strings.Contains(out, "would move: 2, ") {
		t.Error(out)
	}
	absent := strings.Repeat("0", 26)
	out, complaint := command(1, "reclassify", "--class", "01.10", "--reason", "falsch abgelegt", ids[0], absent, ids[1])
	if !strings.Contains(out, "moved: 2, in class 01.10 already: 0, refused: 1\n") || !strings.HasPrefix(complaint, "record "+absent+": 404") || strings.Count(complaint, "\n") != 1 {
		t.Error(out, complaint)
	}
	if out, _ := command(0, "reclassify", "--class", "01.10", "--reason", "falsch abgelegt", "--query", "sort=-closed"); !strings.Contains(out, "moved: 1, in class 01.10 already: 2, refused: 0\n") {
		t.Error(out)
	}
	if _, complaint := command(1, "reclassify", "--class", "99.99", "--reason", "r", ids[0], ids[1]); strings.Count(complaint, "99.99") != 1 {
		t.Error(complaint) // once, not for each
	}
	if _, complaint := command(1, "reclassify", "--class", "01.10", "--reason", "r", "--file", write("bad", ids[0]+"\nx\n")); !strings.Contains(complaint, "line 2") {
		t.Error(complaint)
	}
	command(2, "reclassify", "--class", "01.10", "--reason", "r")

	about := func(kind, text string) string {
		body, err := json.Marshal(map[string]any{"kind": kind, "subject": person, "received": "2024-01-02", "text": text})
		if err != nil {
			t.Fatal(err)
		}
		return string(body) + "\n"
	}
	out, _ = command(0, "subject", "create", write("requests", about("access", "")+about("erasure", "")+about("counter-statement", "Das stimmt nicht.")))
	var requests []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "received 2024-01-02: open, to be answered by 2024-02-02\n") {
			requests = append(requests, strings.Fields(line)[0])
		}
	}
	if len(requests) != 3 || strings.Count(out, "  "+ids[2]+" ") != 3 || strings.Contains(out, "Muster") {
		t.Fatal(out)
	}
	decide := func(want int, request, outcome string, records ...string) (string, string) {
		return command(want, append([]string{"subject", "decide", "--outcome", outcome, "--reason", "geprüft", "--legal-basis", "DSGVO", request}, records...)...)
	}
	if out, _ := decide(0, requests[0], "granted", ids...); !strings.Contains(out, "access, received 2024-01-02: granted on ") || !strings.Contains(out, "for records: 3") {
		t.Error(out)
	}
	if out, _ := decide(0, requests[1], "granted", ids[0]); !strings.Contains(out, "\ndisposal run ") {
		t.Error(out)
	}
	if out, _ := decide(0, requests[2], "granted", ids[1]); !strings.Contains(out, "granted") {
		t.Error(out)
	}
	if _, complaint := decide(1, requests[0], "refused", ids[0]); !strings.Contains(complaint, "409") {
		t.Error(complaint)
	}
	statement := filepath.Join(dir, "statement.json")
	command(0, "subject", "statement", requests[0], statement)
	if text, err := os.ReadFile(statement); err != nil || strings.Count(string(text), "Bauantrag") < 3 {
		t.Errorf("%.300s, %v", text, err)
	}
	if out, _ := command(0, "subject", "list"); strings.Count(out, ": granted on ") != 3 {
		t.Error(out)
	}
	command(0, "subject", "show", requests[1])
	if _, complaint := command(1, "subject", "create", write("bad", about("access", "")+`{"kind":"access"}`)); !strings.Contains(complaint, "bad, request 2: 422") {
		t.Error(complaint)
	}
}
