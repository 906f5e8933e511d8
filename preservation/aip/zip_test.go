package aip_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// TestForeignUnzip has Info-ZIP and the standard library read a package.
func TestForeignUnzip(t *testing.T) {
	p, _ := sample()
	content, m := pack(t, p)
	file := filepath.Join(t.TempDir(), "v0001.zip")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	unzipTest(t, file)

	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != len(m.Entries) {
		t.Fatalf("%d files, the manifest has %d", len(z.File), len(m.Entries))
	}
	for i, f := range z.File {
		e := m.Entries[i]
		offset, err := f.DataOffset()
		if err != nil || f.Name != string(m.Record)+"/"+e.Path || offset != e.Offset || int64(f.UncompressedSize64) != e.Size ||
			f.Method != zip.Store || f.CRC32 != e.CRC32 || f.Mode() != 0o644 {
			t.Errorf("%s at %d: %v, %+v", f.Name, offset, err, e)
		}
	}
}

func unzipTest(t *testing.T, file string) {
	t.Helper()
	out, err := exec.Command(tool(t, "unzip"), "-tq", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "No errors detected") || strings.Contains(string(out), "warning") {
		t.Errorf("unzip -t: %v\n%s", err, out)
	}
}

// TestManyFiles needs zip64 for the number of entries.
func TestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("66,000 files")
	}
	t.Parallel()
	p, s := sample()
	for i := range 66_000 {
		s.add(&p.Record, preservation.Original, "x.txt", fmt.Append(nil, i))
	}
	file := filepath.Join(t.TempDir(), "many.zip")
	w, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	m, err := aip.Write(t.Context(), w, p)
	if err != nil {
		t.Fatal(err)
	}
	unzipTest(t, file)
	if got := codes(aip.Verify(t.Context(), w, m.Size, aip.Options{VerifySeal: checkTestSeal})); !slices.Contains(got, aip.CodeIntact) {
		t.Errorf("findings %v", got[:min(len(got), 10)])
	}
}

// TestLargeFile needs zip64 for a size and for offsets.
func TestLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("more than 4 GiB")
	}
	t.Parallel()
	// So many zeros have these digests: computing them here would take as long as the test.
	const size, crc = 4<<30 + 12345, 0x1e83137d
	p, s := sample()
	big := s.add(&p.Record, preservation.Original, "disk.img", nil)
	big.Size = size
	big.SHA256 = "59ead87e2e32370612861365e7dcf1543fb29afaa0b29432c37eab5373fed514"
	big.SHA512 = "fbb7ab28e8df522483d67fdbf9accc0fab499796cac47ba6b683303dd0c882d967e11f582ce274af512867296b35a54eeb8f03bb1a2680278757c1a5a0f94bba"
	id := big.ID
	s.add(&p.Record, preservation.Original, "after.txt", []byte("after 4 GiB"))
	p.Content = func(f preservation.FileID) (io.ReadCloser, error) {
		if f == id {
			return io.NopCloser(zeros(size)), nil
		}
		return s.open(f)
	}
	p.CRC32 = func(f preservation.FileID) (uint32, bool) { return crc, f == id }
	file := filepath.Join(t.TempDir(), "large.zip")
	w, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	m, err := aip.Write(t.Context(), &sparse{f: w}, p)
	if err != nil {
		t.Fatal(err)
	}
	unzipTest(t, file)
	if got := codes(aip.Verify(t.Context(), w, m.Size, aip.Options{VerifySeal: checkTestSeal})); !slices.Contains(got, aip.CodeIntact) {
		t.Errorf("findings %v", got)
	}
	r, err := aip.Open(w, m.Size)
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.File(p.Record.Files[len(p.Record.Files)-1].ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(f); string(got) != "after 4 GiB" {
		t.Errorf("the file behind is %q", got)
	}
}

func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// sparse writes holes for blocks of zeros.
type sparse struct{ f *os.File }

func (s *sparse) Write(p []byte) (int, error) {
	if len(p) >= 4096 && len(bytes.Trim(p, "\x00")) == 0 {
		_, err := s.f.Seek(int64(len(p)), io.SeekCurrent)
		return len(p), err
	}
	return s.f.Write(p)
}

