package ui

import (
	"fmt"
	"strings"
	"testing"

	"bestand/api"
	"bestand/preservation"
)

// correspondence is a record of a message with an attachment and of a note, both with what was
// made of them.
func correspondence() (files []api.File, events []preservation.Event) {
	file := func(n int, of int, r preservation.Representation, name string) {
		f := api.File{ID: preservation.NewFileID(n), Representation: r, Name: name}
		if of > 0 {
			f.DerivedFrom = preservation.NewFileID(of)
		}
		files = append(files, f)
	}
	file(1, 0, preservation.Original, "anfrage.eml")
	file(2, 0, preservation.Original, "vermerk.txt")
	file(3, 1, preservation.Preservation, "anfrage.pdf")
	file(4, 1, preservation.Preservation, "liste.csv")
	file(5, 2, preservation.Preservation, "vermerk.pdf")
	file(6, 4, preservation.Preservation, "liste.pdf")
	file(7, 4, preservation.Text, "f0004.txt")
	return files, []preservation.Event{{Type: preservation.EventExtract, Files: []preservation.FileID{"f0001", "f0004"}}}
}

// TestPairs: what was taken out of a document is one itself, after that one, with what was
// made of it; nothing that was made here is called a document.
func TestPairs(t *testing.T) {
	var got []string
	for _, p := range pairs(correspondence()) {
		one := p.From + ">" + p.Original.Name
		for _, f := range p.Renditions {
			one += "+" + f.Name
		}
		got = append(got, one)
	}
	if want := "[>anfrage.eml+anfrage.pdf anfrage.eml>liste.csv+liste.pdf+f0004.txt >vermerk.txt+vermerk.pdf]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestEventsNameDocuments: an event names the documents that it is about, never what was
// made of them, and says nothing where it is about all.
func TestEventsNameDocuments(t *testing.T) {
	v, _ := stranger(t, "/")
	names := documentsIn(v.lang, pairs(correspondence()))
	for _, c := range []struct {
		files []preservation.FileID
		want  string
	}{
		{nil, ""}, {[]preservation.FileID{"f0099"}, ""},
		{[]preservation.FileID{"f0001", "f0003"}, "anfrage.eml"},
		{[]preservation.FileID{"f0006", "f0005"}, "liste.csv, vermerk.txt"},
		{[]preservation.FileID{"f0001", "f0002", "f0004"}, ""},
	} {
		if got := names.Of(c.files); got != c.want {
			t.Errorf("%v: %q, want %q", c.files, got, c.want)
		}
	}
	var many []pair
	var files []preservation.FileID
	for n := range 6 {
		many = append(many, pair{Original: api.File{ID: preservation.NewFileID(n), Name: fmt.Sprintf("%d.txt", n)}})
		files = append(files, preservation.NewFileID(n))
	}
	if got := documentsIn(v.lang, many).Of(files[1:]); got != "1.txt, 2.txt, 3.txt und 2 weitere Dokumente" {
		t.Errorf("of many: %q", got)
	}
}

// TestSharedFindings: what is wrong with every document is told once.
func TestSharedFindings(t *testing.T) {
	scan, empty := preservation.Event{Code: "not-scanned"}, preservation.Event{Code: "empty"}
	all := []pair{{Findings: []preservation.Event{scan, empty}}, {Findings: []preservation.Event{scan}}}
	if got := shared(all); len(got) != 1 || got[0].Code != "not-scanned" || len(all[0].Findings) != 1 || all[0].Findings[0].Code != "empty" || len(all[1].Findings) != 0 {
		t.Errorf("%v beside %v", got, all)
	}
	if got := shared([]pair{{Findings: []preservation.Event{scan}}}); got != nil {
		t.Errorf("of one document: %v", got)
	}
}

// TestStraight: no name turns around what stands after it on a page, and none is altered
// where it is sent back.
func TestStraight(t *testing.T) {
	const turn, wrong = "\u202e", "\uFFFD"
	for _, c := range []struct{ page, want string }{
		{"<p>a – „b“</p>", "<p>a – „b“</p>"},
		{"<p>" + turn + "txt.exe</p>", "<p>" + wrong + "txt.exe</p>"},
		{"a" + turn + "b<i>\u2066</i>\u202A", "a" + wrong + "b<i>" + wrong + "</i>" + wrong},
		{`<input value="` + turn + `"><b>` + turn, `<input value="` + turn + `"><b>` + wrong},
		{"<textarea name=a>" + turn + " " + turn + "</textarea>" + turn, "<textarea name=a>" + turn + " " + turn + "</textarea>" + wrong},
	} {
		page := strings.Clone(c.page)
		if got := string(straight([]byte(page))); got != c.want {
			t.Errorf("%q: %q, want %q", c.page, got, c.want)
		}
	}
}
