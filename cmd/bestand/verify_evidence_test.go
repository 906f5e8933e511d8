package main

import (
	"bytes"
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation/evidence"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

// TestVerifyEvidence proves a record offline with a package, with one document
// of it, and not with another.
func TestVerifyEvidence(t *testing.T) {
	dir := t.TempDir()
	keys, err := pki.Open(filepath.Join(dir, "keys"), time.Now(), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	authority, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain})
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	h := crypto.SHA256
	digest := func(b []byte) []byte {
		w := h.New()
		w.Write(b)
		return w.Sum(nil)
	}
	one, two := []byte("Bescheid"), []byte("Anlage")
	group := [][]byte{digest(one), digest(two)}
	tree, err := evidence.NewTree(h, evidence.GroupDigest(h, group))
	if err != nil {
		t.Fatal(err)
	}
	token, err := authority.Stamp(t.Context(), h, tree.Root())
	if err != nil {
		t.Fatal(err)
	}
	record := write("akte.er", evidence.New(h, tree.Reduced(0, group), token).Encode())
	anchor, document, other := write("ca.pem", keys.Anchor()), write("bescheid.txt", one), write("other.txt", []byte("Fremd"))
	for _, c := range []struct {
		name string
		args []string
		ok   bool
		want string
	}{
		{"one document", []string{"--trust", anchor, record, document}, true, "akte.er: intact"},
		{"both", []string{"--trust", anchor, record, document, write("anlage.txt", two)}, true, "anlage.txt is covered [RFC 4998, 4.3]"},
		{"another", []string{"--trust", anchor, record, other}, false, "not-covered"},
		{"nothing", []string{"--trust", anchor, record}, false, "data-missing"},
		{"without trust", []string{record, document}, true, "anybody could have made it"},
		{"no record", []string{"--trust", anchor, write("leer.er", []byte("nichts")), document}, false, "evidence-malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), append([]string{"verify"}, c.args...), &out, &out)
			if (err == nil) != c.ok || !strings.Contains(out.String(), c.want) {
				t.Errorf("%v\n%s", err, &out)
			}
		})
	}
}
