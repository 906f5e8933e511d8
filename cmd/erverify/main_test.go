package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/cades"
	"bestand/preservation/evidence"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
	"bestand/preservation/verdict"
)

// small is a sealed package of one document, and where its files are.
func small(t *testing.T, keys *pki.PKI, now time.Time) ([]byte, aip.Manifest) {
	t.Helper()
	text := []byte("Bescheid")
	short, long := crypto.SHA256.New(), sha512.Sum512(text)
	short.Write(text)
	f := preservation.File{ID: preservation.NewFileID(1), Representation: preservation.Original, Name: "bescheid.txt", Size: int64(len(text)),
		Digests: preservation.Digests{SHA256: hex.EncodeToString(short.Sum(nil)), SHA512: hex.EncodeToString(long[:])}}
	f.Path = aip.DataPath(f)
	agent := preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"}
	var b bytes.Buffer
	m, err := aip.Write(t.Context(), &b, aip.Package{
		Record: preservation.Record{ID: preservation.RecordID(preservation.NewID(now)), Tenant: "musterstadt", Version: 1, Received: now, Files: []preservation.File{f},
			Submission: preservation.SubmissionID(preservation.NewID(now)), Metadata: preservation.Metadata{Producer: "dms", Class: "63.10", Title: "Bescheid"}},
		Creator: agent,
		Events:  []preservation.Event{{ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success, Agent: agent}},
		Content: func(preservation.FileID) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
		Seal: func(ctx context.Context, mets []byte) ([]byte, error) {
			return cades.SignReader(ctx, bytes.NewReader(mets), cades.Options{Signer: keys.Seal.Signer, Chain: keys.Seal.Chain, Time: now})
		}})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), m
}

func TestErverify(t *testing.T) {
	dir := t.TempDir()
	keys, err := pki.Open(filepath.Join(dir, "keys"), time.Now(), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	authority, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain})
	if err != nil {
		t.Fatal(err)
	}
	pkg, m := small(t, keys, time.Now().UTC())
	group, err := m.Group(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := evidence.NewTree(crypto.SHA256, evidence.GroupDigest(crypto.SHA256, group))
	if err != nil {
		t.Fatal(err)
	}
	token, err := authority.Stamp(t.Context(), crypto.SHA256, tree.Root())
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	changed := bytes.Clone(pkg)
	changed[m.Entries[0].Offset] ^= 1
	ended := file("algorithms.json", []byte(`{"format":"bestand-algorithms/1","reviewed":"2031-02-03","digest":[{"name":"SHA-256","until":"2020-12-31"}],"signature":[{"name":"ECDSA","bits":250}]}`))
	ca, record, zip := file("ca.pem", keys.Anchor()), file("akte.er", evidence.New(crypto.SHA256, tree.Reduced(0, group), token).Encode()), file("akte.zip", pkg)
	for _, c := range []struct {
		name string
		args []string
		code int // as main ends
		want string
	}{
		{"record and package", []string{"--trust", ca, record, zip}, 0, "group-complete"},
		{"record and document", []string{"--trust", ca, record, file("b.txt", []byte("Bescheid"))}, 0, "b.txt is covered [RFC 4998, 4.3]"},
		{"package alone", []string{"--trust", ca, zip}, 0, "package-intact"},
		{"without trust", []string{record, zip}, 0, "anybody could have made it"},
		{"changed package", []string{"--trust", ca, record, file("anders.zip", changed)}, 1, "not-covered"},
		{"own table", []string{"--trust", ca, record, zip}, 0, "by the table of this program, reviewed on 20"},
		{"newer table", []string{"--trust", ca, "--algorithms", ended, record, zip}, 1, "algorithm-unsuitable"},
		{"date of the table", []string{"--trust", ca, "--algorithms", ended, record, zip}, 1, "by the table that was given, reviewed on 2031-02-03"},
		{"no table", []string{"--algorithms", ca, record, zip}, 2, "table of algorithms"},
		{"no record", []string{"--trust", ca, file("kein.er", []byte("?")), zip}, 1, "evidence-malformed"},
		{"no package", []string{"--trust", ca, file("kein.zip", []byte("?"))}, 1, "not-a-package"},
		{"container", []string{"--trust", ca, file("akte.asice", zipped(t, "mimetype", "METS.xml", "metadata/descriptive/record.json", "META-INF/evidencerecord001.ers"))}, 2, "META-INF/evidencerecord001.ers FILE"},
		{"other ZIP", []string{"--trust", ca, file("bag.zip", zipped(t, "akte/bagit.txt", "akte/data/a.txt"))}, 2, "without metadata/descriptive/record.json"},
		{"XAIP", []string{"--trust", ca, file("akte.xml", []byte("<?xml version='1.0'?><XAIP/>"))}, 2, "of an XAIP"},
		{"no such file", []string{record, filepath.Join(dir, "fehlt")}, 2, "no such file"},
		{"record alone", []string{"--trust", ca, record}, 2, "behind an evidence record come the package or the files"},
		{"record behind the package", []string{"--trust", ca, zip, record}, 2, "an evidence record comes first"},
		{"flag behind", []string{record, zip, "--trust", ca}, 2, "flags come before files"},
		{"flag with one hyphen behind", []string{record, zip, "-trust", ca}, 2, "flags come before files"},
		{"nothing", nil, 2, "which evidence record"},
		{"no anchor", []string{"--trust", zip, record, zip}, 2, "no certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			ok, err := run(t.Context(), c.args, &out, &out)
			code := map[bool]int{true: 0, false: 1}[ok]
			if err != nil {
				code = 2
				fmt.Fprint(&out, err)
			}
			if code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("code %d, want %d and %q:\n%s", code, c.code, c.want, out.String())
			}
		})
	}
	t.Run("every check has a clause", func(t *testing.T) {
		var out bytes.Buffer
		if _, err := run(t.Context(), []string{"--json", "--trust", ca, record, zip}, &out, &out); err != nil {
			t.Fatal(err)
		}
		var v verdict.Verdict
		if err := json.Unmarshal(out.Bytes(), &v); err != nil || !v.OK || !v.Trusted || len(v.Findings) < 20 {
			t.Fatalf("%v: %s", err, out.String())
		}
		for _, f := range v.Findings {
			if f.Clause == "" || f.Severity == "" || f.Code == "" {
				t.Errorf("%+v", f)
			}
		}
	})
}

