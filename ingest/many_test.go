package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bestand/preservation"
)

// TestFindingsAreBounded: a submission of 50,000 files may have as many findings.
func TestFindingsAreBounded(t *testing.T) {
	note := preservation.Finding{Code: "unknown-format", Severity: preservation.Notice, Subject: "f0001 a.dat", Detail: "x"}
	grave := preservation.Finding{Code: "damaged", Severity: preservation.Failed, Subject: "f0002 a.pdf", Detail: "x"}
	long := note
	long.Subject = strings.Repeat("n", MaxName)
	for _, row := range []struct {
		name  string
		first preservation.Finding
		n     int
		then  []preservation.Finding
		list  int
		last  string // detail of what stands for the rest
		sever preservation.Severity
	}{
		{"all are told", note, maxFindings, nil, maxFindings, "", ""},
		{"one more", note, maxFindings + 1, nil, maxFindings + 1, "1 more findings, 0 of them grave", preservation.Notice},
		{"many more", note, 50_000, nil, maxFindings + 1, "49000 more findings, 0 of them grave", preservation.Notice},
		{"a grave one among the rest", note, maxFindings, []preservation.Finding{note, grave, note}, maxFindings + 1, "3 more findings, 1 of them grave", preservation.Failed},
		{"long names", long, 1000, nil, maxFindingBytes/(MaxName+1) + 1, "937 more findings, 0 of them grave", preservation.Notice},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s findings
			for range row.n {
				s.add(row.first)
			}
			for _, x := range row.then {
				s.add(x)
			}
			if len(s.list) != row.list {
				t.Fatalf("%d findings, %d are wanted", len(s.list), row.list)
			}
			last := s.list[len(s.list)-1]
			if row.last == "" {
				if last != row.first {
					t.Errorf("%+v", last)
				}
				return
			}
			if last.Code != CodeMore || last.Severity != row.sever || !strings.HasPrefix(last.Detail, row.last) {
				t.Errorf("%+v", last)
			}
		})
	}
}

// TestReceiptOfManyFiles: a receipt that names files by their list says the same
// as sha256sum, and any receipt fits into the event that keeps it.
func TestReceiptOfManyFiles(t *testing.T) {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		n      int
		file   string
		listed bool
	}{
		{"few", 3, "a%d.dat", false},
		{"as many as are named", maxNamed, "%d", false},
		{"one more", maxNamed + 1, "%d", true},
		{"bytes that are no UTF-8 and new lines", maxNamed + 1, "b\xff\n\\%d", true},
		{"few long names", 50, strings.Repeat("\x01", 250) + "%d", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			sum := exec.Command("sha256sum", "--zero", "--")
			sum.Dir = dir
			var files []preservation.File
			for i := range row.n {
				name, content := fmt.Sprintf(row.file, i), fmt.Sprint("content ", i)
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				sum.Args = append(sum.Args, name)
				d := sha256.Sum256([]byte(content))
				files = append(files, preservation.File{ID: preservation.NewFileID(i + 1), Representation: preservation.Original, Name: name,
					Size: int64(len(content)), Digests: preservation.Digests{SHA256: hex.EncodeToString(d[:])}},
					preservation.File{Representation: preservation.Preservation, Name: name})
			}
			var r ReceiptRecord
			r.name(files)
			if !row.listed {
				if len(r.Files) != row.n || r.List != nil {
					t.Errorf("%d files are named, list %+v", len(r.Files), r.List)
				}
				return
			}
			out, err := sum.Output()
			if err != nil {
				t.Fatal(err)
			}
			want := sha256.Sum256(out)
			if r.Files != nil || r.List == nil || r.List.Count != row.n || r.List.SHA256 != hex.EncodeToString(want[:]) {
				t.Errorf("%d files named, list %+v; sha256sum gives %x", len(r.Files), r.List, want)
			}
		})
	}
	t.Run("the worst fits", func(t *testing.T) {
		var w work
		var files []preservation.File
		long := maxNameBytes / maxNamed
		for i := range maxNamed {
			f := &file{File: preservation.File{ID: preservation.NewFileID(i + 1), Representation: preservation.Original, Name: strings.Repeat("\xff\x01", long/2),
				Digests: preservation.Digests{SHA256: strings.Repeat("a", 64), SHA512: strings.Repeat("b", 128)}}}
			files = append(files, f.File)
			w.problem(f, preservation.Finding{Code: "damaged", Detail: strings.Repeat("\x01", 100)})
		}
		r := ReceiptRecord{}
		r.name(files)
		payload, err := json.Marshal(Receipt{Records: []ReceiptRecord{r}, Problems: w.problems.list})
		if err != nil || r.List != nil {
			t.Fatal(err, r.List)
		}
		body, err := json.Marshal(map[string]any{"jws": make([]byte, len(payload)+4096), "problems": w.problems.list})
		if err != nil {
			t.Fatal(err)
		}
		data, _, err := preservation.EventObject{Event: preservation.Event{ID: "x"}, Body: body}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bytes", len(data))
	})
}

// TestAlikeEvents: what is true of many files is one event about all of them.
func TestAlikeEvents(t *testing.T) {
	w := newWorkshop(t)
	at := preservation.Event{Type: preservation.EventIdentify, Outcome: preservation.Warning, Code: "unknown-format", Detail: "x", Agent: agent}
	job := &work{p: w.Pipeline, t: w.tenant}
	said := func(e preservation.Event, files ...preservation.FileID) {
		e.Files = files
		job.note(e)
	}
	other := at
	other.Detail = "y"
	said(at, "f0001")
	said(other, "f0002")
	said(at, "f0003")
	said(at, "f0004", "f0005") // made from one another: an event of its own
	said(at, "f0006")
	job.sub.ID = w.submit("1", "a.txt", "a").ID
	if err := job.flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	said(at, "f0007")
	want := "[f0001 f0003 f0006] [f0002] [f0004 f0005] [f0007] "
	got := ""
	for _, e := range job.events {
		got += fmt.Sprint(e.Files) + " "
	}
	if got != want {
		t.Errorf("events are about %s, want %s", got, want)
	}
}
