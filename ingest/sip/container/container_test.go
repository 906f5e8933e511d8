package container_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
	"bestand/ingest/sip/siptest"
	"bestand/preservation"
)

// entry is written as it stands, whatever it is.
type entry struct {
	zip.FileHeader
	content string
}

func write(t testing.TB, comment string, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		out, err := w.CreateHeader(&e.FileHeader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetComment(comment); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func named(name string) entry { return entry{zip.FileHeader{Name: name}, "x"} }

// patch overwrites bytes behind the n-th signature.
func patch(data []byte, signature string, n, off int, with ...byte) []byte {
	data = bytes.Clone(data)
	at := 0
	for ; n > 0; n-- {
		at += bytes.Index(data[at:], []byte(signature)) + 1
	}
	copy(data[at-1+off:], with)
	return data
}

func unpack(t testing.TB, data []byte, l container.Limits) (*container.Container, []preservation.Finding) {
	t.Helper()
	var found finding.List
	c, err := container.Open(bytes.NewReader(data), int64(len(data)), l, &found)
	if err != nil {
		t.Fatal(err)
	}
	if c != nil {
		if err := c.Extract(t.Context(), t.TempDir(), &found); err != nil {
			t.Fatal(err)
		}
	}
	return c, found.All()
}

func TestRefused(t *testing.T) {
	link := entry{zip.FileHeader{Name: "link"}, "/etc/passwd"}
	link.SetMode(0o777 | fs.ModeSymlink)
	device := entry{zip.FileHeader{Name: "null"}, ""}
	device.SetMode(0o666 | fs.ModeDevice | fs.ModeCharDevice)
	two := write(t, "", named("a"), named("b"))
	zeros := entry{zip.FileHeader{Name: "zeros", Method: zip.Deflate}, strings.Repeat("\x00", 70<<20)}
	stored := write(t, "", entry{zip.FileHeader{Name: "a", Method: zip.Store}, "content"})

	for name, c := range map[string]struct {
		data   []byte
		limits container.Limits
		want   []string
	}{
		"nothing":              {nil, container.Limits{}, []string{container.NotZIP}},
		"other bytes":          {bytes.Repeat([]byte("no zip "), 20), container.Limits{}, []string{container.NotZIP}},
		"no entries":           {write(t, ""), container.Limits{}, []string{container.NotZIP}},
		"cut off":              {two[:len(two)-30], container.Limits{}, []string{container.NotZIP}},
		"bytes before":         {append([]byte("#!/bin/sh\n"), two...), container.Limits{}, []string{container.NotZIP}},
		"bytes behind":         {append(bytes.Clone(two), 0), container.Limits{}, []string{container.NotZIP}},
		"fewer entries said":   {patch(two, "PK\x05\x06", 1, 8, 1, 0, 1, 0), container.Limits{}, []string{container.NotZIP}},
		"more entries said":    {patch(two, "PK\x05\x06", 1, 8, 3, 0, 3, 0), container.Limits{}, []string{container.NotZIP}},
		"second end":           {write(t, "PK\x05\x06 and a comment that is long enough", named("a")), container.Limits{}, []string{container.NotZIP}},
		"divided":              {patch(two, "PK\x05\x06", 1, 4, 1, 0), container.Limits{}, []string{container.NotZIP}},
		"too many entries":     {two, container.Limits{Entries: 1}, []string{container.TooLarge}},
		"too long a directory": {two, container.Limits{Directory: 20}, []string{container.TooLarge}},
		"too many bytes":       {two, container.Limits{Bytes: 1}, []string{container.TooLarge}},
		"bomb":                 {write(t, "", zeros), container.Limits{}, []string{container.TooLarge}},
		"too deep":             {write(t, "", named("a/b/c")), container.Limits{Depth: 1}, []string{container.BadName}},
		"traversal":            {write(t, "", named("../a"), named("a/../../b")), container.Limits{}, []string{container.BadName, container.BadName}},
		"absolute":             {write(t, "", named("/etc/passwd")), container.Limits{}, []string{container.BadName}},
		"backslash":            {write(t, "", named(`data\a`)), container.Limits{}, []string{container.BadName}},
		"drive":                {write(t, "", named("C:a")), container.Limits{}, []string{container.BadName}},
		"no name":              {write(t, "", named("")), container.Limits{}, []string{container.BadName}},
		"empty part":           {write(t, "", named("a//b")), container.Limits{}, []string{container.BadName}},
		"dot":                  {write(t, "", named("./a")), container.Limits{}, []string{container.BadName}},
		"NUL":                  {write(t, "", named("a\x00.pdf")), container.Limits{}, []string{container.BadName}},
		"long part":            {write(t, "", named(strings.Repeat("a", 256))), container.Limits{}, []string{container.BadName}},
		"name twice":           {write(t, "", named("a"), named("a")), container.Limits{}, []string{container.TwiceNamed}},
		"file and folder":      {write(t, "", named("a"), named("a/b"), named("a/c")), container.Limits{}, []string{container.TwiceNamed}},
		"symbolic link":        {write(t, "", link), container.Limits{}, []string{container.NotAFile}},
		"device":               {write(t, "", device), container.Limits{}, []string{container.NotAFile}},
		"encrypted":            {patch(two, "PK\x01\x02", 2, 8, 1), container.Limits{}, []string{container.Encrypted}},
		"other compression":    {patch(two, "PK\x01\x02", 1, 10, 14), container.Limits{}, []string{container.BadMethod}},
		"overlap":              {overlapping(two), container.Limits{}, []string{container.Overlap}},
		"no local header":      {patch(two, "PK\x03\x04", 1, 0, 'X'), container.Limits{}, []string{container.Damaged}},
		"other bytes within":   {bytes.Replace(stored, []byte("content"), []byte("kontent"), 1), container.Limits{}, []string{container.Damaged}},
		"shorter than said":    {patch(stored, "PK\x01\x02", 1, 24, 100), container.Limits{}, []string{container.Damaged}},
		"longer than said":     {patch(stored, "PK\x01\x02", 1, 24, 3), container.Limits{}, []string{container.Damaged}},
		"broken deflate":       {brokenDeflate(t), container.Limits{}, []string{container.Damaged}},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := unpack(t, c.data, c.limits)
			if got := siptest.Codes(all, preservation.Failed); !slices.Equal(got, c.want) {
				t.Errorf("findings %v\nwant %v", all, c.want)
			}
		})
	}
}