// rezip writes a package anew with the standard library, file by file, as another
// program would.
func rezip(t *testing.T, content []byte, change func(*zip.Writer, *zip.File, []byte)) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		change(w, f, data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestOpenRefuses has ZIPs that other readers accept, each with more than one meaning.
func TestOpenRefuses(t *testing.T) {
	p, _ := sample()
	good, m := pack(t, p)
	raw := func(w *zip.Writer, f *zip.File, data []byte) {
		h := f.FileHeader
		x, err := w.CreateRaw(&h)
		if err != nil {
			t.Fatal(err)
		}
		x.Write(data)
	}
	same := rezip(t, good, raw)
	if _, err := aip.Open(bytes.NewReader(same), int64(len(same))); err != nil {
		t.Logf("the standard library writes other headers: %v", err)
	}
	at := func(off int, b ...byte) []byte {
		c := slices.Clone(good)
		copy(c[off:], b)
		return c
	}
	directory := bytes.LastIndex(good, []byte("PK\x05\x06"))
	central := bytes.Index(good, []byte("PK\x01\x02"))
	for name, c := range map[string][]byte{
		"empty":           {},
		"short":           good[:21],
		"cut at the end":  good[:len(good)-1],
		"cut in front":    good[1:],
		"appended to":     append(slices.Clone(good), 0),
		"prepended to":    append([]byte("#!/bin/sh\n"), good...),
		"comment":         append(at(directory+20, 5), "hello"...),
		"count":           at(directory+10, 3),
		"directory moved": at(directory+16, 0),
		"compressed mark": at(central+10, 8),
		"encrypted mark":  at(central+8, 1),
		"other offset":    at(central+42, 1),
		"other name":      at(central+46, '/'),
		"upper root":      at(central+46, 'Z'),
		"compressed": rezip(t, good, func(w *zip.Writer, f *zip.File, data []byte) {
			x, _ := w.Create(f.Name)
			x.Write(data)
		}),
		"data descriptors": rezip(t, good, func(w *zip.Writer, f *zip.File, data []byte) {
			x, _ := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
			x.Write(data)
		}),
		"twice": rezip(t, good, func(w *zip.Writer, f *zip.File, data []byte) {
			raw(w, f, data)
			if strings.HasSuffix(f.Name, aip.MetsPath) {
				raw(w, f, data)
			}
		}),
		"traversal": rezip(t, good, func(w *zip.Writer, f *zip.File, data []byte) {
			f.Name = strings.Replace(f.Name, "documentation/", "../../documentation/", 1)
			raw(w, f, data)
		}),
		"two roots": rezip(t, good, func(w *zip.Writer, f *zip.File, data []byte) {
			f.Name = strings.Replace(f.Name, string(m.Record)+"/doc", "elsewhere/doc", 1)
			raw(w, f, data)
		}),
		"another ZIP": rezip(t, good, func(w *zip.Writer, f *zip.File, data []byte) {
			if strings.HasSuffix(f.Name, ".txt") {
				raw(w, f, data)
			}
		}),
		"overlap": overlap(t, good, m),
	} {
		if _, err := aip.Open(bytes.NewReader(c), int64(len(c))); err == nil {
			t.Errorf("%s: opened", name)
		}
		if got := codes(aip.Verify(context.Background(), bytes.NewReader(c), int64(len(c)), aip.Options{})); len(got) == 0 ||
			slices.Contains(got, aip.CodeIntact) {
			t.Errorf("%s: findings %v", name, got)
		}
	}
}

// overlap makes two entries of the directory share their bytes.
func overlap(t *testing.T, content []byte, m aip.Manifest) []byte {
	t.Helper()
	c := slices.Clone(content)
	second := bytes.Index(c, []byte("PK\x01\x02")) + 46 + len(m.Record) + 1 + len(m.Entries[0].Path)
	if string(c[second:second+4]) != "PK\x01\x02" {
		t.Fatal("no second entry")
	}
	clear(c[second+42 : second+46])
	return c
}

// TestExportNames lets names of any script into the ZIPs of others, and none that leads
// out of the folder where one is unpacked.
func TestExportNames(t *testing.T) {
	var b bytes.Buffer
	z := aip.NewZIP(&b)
	write := func(io.Writer) error { return nil }
	for _, name := range []string{"a", "a/Größe 1.txt", "‛CON"} {
		if err := z.Add(name, 0, 0, write); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "/a", "a/", "a//b", "..", "a/../b", "./a", `a\b`, "a\nb", "a\x00", "a\u0085", "\xff", strings.Repeat("a", 1<<16)} {
		if err := z.Add(name, 0, 0, write); err == nil {
			t.Errorf("%.40q is taken", name)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(r.File) != 3 || r.File[1].Name != "a/Größe 1.txt" || r.File[1].NonUTF8 || r.File[1].Flags != 1<<11 || r.File[0].Flags != 0 {
		t.Errorf("%v %+v", err, r)
	}
}
