package convert

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzReport reads what a child says that a file has taken over: every path that
// comes of it is a file that the child left.
func FuzzReport(f *testing.F) {
	own := f.TempDir()
	if err := os.WriteFile(filepath.Join(own, "a"), []byte("x"), 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(own, "link")); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		``, `{}`, `null`, `[]`, `{"Reading":{"Page":"/etc/passwd"}}`, `{"Reading":{"Page":"a","Letters":-1,"Text":"x"}}`,
		`{"Reading":{"Outputs":[{"Path":"a"},{"Path":"../a"}]},"Names":["eA=="]}`, `{"Reading":{"Outputs":[{"Path":"link"}]}}`,
		`{"Reading":{"Outputs":[{"Path":""}]},"Names":["eA==","eQ=="]}`, `{"Refusal":{"Code":"x","Detail":"y"}}`,
		`{"Reading":{"Outputs":[{"Path":"a","Events":[{"Type":"x","At":"2026-01-01T00:00:00Z"}]}]}}`, strings.Repeat(`[`, 20_000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReport(b, own)
		var no *Refusal
		if err != nil {
			if !errors.As(err, &no) {
				t.Errorf("%v", err)
			} else if !code.MatchString(no.Code) || len(no.Detail) > 1000 {
				t.Errorf("%q: %d bytes", no.Code, len(no.Detail))
			}
			return
		}
		if len(r.Text) > maxReadText {
			t.Errorf("%d bytes of text", len(r.Text))
		}
		for _, p := range r.paths() {
			if st, err := os.Lstat(*p); err != nil || !st.Mode().IsRegular() || filepath.Dir(*p) != own {
				t.Errorf("path %q: %v", *p, err)
			}
		}
	})
}
