package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// copied is a copy of the backup, as on a medium that was put away.
func (s saved) copied(t *testing.T) saved {
	t.Helper()
	to := filepath.Join(t.TempDir(), "weggelegt")
	if out, err := exec.Command("cp", "-r", s.folder, to).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	s.folder = to
	return s
}

// TestBackupCarries has objects go from the bucket in every way: only what a tombstone
// speaks for leaves the backup, what is lost is named, and the copies that stay are read.
func TestBackupCarries(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	s := saving(t, in)
	admin := in.admin(t)
	o := newOffice(admin)
	_, lost := admin.archive(about("verloren", "63.10", "Titel"), file("a.bin", blob("verloren")))
	_, begun := admin.archive(about("begonnen", parentContacts, "Titel", "closed", "2010-07-31"), file("a.bin", blob("begonnen")))
	o.permit(t, true, parentContacts)
	in.try(t, retention.JobDispose)
	eventually(t, "the destruction waits for the lock", func() bool { return in.count(t, `SELECT COUNT(*) FROM disposal WHERE attempts > 0`) == 1 })
	in.stop(t)
	s.backup(t)

	packages := map[string]string{}
	for _, id := range []string{lost.ID, begun.ID} {
		packages[id] = preservation.PackageKey(preservation.RecordID(id), 1)
		if err := os.Remove(in.object(packages[id])); err != nil {
			t.Fatal(err)
		}
	}
	out, _, code := program(t, s.args("backup", in.dir)...)
	for _, want := range []string{"object-lost: " + packages[lost.ID], "which was read and is sound", "notice  record-ending: " + packages[begun.ID]} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, want %q:\n%s", code, want, out)
		}
	}
	for _, word := range []string{"verloren", "begonnen"} {
		if found := holds(t, s.folder, blob(word)); len(found) != 1 {
			t.Errorf("copies of %s: %v", word, found)
		}
	}

	t.Run("restored", func(t *testing.T) {
		to := install(t)
		out, complaint, code := program(t, s.args("restore", to.dir)...)
		if code != 0 || !strings.Contains(out, "record "+begun.ID+" is back: its destruction had begun") {
			t.Fatal(code, out, complaint)
		}
		to.checked(t)
		to.serve(t)
		admin := to.admin(t)
		admin.verified(lost.ID)
		newOffice(admin).officer.post("/v1/holds", map[string]any{"scope": map[string]any{"records": []string{begun.ID}}, "authority": "Amtsgericht", "reason": "Verfahren",
			"review": time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}).want(t, 201)
		eventually(t, "the destruction is called off", func() bool { return admin.get("/v1/records/"+begun.ID).StatusCode == 200 })
		admin.verified(begun.ID)
	})
	t.Run("without the copy", func(t *testing.T) { // nobody destroyed the record
		s := s.copied(t)
		if err := os.Remove(holds(t, s.folder, blob("begonnen"))[0]); err != nil {
			t.Fatal(err)
		}
		out, _, code := program(t, s.args("backup", in.dir)...)
		if code != 1 || !strings.Contains(out, "object-damaged: "+packages[begun.ID]) {
			t.Error(code, out)
		}
		to := install(t)
		out, complaint, code := program(t, s.args("restore", to.dir, "--accept-damage")...)
		if code != 1 || !strings.Contains(complaint, "1 objects are not back") {
			t.Fatal(code, out, complaint)
		}
		if n := to.count(t, `SELECT COUNT(*) FROM tombstone`); n != 0 {
			t.Error("the record counts as destroyed")
		}
		if out, _, code := program(t, "check", "--data", to.dir); code != 1 || !strings.Contains(out, begun.ID) {
			t.Error(code, out)
		}
	})
}

