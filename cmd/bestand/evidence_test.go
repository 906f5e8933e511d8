package main

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/evidence"
	"bestand/preservation/evidence/judge"
	"bestand/preservation/proof"
	"bestand/preservation/timestamp"
)

// TestEvidence asks for evidence as a user does and has it judged offline: with
// the package, with one document, with another one.
func TestEvidence(t *testing.T) {
	t.Parallel()
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
	var told struct {
		Evidence struct {
			Status, Digest string
			Stamped        time.Time
		}
	}
	admin.get("/v1/records/"+r.ID).want(t, 200).decode(t, &told)
	if told.Evidence.Status != "stamped" || told.Evidence.Digest != "SHA-256" || time.Since(told.Evidence.Stamped).Abs() > time.Minute {
		t.Errorf("%+v", told)
	}
	var verified struct {
		Passed   bool
		Findings []struct{ Code string }
	}
	admin.post("/v1/records/"+r.ID+"/verification", nil).want(t, 200).decode(t, &verified)
	if !verified.Passed || !strings.Contains(fmt.Sprint(verified), "group-complete") {
		t.Errorf("verified: %+v", verified)
	}

	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if p := admin.get(path+"?file=f0099").want(t, 404); !strings.Contains(string(p.body), "f0099") {
		t.Errorf("a file that is not there: %s", p.body)
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

// TestEvidenceReport asks for the report of a record as JSON and as PDF, and for the
// evidence of each of its documents by itself.
func TestEvidenceReport(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	documents := map[string]string{"gutachten.bin": blob("Gutachten"), "lageplan.bin": blob("Lageplan")}
	_, r := admin.archive(about("1", "63.10", "Bauantrag Lindenstraße 12"), file("gutachten.bin", documents["gutachten.bin"]), file("lageplan.bin", documents["lageplan.bin"]))
	path := "/v1/records/" + r.ID + "/evidence"
	admin.get(path+"?format=json").refused(t, 404, "evidence-pending", "")
	admin.post("/v1/evidence/batches", nil).want(t, 200)

	v := newVerifier(t, in)
	for _, f := range r.of(preservation.Original) {
		record := v.save(f.Name+".er", admin.get(path+"?file="+string(f.ID)).want(t, 200).body)
		for name, content := range documents {
			given := v.save(name, []byte(content))
			var out bytes.Buffer
			err := run(t.Context(), []string{"verify", "--trust", v.ca, record, given}, &out, &out)
			if ok := name == f.Name; (err == nil) != ok {
				t.Errorf("%s with the evidence of %s: %v\n%s", name, f.Name, err, &out)
			}
			if got := judge.DSS.Record(t, record, v.ca, time.Now(), true, given); (got == nil) != (name == f.Name) {
				t.Errorf("DSS on %s with the evidence of %s: %v", name, f.Name, got)
			}
		}
	}
	admin.get(path+"?file=f9999").want(t, 404)

	der := admin.get(path).want(t, 200).body
	var report proof.Report
	admin.get(path+"?format=json").want(t, 200).decode(t, &report)
	if !report.Passed || string(report.Record) != r.ID || report.Evidence.SHA256 != hex256(der) || len(report.Chains) != 1 || len(report.Chains[0]) != 1 ||
		report.Until == nil || !report.Until.After(time.Now()) || report.Since.After(report.Made) {
		t.Errorf("%+v", report)
	}
	if stamp := report.Chains[0][0]; stamp.Authority == "" || stamp.Policy == "" || len(stamp.Certificates) == 0 || len(stamp.Algorithms) == 0 || stamp.Digest != "SHA-256" {
		t.Errorf("%+v", stamp)
	}
	clauses := 0
	for _, f := range report.Findings {
		if f.Clause != "" {
			clauses++
		}
	}
	if len(report.Files) < len(documents)+2 || clauses < 10 {
		t.Errorf("%d files, %d findings with a clause", len(report.Files), clauses)
	}
	v.page("bericht.pdf", admin.get(path+"?format=pdf").want(t, 200).body,
		"Beweisbericht", "Alle Prüfungen sind bestanden", "Bauantrag Lindenstraße 12", "gutachten.bin", "RFC 4998, 4.3", "Sperrliste geprüft")
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

// TestHashTreeRenewal has SHA-256 come to its end: the operator sees it beforehand,
// and every record is proved under SHA-512 in the end, after a rebuild too.
func TestHashTreeRenewal(t *testing.T) {
	in := install(t)
	in.serve(t)
	admin := in.admin(t)
	var records []string
	for n := range 3 {
		_, r := admin.archive(about(fmt.Sprint(n), "63.10", "Bauantrag"), file("gutachten.bin", blob("Gutachten"+fmt.Sprint(n))))
		records = append(records, r.ID)
	}
	evidenceOf := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"evidence", args[0], "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile)}, args[1:]...), &out, &out)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out.String()
	}
	later := time.Now().AddDate(4, 10, 0).Format(time.DateOnly)
	for _, x := range []struct{ args, want string }{
		{"stamp", "time-stamped: 3"}, {"due", "nothing"}, {"renew", "nothing"}, {"due --at " + later, "one new time-stamp covers those over hash trees under SHA-256 (1) by"},
	} {
		if said := evidenceOf(strings.Fields(x.args)...); !strings.Contains(said, x.want) {
			t.Errorf("%s: %s", x.args, said)
		}
	}
	in.stop(t)

	end := time.Now().AddDate(0, 2, 0).Format(time.DateOnly)
	table := filepath.Join(t.TempDir(), "algorithms.json")
	if err := os.WriteFile(table, []byte(`{"format":"bestand-algorithms/1","digest":[{"name":"SHA-256","until":"`+end+`"},{"name":"SHA-512"}],"signature":[{"name":"ECDSA","bits":250}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	in.flags = []string{"--algorithms", table}
	in.serve(t)
	if said := evidenceOf("due"); !strings.Contains(said, "from SHA-256 to SHA-512 by") {
		t.Error(said)
	}
	evidenceOf("renew")
	for deadline := time.Now().Add(time.Minute); strings.Contains(evidenceOf("due"), "to SHA-512"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(evidenceOf("due"))
		}
	}
	// The archive's own time-stamping authority has changed over as well.
	for _, args := range []string{"due", "renew"} {
		if said := evidenceOf(args); !strings.Contains(said, "nothing has to be renewed") {
			t.Errorf("%s: %s", args, said)
		}
	}
	proved := func() {
		t.Helper()
		admin := in.admin(t)
		for _, id := range records {
			e, err := evidence.Decode(admin.get("/v1/records/"+id+"/evidence").want(t, 200).body)
			if err != nil || len(e.Chains) != 2 || e.Chains[1][0].Digest.String() != "SHA-512" {
				t.Fatalf("record %s: %v, %d chains", id, err, len(e.Chains))
			}
			var verified struct{ Passed bool }
			if admin.post("/v1/records/"+id+"/verification", nil).want(t, 200).decode(t, &verified); !verified.Passed {
				t.Errorf("record %s is not proved", id)
			}
		}
	}
	proved()
	dir := t.TempDir()
	for name, path := range map[string]string{"akte.er": "/evidence", "akte.zip": "/package"} {
		if err := os.WriteFile(filepath.Join(dir, name), in.admin(t).get("/v1/records/"+records[0]+path).want(t, 200).body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range judge.Libraries {
		if err := l.Record(t, filepath.Join(dir, "akte.er"), filepath.Join(in.dir, "keys", "ca.pem"), time.Now(), true, unpack(t, filepath.Join(dir, "akte.zip"))...); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
	in.stop(t)
	for _, name := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm", "index"} {
		if err := os.RemoveAll(filepath.Join(in.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"rebuild", "check"} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{command, "--data", in.dir}, in.flags...), &out, &out); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, &out)
		}
	}
	in.serve(t)
	proved()
}
