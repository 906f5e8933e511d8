package verapdf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The process reads one hostile file after the other: of the work folders it
// sees the one that it is asked about, and nothing between two.
func TestLent(t *testing.T) {
	v, dir := open(t, nil)
	secret := write(t, dir, "another-submission.txt", "secret")
	p := write(t, dir, "a.pdf", training(t))
	if _, err := v.Validate(t.Context(), p, "2b"); err != nil {
		t.Fatal(err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, c := range processes {
		b, err := os.ReadFile(c)
		if err != nil || !bytes.Contains(b, []byte("-Djava.io.tmpdir=")) || bytes.Contains(b, []byte("bwrap")) {
			continue
		}
		root := filepath.Join(filepath.Dir(c), "root")
		inside, err := filepath.Glob(root + dir + "/.verapdf-*")
		if err != nil || len(inside) == 0 {
			continue // another test's
		}
		seen = true
		if _, err := os.Stat(root + secret); err == nil {
			t.Error("it sees another submission's file")
		}
		if left, err := os.ReadDir(inside[0]); err != nil || len(left) > 0 {
			t.Errorf("left with it: %v, %v", left, err)
		}
	}
	if !seen {
		t.Skip("the root of the process cannot be seen from here")
	}
	if b, err := os.ReadFile(p); err != nil || string(b) != training(t) {
		t.Errorf("the file was changed: %v", err)
	}
}

// A name that was left behind must not let one file be written over by another.
func TestLend(t *testing.T) {
	dir := t.TempDir()
	to := filepath.Join(dir, "lent.pdf")
	for i := range 3 {
		content := strings.Repeat("x", i+1)
		if err := lend(to, write(t, dir, fmt.Sprint("file", i), content)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(to); err != nil || string(b) != content {
			t.Errorf("lent %q, %v", b, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "file0")); err != nil || string(b) != "x" {
			t.Errorf("the first file is now %q, %v", b, err)
		}
	}
}