// approvedRun makes a disposal run of one record, which a second person has approved.
func approvedRun(t *testing.T, admin *caller) string {
	t.Helper()
	o := newOffice(admin)
	_, r := admin.archive(about("urlaub", leave, "Titel", "closed", "2001-02-28"), file("x.bin", blob("urlaub")))
	eventually(t, "it is due", func() bool { return slices.Contains(admin.due(), r.ID) })
	var run disposalRun
	o.officer.post("/v1/disposals", map[string]any{"title": "2026/1", "classes": []string{leave}}).want(t, 201).decode(t, &run)
	path := "/v1/disposals/" + run.ID
	o.officer.post(path+"/decisions", map[string]any{"decisions": []any{map[string]any{"scope": map[string]any{"all": true}, "decision": "V"}}}).want(t, 200)
	o.officer.post(path+"/offer", map[string]any{"authority": "Kreisarchiv", "offered": today(t), "reference": "12/26"}).want(t, 200)
	o.archivist.post(path+"/answers", map[string]any{"answers": []any{map[string]any{"scope": map[string]any{"all": true}, "answer": "V", "note": "ohne Archivwert"}}}).want(t, 200)
	o.head.post(path+"/approval", map[string]any{"revision": admin.disposalRun(run.ID).Revision}).want(t, 200)
	return run.ID
}

// TestBackupKeepsProof loses the proof of a destruction from its bucket: the backup says
// so and keeps its copy, however often it is made.
func TestBackupKeepsProof(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	s := saving(t, in)
	admin := in.admin(t)
	_, gone := admin.archive(about("geht", parentContacts, "Titel", "closed", "2010-07-31"), file("a.bin", blob("geht")))
	newOffice(admin).permit(t, true, parentContacts)
	eventually(t, "destruction", func() bool {
		in.enqueue(t, retention.JobDispose)
		return in.count(t, `SELECT COUNT(*) FROM tombstone WHERE record_id = $1`, gone.ID) == 1
	})
	in.stop(t)
	s.backup(t)
	proof := in.keys(t, preservation.EventPrefix(preservation.RecordID(gone.ID)))
	if len(proof) != 2 {
		t.Fatalf("intent and tombstone are %v", proof)
	}
	for _, key := range proof {
		aside := filepath.Join(t.TempDir(), "aside")
		if err := os.Rename(in.object(key), aside); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			out, _, code := program(t, s.args("backup", in.dir)...)
			if code != 1 || !strings.Contains(out, "object-lost: "+key) {
				t.Errorf("exit code %d:\n%s", code, out)
			}
			if found, err := filepath.Glob(filepath.Join(s.folder, "objects", string(firstTenant), filepath.Dir(key), "*-"+filepath.Base(key))); err != nil || len(found) != 1 {
				t.Errorf("copies of %s: %v, %v", key, found, err)
			}
		}
		if err := os.Rename(aside, in.object(key)); err != nil {
			t.Fatal(err)
		}
	}
}

// amendAndMove adds a version to a record and moves it to a class whose records stay.
func amendAndMove(admin *caller, id string) {
	admin.Helper()
	admin.amend(id, map[string]any{"producer_record_id": id + "/2", "kind": "addition", "reason": "Nachtrag"}, file("b.bin", blob("Nachtrag")))
	newOffice(admin).officer.post("/v1/records/"+id+"/reclassification", map[string]any{"class": "63.10", "reason": "gehört zum Bau"}).want(admin.T, 201)
}

// wantMoved wants a record to be as amendAndMove leaves it.
func (c *caller) wantMoved(id string) {
	c.Helper()
	c.verified(id)
	if r := c.record(id); r.Version != 2 || r.Retention.Class != "63.10" {
		c.Errorf("version %d in class %s: what came to the record is not back", r.Version, r.Retention.Class)
	}
}