// overlapping lets the second entry start where the first does.
func overlapping(two []byte) []byte {
	return patch(two, "PK\x01\x02", 2, 42, 0, 0, 0, 0)
}

func brokenDeflate(t *testing.T) []byte {
	data := write(t, "", entry{zip.FileHeader{Name: "a", Method: zip.Deflate}, strings.Repeat("content ", 1000)})
	at := 30 + len("a")
	copy(data[at:], bytes.Repeat([]byte{0xFF}, 8))
	return data
}

func TestNamesAreData(t *testing.T) {
	cp437 := entry{zip.FileHeader{Name: "Pr\x81fung.txt", NonUTF8: true}, "1"}
	c, all := unpack(t, write(t, "a comment", cp437,
		named("A.txt"), named("a.txt"), named("\u00e4.txt"), named("a\u0308.txt"),
		named("$(rm -rf ~).pdf"), named("-rf"), named("con"), named("ende."), named("zeile\n2"), entry{zip.FileHeader{Name: "leer/"}, ""}), container.Limits{})
	if len(all) > 0 {
		t.Fatal(all)
	}
	if len(c.Entries) != 10 || c.Entries[0].Name != "Pr\x81fung.txt" || c.Entries[0].UTF8 || c.Entries[0].Text() != "Prüfung.txt" || !c.Entries[3].UTF8 {
		t.Fatalf("%d entries, first %q (UTF-8 %v)", len(c.Entries), c.Entries[0].Name, c.Entries[0].UTF8)
	}
	for _, e := range c.Entries {
		if st, err := os.Stat(e.Path); err != nil || st.Size() != e.Size || len(e.SHA256) != 64 || len(e.SHA512) != 128 {
			t.Errorf("%q: %v, %v", e.Name, st, err)
		}
	}
	for name, want := range map[string]struct {
		name  string
		exact bool
	}{
		"a.txt": {"a.txt", true}, "\u00e4.txt": {"\u00e4.txt", true}, "a\u0308.txt": {"a\u0308.txt", true},
		"Prüfung.txt": {"Pr\x81fung.txt", false}, "Pru\u0308fung.txt": {"Pr\x81fung.txt", false},
	} {
		if e, exact := c.Lookup(name); e == nil || e.Name != want.name || exact != want.exact {
			t.Errorf("Lookup(%q) = %v, %v", name, e, exact)
		}
	}
	if e, _ := c.Lookup("nothing"); e != nil {
		t.Error("found what is not there")
	}
}

