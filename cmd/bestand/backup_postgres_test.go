package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog/catalogtest"
	"bestand/retention"
)

// postgres starts a PostgreSQL server for one test.
func postgres(t *testing.T) *catalogtest.Server {
	t.Helper()
	s, err := catalogtest.Start()
	if errors.Is(err, catalogtest.ErrNoPostgres) && os.Getenv("BESTAND_REQUIRE_TOOLS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// TestBackupPostgres backs up an archive whose catalog is on PostgreSQL while it runs,
// goes on, loses everything, and restores it: with the dump that pg_dump made before the
// backup, and from the buckets alone.
func TestBackupPostgres(t *testing.T) {
	t.Parallel()
	server := postgres(t)
	tell := func(name string, args ...string) {
		t.Helper()
		if out, err := server.Command(name, append([]string{"-h", server.Dir(), "-U", "postgres"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	tell("createdb", "lebend")
	in := install(t, "--lock-mode", string(preservation.Governance), "--catalog", server.Database("lebend")).serve(t)
	s := saving(t, in)
	admin := in.admin(t)
	o := newOffice(admin)
	archive := func(id string) (status, holding) {
		t.Helper()
		return admin.archive(about(id, parentContacts, "Titelwort"+id, "closed", "2010-07-31"), file("a.bin", blob("Bytewort"+id)))
	}
	keptSub, kept := archive("bleibt")
	_, gone := archive("geht")
	o.officer.post("/v1/holds", map[string]any{"scope": map[string]any{"records": []string{kept.ID}}, "authority": "Amtsgericht", "reason": "Verfahren",
		"review": time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}).want(t, 201)
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	in.settled(t, admin)

	dump := filepath.Join(server.Dir(), "dump")
	tell("pg_dump", "-Fc", "-f", dump, "lebend")

	// What happens between the dump and the backup the buckets tell.
	_, between := admin.archive(about("dazwischen", "63.10", "Titel"), file("a.bin", blob("Bytewortdazwischen")))
	o.permit(t, true, parentContacts)
	in.enqueue(t, retention.JobDispose)
	admin.get("/v1/records/"+gone.ID).refused(t, 410, "destroyed", "")
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	in.settled(t, admin)
	in.enqueue(t, "store-audit")
	log := admin.log()
	if said := s.backup(t); !strings.Contains(said, "pg_dump") {
		t.Error("a backup does not say how to keep what is not in it:", said)
	}
	receipt := admin.get("/v1/submissions/"+keptSub.ID+"/receipt").want(t, 200).body
	proof := admin.get("/v1/records/"+kept.ID+"/evidence").want(t, 200).body
	admin.archive(about("später", "63.10", "Titel"), file("a.bin", blob("Bytewortspäter"))) // is lost
	in.enqueue(t, "store-audit")
	in.stop(t)
	if err := os.RemoveAll(in.dir); err != nil {
		t.Fatal(err)
	}
	tell("dropdb", "lebend")

	for _, c := range []struct {
		name   string
		dumped bool
	}{{"dump", true}, {"buckets alone", false}} {
		t.Run(c.name, func(t *testing.T) {
			database := "zurueck_" + strings.ReplaceAll(c.name, " ", "_")
			tell("createdb", database)
			if c.dumped {
				tell("pg_restore", "-d", database, dump)
			}
			s := s.copied(t)
			s.flags = append(in.flags[:2:2], "--catalog", server.Database(database))
			to := s.restore(t)
			to.serve(t)
			as := to.admin(t)
			if kept := as.token == admin.token; kept != c.dumped {
				t.Error("the administrator's token is that of before:", kept)
			}
			if b := as.get("/v1/submissions/"+keptSub.ID+"/receipt").want(t, 200).body; !bytes.Equal(b, receipt) {
				t.Error("the receipt is another one")
			}
			if b := as.get("/v1/records/"+kept.ID+"/evidence").want(t, 200).body; !bytes.Equal(b, proof) {
				t.Error("the evidence record is another one")
			}
			as.verified(kept.ID)
			as.verified(between.ID)
			as.get("/v1/records/"+gone.ID).refused(t, 410, "destroyed", "")
			if found := holds(t, to.dir, "Bytewortgeht"); len(found) > 0 {
				t.Errorf("the destroyed record is in %v", found)
			}
			if state := as.record(kept.ID).Retention.State; state != retention.Held {
				t.Errorf("the held record is %s", state)
			}
			same(t, "audit log", log, first(as.log(), len(log)))
			as.archive(about("danach", "63.10", "Titel"), file("a.bin", blob("danach"))) // the archive goes on
			as.post("/v1/evidence/batches", nil).want(t, 200)
			to.enqueue(t, "store-audit")
			to.enqueue(t, retention.JobDispose)
			as.get("/v1/records/"+kept.ID).want(t, 200)
			to.stop(t)
			to.checked(t)
			to.tells(t, "between backup and loss")
			if !c.dumped {
				to.tells(t, audit.CodeRebuilt)
			}
			s = saved{to, s.folder, s.passphrase}
			if said := s.backup(t); strings.Contains(said, "object-lost") {
				t.Error(said)
			}
		})
	}
}