// TestRestoreLaterPlan restores an older backup with a later one, from before and after
// a hold was set and another released, and the archive got another authority.
func TestRestoreLaterPlan(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	s := saving(t, in)
	admin := in.admin(t)
	o := newOffice(admin)
	archive := func(id string) string {
		t.Helper()
		_, r := admin.archive(about(id, parentContacts, "Titel", "closed", "2010-07-31"), file("a.bin", blob(id)))
		return r.ID
	}
	freed, held, moved := archive("frei"), archive("gesperrt"), archive("umgezogen")
	hold := o.hold(t, freed)
	run := approvedRun(t, admin)
	in.settled(t, admin)
	in.stop(t)
	s.backup(t)
	old := s.copied(t)

	// A new authority.
	before := filepath.Join(t.TempDir(), "frühere.pem")
	anchor, err := os.ReadFile(filepath.Join(in.dir, "keys", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(before, anchor, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(in.dir, "keys")); err != nil {
		t.Fatal(err)
	}
	if _, complaint, code := program(t, s.args("backup", in.dir)...); code != 1 || !strings.Contains(complaint, "--trust-file") {
		t.Error(code, complaint)
	}
	in.flags = append(in.flags, "--trust-file", before)
	in.serve(t)
	o = newOffice(in.admin(t))
	o.release(t, hold)
	o.hold(t, held)
	amendAndMove(in.admin(t), moved)
	o.officer.post("/v1/disposals/"+run+"/cancellation", map[string]any{"reason": "Klage"}).want(t, 200)
	o.permit(t, true, parentContacts)
	in.settled(t, in.admin(t))
	in.stop(t)
	s.installation = in
	s.backup(t)

	foreign := s
	foreign.folder, foreign.passphrase = filepath.Join(t.TempDir(), "andere"), filepath.Join(t.TempDir(), "andere")
	if err := os.WriteFile(foreign.passphrase, []byte("ganz andere Wörter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign.backup(t)
	other := saving(t, install(t).serve(t))
	other.stop(t)
	other.backup(t)
	old.flags = in.flags[:2]
	for newer, want := range map[string]string{foreign.folder: "--trust-file", other.folder: "one of another archive"} {
		if _, complaint, code := program(t, old.args("restore", t.TempDir(), "--newer", newer)...); code != 1 || !strings.Contains(complaint, want) {
			t.Errorf("exit code %d, want %q: %s", code, want, complaint)
		}
	}
	for name, more := range map[string][]string{
		"by its passphrase":  {"--newer", s.folder},
		"by its certificate": {"--newer", foreign.folder, "--trust-file", filepath.Join(in.dir, "keys", "ca.pem")},
	} {
		t.Run(name, func(t *testing.T) {
			to := install(t, append(slices.Clone(old.flags), more[2:]...)...) // of a certificate only the flag knows
			later := slices.DeleteFunc(holds(t, filepath.Join(more[1], "objects"), "Amtsgericht"), func(path string) bool {
				_, err := os.Stat(filepath.Join(old.folder, strings.TrimPrefix(path, more[1])))
				return err == nil // the earlier backup has it, so that the later one is not asked
			})
			mend := altered(t, later[0])
			out, complaint, code := program(t, old.args("restore", to.dir, more...)...)
			if code != 1 || !strings.Contains(out, "object-damaged: cfg/") {
				t.Error(code, out, complaint)
			}
			mend()
			if _, complaint, code = program(t, old.args("restore", to.dir)...); code != 1 || !strings.Contains(complaint, "begun with --newer") {
				t.Error("finished without the later backup:", code, complaint)
			}
			out, complaint, code = program(t, old.args("restore", to.dir, more...)...)
			if code != 0 || !strings.Contains(out, "are later than the backup") {
				t.Fatal(code, out, complaint)
			}
			to.checked(t)
			if p := to.protection(t)[preservation.PackageKey(preservation.RecordID(held), 1)]; !p.Hold {
				t.Errorf("the store does not hold the record: %+v", p)
			}
			to.serve(t)
			to.enqueue(t, retention.JobDispose)
			admin := to.admin(t)
			admin.get("/v1/records/"+freed).refused(t, 410, "destroyed", "")
			if state := admin.record(held).Retention.State; state != retention.Held {
				t.Errorf("the record is %s", state)
			}
			admin.wantMoved(moved)
			if r := admin.disposalRun(run); r.Status != string(retention.RunCancelled) {
				t.Errorf("the disposal run, which was cancelled later, is %s", r.Status)
			}
			to.stop(t)
			to.checked(t)
		})
	}
}
