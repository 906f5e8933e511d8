package ui

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestManifest holds the vendored files against the digests that the vendoring script
// wrote: none was changed, added or lost since.
func TestManifest(t *testing.T) {
	vendored, err := fs.Sub(assetFiles, "asset/vendor")
	if err != nil {
		t.Fatal(err)
	}
	b, err := fs.ReadFile(vendored, "MANIFEST.sha256")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(b)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		want[name] = sum
	}
	err = fs.WalkDir(vendored, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "MANIFEST.sha256" {
			return err
		}
		b, err := fs.ReadFile(vendored, name)
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want[name] {
			t.Errorf("%s has SHA-256 %s, the manifest says %q", name, got, want[name])
		}
		delete(want, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
	for _, licence := range []string{"kern/LICENSE.md", "fira-sans/LICENSE.txt", "htmx/LICENSE.txt"} {
		if _, err := fs.Stat(vendored, licence); err != nil {
			t.Error(err)
		}
	}
}

// TestAssets wants each address that a style sheet names to lead to a file of ours.
func TestAssets(t *testing.T) {
	a, err := openAssets()
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`url\("?([^")]*)"?\)`)
	for sheet, dir := range map[string]string{"bestand.css": "", "vendor/kern/kern.css": "vendor/kern/"} {
		for _, m := range address.FindAllStringSubmatch(string(a.files[sheet].plain), -1) {
			if _, ok := a.files[dir+m[1]]; !ok {
				t.Errorf("%s names %.80s, which is not there", sheet, m[1])
			}
		}
	}
	r := httptest.NewRequest(http.MethodGet, a.url("bestand.css"), nil)
	r.Header.Set("Accept-Encoding", "gzip, br")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("headers %v", w.Header())
	}
	for path, status := range map[string]int{"/asset/0/bestand.css": 200, "/asset/0/../ui.go": 404, "/asset/0/": 404, "/asset/": 404} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
}