func TestDigests(t *testing.T) {
	c := siptest.Files{{Name: "a", Content: "abc"}}.Unpack(t)
	for algorithm, want := range map[string]string{
		"md5": "900150983cd24fb0d6963f7d28e17f72", "SHA-1": "a9993e364706816aba3e25717850c26c9cd0d89d",
		"SHA-256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "sha224": "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
	} {
		if got, err := c.Entries[0].Sum(t.Context(), algorithm); err != nil || got != want || !container.Known(algorithm) {
			t.Errorf("%s: %s, %v", algorithm, got, err)
		}
	}
	if _, err := c.Entries[0].Sum(t.Context(), "CRC32"); err == nil || container.Known("CRC32") {
		t.Error("CRC32 is no digest")
	}
}

// TestMachine tells faults of the machine from faults of the package.
func TestMachine(t *testing.T) {
	data := write(t, "", named("a"))
	var found finding.List
	c, err := container.Open(bytes.NewReader(data), int64(len(data)), container.Limits{}, &found)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Extract(t.Context(), t.TempDir()+"/missing", &found); err == nil || found.Failed() {
		t.Errorf("a folder that is not there: %v, %v", err, found.All())
	}
	if _, err := container.Open(bytes.NewReader(data[:10]), int64(len(data)), container.Limits{}, &found); err != nil {
		t.Error(err) // shorter than its size: its end is missing
	}
}

func TestZip64(t *testing.T) {
	// An end record that refers to the zip64 one, as writers of large ZIPs have it.
	data := write(t, "", named("a"))
	at := bytes.Index(data, []byte("PK\x05\x06"))
	directory := bytes.Index(data, []byte("PK\x01\x02"))
	le := binary.LittleEndian
	end64 := append([]byte("PK\x06\x06"), make([]byte, 52)...)
	le.PutUint64(end64[4:], 44)
	le.PutUint64(end64[24:], 1)
	le.PutUint64(end64[32:], 1)
	le.PutUint64(end64[40:], uint64(at-directory))
	le.PutUint64(end64[48:], uint64(directory))
	locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
	le.PutUint64(locator[8:], uint64(at))
	le.PutUint32(locator[16:], 1)
	end := bytes.Clone(data[at:])
	for _, mark := range []bool{false, true} {
		if mark {
			copy(end[8:], bytes.Repeat([]byte{0xFF}, 12))
		}
		if c, all := unpack(t, slices.Concat(data[:at], end64, locator, end), container.Limits{}); len(all) > 0 || len(c.Entries) != 1 {
			t.Errorf("zip64, marked %v: %v", mark, all)
		}
	}
	le.PutUint16(end[8:], 2)
	le.PutUint16(end[10:], 2)
	if _, all := unpack(t, slices.Concat(data[:at], end64, locator, end), container.Limits{}); len(all) != 1 {
		t.Errorf("contradiction: %v", all)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(write(f, "", named("a"), named("b/c")))
	f.Add(write(f, "comment", entry{zip.FileHeader{Name: "a", Method: zip.Deflate}, strings.Repeat("content ", 1000)}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, all := unpack(t, data, container.Limits{Bytes: 1 << 20})
		if c == nil && len(siptest.Codes(all, preservation.Failed)) == 0 {
			t.Error("refused without a reason")
		}
	})
}
