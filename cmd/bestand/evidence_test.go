package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bestand/preservation/evidence"
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
}
