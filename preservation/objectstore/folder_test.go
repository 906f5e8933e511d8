package objectstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLayout(t *testing.T) {
	for _, test := range []struct {
		name, have string
		sidecar    bool
		want       string // part of the error, or nothing
	}{
		{"new", "", false, ""},
		{"same", `{"format":1,"metadata":"xattr"}`, false, ""},
		{"same with files", `{"format":1,"metadata":"sidecar"}`, true, ""},
		{"from the future", `{"format":2,"metadata":"xattr"}`, false, "newer"},
		{"attributes lost", `{"format":1,"metadata":"xattr"}`, true, "extended attributes"},
		{"damaged", `{`, false, "unexpected end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if test.have != "" {
				if err := os.WriteFile(filepath.Join(dir, "layout"), []byte(test.have), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				f, err := openFolder(dir, test.sidecar)
				if err == nil {
					f.lock.Close()
				}
				if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("got error %v, want %q", err, test.want)
				}
			}
		})
	}
}
