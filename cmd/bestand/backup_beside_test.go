package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/retention"
)

// TestBackupBeside backs up a service that takes records in and destroys others all the
// while. What was there when a run began is in it byte for byte, what was destroyed by
// then is not, and of what changed meanwhile either the one or the other.
func TestBackupBeside(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	s := saving(t, in)
	admin := in.admin(t)
	o := newOffice(admin)
	o.permit(t, true, parentContacts)
	bytes := map[string][]byte{} // of packages, by record
	n := 0
	deliver := func(class string) string {
		t.Helper()
		n++
		_, r := admin.archive(about(fmt.Sprint(n), class, "Titel", "closed", "2010-07-31"), file("a.bin", blob(fmt.Sprint("Inhalt", n))))
		b, err := os.ReadFile(in.object(preservation.PackageKey(preservation.RecordID(r.ID), 1)))
		if err != nil {
			t.Fatal(err)
		}
		bytes[r.ID] = b
		return r.ID
	}
	var kept, gone []string
	for range 20 {
		kept = append(kept, deliver("63.10"))
	}
	for range 3 {
		going := []string{deliver(parentContacts), deliver(parentContacts), deliver(parentContacts)}
		began := len(kept)
		destroyed := len(gone)
		done := make(chan string, 1)
		go func() {
			out, complaint, code := program(t, s.args("backup", in.dir)...)
			done <- fmt.Sprintf("exit code %d\n%s%s", code, out, complaint)
		}()
		var said string
		for said == "" {
			select {
			case said = <-done:
			default:
				kept = append(kept, deliver("63.10"))
				in.enqueue(t, retention.JobDispose)
			}
		}
		if !strings.HasPrefix(said, "exit code 0") {
			t.Fatal(said)
		}
		for _, id := range going {
			admin.get("/v1/records/"+id).refused(t, 410, "destroyed", "")
		}
		to := s.restore(t)
		to.serve(t)
		back := to.admin(t)
		for i, id := range kept {
			key := preservation.PackageKey(preservation.RecordID(id), 1)
			b, err := os.ReadFile(to.object(key))
			if i < began && err != nil || err == nil && string(b) != string(bytes[id]) {
				t.Errorf("record %d of %d, %d of them from before the run: %v, or its bytes are others", i, len(kept), began, err)
			}
		}
		for _, id := range gone[:destroyed] {
			back.get("/v1/records/"+id).refused(t, 410, "destroyed", "")
			if _, err := os.Stat(to.object(preservation.PackageKey(preservation.RecordID(id), 1))); err == nil {
				t.Errorf("the destroyed record %s is back", id)
			}
		}
		to.enqueue(t, retention.JobDispose) // what was not destroyed yet is, as it was
		for _, id := range going {
			back.get("/v1/records/"+id).refused(t, 410, "destroyed", "")
		}
		back.archive(about("danach", "63.10", "Titel"), file("a.bin", blob("danach")))
		to.stop(t)
		to.checked(t)
		gone = append(gone, going...)
	}
	t.Log(len(kept), "records kept and", len(gone), "destroyed")
	in.stop(t)
	if said := s.backup(t); !strings.Contains(said, "of destroyed records left out") {
		t.Error(said)
	}
}

// TestBackupBesideOlder backs up a service of an older release, and makes a token for it:
// its catalog is not migrated under its feet.
func TestBackupBesideOlder(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	s := saving(t, in)
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(10000)", filepath.Join(in.dir, "catalog.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const newest = `SELECT MAX(version_id) FROM goose_db_version`
	before := in.count(t, newest)
	if _, err := db.Exec(`DELETE FROM goose_db_version WHERE version_id = $1`, before); err != nil {
		t.Fatal(err)
	}
	if out, complaint, code := program(t, s.args("backup", in.dir)...); code != 1 || !strings.Contains(complaint, "the service that runs is of another release") {
		t.Errorf("exit code %d\n%s%s", code, out, complaint)
	}
	for _, command := range [][]string{{"token", "list"}, {"token", "create", "--actor", "dms", "--roles", "reader"}, {"clock"}, {"clock", "--confirm"}, {"tenant", "list"}} {
		if out, complaint, code := program(t, append(command, "--data", in.dir)...); code != 1 || !strings.Contains(complaint, "is of another release") {
			t.Errorf("%s: exit code %d\n%s%s", command, code, out, complaint)
		}
	}
	if n := in.count(t, newest); n != before-1 {
		t.Errorf("the schema is %d", n)
	}
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, 1)`, before); err != nil {
		t.Fatal(err)
	}
	s.backup(t)
}
