package aip_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// hostileNames are senders' names that break archives: each must come back byte
// for byte, and none may be seen in a path.
var hostileNames = []string{
	"Gr\u00fc\u00dfe.txt", "Gru\u0308\u00dfe.txt", // the same in NFC and NFD
	"same.txt", "same.txt", "SAME.TXT", // equal, and equal without case
	"dot.", "space ", " lead", "...", ".", "..", "../../etc/passwd", "a/b", `a\b`, "/abs", `C:\x`, "CON", "nul.txt",
	strings.Repeat("x", 251) + ".txt", strings.Repeat("\u00e4", 127) + "x",
	"latin1 \xe4\xf6\xfc.doc", "\xff\xfe", "cp437 \x81.txt", "half \xed\xa0\x80 surrogate",
	"bell\a.txt", "nul\x00.txt", "line\nbreak\r\n.txt", "tab\t.txt", "\x7f\u0085\u2028", "\uffff\ufffe", "\ufffd",
	"]]>", "<!--", "&amp;", `"'`, "$(rm -rf x)", "-rf", "\U0001f4c4.pdf", "x.PDF.exe", "x.veryverylong", "x.p\u00e4f", "x.", "",
}

func TestNames(t *testing.T) {
	p, s := sample()
	for i, name := range hostileNames {
		s.add(&p.Record, preservation.Original, name, fmt.Appendf(nil, "content %d", i))
	}
	zip, m := pack(t, p)
	if got := codes(verify(t, zip)); !slices.Contains(got, aip.CodeIntact) {
		t.Fatalf("findings %v", verify(t, zip))
	}
	validate(t, zip)
	r, err := aip.Open(bytes.NewReader(zip), int64(len(zip)))
	if err != nil {
		t.Fatal(err)
	}
	rec := r.Record()
	for _, want := range p.Record.Files {
		got, ok := rec.File(want.ID)
		if !ok || got.Name != want.Name {
			t.Errorf("name %q came back as %q", want.Name, got.Name)
		}
		if got.Path != aip.DataPath(want) {
			t.Errorf("path %q, want %q", got.Path, aip.DataPath(want))
		}
	}
	for _, e := range m.Entries {
		for _, c := range e.Path {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-_", c) {
				t.Errorf("path %q", e.Path)
			}
		}
	}
}

func TestDataPath(t *testing.T) {
	for name, ext := range map[string]string{
		"a.docx": ".docx", "a.DOCX": ".docx", "a.tar.gz": ".gz", "a": "", "a.": "", ".htaccess": ".htaccess", ".htpasswd1": "", ".a": ".a", "a.x y": "", "a.12345678": ".12345678",
		"a.123456789": "", "a.p\xe4f": "", "a.b/c": "", "": "", ".": "", "..": "", "x.\u212a": "",
	} {
		f := preservation.File{ID: "f0007", Representation: preservation.Original, Name: name}
		if got, want := aip.DataPath(f), "representations/original/data/f0007"+ext; got != want {
			t.Errorf("DataPath of %q is %s, want %s", name, got, want)
		}
	}
}

// TestControlCharacters has metadata that XML cannot hold: the documents stay
// well-formed, and record and events come back exactly.
func TestControlCharacters(t *testing.T) {
	const nasty = "a\x00b\x1b[31m\r\nc\u0085\ufffe<&>\"']]>\t\u2028 "
	p, _ := sample()
	p.Record.Title, p.Record.Creator, p.Record.ProducerRecordID, p.Record.Keywords = nasty, nasty, nasty, []string{nasty, ""}
	p.Record.Extra = map[string]string{nasty: nasty, "": ""}
	p.Record.Files = slices.Clone(p.Record.Files)
	p.Record.Files[0].Title, p.Record.Files[0].Format = nasty, preservation.Format{PUID: nasty, Name: nasty, Version: nasty, MIME: nasty}
	p.Events = slices.Clone(p.Events)
	p.Events[0].Detail = nasty + "\xff"
	p.Events[0].Agent = preservation.Agent{Type: preservation.Software, Name: nasty, Version: "\xfe" + nasty}
	p.Events[1].Detail = "line\r\nbreak &#x0; "
	zip, _ := pack(t, p)
	if got := codes(verify(t, zip)); !slices.Contains(got, aip.CodeIntact) {
		t.Fatalf("findings %v", verify(t, zip))
	}
	validate(t, zip)
	r, err := aip.Open(bytes.NewReader(zip), int64(len(zip)))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Record().Metadata; !reflect.DeepEqual(got, p.Record.Metadata) {
		t.Errorf("metadata\n%#v\nwant\n%#v", got, p.Record.Metadata)
	}
	if got := r.Record().Files[0].Format; got != p.Record.Files[0].Format {
		t.Errorf("format %#v", got)
	}
	if got, err := r.Events(); err != nil || !reflect.DeepEqual(got, p.Events) {
		t.Errorf("events %v\n%#v\nwant\n%#v", err, got, p.Events)
	}
}