// TestSealEnded: the certificate of the seal has ended, and the evidence proves, renewed in
// time, that the seal is older.
func TestSealEnded(t *testing.T) {
	dir := t.TempDir()
	then := time.Now().UTC().AddDate(-7, 0, 0)
	renewed := then.AddDate(4, 0, 0)
	var anchors []byte
	authority := func(name string, at time.Time) (*pki.PKI, *timestamp.Authority) {
		t.Helper()
		keys, err := pki.Open(filepath.Join(dir, name), at, pki.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain, Now: func() time.Time { return at.Add(time.Minute) }})
		if err != nil {
			t.Fatal(err)
		}
		anchors = append(anchors, keys.Anchor()...)
		return keys, a
	}
	old, first := authority("old", then)
	_, second := authority("new", renewed)
	if !old.Seal.Certificate().NotAfter.Before(time.Now()) {
		t.Fatal("the certificate of the seal has not ended")
	}
	pkg, m := small(t, old, then)
	group, err := m.Group(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	stamp := func(a *timestamp.Authority, digest []byte) []byte {
		t.Helper()
		token, err := a.Stamp(t.Context(), crypto.SHA256, digest)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	tree, err := evidence.NewTree(crypto.SHA256, evidence.GroupDigest(crypto.SHA256, group))
	if err != nil {
		t.Fatal(err)
	}
	token := stamp(first, tree.Root())
	r := evidence.New(crypto.SHA256, tree.Reduced(0, group), token)
	digest := evidence.TokenDigest(crypto.SHA256, token)
	r.Renew([]evidence.HashList{{digest}}, stamp(second, digest))
	for name, content := range map[string][]byte{"akte.er": r.Encode(), "akte.zip": pkg, "ca.pem": anchors} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust := []string{"--trust", filepath.Join(dir, "ca.pem")}
	var out bytes.Buffer
	if ok, err := run(t.Context(), append(trust, filepath.Join(dir, "akte.er"), filepath.Join(dir, "akte.zip")), &out, &out); !ok || err != nil {
		t.Errorf("with its evidence: %v\n%s", err, out.String())
	}
	out.Reset()
	if ok, err := run(t.Context(), append(trust, filepath.Join(dir, "akte.zip")), &out, &out); ok || err != nil {
		t.Errorf("without: %v\n%s", err, out.String())
	}
}

// TestStandsAlone: the program is built without cgo, and nothing of a database, of an
// object store or of a converter is in it.
func TestStandsAlone(t *testing.T) {
	list := exec.Command("go", "list", "-deps", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"bestand/cmd/erverify", "bestand/preservation", "bestand/preservation/aip", "bestand/preservation/cades", "bestand/preservation/cades/cms",
		"bestand/preservation/evidence", "bestand/preservation/revocation", "bestand/preservation/timestamp", "bestand/preservation/verdict"}
	for _, pkg := range strings.Fields(string(out)) {
		switch {
		case pkg == "database/sql", pkg == "os/exec", pkg == "runtime/cgo", pkg == "plugin",
			strings.HasPrefix(pkg, "bestand/") && !slices.Contains(allowed, pkg),
			strings.HasPrefix(pkg, "github.com/") && !strings.HasPrefix(pkg, "github.com/digitorus/"):
			t.Errorf("it depends on %s", pkg)
		}
	}
}

// zipped is a ZIP file with some empty entries.
func zipped(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := w.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
