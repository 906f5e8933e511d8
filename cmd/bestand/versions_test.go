package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/evidence/judge"
	"bestand/retention"
)

// TestVersions adds to a record and corrects it. Both versions are found, proven,
// exported and verified; then the record is destroyed with all of them.
func TestVersions(t *testing.T) {
	converters(t)
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	clerk := admin.as("sachbearbeitung", "submitter")
	s1, v1 := admin.archive(about("versionen", parentContacts, "Titelwortversionen", "closed", "2010-07-31"),
		file("a.txt", "Im Text steht Inhaltsworteins.\n"), file("a.bin", blob("Byteworteins")))
	add := map[string]any{"producer_record_id": "versionen/2", "kind": "addition", "reason": "Nachtrag"}
	clerk.sendVersion(v1.ID, add, file("b.txt", "x")).refused(t, 404, "not-found", "")
	for _, c := range []struct{ name, value, field string }{
		{"kind", "change", "kind"}, {"reason", " ", "reason"}, {"producer_record_id", "", "producer_record_id"},
	} {
		bad := map[string]any{"producer_record_id": "versionen/2", "kind": "addition", "reason": "Nachtrag"}
		bad[c.name] = c.value
		admin.sendVersion(v1.ID, bad, file("b.txt", "x")).refused(t, 422, "invalid", c.field)
	}
	for name, value := range map[string]any{"closed": "2999-01-01", "title": strings.Repeat("x", 1001), "subjects": []any{map[string]any{"name": "\u202e"}}} {
		bad := map[string]any{"producer_record_id": "versionen/2", "kind": "correction", "reason": "Nachtrag", "changes": map[string]any{name: value}}
		field := "changes." + name
		if name == "subjects" {
			field += "[0].name"
		}
		admin.sendVersion(v1.ID, bad).refused(t, 422, "invalid", field)
	}
	admin.sendVersion(v1.ID, map[string]any{"producer_record_id": "versionen/2", "kind": "correction", "reason": "r", "changes": map[string]any{"class": "63.10"}}).
		refused(t, 422, "invalid", "changes.class")

	s2, v2 := admin.amend(v1.ID, add, file("b.txt", "Im Text steht Inhaltswortzwei.\n"))
	admin.sendVersion(v1.ID, add, file("b.txt", "Im Text steht Inhaltswortzwei.\n")).want(t, 200)
	admin.sendVersion(v1.ID, add, file("b.txt", "anderes")).refused(t, 409, "source-taken", "")
	if v2.Version != 2 || len(v2.of(preservation.Original)) != 3 || s2.RecordID != s1.RecordID {
		t.Fatalf("%+v", v2)
	}
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	fix := map[string]any{"producer_record_id": "versionen/3", "kind": "correction", "reason": "falsches Blatt", "replaces": []string{"f0001"},
		"changes": map[string]any{"title": "Titelwortberichtigt"}}
	s3, v3 := admin.amend(v1.ID, fix, file("a2.txt", "Im Text steht Inhaltswortdrei.\n"))
	if v3.Version != 3 || v3.Title != "Titelwortberichtigt" {
		t.Fatalf("%+v", v3)
	}
	for _, id := range []string{s1.ID, s2.ID, s3.ID} {
		admin.get("/v1/submissions/"+id+"/receipt").want(t, 200)
	}
	eventually(t, "the index follows", func() bool {
		return len(admin.find("Inhaltswortzwei")) == 1 && len(admin.find("Inhaltswortdrei")) == 1 && len(admin.find("Inhaltsworteins")) == 0 &&
			len(admin.find("Titelwortberichtigt")) == 1 && len(admin.find("Titelwortversionen")) == 0
	})
	admin.verified(v1.ID)
	for _, f := range v3.Files {
		if got := admin.bytes(v3, f.ID); digestOf(got) != f.SHA256 {
			t.Errorf("%s reads otherwise", f.ID)
		}
	}
	admin.get("/v1/records/"+v1.ID+"/evidence").refused(t, 404, "evidence-pending", "")
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	dir := t.TempDir()
	ca := filepath.Join(in.dir, "keys", "ca.pem")
	for version := 1; version <= 3; version++ {
		query := fmt.Sprintf("?version=%d", version)
		er, pkg := filepath.Join(dir, "r.er"), filepath.Join(dir, fmt.Sprintf("v%d.zip", version))
		write(t, er, admin.get("/v1/records/"+v1.ID+"/evidence"+query).want(t, 200).body)
		write(t, pkg, admin.get("/v1/records/"+v1.ID+"/package"+query).want(t, 200).body)
		if out, complaint, code := program(t, "verify", "--trust", ca, er, pkg); code != 0 {
			t.Errorf("version %d: %s%s", version, out, complaint)
		}
		for _, l := range judge.Libraries {
			if err := l.Record(t, er, ca, time.Now(), true, unpack(t, pkg)...); err != nil {
				t.Errorf("version %d, %s: %v", version, l, err)
			}
		}
		asic := admin.get("/v1/records/"+v1.ID+"/package"+query+"&profile=asic").want(t, 200).body
		if _, err := zip.NewReader(bytes.NewReader(asic), int64(len(asic))); err != nil {
			t.Errorf("version %d as ASiC-E: %v", version, err)
		}
		admin.get("/v1/records/"+v1.ID+"/package"+query+"&profile=xaip").want(t, 200)
	}

	o.permit(t, true, parentContacts)
	eventually(t, "it is due", func() bool { return slices.Contains(admin.due(), v1.ID) })
	in.enqueue(t, retention.JobDispose)
	admin.get("/v1/records/"+v1.ID).refused(t, 410, "destroyed", "")
	admin.sendVersion(v1.ID, add, file("b.txt", "x")).refused(t, 410, "destroyed", "")
	for _, word := range []string{"eins", "zwei", "drei", "versionen", "berichtigt"} {
		in.noTrace(t, word)
	}
	in.proof = map[string]bool{}
	for _, key := range in.keys(t, "evt/"+v1.ID+"/") {
		in.proof[key] = true
	}
	in.audit(t)
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
