package main

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// TestAuditFork: somebody writes a segment into the bucket that the log then cannot pass.
// Nothing but a person leads out, and after that the log is sealed and stamped, here, at an
// auditor's and after the loss of the catalog.
func TestAuditFork(t *testing.T) {
	t.Parallel()
	in, key, data, forged := forkedLog(t)
	bestand := func(code int, want string, args ...string) string {
		t.Helper()
		out, said, got := program(t, append(args, "--data", in.dir)...)
		if got != code || !strings.Contains(out+said, want) {
			t.Fatalf("%q: exit code %d\n%s%s", args, got, out, said)
		}
		return out
	}
	bestand(1, "audit-fork", "rebuild")
	bestand(1, "accept-fork", "audit", "verify")
	bestand(1, "nothing was changed", "audit", "accept-fork", "--tenant", string(firstTenant))
	bestand(2, "--by", "audit", "accept-fork", "--tenant", string(firstTenant), "--reason", "Versuch")
	accept := func(branch ...string) []string {
		return append([]string{"audit", "accept-fork", "--tenant", string(firstTenant), "--by", "Paula Prüfer", "--reason", "Versuch des Herstellers"}, branch...)
	}
	bestand(2, "--branch", accept()...)
	bestand(1, "nothing was changed", accept("--branch", forged.Hash)...)
	bestand(1, "nothing was changed", accept("--branch", hex256(data)+","+forged.Hash)...)
	if out := bestand(0, "1 branches", accept("--branch", hex256(data))...); !strings.Contains(out, key) || !strings.Contains(out, forged.Hash) {
		t.Error(out)
	}
	bestand(0, "no fork that waits", accept("--branch", hex256(data))...)
	accepted := func() {
		t.Helper()
		for _, command := range [][]string{{"audit", "verify"}, {"check"}} {
			if out := bestand(0, "", command...); command[0] == "audit" && (!strings.Contains(out, audit.CodeForkAccepted) || !strings.Contains(out, audit.CodeBranch) || !strings.Contains(out, "Versuch des Herstellers")) {
				t.Error(out)
			}
		}
	}
	accepted()

	in.serve(t)
	admin := in.admin(t)
	admin.archive(about("2", "63.10", "Bauantrag"), file("a.bin", blob("Gutachten")))
	admin.as("otto", "operator").post("/v1/evidence/batches", nil).want(t, 200)
	in.stop(t)
	dir := filepath.Join(t.TempDir(), "export")
	if out, said, code := program(t, "audit", "export", "--data", in.dir, dir); code != 0 {
		t.Fatal(code, out, said)
	}
	out, said, code := program(t, "audit", "verify", "--trust", filepath.Join(in.dir, "keys", "ca.pem"), dir)
	if code != 0 || !strings.Contains(out, audit.CodeForkAccepted) || strings.Contains(out, audit.CodeUnproven) || strings.Contains(out, audit.CodeUnstamped) {
		t.Errorf("at the auditor's: exit code %d\n%s%s", code, out, said)
	}
	// What has no seal sets none of the others aside, be it new.
	segments, err := filepath.Glob(filepath.Join(dir, "audit", "*", "*.jsonl"))
	if err != nil || len(segments) < 2 {
		t.Fatal(segments, err)
	}
	slices.SortFunc(segments, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })
	newest, err := os.ReadFile(segments[len(segments)-1])
	if err != nil {
		t.Fatal(err)
	}
	_, entries, err := audit.Decode(newest)
	if err != nil {
		t.Fatal(err)
	}
	claim := audit.AcceptFork(audit.Branch{Segment: "x", SHA256: hex256(newest)}, "cli", "eva", "x")
	claim.Seq, claim.At, claim.Prev = entries[0].Seq, time.Now(), entries[0].Prev
	claim.Hash = claim.Sum(firstTenant)
	if data, err = audit.Encode(firstTenant, []audit.Entry{claim}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(segments[len(segments)-1]), filepath.Base(audit.Key(claim.At, claim.Seq, claim.Seq))), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, said, code := program(t, "audit", "verify", "--trust", filepath.Join(in.dir, "keys", "ca.pem"), dir); code != 1 || !strings.Contains(out, audit.CodeChain) && !strings.Contains(out, audit.CodeRepeated) {
		t.Errorf("with a claim that nothing proves: exit code %d\n%s%s", code, out, said)
	}

	in.lose(t, "catalog.db*")
	bestand(0, "", "rebuild")
	accepted()
}

