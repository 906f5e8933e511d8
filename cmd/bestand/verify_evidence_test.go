package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/cades"
	"bestand/preservation/evidence"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

// TestVerifyEvidence proves a record offline with a package, with one document
// of it, and not with another.
func TestVerifyEvidence(t *testing.T) {
	t.Parallel()
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
	pkg, entries := smallPackage(t, keys)
	group = nil
	for _, e := range entries {
		group = append(group, digest(pkg[e.Offset:e.Offset+e.Size]))
	}
	if tree, err = evidence.NewTree(h, evidence.GroupDigest(h, group)); err != nil {
		t.Fatal(err)
	}
	if token, err = authority.Stamp(t.Context(), h, tree.Root()); err != nil {
		t.Fatal(err)
	}
	whole := write("paket.er", evidence.New(h, tree.Reduced(0, group), token).Encode())
	zip, swapped := write("paket.zip", pkg), bytes.Clone(pkg)
	ended := write("algorithms.json", []byte(`{"format":"bestand-algorithms/1","reviewed":"2031-02-03","digest":[{"name":"SHA-256","until":"2020-12-31"}],"signature":[{"name":"ECDSA","bits":250}]}`))
	x, y := entries[0], entries[1] // two documents of one length
	copy(swapped[x.Offset:], pkg[y.Offset:y.Offset+y.Size])
	copy(swapped[y.Offset:], pkg[x.Offset:x.Offset+x.Size])
	for _, c := range []struct {
		name string
		args []string
		ok   bool
		want string
	}{
		{"one document", []string{"--trust", anchor, record, document}, true, "akte.er: intact"},
		{"both", []string{"--trust", anchor, record, document, write("anlage.txt", two)}, true, "anlage.txt is covered [RFC 4998, 4.3]"},
		{"another", []string{"--trust", anchor, record, other}, false, "not-covered"},
		{"nothing", []string{"--trust", anchor, record}, false, "behind an evidence record come the package or the files"},
		{"flag behind", []string{record, document, "--trust", anchor}, false, "--trust: flags come before"},
		{"flag with one hyphen behind", []string{record, document, "-trust=" + anchor}, false, "flags come before"},
		{"without trust", []string{record, document}, true, "anybody could have made it"},
		{"a package", []string{whole, zip}, true, "group-complete"},
		{"documents swapped in a package", []string{whole, write("vertauscht.zip", swapped)}, false, "digest-mismatch"},
		{"another package", []string{record, zip}, false, "group-differs"},
		{"record behind the package", []string{zip, whole}, false, "comes first"},
		{"own table", []string{"--trust", anchor, record, document}, true, "by the table of this program, reviewed on 20"},
		{"newer table", []string{"--trust", anchor, "--algorithms", ended, record, document}, false, "algorithm-unsuitable"},
		{"date of the table", []string{"--algorithms", ended, record, document}, false, "by the table that was given, reviewed on 2031-02-03"},
		{"no table", []string{"--algorithms", anchor, record, document}, false, "table of algorithms"},
		{"no record", []string{"--trust", anchor, write("leer.er", []byte("nichts")), document}, false, "evidence-malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), append([]string{"verify"}, c.args...), &out, &out)
			if said := fmt.Sprint(&out, err); (err == nil) != c.ok || !strings.Contains(said, c.want) {
				t.Errorf("%v\n%s", err, &out)
			}
		})
	}
}

// smallPackage is a package of two documents of one length, and what is in it.
func smallPackage(t *testing.T, keys *pki.PKI) ([]byte, []aip.Entry) {
	t.Helper()
	now := time.Now().UTC()
	agent := preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"}
	r := preservation.Record{ID: preservation.RecordID(preservation.NewID(now)), Tenant: firstTenant, Version: 1,
		Submission: preservation.SubmissionID(preservation.NewID(now)), Received: now,
		Metadata: preservation.Metadata{Producer: "dms", Kind: "file", Class: "63.10", Title: "Bauantrag", Confidentiality: "internal"}}
	content := map[preservation.FileID]string{}
	for n, text := range []string{"Plan A", "Plan B"} {
		long := sha512.Sum512([]byte(text))
		f := preservation.File{ID: preservation.NewFileID(n + 1), Representation: preservation.Original, Name: text + ".txt", Size: int64(len(text)),
			Digests: preservation.Digests{SHA256: hex256([]byte(text)), SHA512: hex.EncodeToString(long[:])}}
		f.Path = aip.DataPath(f)
		r.Files, content[f.ID] = append(r.Files, f), text
	}
	var b bytes.Buffer
	m, err := aip.Write(t.Context(), &b, aip.Package{Record: r, Creator: agent,
		Events: []preservation.Event{{ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success, Agent: agent}},
		Content: func(id preservation.FileID) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(content[id])), nil
		},
		Seal: func(ctx context.Context, mets []byte) ([]byte, error) {
			return cades.SignReader(ctx, bytes.NewReader(mets), cades.Options{Signer: keys.Seal.Signer, Chain: keys.Seal.Chain, Time: now})
		}})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), m.Entries
}
