package main

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bestand/preservation/evidence"
	"bestand/preservation/evidence/judge"
	"bestand/preservation/timestamp"
)

// TestEvidence asks for evidence as a user does and has it judged offline: with
// the package, with one document, with another one.
func TestEvidence(t *testing.T) {
	in := install(t).serve(t)
	admin := in.admin(t)
	document := blob("Gutachten")
	_, r := admin.archive(about("1", "63.10", "Bauantrag"), file("gutachten.bin", document), file("lageplan.bin", blob("Lageplan")))
	_, other := admin.archive(about("2", "63.10", "Bauantrag"), file("a.bin", blob("anderes")))
	path := "/v1/records/" + r.ID + "/evidence"
	admin.get(path).refused(t, 404, "evidence-pending", "")
	operator := admin.as("otto", "operator")
	var made struct{ Stamped int }
	operator.post("/v1/evidence/batches", nil).want(t, 200).decode(t, &made)
	if made.Stamped != 2 {
		t.Errorf("%+v", made)
	}
	operator.post("/v1/evidence/batches", nil).want(t, 200).decode(t, &made)
	if made.Stamped != 0 {
		t.Errorf("again: %+v", made)
	}
	admin.as("leserin", "reader").post("/v1/evidence/batches", nil).refused(t, 403, "forbidden", "")

	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	der := admin.get(path).want(t, 200).body
	if e, err := evidence.Decode(der); err != nil || !bytes.Equal(e.Encode(), der) {
		t.Errorf("no DER: %v", err)
	}
	record := write("akte.er", der)
	pkg := write("akte.zip", admin.get("/v1/records/"+r.ID+"/package").want(t, 200).body)
	single := write("gutachten.bin", []byte(document))
	foreign := write("fremd.zip", admin.get("/v1/records/"+other.ID+"/package").want(t, 200).body)
	verify := func(files ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"verify", "--trust", filepath.Join(in.dir, "keys", "ca.pem"), record}, files...), &out, &out)
		return out.String(), err
	}
	if said, err := verify(pkg); err != nil || !strings.Contains(said, "group-complete") || !strings.Contains(said, "revocation-checked") {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err := verify(single); err != nil {
		t.Errorf("one document: %v\n%s", err, said)
	}
	if said, err := verify(foreign); err == nil || !strings.Contains(said, "not-covered") {
		t.Errorf("another package: %v\n%s", err, said)
	}
	whole := unpack(t, pkg)
	ca := filepath.Join(in.dir, "keys", "ca.pem")
	for _, l := range judge.Libraries {
		if err := l.Record(t, record, ca, time.Now(), true, whole...); err != nil {
			t.Errorf("%s on the package: %v", l, err)
		}
		if err := l.Record(t, record, ca, time.Now(), false, single); err != nil {
			t.Errorf("%s on one document: %v", l, err)
		}
		if l.Record(t, record, ca, time.Now(), false, foreign) == nil {
			t.Errorf("%s accepts what was not stamped", l)
		}
	}
	e, err := evidence.Decode(der)
	if err != nil {
		t.Fatal(err)
	}
	token, err := timestamp.Parse(e.Chains[0][0].Token)
	if err != nil {
		t.Fatal(err)
	}
	for digest, ok := range map[string]bool{hex.EncodeToString(token.Imprint): true, hex256([]byte("other")): false} {
		out, err := exec.Command(tool(t, "openssl"), "ts", "-verify", "-token_in", "-in", write("token.tst", token.Raw), "-digest", digest, "-CAfile", ca).CombinedOutput()
		if (err == nil) != ok {
			t.Errorf("openssl on the token: %v\n%s", err, out)
		}
	}
}

// unpack writes what is in a package, METS and its seal included, into files.
func unpack(t *testing.T, pkg string) (paths []string) {
	t.Helper()
	z, err := zip.OpenReader(pkg)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir := t.TempDir()
	for i, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, filepath.Join(dir, strconv.Itoa(i)))
		if err := os.WriteFile(paths[i], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}