// forkedLog is an installation into whose bucket somebody wrote a segment without a seal that
// does not go with what the catalog has noted.
func forkedLog(t *testing.T) (in *installation, key string, data []byte, forged audit.Entry) {
	t.Helper()
	in = install(t).serve(t)
	admin := in.admin(t)
	admin.archive(about("1", "63.10", "Bauantrag"), file("a.bin", blob("Gutachten")))
	admin.as("otto", "operator").post("/v1/evidence/batches", nil).want(t, 200)
	in.stop(t)

	a := in.opened(t)
	log := a.catalog.Tenant(firstTenant)
	known, err := log.View().AuditKnown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Audit(t.Context(), catalog.AuditEntry{Actor: "anna", Action: "record.read", Object: "x"}); err != nil {
		t.Fatal(err)
	}
	common, err := log.AuditLog(t.Context(), known-1, "", 1)
	if err != nil || len(common) != 1 {
		t.Fatal(common, err)
	}
	forged = audit.Entry{Seq: known + 1, At: time.Now().UTC().Truncate(time.Millisecond), Actor: "eva", Action: "record.read", Object: "x", Prev: common[0].Hash}
	forged.Hash = forged.Sum(firstTenant)
	data, err = audit.Encode(firstTenant, []audit.Entry{forged})
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := a.bucket(t.Context(), firstTenant)
	if err != nil {
		t.Fatal(err)
	}
	key = audit.Key(forged.At, forged.Seq, forged.Seq)
	if _, err := bucket.Put(t.Context(), key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: hex256(data),
		Lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	return in, key, data, forged
}

// TestAuditForkTakenUp: a person finds that the segment is the log, as after a loss of the
// catalog's newest entries, and what the catalog has noted instead goes behind it.
func TestAuditForkTakenUp(t *testing.T) {
	t.Parallel()
	in, key, data, forged := forkedLog(t)
	fork := func(code int, want string, args ...string) {
		t.Helper()
		out, said, got := program(t, append([]string{"audit", "accept-fork", "--tenant", string(firstTenant), "--data", in.dir, "--by", "Paula Prüfer"}, args...)...)
		if got != code || !strings.Contains(out+said, want) {
			t.Fatalf("%q: exit code %d\n%s%s", args, got, out, said)
		}
	}
	fork(1, "--log with those that are the log")
	fork(1, "nothing was changed", "--reason", "steht im Auszug", "--log", forged.Hash)
	fork(1, "nothing was changed", "--reason", "steht im Auszug", "--log", hex256(data), "--branch", hex256(data))
	fork(0, "taken up into the log: 1", "--reason", "steht im Auszug", "--log", hex256(data))
	fork(0, "no fork that waits")
	in.serve(t)
	in.admin(t).as("otto", "operator").post("/v1/evidence/batches", nil).want(t, 200)
	in.stop(t)
	out, said, code := program(t, "audit", "verify", "--data", in.dir)
	if code != 0 || !strings.Contains(out, audit.CodeTakenUp) || !strings.Contains(out, "steht im Auszug") || !strings.Contains(out, key) {
		t.Errorf("exit code %d\n%s%s", code, out, said)
	}
}

// TestRebuildEmptyBucket: the empty bucket of a tenant that the catalog knows is a problem; that
// of a tenant that was never created is none.
func TestRebuildEmptyBucket(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	in.admin(t).archive(about("1", "63.10", "Bauantrag"), file("a.bin", blob("Gutachten")))
	in.stop(t)
	rebuilt := func(code int, want string) {
		t.Helper()
		if out, said, got := program(t, "rebuild", "--data", in.dir); got != code || !strings.Contains(out, want) {
			t.Errorf("exit code %d\n%s%s", got, out, said)
		}
	}
	a := in.opened(t)
	_, err := a.bucket(t.Context(), "leerstadt")
	if err := errors.Join(err, a.close()); err != nil {
		t.Fatal(err)
	}
	rebuilt(0, "-leerstadt: empty, left by a tenant that was not created")
	a = in.opened(t)
	if err := errors.Join(a.catalog.RestoreTenant(t.Context(), catalog.TenantInfo{ID: "leerstadt", Name: "Leerstadt"}), a.close()); err != nil {
		t.Fatal(err)
	}
	rebuilt(1, "-leerstadt: empty, though the catalog knows its tenant")
}
