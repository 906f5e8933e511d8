// Package siptest makes submission packages for tests.
package siptest

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
	"bestand/preservation"
)

// File is a file of a package.
type File struct{ Name, Content string }

// Files is a package, in its order.
type Files []File

// Set returns a package with another content of one file, or with one file more.
func (fs Files) Set(name, content string) Files {
	out := append(Files(nil), fs...)
	for i := range out {
		if out[i].Name == name {
			out[i].Content = content
			return out
		}
	}
	return append(out, File{name, content})
}

// Without returns a package without one file.
func (fs Files) Without(name string) Files {
	var out Files
	for _, f := range fs {
		if f.Name != name {
			out = append(out, f)
		}
	}
	return out
}

// Below returns the package in a folder.
func (fs Files) Below(folder string) Files {
	var out Files
	for _, f := range fs {
		out = append(out, File{folder + "/" + f.Name, f.Content})
	}
	return out
}

// ZIP returns the package as a ZIP.
func (fs Files) ZIP(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range fs {
		out, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(f.Content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Path returns the package as a ZIP on disk.
func (fs Files) Path(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "package.zip")
	if err := os.WriteFile(path, fs.ZIP(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Unpack returns the package unpacked.
func (fs Files) Unpack(t testing.TB) *container.Container {
	t.Helper()
	var found finding.List
	data := fs.ZIP(t)
	c, err := container.Open(bytes.NewReader(data), int64(len(data)), container.Limits{}, &found)
	if err != nil || found.Failed() {
		t.Fatal(err, found.All())
	}
	if err := c.Extract(t.Context(), t.TempDir(), &found); err != nil || found.Failed() {
		t.Fatal(err, found.All())
	}
	return c
}

// Codes returns the codes of the failures, or of the notices.
func Codes(all []preservation.Finding, s preservation.Severity) []string {
	var codes []string
	for _, f := range all {
		if f.Severity == s {
			codes = append(codes, f.Code)
		}
	}
	return codes
}
