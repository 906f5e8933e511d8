package api

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// TestFresh: the generated code is that of the description as it is now. Running
// the generator here would take too long; it leaves the digests of what it read
// and wrote.
func TestFresh(t *testing.T) {
	sums, err := os.ReadFile("openapi.sum")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(sums)); lines.Scan(); n++ {
		want, name, _ := strings.Cut(lines.Text(), "  ")
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has changed since: go generate ./api", name)
		}
	}
	if n != 3 {
		t.Errorf("openapi.sum has %d lines", n)
	}
}
