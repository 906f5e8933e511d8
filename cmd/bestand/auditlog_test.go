package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bestand/preservation/audit"
)

// TestAuditLog has the audit log sealed, stamped, exported by an auditor and judged
// without the archive, and by the archive when it is stopped.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	for _, id := range []string{"1", "2"} {
		admin.archive(about(id, "63.10", "Bauantrag"), file("a.bin", blob("Gutachten")))
		admin.as("otto", "operator").post("/v1/evidence/batches", nil).want(t, 200)
	}
	auditor := admin.as("paula", "auditor")
	admin.as("leser", "reader").get("/v1/audit/export").refused(t, 403, "forbidden", "")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(auditor.token), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "export")
	if out, said, code := program(t, "audit", "export", "--server", in.url, "--token-file", token, dir); code != 0 {
		t.Fatal(code, out, said)
	}
	ca := filepath.Join(in.dir, "keys", "ca.pem")
	verify := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"audit", "verify"}, args...), &out, &out)
		return out.String(), err
	}
	said, err := verify("--trust", ca, dir)
	if err != nil || !strings.Contains(said, audit.CodeSealed) || !strings.Contains(said, audit.CodeStamped) || strings.Contains(said, "notice") {
		t.Errorf("%v\n%s", err, said)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "audit", "*", "*.jsonl"))
	if err != nil || len(segments) != 2 {
		t.Fatal(segments, err)
	}
	table := filepath.Join(t.TempDir(), "algorithms.json")
	if err := os.WriteFile(table, []byte(`{"format":"bestand-algorithms/1","digest":[{"name":"SHA-256","until":"2020-12-31"}],"signature":[{"name":"ECDSA","bits":250}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := verify("--algorithms", table, "--trust", ca, dir); err == nil || !strings.Contains(said, "algorithm-unsuitable") {
		t.Errorf("%v\n%s", err, said)
	}
	// openssl judges the seal as well.
	if out, err := exec.Command(tool(t, "openssl"), "cms", "-verify", "-binary", "-inform", "DER", "-in", segments[0]+".p7s", "-content", segments[0],
		"-CAfile", ca, "-purpose", "any", "-out", os.DevNull).CombinedOutput(); err != nil {
		t.Errorf("openssl: %v\n%s", err, out)
	}
	// And bestand verify the evidence record, as of any other files.
	var out bytes.Buffer
	if err := run(t.Context(), []string{"verify", "--trust", ca, segments[0] + ".er", segments[0], segments[0] + ".p7s"}, &out, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}

	// Evidence records that lie elsewhere are found by what they cover.
	elsewhere := filepath.Join(t.TempDir(), "beweis.er")
	if err := os.Rename(segments[1]+".er", elsewhere); err != nil {
		t.Fatal(err)
	}
	if said, err := verify("--trust", ca, segments[0], segments[1], elsewhere); err != nil || strings.Contains(said, "notice") {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err := verify("--trust", ca, segments[0], elsewhere); err == nil || !strings.Contains(said, "evidence-unrelated") {
		t.Errorf("%v\n%s", err, said)
	}
	changed, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segments[0], bytes.Replace(changed, []byte(`"actor":"`), []byte(`"actor":"x`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := verify("--json", "--trust", ca, dir); err == nil || !strings.Contains(said, audit.CodeChanged) || !strings.Contains(said, audit.Clause) {
		t.Errorf("%v\n%s", err, said)
	}

	if said, err := verify("--data", in.dir); err == nil || !strings.Contains(err.Error(), "running") {
		t.Errorf("beside the service: %v\n%s", err, said)
	}
	in.stop(t)
	if said, err := verify("--data", in.dir); err != nil || !strings.Contains(said, audit.CodeStamped) {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err := verify(filepath.Join(dir, "audit", "nichts")); err == nil {
		t.Errorf("no such file: %s", said)
	}
}

// TestAuditFaultDelaysNoBatch: where the bucket has another log than the catalog,
// records are stamped all the same.
func TestAuditFaultDelaysNoBatch(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	operator := admin.as("otto", "operator")
	admin.archive(about("1", "63.10", "Bauantrag"), file("a.bin", blob("Gutachten")))
	operator.post("/v1/evidence/batches", nil).want(t, 200)
	in.change(t, `UPDATE audit SET hash = 'x' WHERE tenant = $1 AND seq = 2`, string(firstTenant))
	in.change(t, `DELETE FROM audit_segment WHERE tenant = $1`, string(firstTenant))
	_, r := admin.archive(about("2", "63.10", "Bauantrag"), file("a.bin", blob("Gutachten")))
	operator.post("/v1/evidence/batches", nil).want(t, 200)
	admin.get("/v1/records/"+r.ID+"/evidence").want(t, 200)
}
